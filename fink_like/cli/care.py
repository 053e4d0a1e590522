"""Commands that look after checkpoints, gaps and alarms."""

from fink_like.cli.command import DATA, command, option
from fink_like.cli.machine import settings_of
from fink_like.reports import JOBS


@command(option("job", choices=JOBS), DATA,
         example="fink-like checkpoint rebuild ingest --data /data/broker",
         name="checkpoint rebuild")
def rebuild(given):
    """Make a job's checkpoint anew from what its table says it had read; the job must not run."""
    import importlib

    from fink_like.cli.jobs import spark_session
    from fink_like.spark.checkpoint import Checkpoint
    from fink_like.spark.lease import release
    settings = settings_of(given)
    with spark_session(settings) as spark:
        checkpoint = Checkpoint(spark, settings, given.job)
        checkpoint.lease.take()
        try:
            found = checkpoint.log.done(), checkpoint.log.planned()
            table = importlib.import_module(f"fink_like.jobs.{given.job}").table(spark, settings)
            note = checkpoint.rebuild(table)
        finally:
            release(checkpoint.files)
    print(f"found: the checkpoint had finished batch {found[0]} and planned batch {found[1]} (-1: "
          f"none), {table} ends with batch {note['batch']}")
    print(f"done: {checkpoint.location} is as behind batch {note['batch']}, which had read to "
          f"{'; '.join(note['sources'])}; what was there before is beside it")


@command(option("--reason", required=True, help="for the ledger: why, and who agreed"), DATA,
         example="fink-like checkpoint accept-gap --reason 'the disk was full on 3 May'",
         name="checkpoint accept-gap")
def accept_gap(given):
    """Accept the gap in Kafka at which ingest has stopped: it goes on behind it."""
    from fink_like.reports import SmallFiles
    from fink_like.spark import guard
    gaps = guard.accept(SmallFiles(settings_of(given).data, "jobs", "ingest"), given.reason)
    for gap in gaps:
        print(f"accepted: {gap['topic']}:{gap['partition']} from {gap['start']} to "
              f"{gap['end'] or 'its end'} ({gap['cause']})")
    print("start ingest again; `fink-like ledger` keeps the gap with your reason" if gaps else
          "ingest has not stopped at a gap: nothing to accept")
    return int(not gaps)


@command(DATA, example="fink-like resume --data /data/broker")
def resume(given):
    """Clear the alarm of a flood of unreadable messages; an ingest that waits goes on."""
    from fink_like.reports import SmallFiles
    files = SmallFiles(settings_of(given).data, "jobs", "ingest")
    flood = files.read("flood.json")
    if flood is None:
        print("there is no alarm")
        return
    files.delete("flood.json")
    print(f"cleared: {flood['said']}" + ("; ingest goes on" if flood["paused"] else ""))
