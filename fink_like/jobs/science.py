"""Science: every readable row of bronze becomes one row of silver, scored by the live modules."""

from pyspark.sql import functions as F

from fink_like.jobs.errands import Errands
from fink_like.jobs.upkeep import Upkeep
from fink_like.kit import registry
from fink_like.packets import survey as survey_declarations
from fink_like.spark import commits, module_runs, silver, tables
from fink_like.spark.checkpoint import Checkpoint
from fink_like.spark.history import History, is_taken
from fink_like.spark.learning import learn_schemas
from fink_like.spark.ledger import Ledger
from fink_like.spark.rescore import Rescore
from fink_like.spark.schema_store import SchemaStore
from fink_like.spark.scoring import Scoring
from fink_like.spark.shadow import Shadow
from fink_like.vocabulary import leaves

JOB = "science"


def table(spark, settings):
    """Make, or widen, the table that this job writes; its path."""
    surveys = survey_declarations.load_all(settings.conf / "surveys")
    specs = live_modules(settings, surveys)
    return tables.create_silver(spark, settings, tables.silver_fields(surveys, specs))[0]


def run(settings, spark, until_caught_up=False):
    """Start the job; parameters and return as `fink_like.jobs.ingest.run`."""
    surveys = survey_declarations.load_all(settings.conf / "surveys")
    specs = modules(settings, surveys)
    live = [spec for spec in specs if spec.state == registry.LIVE]
    bronze = tables.create_bronze(spark, settings)
    path, _ = tables.create_silver(spark, settings, tables.silver_fields(surveys, live))
    checkpoint = Checkpoint(spark, settings, JOB)
    checkpoint.check(path)
    module_runs.note(spark, settings, specs, checkpoint.files, checkpoint.log.done() + 1)
    store = SchemaStore(spark, settings, surveys)
    scoring = Scoring(spark, settings, specs, checkpoint.folder)
    shadow = Shadow(spark, settings, specs)
    known = History(spark, settings) if is_taken(specs) else None

    def one_batch(rows, batch_id):
        readable = rows.where("state = 'ok'")
        keys = schemas_in(readable, spark, bronze, store)

        def scored(**options):
            if not keys:
                return tables.nothing(spark, path)  # planning is dear, and there is nothing to do
            return silver.rows(readable, surveys, store.pick(keys), scoring.specs,
                               history=known, **options)

        def append(frame):
            with shadow.beside(frame, checkpoint.app_id, batch_id) as alerts:
                tables.append(alerts, path, checkpoint.app_id, batch_id, checkpoint.note(batch_id))

        fared = scoring.write(batch_id, scored, append)
        files = commits.files_of(commits.commit_of(spark, path, checkpoint.app_id, batch_id))
        checkpoint.report(batch_id, nights=commits.count_rows(files, "night"), modules=fared)

    trigger = None if until_caught_up else settings.jobs.trigger
    stream = tables.stream(spark, bronze, settings.jobs.science_bytes)
    return checkpoint.start(stream, one_batch, trigger)


def wants_restart(settings, checkpoint):
    """Never: its batches are cut by bytes."""
    return False


def errands(settings, spark):
    """What the job does besides its batches."""
    checkpoint = Checkpoint(spark, settings, JOB)
    surveys = survey_declarations.load_all(settings.conf / "surveys")
    specs = modules(settings, surveys)
    live = [spec for spec in specs if spec.state == registry.LIVE]

    def add_history(night):
        return History(spark, settings).add(night) if is_taken(specs) else {"objects": None}

    ledger = Ledger(spark, settings, checkpoint, settings.path(tables.SILVER_TABLE))
    again = Rescore(spark, settings, surveys, live, checkpoint)
    return Errands(spark, checkpoint.folder, [ledger.catch_up],
                   {**Upkeep(spark, settings, JOB).handlers(), "rescore": again.night,
                    "history": add_history})


def modules(settings, surveys):
    """The modules that ``conf/modules.yaml`` calls live or shadow, in the order they run."""
    specs = registry.load(settings.modules, settings.conf / "modules.yaml", tuple(surveys))
    registry.refuse_unknown(specs, leaves(tables.silver_fields(surveys, specs)))
    return specs


def live_modules(settings, surveys):
    """Those that it calls live: their results are in silver, and offered to filters."""
    return [spec for spec in modules(settings, surveys) if spec.state == registry.LIVE]


def schemas_in(rows, spark, bronze, store):
    """Schema keys of a batch, by survey; one that is not kept yet is taken from bronze.

    Ingest keeps a new schema after it has written the first packets of it, so science, a process
    of its own, may see those packets first.
    """
    found = rows.select("survey", "schema_key").distinct().collect()
    store.refresh()
    unknown = [key for survey, key in found if key not in store.keys()[survey]]
    if unknown:
        slow = tables.read(spark, bronze).where("lane = 'slow'")
        learn_schemas(slow.where(F.col("schema_key").isin(unknown)), store)
    keys = {}
    for survey, key in found:
        keys.setdefault(survey, []).append(key)
    return keys
