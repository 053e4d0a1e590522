"""What the entries in ``bin/*.py`` share: one job as the application of ``spark-submit``."""

import argparse
import sys

from fink_like import config
from fink_like.errors import BrokerError, ConfigError
from fink_like.jobs import supervisor
from fink_like.spark import session


def main(job, arguments=None):
    """Run one job until it is told to stop, or has caught up.

    Settings come from ``conf/site.yaml``, the environment and the flags; the master, the memory
    and the jars from ``spark-submit``. SIGTERM needs no handler: under ``spark-submit`` the JVM
    gets it first and ends at once, which is as safe as a kill.

    Parameters
    ----------
    job : module
        One of `fink_like.jobs`, with ``JOB`` and ``run``.
    arguments : list of str, optional
        In place of the command line.

    Returns
    -------
    int
        Exit code: 0 if the job ended as asked; an error for the user is printed and gives 1.
    """
    given = _parser(job).parse_args(arguments)
    try:
        settings = config.load(**_flags(given))
        spark = session.build(settings, f"fink_like {job.JOB}")
        try:
            return supervisor.supervise([job], settings, spark,
                                        until_caught_up=given.until_caught_up)
        finally:
            spark.stop()
    except BrokerError as error:
        print(f"fink_like {job.JOB}: {error}", file=sys.stderr, flush=True)
        return 1


def _parser(job):
    parser = argparse.ArgumentParser(
        prog=f"{job.JOB}.py", description=job.__doc__,
        epilog=f"example: spark-submit --master spark://HOST:7077 bin/{job.JOB}.py --data /data")
    parser.add_argument("--until-caught-up", action="store_true",
                        help="end when all that is there now has been done; else run for ever")
    parser.add_argument("--data", metavar="URL", help="folder or URL of tables and checkpoints")
    parser.add_argument("--set", metavar="NAME=VALUE", action="append", default=[],
                        help="any setting, as in --set kafka.servers=broker1:9092; may be repeated")
    return parser


def _flags(given):
    """Flags as `config.load` takes them: dotted name -> text."""
    flags = {"data": given.data}
    for text in given.set:
        name, separator, value = text.partition("=")
        if not separator:
            raise ConfigError(f"--set {text}: should read NAME=VALUE, as in "
                              "--set kafka.servers=broker1:9092")
        flags[name] = value
    return flags
