"""Commands that run the jobs and stop them."""

import contextlib
import time

from fink_like.cli.command import DATA, SERVERS, command, option
from fink_like.cli.looks import print_totals
from fink_like.cli.machine import need_java, settings_of

JOBS = ("ingest", "science", "distribute")
OF_A_JOB = (
    DATA, SERVERS,
    option("--until-caught-up", action="store_true", help="end when all that is there now is done"),
    option("--trigger", help="shortest time between batches, such as '10 seconds'"))


@command(*OF_A_JOB, example="fink-like run --until-caught-up")
def run(given):
    """Run ingest, science and distribute in one Spark session."""
    return _jobs(given, JOBS)


@command(*OF_A_JOB, example="fink-like ingest --data /data/broker --servers kafka1:9092")
def ingest(given):
    """Run ingest: Kafka topics to bronze."""
    return _jobs(given, ("ingest",))


@command(*OF_A_JOB, example="fink-like science --data /data/broker")
def science(given):
    """Run science: bronze to silver, with all live modules."""
    return _jobs(given, ("science",))


@command(*OF_A_JOB, example="fink-like distribute --data /data/broker")
def distribute(given):
    """Run distribute: silver to substream topics."""
    return _jobs(given, ("distribute",))


def _jobs(given, names):
    import importlib

    from fink_like.jobs import supervisor
    settings = settings_of(given, **{"jobs.trigger": given.trigger})
    with spark_session(settings) as spark:
        jobs = [importlib.import_module(f"fink_like.jobs.{name}") for name in names]
        code = supervisor.supervise(jobs, settings, spark, given.until_caught_up)
    print_totals(settings)
    return code


@contextlib.contextmanager
def spark_session(settings):
    """A Spark session that ends with the block."""
    from fink_like import jars
    from fink_like.spark import session
    need_java()
    spark = session.build(settings, "fink_like", jars.paths("spark"))
    try:
        yield spark
    finally:
        spark.stop()


@command(option("job", choices=(*JOBS, "all")),
         option("--wait", type=float, nargs="?", const=120.0, default=0.0, metavar="SECONDS",
                help="wait until it has ended"), DATA,
         example="fink-like stop ingest --wait 60")
def stop(given):
    """Ask a running job to end after its batch (or `all` of them)."""
    from fink_like import reports
    settings = settings_of(given)
    files = reports.JobFiles(settings.data)
    jobs = JOBS if given.job == "all" else (given.job,)
    for job in jobs:
        files.ask_to_stop(job)
    end = time.monotonic() + given.wait
    while any(files.is_asked_to_stop(job) for job in jobs) and time.monotonic() < end:
        time.sleep(0.2)
    still = [job for job in jobs if files.is_asked_to_stop(job)] if given.wait else []
    print(f"still running, or was not: {', '.join(still)}" if still else "asked to stop"
          if not given.wait else "stopped")
    return int(bool(still))
