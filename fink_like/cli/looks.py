"""Commands that look: at substreams, at the jobs, at one alert."""

import json

from fink_like.cli.command import DATA, SERVERS, command, option
from fink_like.cli.machine import settings_of
from fink_like.reports import JOBS


@command(option("topics", nargs="+"), SERVERS,
         option("--limit", type=int, help="end after this many alerts"),
         option("--timeout", type=float, help="end after this many seconds without one"),
         option("--start", choices=("earliest", "latest"), default="earliest"),
         option("--group", default="fink_like_listen", help="Kafka consumer group"),
         option("--state", help="folder that remembers what was seen, across restarts"),
         example="fink-like listen fink_rising_transient_ztf --limit 3")
def listen(given):
    """Print the alerts of substream topics as they come, decoded."""
    from fink_like import client
    settings = settings_of(given)
    servers = settings.kafka.out_servers or settings.kafka.servers
    with client.Subscriber({**settings.kafka.options, "bootstrap.servers": servers}, given.topics,
                           given.group, state=given.state, start=given.start) as alerts:
        for alert in alerts.alerts(limit=given.limit, timeout=given.timeout):
            print(client.describe(alert), flush=True)


@command(option("job", nargs="?", choices=JOBS),
         option("--max-age", type=float, default=300.0, help="seconds since its last sign of life"),
         option("--json", action="store_true", help="all of it, for machines"),
         option("--prometheus", action="store_true", help="as text for Prometheus"),
         DATA, example="fink-like status ingest --max-age 300")
def status(given):
    """Show how the jobs fare; with a job, exit 1 if its last sign of life is too old."""
    from fink_like import reports, state
    settings = settings_of(given)
    if given.job:
        age = reports.JobFiles(settings.data).age(given.job)
        print(f"{given.job:<11}" + ("no sign of life yet" if age is None
                                    else f"alive {age:.0f} s ago"))
        return int(age is None or age > given.max_age)
    found = state.state(settings)
    if given.json or given.prometheus:
        print(json.dumps(found) if given.json else state.prometheus(found), end="")
        return 0
    print("\n".join(state.lines(found)))
    print("in the last 200 batches of each job:")
    print_totals(settings)
    return 0


def print_totals(settings):
    """Print the sums over the last batches, as JSON."""
    from fink_like import reports
    totals = reports.totals(reports.JobFiles(settings.data))
    print(json.dumps(totals, indent=2, sort_keys=True))


@command(option("alert_id", type=int, help="diaSourceId or candid"), DATA,
         example="fink-like trace 2752190655615010044 --data var/demo/data")
def trace(given):
    """Show the way of one alert: packet, scores, filters passed and missed, topics, times."""
    from fink_like import trace as door
    print("\n".join(door.trace(settings_of(given), given.alert_id)))
