"""Ingest: every message of the surveys' topics becomes one row of bronze."""

from fink_like.packets import survey as survey_declarations
from fink_like.spark import bronze, kafka, tables
from fink_like.spark.checkpoint import Checkpoint
from fink_like.spark.learning import learn, learn_schemas
from fink_like.spark.schema_registry import SchemaRegistry
from fink_like.spark.schema_store import SchemaStore

JOB = "ingest"


def run(settings, spark, until_caught_up=False):
    """Start the job.

    Parameters
    ----------
    settings : Settings
    spark : SparkSession
    until_caught_up : bool
        End when all that is there now has been read; else run for ever.

    Returns
    -------
    StreamingQuery
    """
    surveys = survey_declarations.load_all(settings.conf / "surveys")
    kafka.topics(settings)  # a server that does not answer is better said now than in Spark's words
    path = tables.create_bronze(spark, settings)
    checkpoint = Checkpoint(spark, settings, JOB)
    checkpoint.check(path)
    store, registry = SchemaStore(spark, settings, surveys), SchemaRegistry(settings.registry)

    def one_batch(messages, batch_id):
        store.refresh()
        frozen = checkpoint.freeze(batch_id, {"schemas": store.keys(), "absent": store.absent()})
        rows = bronze.rows(messages, settings, surveys, store.pick(frozen["schemas"]), batch_id,
                           frozen["absent"])
        tables.append(rows, path, checkpoint.app_id, batch_id, checkpoint.note(batch_id),
                      compression="lz4_raw")
        files = tables.newest_files(spark, path)
        checkpoint.report(batch_id, rows=tables.count_rows(files, "state"))
        written = tables.read(spark, path).where(f"batch_id = {batch_id}")
        if tables.largest(files, "lane") == "slow":
            learn_schemas(written.where("lane = 'slow'"), store)
        if "waiting" in tables.count_rows(files, "state"):
            learn(written.where("state = 'waiting'"), store, registry)

    trigger = None if until_caught_up else settings.jobs.trigger
    return checkpoint.start(kafka.stream(spark, settings, surveys), one_batch, trigger)
