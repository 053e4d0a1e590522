"""What a job does besides its batches: its ledger, its lag, what others ask of it.

A table has one writer, the process of the job that owns it (two processes that commit to a local
Delta table at once can lose a commit). So `fink-like dead-letters replay` and the like leave a
request in the job's folder; the job carries it out between and beside its batches, and answers.
"""

import sys
import time

from fink_like.errors import BrokerError
from fink_like.spark.control import ControlFolder

KEPT_ANSWERS = 50
DOING = "doing.json"  # the request that is being carried out, and since when


class Errands:
    """The errands of one job.

    Parameters
    ----------
    spark : SparkSession
    folder : str
        Of the job.
    steps : list of callables
        Done each time, such as the ledger's.
    handlers : dict
        What may be asked -> callable(**arguments) -> answer, a dict.
    """

    def __init__(self, spark, folder, steps, handlers):
        self._steps, self._handlers, self._said = steps, handlers, {}
        self._requests = ControlFolder(spark, f"{folder}/requests")
        self._answers = ControlFolder(spark, f"{folder}/answers")
        self._folder = ControlFolder(spark, folder)
        self._folder.delete(DOING)  # of a process that was killed over it

    def run(self):
        """Do what there is to do; what fails is said and tried again, and stops no job."""
        for step in self._steps:
            self._try(step, getattr(step, "__qualname__", str(step)))
        for name in self._requests.names():
            self._carry_out(name)

    def _try(self, step, name):
        """Do one step; the same failure again is not said again."""
        try:
            step()
            self._said.pop(name, None)
        except Exception as error:
            text = f"errand {name}: {error}"[:500]
            if self._said.get(name) != text:
                print(text, file=sys.stderr, flush=True)
            self._said[name] = text

    def _carry_out(self, name):
        request = self._requests.read(name)
        if request is None:
            return
        self._folder.write(DOING, {**request, "since": time.time()})
        try:
            self._answers.write(name, {**self.do(request), "at": time.time()})
        finally:
            self._folder.delete(DOING)
        self._requests.delete(name)
        for old in self._answers.names()[:-KEPT_ANSWERS]:  # names begin with their time
            self._answers.delete(old)

    def do(self, request):
        """Carry out one request: ``do`` and its arguments.

        Returns
        -------
        dict
            ``error``, or what the handler answers.
        """
        arguments = dict(request)
        what = arguments.pop("do")
        if what not in self._handlers:
            return {"error": f"cannot {what}; can {sorted(self._handlers)}"}
        try:
            return self._handlers[what](**arguments)
        except BrokerError as error:
            return {"error": str(error)}
        except Exception as error:  # Spark's or a disk's; who asked wants to know
            return {"error": f"{type(error).__name__}: {error}"[:2000]}
