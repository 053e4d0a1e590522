"""What does not balance: each finding with the place where it lies."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from fink_like.books import gaps
from fink_like.books.night import among, place_codes

KINDS = {
    "twice_in_bronze": "a Kafka coordinate is there twice at one attempt",
    "ledger_differs": "the ledger has counted other rows than the table has",
    "ranges_do_not_join": "a batch does not begin where the one before it ended",
    "does_not_add_up": "rows and gap are not what the batch's range of offsets holds",
    "gap_not_accepted": "messages are missing, and nobody has accepted that",
    "missing_in_silver": "readable, and science has read past it, but silver has it not",
    "twice_in_silver": "silver has a packet more than once",
    "not_in_bronze": "silver has what bronze has not",
    "letter_in_silver": "silver has what bronze could not read",
    "delivered_twice": "delivered more often than silver has the alert",
    "delivered_unknown": "delivered, but silver has no such alert",
}
"""Closed list of what can be found, with its meaning."""

ALERT = ["survey", "diaSourceId", "revision"]
MOST_RUNS = 1000  # of one kind that are named
MOST_ALERTS = 3  # of one batch and filter that are named


@dataclass(frozen=True)
class Discrepancy:
    """One thing that does not balance.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    table : str
    count : int
        Rows, messages or deliveries concerned.
    where : str
        ``topic:partition:first-last`` with offsets, or what else names the place.
    batch : int or None
    """

    kind: str
    table: str
    count: int
    where: str
    batch: int | None = None


def discrepancies(night):
    """All that does not balance in a night.

    Parameters
    ----------
    night : Night

    Returns
    -------
    list of Discrepancy
    """
    return [Discrepancy(*found) for check in (
        _bronze, _ledger_of_ingest, _ledger_of_distribute, gaps.of_ranges, _silver, _deliveries)
        for found in check(night)]


def _bronze(night):
    again = night.bronze[night.bronze.duplicated("key")]  # one column is ten times as fast as two
    if len(again):
        again = night.bronze[night.bronze["key"].isin(again["key"])]
        again = again[again.duplicated(["key", "attempt"])]
    yield from _runs(night, "twice_in_bronze", "bronze", again["key"], again["batch_id"])


def _silver(night):
    keys, read = night.bronze["key"].to_numpy(), night.is_in("ok")
    silver = np.sort(night.silver["key"].to_numpy())
    past = read & (night.bronze["version"] < night.read_version["science"]).to_numpy()
    missing = night.bronze[past & ~among(keys, silver)].drop_duplicates("key")
    yield from _runs(night, "missing_in_silver", "silver", missing["key"], missing["batch_id"])
    yield from _runs(night, "twice_in_silver", "silver", silver[1:][np.diff(silver) == 0])
    strange = np.unique(silver[~among(silver, np.sort(keys[read]))])
    letters = among(strange, np.sort(keys[~read]))
    yield from _runs(night, "letter_in_silver", "silver", strange[letters])
    yield from _runs(night, "not_in_bronze", "silver", strange[~letters])


def _runs(night, kind, table, keys, batches=None):
    """Findings of Kafka coordinates, those that follow each other in one batch together."""
    keys = np.asarray(keys)
    batch_of = np.zeros(len(keys), int) if batches is None else np.asarray(batches)
    order = np.lexsort((keys, batch_of))
    keys, batch_of = keys[order], batch_of[order]
    ends = np.flatnonzero((np.diff(keys) > 1) | (np.diff(batch_of) != 0))
    starts = np.concatenate([[0], ends + 1, [len(keys)]]) if len(keys) else np.zeros(1, int)
    for first, end in zip(starts[:MOST_RUNS], starts[1:]):
        topic, partition, offset = night.snapshot.coordinates(keys[first])
        last = night.snapshot.coordinates(keys[end - 1])[2]
        yield (kind, table, int(end - first), span(topic, partition, offset, last),
               None if batches is None else int(batch_of[first]))
    if len(starts) > MOST_RUNS + 1:
        yield kind, table, int(len(keys) - starts[MOST_RUNS]), "in further places"


def span(topic, partition, first, last):
    """Offsets of a partition as people write them."""
    return f"{topic}:{partition}:{first}" + (f"-{last}" if last != first else "")


def _ledger_of_ingest(night):
    lines = _by_night(night, "ingest")
    places = [night.snapshot.place_code(*place) for place in zip(lines["topic"],
                                                                 lines["partition"])]
    told = lines["night_rows"].groupby([lines["kind"] == "redrive", lines["batch"], places,
                                        lines["nights"]]).sum()
    late = [version for version, _ in night.behind["ingest"]]
    rows = night.bronze[~night.bronze["version"].isin(late)]
    found = rows.groupby([rows["attempt"] > 0, "batch_id", place_codes(rows["key"]),
                          "night"]).size()
    ranges = gaps.ranges(night)
    for (again, batch, place, one), told_rows, found_rows in _unequal(told, found):
        topic, partition = night.snapshot.place(place)
        read = "" if again else ranges.get((topic, partition, batch), "")
        where = (f"{topic}:{partition}{read}, night {one}: ledger {told_rows} rows, bronze "
                 f"{found_rows}" + (" (a re-drive)" if again else ""))
        yield "ledger_differs", "bronze", abs(told_rows - found_rows), where, int(batch)


def _ledger_of_distribute(night):
    lines = _by_night(night, "distribute")
    told = lines["night_rows"].groupby([lines["batch"], lines["topic"].map(night.snapshot.code),
                                        lines["nights"]]).sum()
    late = [note["batch"] for _, note in night.behind["distribute"]]
    rows = night.deliveries[~night.deliveries["batch_id"].isin(late)]
    found = rows.groupby(["batch_id", "topic", "night"]).size()
    for (batch, topic, one), told_rows, found_rows in _unequal(told, found):
        where = (f"to {night.snapshot.text(topic)}, night {one}: ledger {told_rows} rows, "
                 f"deliveries {found_rows}")
        yield "ledger_differs", "deliveries", abs(told_rows - found_rows), where, int(batch)


def _by_night(night, job):
    """The ledger's lines of batches, one for each of the nights that are looked at."""
    lines = night.ledger[job].explode(["nights", "night_rows"], ignore_index=True)
    return lines[lines["nights"].isin(night.nights)].astype(
        {"nights": "int64", "night_rows": "int64", "batch": "int64"})


def _unequal(told, found):
    both = pd.DataFrame({"told": told, "found": found}).fillna(0).astype("int64")
    wrong = both[both["told"] != both["found"]]
    return zip(wrong.index, wrong["told"].tolist(), wrong["found"].tolist())


def _deliveries(night):
    """Silver may have an alert twice: a packet that the survey sent again."""
    sent = night.deliveries.sort_values("batch_id", kind="stable")
    alerts = pd.concat([night.silver[ALERT], night.rescores[ALERT]])
    have = alerts[alerts["diaSourceId"].isin(sent["diaSourceId"])].groupby(ALERT).size()
    number = sent.groupby([*ALERT, "filter"]).cumcount()
    have = sent[ALERT].join(have.rename("have"), on=ALERT)["have"].fillna(0)
    surplus = sent[number >= have]
    for known, kind in ((False, "delivered_unknown"), (True, "delivered_twice")):
        mine = surplus[(have[surplus.index] > 0) == known]
        for (name, batch), rows in mine.groupby(["filter", "batch_id"]):
            yield (kind, "deliveries", len(rows),
                   f"filter {night.snapshot.text(name)}: {_alerts(rows)}", int(batch))


def _alerts(rows):
    named = [f"{one.diaSourceId}" + (f" revision {one.revision}" if one.revision else "")
             for one in rows.head(MOST_ALERTS).itertuples()]
    more = len(rows) - len(named)
    behind = f" and {more} more" if more else ""
    return f"alert{'s' * (len(rows) > 1)} {', '.join(named)}{behind}"
