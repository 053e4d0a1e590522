"""Commands that look after messages that could not be read."""

from fink_like.cli.command import DATA, command, option
from fink_like.cli.machine import settings_of
from fink_like.errors import ConfigError
from fink_like.letters.selection import NO_SURVEY
from fink_like.vocabulary import DEAD_LETTER_REASONS

WHICH = (option("--night", type=int, metavar="YYYYMMDD", help="observing night"),
         option("--survey", help=f"of this survey; {NO_SURVEY}: topics that none claims"),
         option("--reason", choices=tuple(DEAD_LETTER_REASONS), metavar="REASON",
                help=f"one of {', '.join(DEAD_LETTER_REASONS)}"),
         option("--place", metavar="TOPIC:PARTITION:OFFSET", help="this message"))
STATE = option("--state", choices=("open", "redriven", "all"), default="open",
               help="open: not read yet (the default)")


@command(*WHICH, STATE, option("--limit", type=int, default=20, help="lines; default 20"), DATA,
         example="fink-like dead-letters list --reason truncated --limit 5",
         name="dead-letters list")
def list_letters(given):
    """Count what could not be read, by survey, reason and topic; then show some of it."""
    from fink_like import letters
    found = letters.read(settings_of(given).data, _selection(given), given.state)
    if found.empty:
        print("no dead letters")
        return
    times = {name: "{:%F %T}".format for name in ("first", "last")}
    print(letters.summary(found).to_string(index=False, formatters=times))
    print(f"\n{min(given.limit, len(found))} of {len(found)}:")
    for one in found.head(given.limit).itertuples():
        print(f"{one.topic}:{one.partition}:{one.offset}  {one.kafka_time:%F %T}  {one.reason}: "
              f"{one.detail or ''}"[:200])


@command(option("place", metavar="TOPIC:PARTITION:OFFSET"), DATA,
         example="fink-like dead-letters show alerts_20260311:0:17", name="dead-letters show")
def show(given):
    """Show all about one message: bytes, reason, what the reader says now, what to do."""
    from fink_like import letters
    print("\n".join(letters.describe(settings_of(given), given.place)))


@command(*WHICH, STATE,
         option("--to", required=True, metavar="FOLDER|FILE.parquet",
                help="a file for each message and index.csv, or one Parquet file"), DATA,
         example="fink-like dead-letters export --reason truncated --to for_the_survey",
         name="dead-letters export")
def export(given):
    """Write messages that could not be read to files, as they came from Kafka."""
    from fink_like import letters
    done = letters.export(settings_of(given).data, _selection(given), given.state, given.to)
    print(f"{done['letters']} letters, {done['files']} files, {done['bytes'] / 1e6:.1f} MB in "
          f"{given.to}")


@command(*WHICH, option("--all", action="store_true", help="all that are open"),
         option("--wait", type=float, default=600.0, metavar="SECONDS",
                help="for a running ingest; default 600"), DATA,
         example="fink-like dead-letters replay --reason unknown_schema",
         name="dead-letters replay")
def replay(given):
    """Have ingest read messages again; without a running ingest, do it here.

    Exit code 0: all could be read; 1: some could not.
    """
    from fink_like.ask import ask
    from fink_like.cli.jobs import spark_session
    from fink_like.letters import read, summary
    settings, selection = settings_of(given), _selection(given)
    if selection.is_all() and not given.all:
        raise ConfigError("which ones? --night, --survey, --reason, --place, or --all")
    answer = ask(settings, "ingest", {"do": "redrive", "condition": selection.sql()},
                 lambda: spark_session(settings), given.wait)
    print(f"tried {answer['tried']}, read {answer['read']}")
    still = read(settings.data, selection)
    if len(still):
        print("still unreadable:")
        print(summary(still)[["reason", "letters", "example"]].to_string(index=False))
    return int(answer["read"] < answer["tried"])


def _selection(given):
    from fink_like.letters import Selection
    names = tuple(path.stem for path in (settings_of(given).conf / "surveys").glob("*.yaml"))
    return Selection(names, given.night, given.survey, given.reason, given.place)
