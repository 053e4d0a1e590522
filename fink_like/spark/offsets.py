"""Spark's own notes of how far a query has read: the offset and commit logs of a checkpoint.

``offsets/N`` is written before batch N runs and holds, behind a version line and a line of
settings, one line of JSON a source: how far the batch reads. ``commits/N`` is written after it.
(https://github.com/apache/spark, HDFSMetadataLog and OffsetSeqLog, version v1)
"""

import json
import time
import uuid

from fink_like.spark.control import ControlFolder

HEAD = "v1"


class OffsetLog:
    """The two logs of one checkpoint.

    Parameters
    ----------
    spark : SparkSession
    location : str
        Of the checkpoint.
    """

    def __init__(self, spark, location):
        self._root = ControlFolder(spark, location)
        self._offsets = ControlFolder(spark, f"{location}/offsets")
        self._commits = ControlFolder(spark, f"{location}/commits")

    def done(self):
        """Number of the last complete batch, -1 if none."""
        return _newest(self._commits)

    def planned(self):
        """Number of the last batch whose input is fixed, -1 if none."""
        return _newest(self._offsets)

    def sources(self, batch):
        """How far a batch reads: a list of JSON texts, one a source; none if it is not known."""
        name = str(batch)
        return self._offsets.read_lines(name)[2:] if self._offsets.exists(name) else []

    def kafka(self, batch):
        """How far a batch of a Kafka source reads.

        Returns
        -------
        dict
            (topic, partition) -> offset behind the last message; empty if not known.
        """
        sources = self.sources(batch)
        return kafka_places(sources[0]) if sources else {}

    def sweep(self):
        """Remove what a kill left half written: Spark 4.1.1 never starts again behind the first.

        Only for one who has the lease: nobody else may be writing.
        """
        for folder in (self._offsets, self._commits):
            for name in folder.half_written():
                folder.delete(name)

    def first_kafka(self):
        """Where the first batch of a Kafka source began, as `kafka`; empty if there was none.

        ``sources/0/0`` is a zero byte, a version line and the offsets.
        """
        folder = ControlFolder(self._root.spark, f"{self._root.path}/sources/0")
        lines = folder.read_lines("0") if folder.exists("0") else []
        return kafka_places(lines[-1]) if lines else {}

    def rebuild(self, batch, before, after, aside):
        """Make the checkpoint anew, as if it had just completed a batch.

        Spark wants to see the batch before, too.

        Parameters
        ----------
        batch : int
        before, after : list of str
            What the batch before it and it itself read to, as `sources` gives them.
        aside : str
            Path that what is left of the old checkpoint is moved to.
        """
        self._root.move(aside)
        self._root.write("metadata", {"id": str(uuid.uuid4())})
        for number, sources in ((batch - 1, before or after), (batch, after)):
            if number >= 0:
                settings = {"batchWatermarkMs": 0, "batchTimestampMs": int(1000 * time.time()),
                            "conf": {}}
                lines = [HEAD, json.dumps(settings), *sources]
                self._offsets.write_text(str(number), "\n".join(lines))
                self._commits.write_text(str(number), f'{HEAD}\n{{"nextBatchWatermarkMs":0}}')


def kafka_places(text):
    """A Kafka source's line: (topic, partition) -> offset."""
    return {(topic, int(partition)): offset for topic, partitions in json.loads(text).items()
            for partition, offset in partitions.items()}


def _newest(folder):
    return max((int(name) for name in folder.names() if name.isdigit()), default=-1)
