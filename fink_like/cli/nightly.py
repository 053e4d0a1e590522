"""The command that looks after the closed nights."""

from fink_like.cli.command import DATA, command, option
from fink_like.cli.jobs import spark_session
from fink_like.cli.machine import settings_of


@command(option("--night", type=int, metavar="YYYYMMDD",
                help="that night only; default: all that are closed"),
         option("--dry-run", action="store_true", help="say what is to be done, change nothing"),
         DATA, example="fink-like nightly --data var/demo/data --dry-run")
def nightly(given):
    """Compact closed nights, mark duplicates, delete what nobody needs, write each night's report.

    The running jobs do the work beside their batches; for one that does not run it is done here.
    Safe to kill and to run again. Exit code 1: a night does not balance, or is not closed.
    """
    from fink_like.nightly import Nightly
    settings = settings_of(given)
    work = Nightly(settings, lambda: spark_session(settings))
    return work.run(given.night, given.dry_run)
