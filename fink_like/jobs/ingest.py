"""Ingest: every message of the surveys' topics becomes one row of bronze."""

import json

from fink_like.packets import survey as survey_declarations
from fink_like.packets.schemas import PacketSchema, names_and_types
from fink_like.packets.wire import read_header
from fink_like.spark import bronze, kafka, tables, two_looks
from fink_like.spark.checkpoint import Checkpoint
from fink_like.spark.schema_store import SchemaStore
from fink_like.spark.slow_lane import registry_fetch

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
    store = SchemaStore(spark, settings, surveys)

    def one_batch(messages, batch_id):
        store.refresh()
        frozen = checkpoint.freeze(batch_id, {"schemas": store.keys()})
        known = store.pick(frozen["schemas"])
        two_looks.append(
            bronze.first_look(messages, surveys, known, batch_id),
            lambda unread: bronze.look_again(unread, settings, surveys, known, batch_id),
            path, checkpoint.app_id, batch_id, checkpoint.note(batch_id))
        files = tables.newest_files(spark, path)
        checkpoint.report(batch_id, rows=tables.count_rows(files, "state"))
        if tables.largest(files, "lane") == "slow":
            slow = tables.read(spark, path).where(f"batch_id = {batch_id} AND lane = 'slow'")
            learn_schemas(slow, store, settings.registry)

    trigger = None if until_caught_up else settings.jobs.trigger
    return checkpoint.start(kafka.stream(spark, settings, surveys), one_batch, trigger)


def learn_schemas(rows, store, registry):
    """Keep the schemas that the slow lane met, for the fast lane of the next batch.

    Parameters
    ----------
    rows : DataFrame
        Of bronze, lane ``slow``.
    store : SchemaStore
    registry : str
        URL, or empty.
    """
    met = rows.groupBy("survey", "schema_key").agg({"header": "max"}).collect()
    for survey, key, header in met:
        if key not in store.keys()[survey]:
            store.add(survey, _schema(key, header, registry))


def _schema(key, header, registry):
    if header is not None:
        return read_header(bytes(header))
    return PacketSchema(key, names_and_types(json.loads(registry_fetch(registry)(key))))
