"""Commands that send messages again, or over from elsewhere, as they were received."""

import sys

from fink_like import config
from fink_like.cli.command import DATA, SERVERS, command, option
from fink_like.cli.machine import settings_of
from fink_like.cli.packets import finish, progress


@command(option("--night", type=int, nargs="+", default=[], metavar="YYYYMMDD",
                help="observing nights"),
         option("--where", default="", help="condition on columns of bronze, as in a filter"),
         option("--ids", help="alert ids: 12,34 or a file with some on each line"),
         option("--dead-letters", action="store_true",
                help="also messages without a time of their own"),
         option("--to", required=True, metavar="TOPIC", help="made if it is missing"),
         option("--rate", metavar="R|original", help="messages a second, or as Kafka received "
                "them; default: as fast as it goes"),
         option("--speed", type=float, default=1.0, help="times faster than original; default 1"),
         option("--state", help="file that remembers how far it is; default "
                "var/replay/TOPIC.json"), DATA, SERVERS,
         example="fink-like replay --night 20260311 --to ztf_20260311_again --rate 500")
def replay(given):
    """Send messages of bronze to a topic again, as they were received, in the order of events."""
    from fink_like import bronze_index
    from fink_like import replay as door
    settings = settings_of(given)
    pace = door.Pace.read(given.rate, given.speed)
    ids = bronze_index.read_ids(given.ids) if given.ids else ()
    chosen = bronze_index.Selection(tuple(given.night), given.where, ids, given.dead_letters)
    job = door.Replay(settings, chosen, given.to, given.state)
    if job.done:
        print(f"going on behind {job.done} messages", file=sys.stderr)
    return finish(job.run(pace, progress(job.left)), given.to)


@command(option("--from", dest="source", required=True, metavar="SERVERS",
                help="host:port,... to read from"),
         option("--topics", required=True,
                help="names with commas, or a regular expression that begins with ^"),
         option("--to", metavar="TOPIC", help="one topic for all"),
         option("--to-prefix", metavar="PREFIX", help="put before each topic's own name"),
         option("--group", default="",
                help="consumer group at the source; default fink_like_mirror"),
         option("--options", metavar="FILE", help="YAML or JSON of the source's client options"),
         option("--start", choices=("earliest", "latest"), default="earliest"),
         option("--until-caught-up", action="store_true",
                help="end when all that is there is here"), SERVERS,
         example="fink-like mirror --from their.server:9092 --topics '^ztf_.*' --to-prefix their_")
def mirror(given):
    """Copy another cluster's topics into ours, byte for byte, until it is stopped."""
    from fink_like import mirror as door
    from fink_like.steps import Steps
    source = door.Source(given.source, given.topics, given.group,
                         config.source_options(given.options), given.start)
    steps = Steps()

    def show(summary, lag):
        steps.progress(f"{summary.acknowledged} messages, {summary.bytes / 1e6:.0f} MB, "
                       + ("no partition yet" if lag is None else f"{lag} behind"))
    names = door.Names(given.to, given.to_prefix)
    return finish(door.mirror(settings_of(given), source, names, given.until_caught_up, show),
                  given.to or f"{given.to_prefix}...")
