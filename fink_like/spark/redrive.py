"""Dead letters, read again: by themselves when a schema has arrived, or because somebody asks.

Bronze is append-only. A message that can be read now becomes a second row of the same Kafka
coordinates, ``attempt`` one higher; science meets it like any other. What still cannot be read
stays as it is; only what waited for a schema that does not exist becomes a dead letter. Each
re-drive has a number, its rows are fixed in a file before the first trial, and Delta takes each
number once: a kill repeats it, and nothing is there twice.
"""

from pyspark import StorageLevel
from pyspark.sql import functions as F

from fink_like.bookkeeping import PLACE
from fink_like.spark import bronze, commits, tables
from fink_like.spark.control import ControlFolder
from fink_like.spark.learning import learn

MOST_ROWS = 1000  # of one re-drive: unread messages are up to 0.9 MB


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
    settings : Settings
    store : SchemaStore
    checkpoint : Checkpoint
        Of ingest.
    path : str
        Of bronze.
    """

    def __init__(self, settings, store, checkpoint, path):
        self.spark, self.settings = checkpoint.spark, settings
        self.store, self.checkpoint, self.path = store, checkpoint, path
        self._fixed = ControlFolder(self.spark, f"{checkpoint.folder}/redrives")
        self.app_id = f"{checkpoint.app_id}-redrive"
        self._looked = None  # version of bronze that had no open waiting row

    def waiting(self, registry):
        """Ask the registry for the schemas that rows wait for; read those again that it gave.

        Parameters
        ----------
        registry : SchemaRegistry
        """
        version = commits.version_of(self.spark, self.path)
        if version == self._looked:
            return
        written = tables.read(self.spark, self.path).where("state = 'waiting'").limit(1).count()
        open_rows = open_letters(self.spark, self.path).where("state = 'waiting'")
        if not written or not open_rows.limit(1).count():
            self._looked = version
            return
        self.store.refresh()
        learned = learn(open_rows, self.store, registry)
        for survey, key in sorted(learned.known | learned.absent):
            self.run(f"state = 'waiting' AND survey = '{survey}' AND schema_key = '{key}'")

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
        wanted = [[row.topic, row.partition, row.offset, row.attempt, row.state] for row in
                  open_letters(self.spark, self.path).where(condition)
                  .select(*PLACE, "attempt", "state").orderBy(*PLACE).collect()]
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
        fixed = self._fixed.freeze(f"{number}.json", {
            "places": places, "schemas": self.store.keys(), "absent": self.store.absent()})
        return self._append(number, fixed)

    def _append(self, number, fixed):
        """Append what can be read now, and what waits no more; how many can be read."""
        schema = "topic string, partition int, offset bigint, attempt int, before string"
        places = F.broadcast(self.spark.createDataFrame([tuple(p) for p in fixed["places"]],
                                                        schema))
        letters = (tables.read(self.spark, self.path)
                   .join(places, [*PLACE, "attempt"], "left_semi")
                   .selectExpr("key", "value", *PLACE, "kafka_time AS timestamp", "headers"))
        # Kept on disk, as a wall in the plan: a filter pushed down through the decoding multiplies
        # its expressions, until planning has filled 1.5 GB.
        rows = bronze.rows(letters, self.settings, self.store.surveys,
                           self.store.pick(fixed["schemas"]), number,
                           fixed["absent"]).persist(StorageLevel.DISK_ONLY)
        better = (rows.drop("attempt")
                  .join(places.withColumn("attempt", F.expr("attempt + 1")), list(PLACE))
                  .where("state = 'ok' OR before = 'waiting' AND state = 'dead'")
                  .select(*rows.columns))
        note = self.checkpoint.note(number)
        note = {"job": note["job"], "app_id": self.app_id, "redrive": number,
                "began": note["began"]}
        tables.append(better, self.path, self.app_id, number, note, compression="lz4_raw")
        rows.unpersist()
        commit = commits.commit_of(self.spark, self.path, self.app_id, number, "redrive")
        return commits.count_rows(commits.files_of(commit), "state").get("ok", 0)
