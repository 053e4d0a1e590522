"""How many letters of what there are."""

import pyarrow.compute as pc

from fink_like.client import open_table
from fink_like.client.archive import PLACE

STATES = ("open", "redriven", "all")
SMALL = ("night", "survey", "state", "reason", *PLACE, "attempt", "kafka_time", "bytes", "detail")


def read(data, selection, state="open", columns=SMALL):
    """Dead letters.

    Parameters
    ----------
    data : str
    selection : Selection
    state : str
        ``open``, ``redriven`` or ``all``.
    columns : iterable of str
        Of bronze; the messages themselves are in ``value``.

    Returns
    -------
    pandas.DataFrame
        In the order of their coordinates; ``open`` tells which are.
    """
    keys = [*PLACE, "attempt"]
    where = selection.expression()
    still = open_table(data, "dead_letters", columns=keys, where=where).assign(open=True)
    rows = open_table(data, "bronze", columns=[*dict.fromkeys((*columns, *keys))],
                      where=unread(selection))
    rows = rows.merge(still, how="left", on=keys)
    rows["open"] = rows["open"].notna()
    if state != "all":
        rows = rows[rows["open"] == (state == "open")]
    return rows.sort_values(PLACE, ignore_index=True)


def unread(selection):
    """Condition on bronze: the selected messages that could not be read."""
    where, letters = selection.expression(), pc.field("state") != "ok"
    return letters if where is None else letters & where


def summary(letters):
    """Counts by survey, reason and topic, the most frequent first.

    Parameters
    ----------
    letters : pandas.DataFrame
        From `read`.

    Returns
    -------
    pandas.DataFrame
        survey, reason, topic, letters, open, first, last (times in Kafka), example.
    """
    where = (letters["topic"] + ":" + letters["partition"].astype(str) + ":"
             + letters["offset"].astype(str))
    found = letters.assign(example=where).groupby(["survey", "reason", "topic"], dropna=False).agg(
        letters=("offset", "size"), open=("open", "sum"), first=("kafka_time", "min"),
        last=("kafka_time", "max"), example=("example", "first"))
    return found.sort_values("letters", ascending=False, kind="stable").reset_index()
