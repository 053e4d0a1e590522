"""The command line: each command is a few lines around one call of the library.

``machine`` sets this machine up, ``packets`` makes packets, ``copies`` sends them again or over
from elsewhere, ``jobs`` runs the street, ``looks`` shows what it did, ``books`` balances a night,
``letters`` looks after what could not be read, ``care`` after checkpoints and alarms, ``declared``
shows settings and schemas, ``modules`` looks after science modules, ``nightly`` after closed
nights.
"""

import argparse
import signal
import sys

from fink_like import __version__
from fink_like.cli import (  # noqa: F401  each registers its commands
    books,
    care,
    copies,
    declared,
    jobs,
    letters,
    looks,
    machine,
    modules,
    nightly,
    packets,
)
from fink_like.cli.command import COMMANDS, add_to  # noqa: F401
from fink_like.errors import BrokerError

EPILOG = ("Settings: conf/site.yaml, then FINK_LIKE__... variables, then flags; see "
          "fink_like/config.py.")


def main(arguments=None):
    """Run a command; errors meant for the user are printed without a traceback."""
    given = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        return given.command(given) or 0
    except BrokerError as error:
        print(f"fink-like: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("fink-like: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `| head` has seen enough
        sys.stderr.close()
        return 0


def _as_interrupt(number, frame):
    raise KeyboardInterrupt


def parser():
    """All commands with their options."""
    top = argparse.ArgumentParser(prog="fink-like", description="A community alert broker.",
                                  epilog=EPILOG)
    top.add_argument("--version", action="version", version=__version__)
    add_to(top)
    return top
