"""Delta tables: made once, appended to exactly once per batch, read by everyone.

Settings that some readers do not know (deletion vectors, column mapping, v2 checkpoints) are
off, so that deltalake, polars and DuckDB read the tables too.
"""

import json

from delta.tables import DeltaTable
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql.types import StructType

from fink_like.bookkeeping import DELIVERIES, DUPLICATES, LEDGER
from fink_like.spark import commits
from fink_like.spark.control import ControlFolder
from fink_like.vocabulary import BRONZE, NEUTRAL, Struct

PROPERTIES = {
    "delta.enableDeletionVectors": "false",
    "delta.columnMapping.mode": "none",
    "delta.checkpointPolicy": "classic",
    "delta.logRetentionDuration": "interval 30 days",
    "delta.checkpointInterval": "50",
}

BRONZE_TABLE, SILVER_TABLE = "bronze", "silver"
RESCORES_TABLE, DELIVERIES_TABLE = "rescores", "deliveries"
DUPLICATES_TABLE, LEDGER_FOLDER = "duplicates", "ledger"
SHADOW_TABLE, MODULE_RUNS_TABLE, HISTORY_TABLE = "shadow", "module_runs", "history"

SHADOW_KEYS = ("survey", "night", "diaSourceId", "diaObjectId", "midpointMjdTai", "packet")
"""What the results of modules in shadow stand beside."""


def ddl(fields):
    """Spark DDL of a list of Field and Struct."""
    return ", ".join(f"`{f.name}` {f.type}" for f in fields)


def schema(fields):
    """Spark StructType of a list of Field and Struct."""
    return StructType.fromDDL(ddl(fields))


def by_name(field, column=None):
    """SQL of a column as it is declared, a struct's fields taken by their names.

    A cast takes them by their places; but a table that was widened has its new fields last.

    Parameters
    ----------
    field : Field or Struct
    column : str, optional
        SQL of the column; its name if not given.
    """
    column = column or f"`{field.name}`"
    if not isinstance(field, Struct):
        return f"CAST({column} AS {field.type})"
    parts = ", ".join(f"'{f.name}', CAST({column}.`{f.name}` AS {f.type})" for f in field.fields)
    return f"IF({column} IS NULL, NULL, named_struct({parts}))"


def silver_fields(surveys, specs):
    """Columns of silver: neutral, one struct a survey, one struct a module."""
    return (*NEUTRAL, *(s.own for s in surveys.values()), *(spec.struct for spec in specs))


def shadow_fields(specs):
    """Columns of the table of shadow results: which alert, one struct a module in shadow."""
    keys = [field for field in NEUTRAL if field.name in SHADOW_KEYS]
    return (*keys, *(spec.struct for spec in specs))


def create_bronze(spark, settings):
    """Make bronze if it is not there; return its path."""
    return _create(spark, settings.path(BRONZE_TABLE), BRONZE, ("night", "state"))


def create_silver(spark, settings, fields):
    """Make silver and rescores, or widen them by new columns, before a stream starts."""
    return [_create_wide(spark, settings.path(name), fields)
            for name in (SILVER_TABLE, RESCORES_TABLE)]


def create_shadow(spark, settings, specs):
    """Make the table of shadow results, or widen it; return its path."""
    return _create_wide(spark, settings.path(SHADOW_TABLE), shadow_fields(specs))


def _create_wide(spark, path, fields):
    _create(spark, path, fields, ("night",))
    _widen(spark, path, fields)
    return path


def create_deliveries(spark, settings):
    """Make the table of what was sent; return its path."""
    return _create(spark, settings.path(DELIVERIES_TABLE), DELIVERIES, ("night",))


def create_duplicates(spark, settings):
    """Make the table of messages that repeat an alert; return its path."""
    return _create(spark, settings.path(DUPLICATES_TABLE), DUPLICATES, ("night",))


def create_history(spark, settings, fields):
    """Make the table of objects' light curves; return its path."""
    return _create(spark, settings.path(HISTORY_TABLE), fields, ("cell",))


def create_ledger(spark, settings, job):
    """Make a job's ledger; return its path."""
    return _create(spark, settings.path(LEDGER_FOLDER, job), LEDGER, ())


def _create(spark, path, fields, partitions):
    if not commits.exists(spark, path):
        try:
            _sweep(spark, path)
            _make(spark, path, fields, partitions)
        except (Py4JJavaError, PySparkException):
            if not commits.exists(spark, path):  # else another job has made it at the same moment
                raise
    return path


def _sweep(spark, path):
    """Remove what a kill has left of a table that was being made; Delta would think it is there."""
    log = ControlFolder(spark, f"{path}/_delta_log")
    for name in (*log.half_written(), "_staged_commits"):
        log.delete(name)
    ControlFolder(spark, path).delete("_delta_log")  # an empty folder, or an error that says so


def _make(spark, path, fields, partitions):
    builder = DeltaTable.createIfNotExists(spark).location(path)
    builder = builder.addColumns(schema(fields)).partitionedBy(*partitions)
    for name, value in PROPERTIES.items():
        builder = builder.property(name, value)
    builder.execute()


def _widen(spark, path, fields):
    """Add columns and struct fields that the table lacks. A running reader would end on it."""
    have, want = spark.read.format("delta").load(path).schema, schema(fields)
    if set(_leaves(want)) - set(_leaves(have)):
        (spark.createDataFrame([], want).write.format("delta").mode("append")
         .option("mergeSchema", "true").save(path))


def _leaves(struct, prefix=""):
    for column in struct.fields:
        if isinstance(column.dataType, StructType):
            yield from _leaves(column.dataType, f"{prefix}{column.name}.")
        else:
            yield prefix + column.name


def read(spark, path):
    """A table as a frame."""
    return spark.read.format("delta").load(path)


def nothing(spark, path):
    """No rows, of a table's columns."""
    return spark.createDataFrame([], read(spark, path).schema)


def stream(spark, path, max_bytes):
    """A table as a stream of its appends; compaction and deletes by retention do not disturb."""
    return (spark.readStream.format("delta").option("skipChangeCommits", "true")
            .option("maxBytesPerTrigger", max_bytes).load(path))


def append(frame, path, app_id, batch_id, note, compression="zstd"):
    """Append a batch, once: a repeated (app_id, batch_id) writes nothing.

    Parameters
    ----------
    frame : DataFrame
    path : str
    app_id : str
        Identity of the checkpoint that counts the batches.
    batch_id : int
    note : dict
        Kept with the commit, as its ``userMetadata``.
    compression : str
        ``lz4_raw`` for packets (two thirds gzipped stamps: zstd halves the speed and saves
        little), ``zstd`` for everything people read.
    """
    (frame.write.format("delta").mode("append")
     .option("txnAppId", app_id).option("txnVersion", batch_id)
     .option("userMetadata", json.dumps(note)).option("compression", compression).save(path))
