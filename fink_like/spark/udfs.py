"""Science modules as one Spark column: one UDF, so one Python worker sees each alert once."""

from dataclasses import asdict, dataclass, replace

import pyarrow as pa
from pyspark import cloudpickle
from pyspark.accumulators import AccumulatorParam
from pyspark.sql import functions as F

from fink_like.kit import registry
from fink_like.kit.run import run
from fink_like.spark.module_watch import Watch
from fink_like.vocabulary import Struct

COUNTS = ("rows", "failed", "timed_out", "nulls", "seconds")


@dataclass(frozen=True)
class Limits:
    """What a module may take, see `fink_like.spark.module_watch.Watch`.

    Parameters
    ----------
    patience : float
        Seconds.
    memory : int
        Bytes.
    """

    patience: float = 20.0
    memory: int = 2**30


class Tally(AccumulatorParam):
    """Sums over the tasks of a batch: module -> `COUNTS`, first message, bytes it keeps."""

    def zero(self, value):
        """Nothing counted."""
        return {}

    def addInPlace(self, sums, more):
        """Add one task's, or one Arrow batch's, to the sums."""
        for module, counts in more.items():
            mine = sums.setdefault(module, {**dict.fromkeys(COUNTS, 0), "message": "", "kept": 0})
            for name in COUNTS:
                mine[name] += counts[name]
            mine["message"] = mine["message"] or counts["message"]
            mine["kept"] = max(mine["kept"], counts["kept"])
        return sums


def score(specs, present, limits=Limits(), off=None, tally=None):
    """Column: a struct with one struct a module.

    Parameters
    ----------
    specs : list of ModuleSpec
        Not empty.
    present : set of str
        Dotted columns of the frame; inputs that no survey here has are left out.
    limits : Limits, optional
    off : dict of str to Status, optional
        Modules that are not run.
    tally : pyspark.Accumulator, optional
        Of `Tally`: how each module fared. Of a task that is repeated the last time counts.

    Returns
    -------
    Column
    """
    names = [name for name in registry.external_inputs(specs) if name in present]
    before = {name.split(".")[0] for name in names if "." in name}  # modules that have run, too
    names += [f"{source}.{field}" for source in sorted(before) for field in ("status", "version")
              if {f"{source}.status", f"{source}.version"} <= present
              and f"{source}.{field}" not in names]
    result = Struct("modules", tuple(spec.struct for spec in specs)).type
    off, watches = dict(off or {}), []

    @F.arrow_udf(result)
    def run_modules(*columns: pa.Array) -> pa.Array:
        if not watches:  # the first Arrow batch of a task, which gets this function anew
            watches.append(Watch(limits.patience, limits.memory))
        watch, = watches
        scores, outcomes = run(specs, dict(zip(names, columns)), watch, off)
        if tally is not None:
            tally.add(_counts(outcomes, watch))
        return scores

    return run_modules(*(F.col(name) for name in names))


def _counts(outcomes, watch):
    """What one Arrow batch adds to the tally."""
    blamed, size = watch.leaking() or (None, 0)
    found = {}
    for outcome in outcomes:
        counts = asdict(outcome)
        module, rows = counts.pop("module"), outcome.rows - outcome.failed - outcome.timed_out
        found[module] = {**counts, "nulls": outcome.nulls * rows,
                         "seconds": watch.seconds.pop(module, 0.0),
                         "kept": size if module == blamed else 0}
    return found


def sendable(specs):
    """The modules in a form that can be sent to workers.

    They travel together: one that cannot would keep all others here.

    Returns
    -------
    list of ModuleSpec
        As given; the function of one that cannot be sent is left out.
    dict of str to str
        Which these are, and why.
    """
    kept, why = [], {}
    for spec in specs:
        try:
            cloudpickle.dumps(spec)
        except Exception as error:  # noqa: BLE001  whatever a contributor's object raises
            why[spec.name] = f"it cannot be sent to workers: {type(error).__name__}: {error}"[:300]
            spec = replace(spec, compute=None)
        kept.append(spec)
    return kept, why


def as_sent(spec):
    """A module's function as it is sent to workers, in bytes.

    Raises
    ------
    pickle.PicklingError, TypeError or AttributeError
        It holds something that cannot be sent: an open file, a lock, ...
    """
    return cloudpickle.dumps(spec.compute)
