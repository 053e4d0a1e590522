"""A command of the command line: its function, its options and an example that works."""

import argparse
from dataclasses import dataclass

COMMANDS = []
"""In the order in which ``--help`` lists them."""


@dataclass(frozen=True)
class Command:
    """One command.

    Parameters
    ----------
    name : str
        ``status``, or with its group ``dead-letters list``.
    function : callable
        Takes the parsed arguments; returns the exit code, None for 0. Its docstring is the help.
    options : tuple
        Of `option`.
    example : str
    """

    name: str
    function: object
    options: tuple
    example: str


def option(*flags, **settings):
    """One option or argument, as `argparse` takes it."""
    return flags, settings


def command(*options, example, name=None):
    """Decorator: make a function a command, by its own name unless another is given."""
    def register(function):
        COMMANDS.append(Command(name or function.__name__, function, options, example))
        return function
    return register


def add_to(parser):
    """Give a parser all commands; those of one group stand below the group's name."""
    top = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    groups = {}
    for each in COMMANDS:
        group, _, word = each.name.rpartition(" ")
        if group and group not in groups:
            words = "|".join(c.name.split()[1] for c in COMMANDS if c.name.startswith(f"{group} "))
            inner = top.add_parser(group, help=f"{words}: see `fink-like {group} --help`")
            groups[group] = inner.add_subparsers(title="commands", required=True, metavar="COMMAND")
        _add(groups[group] if group else top, word, each)


def _add(commands, word, each):
    text = each.function.__doc__.strip()
    made = commands.add_parser(word, help=text.splitlines()[0], description=text,
                               epilog=f"example: {each.example}",
                               formatter_class=argparse.RawDescriptionHelpFormatter)
    for flags, settings in each.options:
        made.add_argument(*flags, **settings)
    made.set_defaults(command=each.function)


DATA = option("--data", help="folder or URL of the tables (setting data)")
SERVERS = option("--servers", help="Kafka servers host:port,... (setting kafka.servers)")
RATE = option("--rate", type=float, help="messages a second; default: as fast as it goes")
