"""A balance, written for people."""

from rich.console import Console
from rich.table import Table

from fink_like.books.checks import KINDS, span

MOST_LINES = 30  # discrepancies of one kind that are printed; all are in the JSON
MOST_PLACES = 5  # of alerts without a score that are printed; all are in the JSON
COUNTS = {
    "received": "messages received", "readable": "readable", "dead": "dead letters",
    "waiting": "waiting for a schema", "redriven": "read later (re-driven)",
    "duplicates": "packets sent again", "gaps": "missing in Kafka, explained", "bytes": "bytes",
    "to_science": "not yet read by science", "scored": "scored in silver",
    "keys_only": "in silver with keys only", "to_distribute": "not yet read by distribute"}
STATIONS = {"bronze": "seconds from Kafka to bronze", "silver": "... to silver",
            "substream": "... to a substream"}


def page(found, console=None):
    """Print a balance.

    Parameters
    ----------
    found : dict
        From `fink_like.books.balance`.
    console : rich.console.Console, optional
    """
    console = console or Console(highlight=False, soft_wrap=True)
    console.print(f"Night {', '.join(map(str, found['nights']))}" + _others(found["other_nights"]))
    console.print(_counts(found["surveys"]))
    console.print(_substreams(found["substreams"]))
    for job, did in found["jobs"].items():
        late = found["behind"][job]
        console.print(f"{job}: {_job(did)}" + (
            f"; its ledger is behind by {late} batches (it catches up by itself)" if late else ""))
    _faults(found, console)


def _others(nights):
    newest = [f"{night} ({rows} rows)" for night, rows in [*nights.items()][-5:]]
    return f"; bronze has others: {', '.join(newest)}" if newest else ""


def _counts(surveys):
    table = Table("", title="What became of the messages", title_justify="left")
    for survey in surveys:
        table.add_column(survey, justify="right")
    for name, words in COUNTS.items():
        table.add_row(words, *(str(counts[name]) for counts in surveys.values()))
    for name, words in STATIONS.items():
        table.add_row(f"{words}: p50 p95 p99", *(_seconds(counts["latency_s"][name])
                                                 for counts in surveys.values()))
    return table


def _seconds(quantiles):
    return " ".join(f"{s:.1f}" for s in quantiles) if quantiles else "-"


def _substreams(lines):
    table = Table("filter", "topic", "outcome", title="Delivered", title_justify="left")
    table.add_column("alerts", justify="right")
    for line in lines:
        table.add_row(line["filter"], line["topic"], line["outcome"], str(line["alerts"]))
    return table


def _job(did):
    if not did["batches"]:
        return "no batch of this night"
    again = f" and {did['redrives']} re-drives" if did["redrives"] else ""
    return (f"{did['batches']} batches{again}, {did['rows']} rows in {did['seconds']:.1f} s "
            f"({did['rows'] / max(did['seconds'], 1e-3):.0f}/s), {did['first']} to {did['last']}")


def _unscored(module, found):
    """A line on the alerts that a module has yet to score again."""
    counts = ", ".join(f"{count} {status}" for status, count in found["statuses"].items())
    places = [span(*where) for where in found["where"]]
    more = f" and {len(places) - MOST_PLACES} more places" if len(places) > MOST_PLACES else ""
    return f"to score again: {module}: {counts}: {', '.join(places[:MOST_PLACES])}{more}"


def _faults(found, console):
    for module, missing in found["unscored"].items():
        console.print(_unscored(module, missing))
    for gap in found["gaps"]:
        console.print(f"gap, explained: {gap['messages']} of {gap['where']} (batch "
                      f"{gap['batch']}): {gap['cause']}")
    for kind, meaning in KINDS.items():
        mine = [one for one in found["discrepancies"] if one["kind"] == kind]
        if mine:
            total = sum(one["count"] for one in mine)
            console.print(f"DISCREPANCY {kind}: {total}: {meaning}")
        for one in mine[:MOST_LINES]:
            batch = "" if one["batch"] is None else f", batch {one['batch']}"
            console.print(f"  {one['table']}{batch}: {one['where']} ({one['count']})")
        if len(mine) > MOST_LINES:
            console.print(f"  and {len(mine) - MOST_LINES} more places; all are in --json")
    console.print("The night balances." if found["balances"] else
                  "The night does NOT balance: docs/runbook.md, \"The ledger does not balance\".")
