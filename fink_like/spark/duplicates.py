"""Which rows of bronze repeat an earlier one: a table beside it, for bronze is append-only.

Two messages with one alert id (survey, diaSourceId) are the survey's doing or Kafka's: the same
bytes again are a ``duplicate``, other bytes under the same id a ``revision``. What came first, by
Kafka's time, is the original and not in this table.
"""

import datetime

from pyspark.sql import Window
from pyspark.sql import functions as F

from fink_like.bookkeeping import DUPLICATES, PLACE
from fink_like.spark import tables

NIGHTS_BEFORE = 3  # in which an original is looked for; its packet has the alert's own night, or
# that of its arrival if its time is damaged


def mark(spark, settings, night):
    """Write what repeats in a night; a second time changes nothing.

    Parameters
    ----------
    spark : SparkSession
    settings : Settings
    night : int

    Returns
    -------
    dict
        ``duplicate`` and ``revision``: rows.
    """
    path = tables.create_duplicates(spark, settings)
    found = _later(tables.read(spark, settings.path(tables.BRONZE_TABLE)), int(night)).persist()
    kept = tables.read(spark, path).where(f"night = {int(night)}").select(*found.columns)
    if not found.exceptAll(kept).isEmpty() or not kept.exceptAll(found).isEmpty():
        (found.coalesce(1).write.format("delta").mode("overwrite")
         .option("replaceWhere", f"night = {int(night)}").save(path))
    counts = {row.kind: row["count"] for row in found.groupBy("kind").count().collect()}
    found.unpersist()
    return {"duplicate": 0, "revision": 0, **counts}


def _later(bronze, night):
    """Rows of `DUPLICATES`."""
    nights = ", ".join(map(str, [night, *_before(night)]))
    rows = (bronze.where(f"night IN ({nights}) AND state = 'ok'")
            .select("night", "survey", "diaSourceId", "datum_hash", "kafka_time", *PLACE))
    names = ["survey", "diaSourceId"]
    more = rows.groupBy(*names).agg(F.count("*").alias("n"), F.max("night").alias("newest"))
    rows = rows.join(more.where(f"n > 1 AND newest = {night}"), names, "left_semi")
    by_id = Window.partitionBy(*names).orderBy("kafka_time", *PLACE)
    by_bytes = Window.partitionBy(*names, "datum_hash").orderBy("kafka_time", *PLACE)
    numbered = rows.select("*", F.row_number().over(by_id).alias("nth"),
                           F.row_number().over(by_bytes).alias("nth_of_bytes"),
                           *(F.first(name).over(by_id).alias(f"first_{name}") for name in PLACE))
    return (numbered.where(f"nth > 1 AND night = {night}")
            .withColumn("kind", F.expr("IF(nth_of_bytes > 1, 'duplicate', 'revision')"))
            .select(*(field.name for field in DUPLICATES)))


def _before(night):
    day = datetime.datetime.strptime(str(night), "%Y%m%d")
    return [int((day - datetime.timedelta(days=back)).strftime("%Y%m%d"))
            for back in range(1, NIGHTS_BEFORE + 1)]
