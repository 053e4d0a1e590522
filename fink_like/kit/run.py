"""Run science modules on a batch of alerts: Arrow columns in, one Arrow struct out.

Called by the one Spark UDF that holds all modules, and by tests and notebooks without Spark. No
row is ever lost and no module can hurt another: what goes wrong is a status beside the outputs,
and told in the module's `Outcome`.
"""

import inspect
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from fink_like.errors import ModuleError, TimedOut
from fink_like.kit.columns import Batch
from fink_like.kit.outputs import checked, columns
from fink_like.vocabulary import Status

FAULTS = (Status.FAILED, Status.TIMED_OUT, Status.OFF)
NOTHING_OFF = {}
STATUS = ".status"
LONGEST = 300  # characters of a message


@dataclass(frozen=True)
class Outcome:
    """How one module fared on one batch.

    Parameters
    ----------
    module : str
    rows : int
        Alerts that it was to be computed for: those it applies to.
    failed, timed_out : int
        Of these, how many got Status.FAILED and Status.TIMED_OUT.
    nulls : float
        Share of null among the outputs of the others, 0 to 1; 0 if there are none.
    message : str
        The first error: its class, text, file and line. Empty: all went well.
    """

    module: str
    rows: int
    failed: int = 0
    timed_out: int = 0
    nulls: float = 0.0
    message: str = ""


def run(specs, inputs, watch=None, off=NOTHING_OFF):
    """Outputs of all modules.

    Parameters
    ----------
    specs : list of ModuleSpec
        In the order of `registry.load`: a module after those it takes outputs from. Not empty.
    inputs : dict of str to pyarrow.Array
        `registry.external_inputs`, by dotted name, all of one length; a survey-only column may be
        absent.
        Of a module that is not among them, but that they take outputs from, its ``status`` too.
    watch : callable, optional
        ``watch(spec, rows)`` gives a context manager around each module; it may raise `TimedOut`
        inside it.
    off : dict of str to Status, optional
        Modules that are not run, and the status of their rows.

    Returns
    -------
    pyarrow.StructArray
        One child a module, a struct of its outputs, status and version.
    list of Outcome
        One for each module that was run.
    """
    batch, results, outcomes = Batch(inputs), [], []
    statuses = _given_statuses(specs, batch)
    for spec in specs:
        attempt = _Attempt(spec, batch)
        if spec.name in off:
            attempt.status[:] = off[spec.name]
        else:
            attempt.make(statuses, watch or _unwatched)
            outcomes.append(attempt.outcome())
        statuses[spec.name] = attempt.status
        results.append(attempt.struct())
        batch.columns.update({f"{spec.name}.{field.name}": results[-1].field(field.name)
                              for field in spec.struct.fields})
    return pa.StructArray.from_arrays(results, names=[spec.name for spec in specs]), outcomes


def _given_statuses(specs, batch):
    """Statuses of modules that have run before: those that come as columns; null: no value."""
    ours = {spec.name for spec in specs}
    return {name.removesuffix(STATUS): column.fill_null(Status.INPUT_MISSING).to_numpy()
            for name, column in batch.columns.items()
            if name.endswith(STATUS) and name.removesuffix(STATUS) not in ours
            and f"{name.removesuffix(STATUS)}.version" in batch.columns}


def _unwatched(spec, rows):
    return nullcontext()


class _Attempt:
    """One module on one batch: what it gave so far, the status of each row, the first error."""

    def __init__(self, spec, batch):
        self.spec, self.batch = spec, batch
        self.status = np.zeros(len(batch), dtype=np.int8)
        self.rows = np.arange(0)
        self.message = ""
        self.pieces = []  # (rows, their outputs)

    def make(self, statuses, watch):
        """Compute the rows that it applies to; those without an answer in the end have a fault."""
        unanswered = Status.FAILED
        try:
            with np.errstate(all="ignore"):  # NaN is the kit's word for null
                self.status = _status(self.spec, self.batch, statuses)
                self.rows = np.flatnonzero(self.status == Status.OK)
                with watch(self.spec, len(self.rows)):
                    self._compute(self.rows)
        except TimedOut as error:
            self._note(error)
            unanswered = Status.TIMED_OUT
        except Exception as error:  # noqa: BLE001  an input that no module can take
            self._note(error)
            self.rows = np.flatnonzero(self.status == Status.OK)
        left = self.status == Status.OK
        left[self._done()] = False
        self.status[left] = unanswered

    def _compute(self, rows):
        """Compute `rows`; if that raises, each half again, down to the rows that raise alone.

        Same result as a retry row by row, but one bad row in 10,000 costs 28 calls, not 10,000.
        """
        if not len(rows):
            return
        try:
            found = self.spec.compute(*self.batch.inputs(self.spec.inputs, rows))
        except TimedOut:
            raise
        except BaseException as error:  # noqa: BLE001  a compiled library's panic is no Exception
            self._note(error)
            if len(rows) > 1:
                middle = len(rows) // 2
                self._compute(rows[:middle])
                self._compute(rows[middle:])
            return
        try:
            self.pieces.append((rows, checked(found, self.spec.outputs, len(rows))))
        except ModuleError as error:
            self._note(error)

    def _done(self):
        return np.concatenate([np.arange(0), *(rows for rows, _ in self.pieces)])

    def _note(self, error):
        """Keep the first error, as text: its traceback would keep the batch in memory."""
        if not self.message:
            self.message = _told(error, self.spec.compute)

    @cached_property
    def outputs(self):
        """Its outputs, a column each."""
        return columns(self.spec.outputs, self.pieces, len(self.batch))

    def struct(self):
        """Outputs, status and version as one Arrow array."""
        version = pa.repeat(pa.scalar(self.spec.version), len(self.status))
        return pa.StructArray.from_arrays([*self.outputs, pa.array(self.status), version],
                                          names=[field.name for field in self.spec.struct.fields])

    def outcome(self):
        """How it fared."""
        done = len(self._done())
        left = len(self.outputs) * (len(self.batch) - done)
        nulls = sum(column.null_count for column in self.outputs) - left
        mine = self.status[self.rows]
        return Outcome(self.spec.name, len(self.rows), int((mine == Status.FAILED).sum()),
                       int((mine == Status.TIMED_OUT).sum()),
                       nulls / max(done * len(self.outputs), 1), self.message)


def _status(spec, batch, statuses):
    """OK where the module can be computed, else the first reason why not."""
    for name in spec.inputs:
        batch.values(name)  # an input that no module can take fails here, once, not row by row
    status = np.zeros(len(batch), dtype=np.int8)
    for stopped, reason in _reasons(spec, batch, statuses):
        status[(status == Status.OK) & stopped] = reason
    return status


def _reasons(spec, batch, statuses):
    for condition in spec.conditions:
        yield ~condition.holds(batch), condition.status
    for name in spec.needs:
        source, _, output = name.partition(".")
        if output and source in statuses:
            for fault in FAULTS:  # ours as well: to be scored again when the other one is
                yield statuses[source] == fault, fault
            yield statuses[source] != Status.OK, Status.INPUT_MISSING


def _told(error, compute):
    """An error in one line: its class, text, and the last place in the module's own folder."""
    if isinstance(error, TimedOut):
        return str(error)  # its place is the alarm clock's
    code = getattr(inspect.unwrap(compute), "__code__", None)
    folder, place, step = Path(code.co_filename if code else "").parent, "", error.__traceback__
    while step is not None:
        file = Path(step.tb_frame.f_code.co_filename)
        if file.parent == folder:
            place = f" ({file.parent.name}/{file.name}:{step.tb_lineno})"
        step = step.tb_next
    first = next((line for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first}"[:LONGEST] + place
