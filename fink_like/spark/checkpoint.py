"""A job's memory: its checkpoint, the identity it writes under, what each batch was given.

Delta skips a repeated batch by number only. A checkpoint that does not belong to the table, or
is older than it, would therefore lose data silently; so a job compares the two before it starts.
"""

import time
import uuid

from pyspark.errors import StreamingQueryException

from fink_like import effects
from fink_like.errors import RefusedStart
from fink_like.spark.commits import last_batch, last_notes
from fink_like.spark.control import ControlFolder
from fink_like.spark.failure import in_one_line
from fink_like.spark.lease import Lease
from fink_like.spark.offsets import OffsetLog

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
        self.spark, self.job, self._settings = spark, job, settings
        self.folder = settings.path("jobs", job)
        self.location = settings.path("jobs", job, "checkpoint")
        self.log = OffsetLog(spark, self.location)
        self.files = ControlFolder(spark, self.folder)
        self.lease = Lease(self.files, job)
        self._batches = ControlFolder(spark, settings.path("jobs", job, "batches"))
        self._reports = ControlFolder(spark, settings.path("jobs", job, "reports"))
        mine = self.files.freeze("identity.json", {"app_id": f"{job}-{uuid.uuid4()}"})
        self.app_id = mine["app_id"]
        self._began = {}

    def check(self, table):
        """Refuse to start unless the job is ours, and checkpoint and table agree.

        The table may be one batch ahead.

        That is a kill between the table's commit and the checkpoint's: the batch is run
        again with the same input and Delta skips its write. That needs the batch's offsets in the
        checkpoint; without them it would get other input, and lose it.

        Raises
        ------
        RefusedStart
            With what was found and what to do.
        """
        self.lease.take()
        self.log.sweep()
        self.files.write("settings.json", effects.remember(self._settings))
        done, planned = self.log.done(), self.log.planned()
        written = last_batch(self.spark, table, self.app_id)
        if done < 0 and written < 0:
            self._refuse_foreign(table)
        elif written != done and not written == done + 1 == planned:
            raise RefusedStart(
                f"{self.job}: the checkpoint {self.location} has finished batch {done} and planned "
                f"batch {planned}, the table {table} says {written}. One of them was restored from "
                "an older copy; to go on would lose or repeat data. `fink-like checkpoint rebuild "
                f"{self.job}` makes the checkpoint anew from the table; see docs/runbook.md, "
                "\"Checkpoint and table disagree\".")

    def _refuse_foreign(self, table):
        for note in last_notes(self.spark, table, self.job, 1):
            raise RefusedStart(
                f"{self.job}: the checkpoint {self.location} is new, but {table} was already "
                f"written by {note['app_id']} up to its batch {note['batch']}. To start again from "
                f"the beginning would write everything twice. `fink-like checkpoint rebuild "
                f"{self.job}` makes the checkpoint anew from the table; see docs/runbook.md, "
                "\"Checkpoint lost\".")

    def rebuild(self, table):
        """Make the checkpoint anew from what the table's last batch says it had read.

        The batch numbers go on, under the same identity: nothing is read twice or left out. What is
        left of the old checkpoint is moved aside.

        Returns
        -------
        dict
            The note of the table's last batch.

        Raises
        ------
        RefusedStart
            The job runs, or the table does not tell.
        """
        self.lease.check()
        notes = last_notes(self.spark, table, self.job, 2)
        if not notes or "sources" not in notes[0]:
            raise RefusedStart(f"{self.job}: no batch of {table} says how far it had read; start "
                               "again in a new folder, see docs/runbook.md")
        last, before = notes[0], notes[1]["sources"] if len(notes) > 1 else []
        aside = f"{self.location}.{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}"
        self.log.rebuild(last["batch"], before, last["sources"], aside)
        self.files.write("identity.json", {"app_id": last["app_id"]})
        self.app_id = last["app_id"]
        for name in self._batches.names():  # inputs frozen for batches that will be other ones
            if int(name.removesuffix(".json")) > last["batch"]:
                self._batches.delete(name)
        return last

    def plan(self, batch_id):
        """Where a batch of a Kafka source reads: (before, after), see `OffsetLog.kafka`."""
        before = self.log.kafka(batch_id - 1)
        if not before and batch_id == 0:
            before = self.log.first_kafka()
        return before, self.log.kafka(batch_id)

    def freeze(self, batch_id, inputs):
        """Fix a batch's inputs before its first attempt; a repeated batch gets the first ones."""
        _prune(self._batches, batch_id)
        self._began = {batch_id: time.time()}
        return self._batches.freeze(f"{batch_id}.json", inputs)

    def note(self, batch_id, **more):
        """What is kept with a table's commit; not for one who has lost the lease.

        With it the checkpoint can be made anew, see `rebuild`, and the ledger be written.
        """
        self.lease.check()
        return {"job": self.job, "app_id": self.app_id, "batch": batch_id,
                "began": self._began.get(batch_id, time.time()),
                "sources": self.log.sources(batch_id), **more}

    def report(self, batch_id, **counts):
        """Leave what a batch did, for `fink-like status`; a repeated batch replaces its own."""
        self._reports.write(f"{batch_id}.json", {"batch": batch_id, "at": time.time(), **counts})
        _prune(self._reports, batch_id)

    def beat(self):
        """Leave a sign of life, also when there is nothing to do."""
        self.files.write("alive.json", {"at": time.time()})

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
        query = (frame.writeStream.queryName(self.job).foreachBatch(in_one_line(one_batch))
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
        planned = self.log.planned()
        if planned <= self.log.done():
            return
        try:
            query.trigger(once=True).start().awaitTermination()
        except StreamingQueryException:
            if self.log.done() < planned:
                raise

    def ask_to_stop(self):
        """Leave the marker that a running job looks at between batches."""
        self.files.write("stop.json", {"at": time.time()})

    def should_stop(self, since=0.0):
        """Whether the marker is there, and not of an earlier run.

        Parameters
        ----------
        since : float
            When this run began, seconds since 1970.
        """
        marker = self.files.read("stop.json")
        return marker is not None and marker["at"] >= since

    def clear_stop(self):
        """Remove the marker."""
        self.files.delete("stop.json")


def _prune(folder, batch_id):
    """Delete the files of old batches, now and then."""
    if batch_id % PRUNE_EVERY == 0:
        for name in folder.names():
            if int(name.removesuffix(".json")) < batch_id - KEPT_BATCHES:
                folder.delete(name)
