"""Everything this broker raises on purpose.

::

    BrokerError                  anything a user can act on; printed without a traceback
     ├─ ConfigError              a settings, survey, population or filter file is wrong
     ├─ SetupError               Java, jars, Kafka or the disk are not as needed
     ├─ PacketError              one message cannot be read; becomes a dead letter
     ├─ SchemaError              a packet schema is unknown, broken or out of reach
     ├─ ModuleError              a science module breaks its contract
     ├─ FilterError              a filter's text is wrong, with line and column
     ├─ RefusedStart             a job would lose or repeat data if it started; names the runbook
     └─ NotNow                   a job must wait: full disk, a flood of bad packets; tried again

`BatchFailed` is none of them: a batch ended by whatever error, and its job is started again. Nor is
`TimedOut`, which is thrown into a science module that takes too long.
"""


class BrokerError(Exception):
    """An error with a message for the user: what is wrong, where, and what to do."""


class ConfigError(BrokerError):
    """A settings, survey, population or filter file is wrong."""


class SetupError(BrokerError):
    """Something the machine should have is missing, and set-up could not bring it."""


class PacketError(BrokerError):
    """One message cannot be read.

    Parameters
    ----------
    reason : str
        One of `fink_like.vocabulary.DEAD_LETTER_REASONS`.
    detail : str
        What was found, for the person who looks at the dead letter.
    schema_key : str, optional
        The schema that the packet names, and that is not known here.
    """

    def __init__(self, reason, detail, schema_key=None):
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.schema_key = schema_key


class SchemaError(BrokerError):
    """A packet schema is unknown, broken, or its registry cannot be reached.

    Parameters
    ----------
    message : str
    waits : bool
        The schema may still come: its registry has not been asked, or did not answer.
    """

    def __init__(self, message, waits=False):
        super().__init__(message)
        self.waits = waits


class ModuleError(BrokerError):
    """A science module breaks its contract: names, inputs, outputs or shape."""


class FilterError(BrokerError):
    """A filter's text is wrong.

    Parameters
    ----------
    message : str
    line, column : int, optional
        Place in the filter's text, both counted from 1.
    """

    def __init__(self, message, line=None, column=None):
        place = f"line {line}, column {column}: " if line else ""
        super().__init__(place + message)
        self.line, self.column = line, column


class RefusedStart(BrokerError):
    """Starting would lose or repeat data; the message names what to do instead."""


class NotNow(BrokerError):
    """A job must wait for something that passes or that somebody mends; it is tried again."""


class BatchFailed(Exception):
    """A batch ended by an error; the message is a line that names the cause."""


class TimedOut(BaseException):
    """A science module takes too long. Not an Exception: it would be caught in the module."""
