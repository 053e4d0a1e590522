"""Ingest: every message of the surveys' topics becomes one row of bronze."""

from fink_like.jobs.care import Care
from fink_like.jobs.errands import Errands
from fink_like.jobs.upkeep import Upkeep
from fink_like.packets import survey as survey_declarations
from fink_like.spark import bronze, commits, kafka, tables, two_looks
from fink_like.spark.checkpoint import Checkpoint
from fink_like.spark.guard import Guard
from fink_like.spark.learning import learn_schemas
from fink_like.spark.ledger import Ledger
from fink_like.spark.redrive import Redrive
from fink_like.spark.schema_registry import SchemaRegistry
from fink_like.spark.schema_store import SchemaStore

JOB = "ingest"


def table(spark, settings):
    """Make the table that this job writes, if it is not there; its path."""
    return tables.create_bronze(spark, settings)


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
    path = table(spark, settings)
    checkpoint = Checkpoint(spark, settings, JOB)
    checkpoint.check(path)
    guard = Guard(spark, settings, checkpoint.folder)
    read = checkpoint.log.kafka(checkpoint.log.done())
    guard.check(read)
    guard.check_subscription(read, kafka.pattern(settings, surveys))
    care = Care(settings, checkpoint.files)
    care.may_go_on()
    store = SchemaStore(spark, settings, surveys)

    def one_batch(messages, batch_id):
        care.may_go_on()
        plan = guard.check(*checkpoint.plan(batch_id))
        store.refresh()
        frozen = checkpoint.freeze(batch_id, {"schemas": store.keys(), "absent": store.absent()})
        known, absent = store.pick(frozen["schemas"]), frozen["absent"]
        two_looks.append(
            bronze.first_look(messages, surveys, known, batch_id),
            lambda unread: bronze.look_again(unread, settings, surveys, known, batch_id, absent),
            path, checkpoint.app_id, batch_id, checkpoint.note(batch_id, **plan))
        files = commits.files_of(commits.commit_of(spark, path, checkpoint.app_id, batch_id))
        counts = commits.count_rows(files, "state")
        checkpoint.report(batch_id, rows=counts)
        if commits.largest(files, "lane") == "slow":
            learn_schemas(tables.read(spark, path).where(
                f"batch_id = {batch_id} AND attempt = 0 AND lane = 'slow'"), store)
        guard.check_read(batch_id, plan, checkpoint.log.kafka(batch_id), sum(counts.values()))
        care.after(counts)

    trigger = None if until_caught_up else settings.jobs.trigger
    stream = kafka.stream(spark, settings, surveys, care.messages(), guard.left_out())
    return checkpoint.start(stream, one_batch, trigger)


def errands(settings, spark):
    """What the job does besides its batches."""
    surveys = survey_declarations.load_all(settings.conf / "surveys")
    path = table(spark, settings)
    checkpoint = Checkpoint(spark, settings, JOB)
    guard = Guard(spark, settings, checkpoint.folder)
    store = SchemaStore(spark, settings, surveys)
    redrive = Redrive(settings, store, checkpoint, path)
    registry = SchemaRegistry(settings.registry)

    def lag():
        read = checkpoint.log.kafka(checkpoint.log.done())
        checkpoint.files.write("lag.json", guard.lag(read))

    def ask_for_schemas():
        redrive.waiting(registry)

    ledger = Ledger(spark, settings, checkpoint, path)
    upkeep = Upkeep(spark, settings, JOB)
    return Errands(spark, checkpoint.folder, [ask_for_schemas, ledger.catch_up, lag],
                   {"redrive": redrive.run, "duplicates": upkeep.mark_duplicates,
                    **upkeep.handlers()})
