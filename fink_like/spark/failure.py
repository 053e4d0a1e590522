"""A batch that fails: all of it in the log, its cause in a line for whoever restarts the job."""

import sys
import traceback

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from fink_like.errors import BatchFailed, BrokerError

LONGEST = 500  # characters of a line
CALLED = "An error occurred while calling"  # Java; what Spark looks for to tell an interrupt
INTERRUPTS = ("InterruptedException", "InterruptedIOException", "ClosedByInterruptException")
JAVA = f"{Py4JJavaError.__module__}.{Py4JJavaError.__name__}: {CALLED} Java: "


def in_one_line(one_batch):
    """A batch's function whose failure reaches Spark as one line.

    Spark looks through the text of a failed batch, traceback and plan, by a regular expression
    that overflows its stack beyond some 10 kB, and then forgets what happened.

    Parameters
    ----------
    one_batch : callable
        ``(frame, batch_id)``.

    Returns
    -------
    callable
        The same; raises `BatchFailed`.
    """
    def work(rows, batch_id):
        try:
            one_batch(rows, batch_id)
        except Exception as error:
            line = reason(error)
            if not isinstance(error, BrokerError):
                traceback.print_exc()
                sys.stderr.flush()
            if any(name in str(error) for name in INTERRUPTS):  # perhaps the query was stopped
                line = f"{JAVA}java.lang.InterruptedException: {line}"
            raise BatchFailed(line) from None

    return work


def reason(error):
    """The line that says what went wrong, out of Spark's and Java's many.

    Parameters
    ----------
    error : Exception

    Returns
    -------
    str
        At most 500 characters.
    """
    text = str(error)
    if isinstance(error, BrokerError):
        return _first(text)[:LONGEST]
    if not isinstance(error, (PySparkException, Py4JJavaError)):
        return f"{type(error).__name__}: {_first(text)}"[:LONGEST]
    _, ours, after = text.rpartition(f"{BatchFailed.__module__}.{BatchFailed.__name__}: ")
    if ours:
        return _first(after)[:LONGEST]
    lines = [line.strip() for line in text.splitlines()]
    python = [line for line in lines if line.partition(":")[0].endswith("Error")]
    causes = ([line[2:] for line in lines if line.startswith(": ")]  # Java's own, behind py4j's
              + [line for line in lines if line.startswith("Caused by:")])
    # "[STREAM_FAILED] Query [...] terminated with exception: ..."; its plan stands behind it
    first = _first(text).rpartition("terminated with exception: ")[2]
    return (python or causes or [first])[-1][:LONGEST]


def _first(text):
    """The first line that is not empty."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "no message")
