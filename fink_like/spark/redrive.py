"""Dead letters, read again: by themselves when a schema has arrived, or because somebody asks.

Bronze is append-only. A message that can be read now becomes a second row of the same Kafka
coordinates, ``attempt`` one higher; science meets it like any other. What still cannot be read
stays as it is. Each re-drive has a number, its rows are fixed in a file before the first trial,
and Delta takes each number once: a kill repeats it, and nothing is there twice.
"""

from pyspark import StorageLevel
from pyspark.sql import functions as F

from fink_like.spark import bronze, commits, tables
from fink_like.spark.control import ControlFolder

MOST_ROWS = 1000  # of one re-drive: unread messages are up to 0.9 MB
PLACE = ("topic", "partition", "offset")


def open_letters(spark, path):
    """Dead letters that no later attempt has read: rows of bronze.

    Parameters
    ----------
    spark : SparkSession
    path : str
        Of bronze.
    """
    rows = tables.read(spark, path).where("state != 'ok' OR attempt > 0")
    newest = rows.groupBy(*PLACE).agg(F.max("attempt").alias("attempt"))
    return rows.join(newest, [*PLACE, "attempt"], "left_semi").where("state != 'ok'")


class Redrive:
    """Reads dead letters again.

    Parameters
    ----------
    spark : SparkSession
    settings : Settings
    surveys : dict
    store : SchemaStore
    checkpoint : Checkpoint
        Of ingest.
    path : str
        Of bronze.
    """

    def __init__(self, spark, settings, surveys, store, checkpoint, path):
        self.spark, self.settings, self.surveys = spark, settings, surveys
        self.store, self.checkpoint, self.path = store, checkpoint, path
        self._fixed = ControlFolder(spark, f"{checkpoint.folder}/redrives")
        self.app_id = f"{checkpoint.app_id}-redrive"

    def run(self, condition):
        """Read again what a condition on bronze selects, a bounded part at a time.

        Parameters
        ----------
        condition : str
            SQL on bronze's columns.

        Returns
        -------
        dict
            ``tried`` and ``read``: messages.
        """
        self._finish()
        wanted = [[row.topic, row.partition, row.offset, row.attempt] for row in
                  open_letters(self.spark, self.path).where(condition)
                  .select(*PLACE, "attempt").orderBy(*PLACE).collect()]
        done = 0
        for first in range(0, len(wanted), MOST_ROWS):
            done += self._one(wanted[first:first + MOST_ROWS])
        return {"tried": len(wanted), "read": done}

    def _finish(self):
        """Do again what a kill has interrupted."""
        number = commits.last_batch(self.spark, self.path, self.app_id) + 1
        fixed = self._fixed.read(f"{number}.json")
        if fixed is not None:
            self._append(number, fixed)

    def _one(self, places):
        number = commits.last_batch(self.spark, self.path, self.app_id) + 1
        self.store.refresh()
        fixed = self._fixed.freeze(f"{number}.json",
                                   {"places": places, "schemas": self.store.keys()})
        return self._append(number, fixed)

    def _append(self, number, fixed):
        """Append what can be read now; how many rows."""
        schema = "topic string, partition int, offset bigint, attempt int"
        places = self.spark.createDataFrame([tuple(p) for p in fixed["places"]], schema)
        letters = (tables.read(self.spark, self.path)
                   .join(F.broadcast(places), [*PLACE, "attempt"], "left_semi")
                   .selectExpr("key", "value", *PLACE, "kafka_time AS timestamp", "headers"))
        # Kept on disk, as a wall in the plan: a filter pushed down through the decoding multiplies
        # its expressions, until planning has filled 1.5 GB.
        rows = bronze.rows(letters, self.settings, self.surveys, self.store.pick(fixed["schemas"]),
                           number).persist(StorageLevel.DISK_ONLY)
        better = (rows.where("state = 'ok'").drop("attempt")
                  .join(F.broadcast(places.selectExpr(*PLACE, "attempt + 1 AS attempt")),
                        list(PLACE)).select(*rows.columns))
        note = self.checkpoint.note(number)
        note = {"job": note["job"], "app_id": self.app_id, "redrive": number,
                "began": note["began"]}
        tables.append(better, self.path, self.app_id, number, note, compression="lz4_raw")
        rows.unpersist()
        files = commits.files_of(commits.commit_of(self.spark, self.path, self.app_id, number,
                                                   "redrive"))
        return sum(commits.count_rows(files, "state").values())
