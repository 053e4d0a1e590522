"""The report of a night: Markdown for people, JSON for machines, pictures for both."""

import io

from fink_like.nightly import figures, plots
from fink_like.nightly.page import page
from fink_like.reports import SmallFiles

FOLDER = ("reports", "nights")
DAYS_OF_LOG = 30  # delta.logRetentionDuration: older versions cannot be read on from
WARN_DAYS = 20


def write(settings, night, balance, tables):
    """Write a night's report.

    Parameters
    ----------
    settings : Settings
    night : Night
    balance : dict
        From `fink_like.books.balance`.
    tables : dict
        Table -> what VACUUM kept, and for whom.

    Returns
    -------
    str
        The report's folder.
    """
    data, number = settings.data, night.number
    moments = figures.times(data, number)
    batches = figures.batches(data, number)
    before, after = night.step("sizes", dict), figures.sizes(data, number)
    found = {"night": number, "balances": balance["balances"], "balance": balance,
             **figures.counts(data, number), "latency_s": figures.latency(moments),
             "slowest": figures.slowest(batches), "tables": tables,
             "sizes": {table: {"before": before.get(table, now), "after": now}
                       for table, now in after.items()}}
    found["alarms"] = alarms(settings, found, batches)
    out = SmallFiles(data, *FOLDER, str(number))
    _draw(out, found, moments)
    out.write_bytes("report.md", page(found).encode())
    out.write("report.json", found)
    return out.path


def alarms(settings, found, batches):
    """What somebody should look at, in words.

    Parameters
    ----------
    settings : Settings
    found : dict
        The report so far.
    batches : pandas.DataFrame
        From `fink_like.nightly.figures.batches`.

    Returns
    -------
    list of str
    """
    said = [f"{gap['topic']}:{gap['partition']}: {gap['messages']} messages are missing in Kafka: "
            f"{gap['cause']}" for gap in found["balance"]["gaps"]]
    floods = batches[(batches["rows"] >= settings.jobs.flood_least) & (batches["job"] == "ingest")
                     & (batches["dead"] >= settings.jobs.flood_share * batches["rows"])]
    said += [f"ingest batch {row.batch}: {row.dead} of {row.rows} messages could not be read"
             for row in floods.itertuples()]
    said += [f"module {module}: {rows} alerts {status}" for module, statuses in
             found["modules"].items() for status, rows in statuses.items()
             if status in ("failed", "timed_out")]
    said += [f"{topic}: {rows} alerts were not sent: {outcome}" for topic, outcomes in
             found["filters"].items() for outcome, rows in outcomes.items() if outcome != "sent"]
    said += [f"the ledger of {job} is behind by {late} batches" for job, late in
             found["balance"]["behind"].items() if late]
    return said + [_held(name, kept) for name, kept in found["tables"].items()
                   if kept["hours"] is None or kept["hours"] > 24 * WARN_DAYS]


def _held(name, kept):
    oldest = min(kept["readers"], key=kept["readers"].get)
    said = (f"{name}: {oldest} stands at version {kept['readers'][oldest]} of {kept['newest']}; "
            "no file replaced since is deleted")
    return said + (f"; after {DAYS_OF_LOG} days it cannot go on from there" if kept["hours"]
                   else ", and that version is no longer in the log: start it anew")


def _draw(out, found, moments):
    pictures = {"rate": lambda to: plots.rate(moments, to),
                "latency": lambda to: plots.latency(moments, to),
                "lag": lambda to: plots.lag(moments, to),
                "dead_letters": lambda to: plots.dead_letters(found["dead_letters"], to),
                "sizes": lambda to: plots.sizes(found["sizes"], to)}
    for name, draw in pictures.items():
        picture = io.BytesIO()
        draw(picture)
        out.write_bytes(f"{name}.png", picture.getvalue())
