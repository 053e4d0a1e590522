"""Scores batches so that no module can stop them: not one that kills its worker either.

All modules share one Python worker. When it dies, the batch's one action fails; the module that
was running is found, and the same batch is written with that module off. Nothing was committed
before, so nothing is there twice.
"""

import sys

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from fink_like.config import in_bytes
from fink_like.spark.breakers import Breakers
from fink_like.spark.control import ControlFolder
from fink_like.spark.module_watch import WAS_RUNNING
from fink_like.spark.udfs import Limits, Tally, sendable
from fink_like.vocabulary import Status

DEAD_WORKER = "Python worker exited unexpectedly"
GENERATION = "FINK_LIKE_WORKERS"  # in a worker's environment: another value, and Spark starts anew


class Scoring:
    """How one job scores its batches.

    Parameters
    ----------
    spark : SparkSession
    settings : Settings
    specs : list of ModuleSpec
        Its ``specs`` are these, as they can be sent.
    folder : str
        Of the job.
    """

    def __init__(self, spark, settings, specs, folder):
        self._spark = spark
        self.specs, self._unsendable = sendable(specs)
        self._tally = spark.sparkContext.accumulator({}, Tally())  # one: Spark forgets none
        self._limits = Limits(settings.jobs.module_patience,
                              in_bytes(settings.jobs.module_memory))
        self.breakers = Breakers(ControlFolder(spark, f"{folder}/modules"))
        for name, why in self._unsendable.items():
            print(f"science module {name} is off: {why}", file=sys.stderr, flush=True)

    def write(self, batch, make, write):
        """Score and write a batch.

        Parameters
        ----------
        batch : int
        make : callable
            ``make(limits=, off=, tally=)`` gives the frame, see `fink_like.spark.udfs.score`.
        write : callable
            ``write(frame)``, in one action.

        Returns
        -------
        dict
            Module -> how it fared, see `Tally`; empty if the batch had been written before.
        """
        fared, died = self.attempt(batch, make, write)
        self._care_for(batch, fared, died)
        return fared

    def attempt(self, what, make, write):
        """As `write`, without noting how the modules fared.

        Parameters
        ----------
        what : object
            Names the batch in messages.

        Returns
        -------
        tuple of dict
            Module -> how it fared; module -> what is known of a worker's death over it.
        """
        off, died = self.breakers.off() | dict.fromkeys(self._unsendable, Status.OFF), {}
        while True:
            self._tally.value = {}
            try:
                write(make(limits=self._limits, off=off, tally=self._tally))
                break
            except (Py4JJavaError, PySparkException) as error:
                found = self._blamed(error, make, off)
                if not found:
                    raise
                died |= found
                off = off | dict.fromkeys(found, Status.FAILED)
                self._say(what, found)
        return self._tally.value, died

    def _say(self, what, found):
        for name, message in found.items():
            print(f"science module {name}: {message}; batch {what} is run again without it",
                  file=sys.stderr, flush=True)

    def _care_for(self, batch, fared, died):
        self.breakers.note(batch, fared, died)
        for name, counts in fared.items():
            if counts["message"]:
                print(f"science module {name}: {counts['failed']} alerts failed, "
                      f"{counts['timed_out']} timed out: {counts['message']}", file=sys.stderr,
                      flush=True)
        if any(counts["kept"] for counts in fared.values()):
            environment = self._spark.sparkContext.environment
            environment[GENERATION] = str(int(environment.get(GENERATION, "0")) + 1)

    def _blamed(self, error, make, off):
        """Modules over which the worker died -> what is known; empty: it was something else."""
        text = "\n".join(_texts(error))
        if DEAD_WORKER not in text:
            return {}
        named = WAS_RUNNING.search(text)
        if named:
            return {named[1]: _cause(text)}
        return dict.fromkeys(self._search(make, off), _cause(text))

    def _search(self, make, off):
        """The module without which a batch can be scored, when no black box names it.

        Modules stand behind those they need, so the last of the shortest list that dies is it.
        """
        left = [spec.name for spec in self.specs if spec.name not in off]
        if not left or not self._works(make, off | dict.fromkeys(left, Status.OFF)):
            return []
        lives, dies = 0, len(left)
        while dies - lives > 1:
            middle = (lives + dies) // 2
            works = self._works(make, off | dict.fromkeys(left[middle:], Status.OFF))
            lives, dies = (middle, dies) if works else (lives, middle)
        return [left[dies - 1]]

    def _works(self, make, off):
        frame = make(limits=self._limits, off=off, tally=None)
        try:
            frame.write.format("noop").mode("overwrite").save()
        except (Py4JJavaError, PySparkException) as error:
            if DEAD_WORKER in "\n".join(_texts(error)):
                return False
            raise
        return True


def _texts(error):
    """The messages of an error and of its causes in Java."""
    yield str(error)
    cause = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    while cause is not None:
        yield str(cause.getMessage())
        cause = cause.getCause()


def _cause(text):
    """What Python's fault handler says of a worker's end, in a line."""
    lines = [line.strip() for line in text.splitlines()]
    fatal = next((line for line in lines if line.startswith("Fatal Python error")), None)
    late = any(line.startswith("Timeout (") for line in lines)
    return fatal or ("it did not stop at its alarm, and was ended with its worker" if late
                     else "its Python worker died")
