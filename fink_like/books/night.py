"""A night in numbers: the small columns of all tables, and the ledger's lines."""

import json
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from fink_like.bookkeeping import LEDGER
from fink_like.books import scores
from fink_like.books.snapshot import OFFSET_BITS, Snapshot
from fink_like.client.archive import in_nights, open_table
from fink_like.errors import SetupError
from fink_like.reports import JOBS, SmallFiles

WRITES = dict(zip(JOBS, ("bronze", "silver", "deliveries")))
PLACE = {name: (name,) for name in ("topic", "partition", "offset")}
BRONZE = {**PLACE, **{name: (name,) for name in (
    "night", "survey", "state", "attempt", "batch_id", "bytes", "datum_hash", "kafka_time",
    "ingest_time")}}
SILVER = {**{name: ("packet", name) for name in PLACE},
          **{name: (name,) for name in ("night", "survey", "diaSourceId", "revision",
                                        "packet_status")},
          "kafka_time": ("broker", "kafka_time"), "science_time": ("broker", "science_time")}
RESCORES = {name: (name,) for name in ("survey", "diaSourceId", "revision")}
DELIVERIES = {name: (name,) for name in (
    "night", "survey", "diaSourceId", "revision", "filter", "topic", "batch_id", "outcome",
    "kafka_time", "sent_at")}
SMALL = {"attempt": "int16", "partition": "int32", "night": "int32", "survey": "int16",
         "state": "int16", "revision": "int32", "packet_status": "int8", "bytes": "int32"}


@dataclass
class Night:
    """What the tables and the ledger say of one or several nights.

    Parameters
    ----------
    snapshot : Snapshot
    nights : list of int
    others : dict
        The tables' other nights: night -> rows of bronze.
    bronze, silver, rescores, deliveries : pandas.DataFrame
        Numbers; ``key`` are Kafka coordinates, ``delay`` seconds since the packet reached Kafka,
        ``version`` (bronze) the table's version that brought the row, -1 if nobody knows.
    ledger : dict
        Job -> its lines, of versions that the tables had.
    behind : dict
        Job -> [(version, note)] of its table that its ledger does not know yet.
    read_version : dict
        Job -> versions below it of the table before it have been read.
    unscored : dict
        Module -> alerts that it has yet to score again, see `fink_like.books.scores`.
    accepted : list of dict
        Gaps in Kafka that somebody accepted.
    """

    snapshot: Snapshot
    nights: list
    others: dict
    bronze: pd.DataFrame = None
    silver: pd.DataFrame = None
    rescores: pd.DataFrame = None
    deliveries: pd.DataFrame = None
    ledger: dict = field(default_factory=dict)
    behind: dict = field(default_factory=dict)
    read_version: dict = field(default_factory=dict)
    unscored: dict = field(default_factory=dict)
    accepted: list = field(default_factory=list)

    def is_in(self, state):
        """Which rows of bronze are in a state."""
        return (self.bronze["state"] == self.snapshot.code(state)).to_numpy()


def read(data, nights=None):
    """Read the books of a night.

    Parameters
    ----------
    data : str or Path
        The broker's data folder.
    nights : int or iterable of int, optional
        Observing nights YYYYMMDD; the last one that has readable alerts if not given.

    Returns
    -------
    Night

    Raises
    ------
    SetupError
        There is no bronze there, or it has no such night.
    """
    snapshot = Snapshot(data)
    have = snapshot.nights("bronze")
    last = [*(snapshot.nights("bronze", "ok") or have)][-1:]  # dead letters may be of Kafka's night
    wanted = last if nights is None else [int(n) for n in np.atleast_1d(nights)]
    lacking = sorted(set(wanted) - set(have))
    if lacking or not wanted:
        raise SetupError(f"bronze of {data} has no night {lacking or ''}; it has "
                         f"{', '.join(map(str, [*have][-5:])) or 'none yet'}")
    night = Night(snapshot, wanted, {n: rows for n, rows in have.items() if n not in wanted})
    near = in_nights(wanted)
    night.silver = _delayed(_rows(snapshot, "silver", SILVER, near), "science_time")
    night.rescores = _rows(snapshot, "rescores", RESCORES, near)
    night.deliveries = _delayed(_rows(snapshot, "deliveries", DELIVERIES, near), "sent_at")
    night.bronze = _delayed(_rows(snapshot, "bronze", BRONZE, near), "ingest_time")
    night.unscored = scores.missing(snapshot, near)
    _open_ledgers(night)
    night.bronze["version"] = _versions(night)
    night.accepted = (SmallFiles(data, "jobs", JOBS[0]).read("accepted.json") or {}).get("gaps", [])
    return night


def _rows(snapshot, name, columns, near):
    found = snapshot.numbers(name, columns, near)
    if "offset" in found:
        place = [found.pop(column) for column in PLACE]
        found["key"] = snapshot.keys(*place)
    return pd.DataFrame({n: found[n].astype(SMALL.get(n, found[n].dtype)) for n in [*found]})


def _delayed(rows, reached):
    """Times replaced by the seconds between them."""
    delay = (rows.pop(reached) - rows.pop("kafka_time")) / 1e6
    return rows.assign(delay=delay.astype("float32"))


def _open_ledgers(night):
    lines = _all_lines(night.snapshot.data)
    for job, table in WRITES.items():
        mine = lines[lines["job"] == job]
        mine = mine[mine["table_version"] <= night.snapshot.version(table)]
        night.ledger[job] = mine.sort_values(["table_version", "topic", "partition"],
                                             ignore_index=True)
        known = int(mine["table_version"].max()) if len(mine) else -1
        night.behind[job] = [(version, note) for version, note, rows in
                             night.snapshot.notes(table, known) if rows or "starts" in note]
        night.read_version[job] = _read_version(night, job, table)


def _all_lines(data):
    try:
        return open_table(data, "ledger")
    except SetupError:
        return pd.DataFrame(columns=[column.name for column in LEDGER])


def _read_version(night, job, table):
    """By the newest note: a batch that wrote nothing has no line in the ledger."""
    for _, note, _ in night.snapshot.notes(table):
        if "starts" not in note and note.get("sources"):
            offset = json.loads(note["sources"][0])
            return 0 if offset.get("isStartingVersion") else offset["reservoirVersion"]
    told = night.ledger[job]["read_version"].dropna()
    return int(told.max()) if len(told) else 0


def _versions(night):
    """The table's version that brought each row of bronze, by its batch or re-drive."""
    lines = night.ledger["ingest"]
    known = {(kind == "redrive", int(batch)): int(version) for kind, batch, version in
             zip(lines["kind"], lines["batch"], lines["table_version"])}
    for version, note in night.behind["ingest"]:
        known["redrive" in note, note.get("batch", note.get("redrive"))] = version
    rows = night.bronze
    batches = rows["batch_id"].to_numpy() * 2 + (rows["attempt"].to_numpy() > 0)
    every, which = np.unique(batches, return_inverse=True)
    return np.array([known.get((bool(b & 1), b >> 1), -1) for b in every.tolist()], "int64")[which]


def place_codes(keys):
    """The partitions that Kafka coordinates are of."""
    return np.asarray(keys) >> OFFSET_BITS


def among(values, known):
    """Which values are in a sorted array; numpy's own `isin` takes ten times as long."""
    if not len(known):
        return np.zeros(len(values), bool)
    return known[np.minimum(np.searchsorted(known, values), len(known) - 1)] == values
