"""A job's memory: its checkpoint, the identity it writes under, what each batch was given.

Delta skips a repeated batch by number only. A checkpoint that does not belong to the table, or
is older than it, would therefore lose data silently; so a job compares the two before it starts.
"""

import time
import uuid

from pyspark.errors import StreamingQueryException

from fink_like.errors import RefusedStart
from fink_like.spark.control import ControlFolder
from fink_like.spark.tables import last_batch, last_note

KEPT_BATCHES = 200
PRUNE_EVERY = 20


class Checkpoint:
    """Checkpoint of one job.

    Parameters
    ----------
    spark : SparkSession
    settings : Settings
    job : str
    """

    def __init__(self, spark, settings, job):
        self.spark, self.job = spark, job
        self.folder = settings.path("jobs", job)
        self.location = settings.path("jobs", job, "checkpoint")
        self._job = ControlFolder(spark, self.folder)
        self._batches = ControlFolder(spark, settings.path("jobs", job, "batches"))
        self._reports = ControlFolder(spark, settings.path("jobs", job, "reports"))
        mine = self._job.freeze("identity.json", {"app_id": f"{job}-{uuid.uuid4()}"})
        self.app_id = mine["app_id"]

    def check(self, table):
        """Refuse to start unless checkpoint and table agree, or the table is one batch ahead.

        One ahead is a kill between the table's commit and the checkpoint's: the batch is run
        again with the same input and Delta skips its write. That needs the batch's offsets in the
        checkpoint; without them it would get other input, and lose it.

        Raises
        ------
        RefusedStart
            With what was found and what to do.
        """
        done, planned = self._newest("commits"), self._newest("offsets")
        written = last_batch(self.spark, table, self.app_id)
        if done < 0 and written < 0:
            self._refuse_foreign(table)
        elif written != done and not written == done + 1 == planned:
            raise RefusedStart(
                f"{self.job}: the checkpoint {self.location} has finished batch {done} and planned "
                f"batch {planned}, the table {table} says {written}. One of them was restored from "
                "an older copy; to go on would lose or repeat data. Put the matching copy back, or "
                "read docs/runbook.md, \"checkpoint and table disagree\".")

    def _refuse_foreign(self, table):
        note = last_note(self.spark, table)
        if note and note.get("job") == self.job:
            raise RefusedStart(
                f"{self.job}: the checkpoint {self.location} is new, but {table} was already "
                f"written by {note['app_id']} up to its batch {note['batch']}. To start again from "
                "the beginning would write everything twice. Put the old checkpoint back, or read "
                "docs/runbook.md, \"checkpoint lost\".")

    def last_done(self):
        """Number of the last batch the checkpoint calls complete, -1 if none."""
        return self._newest("commits")

    def _newest(self, log):
        names = ControlFolder(self.spark, f"{self.location}/{log}").names()
        return max((int(name) for name in names if name.isdigit()), default=-1)

    def freeze(self, batch_id, inputs):
        """Fix a batch's inputs before its first attempt; a repeated batch gets the first ones."""
        _prune(self._batches, batch_id)
        return self._batches.freeze(f"{batch_id}.json", inputs)

    def note(self, batch_id, **more):
        """What is kept with a table's commit."""
        return {"job": self.job, "app_id": self.app_id, "batch": batch_id, **more}

    def report(self, batch_id, **counts):
        """Leave what a batch did, for `fink-like status`; a repeated batch replaces its own."""
        self._reports.write(f"{batch_id}.json", {"batch": batch_id, "at": time.time(), **counts})
        _prune(self._reports, batch_id)

    def beat(self):
        """Leave a sign of life, also when there is nothing to do."""
        self._job.write("alive.json", {"at": time.time()})

    def start(self, frame, one_batch, trigger=None):
        """Start the query.

        Parameters
        ----------
        frame : DataFrame
            A stream.
        one_batch : callable
            ``(frame, batch_id)``.
        trigger : str, optional
            Shortest time between batches; None: what is there now, then end.

        Returns
        -------
        StreamingQuery
        """
        # Each job has a pool of its own, so that none starves a sibling in a shared session.
        self.spark.sparkContext.setLocalProperty("spark.scheduler.pool", self.job)
        query = (frame.writeStream.queryName(self.job).foreachBatch(one_batch)
                 .option("checkpointLocation", self.location))
        self._finish_planned(query)
        when = {"processingTime": trigger} if trigger else {"availableNow": True}
        return query.trigger(**when).start()

    def _finish_planned(self, query):
        """Run the one batch that a kill left unfinished, in a query of its own.

        The Kafka source of Spark 4.1.1 fails in its progress report behind such a batch, when
        the checkpoint already calls it complete (https://github.com/apache/spark/issues/55236):
        the batch is done, only that query is lost.
        """
        planned = self._newest("offsets")
        if planned <= self.last_done():
            return
        try:
            query.trigger(once=True).start().awaitTermination()
        except StreamingQueryException:
            if self.last_done() < planned:
                raise

    def ask_to_stop(self):
        """Leave the marker that a running job looks at between batches."""
        self._job.write("stop.json", {"at": time.time()})

    def should_stop(self, since=0.0):
        """Whether the marker is there, and not of an earlier run.

        Parameters
        ----------
        since : float
            When this run began, seconds since 1970.
        """
        marker = self._job.read("stop.json")
        return marker is not None and marker["at"] >= since

    def clear_stop(self):
        """Remove the marker."""
        self._job.delete("stop.json")


def _prune(folder, batch_id):
    """Delete the files of old batches, now and then."""
    if batch_id % PRUNE_EVERY == 0:
        for name in folder.names():
            if int(name.removesuffix(".json")) < batch_id - KEPT_BATCHES:
                folder.delete(name)
