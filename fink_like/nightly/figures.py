"""What happened in a night, as plain values and as a few arrays to draw.

Only small columns are read, a piece at a time: a night of 10 million alerts needs some 0.5 GB. What
waits at a moment is what had arrived by then less what was done by then, so no job has to keep a
history of its lag.
"""

import contextlib
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fink_like import client
from fink_like.client.archive import open_delta
from fink_like.errors import SetupError
from fink_like.reports import JOBS
from fink_like.vocabulary import Status

ROWS = 131072  # of a piece that is read at once
TABLES = ("bronze", "silver", "rescores", "deliveries")
SLOWEST = 5  # batches of each job that are named
BATCH = ["job", "kind", "batch", "committed_at", "seconds", "rows", "dead", "gap"]
STATUS = {int(status): status.name.lower() for status in Status}

# Job -> table, when an alert reached the survey's topic, when this job had done with it, and
# which rows of the table count.
STATIONS = {
    "ingest": ("bronze", ("kafka_time",), ("ingest_time",), pc.field("state") == "ok"),
    "science": ("silver", ("broker", "kafka_time"), ("broker", "science_time"),
                pc.field("revision") == 0),
    "distribute": ("deliveries", ("kafka_time",), ("sent_at",), pc.field("outcome") == "sent")}


@dataclass
class Times:
    """When the alerts of a night arrived, and were done with at one station; seconds since 1970."""

    arrived: np.ndarray
    done: np.ndarray

    @property
    def delay(self):
        """Seconds between the two."""
        return self.done - self.arrived


def times(data, night):
    """Job -> `Times` of a night."""
    found = {}
    for job, (table, arrived, done, counts) in STATIONS.items():
        columns = {"arrived": pc.field(*arrived), "done": pc.field(*done)}
        parts = {name: [np.empty(0)] for name in columns}
        for batch in _pieces(data, table, night, columns, counts):
            for name, part in parts.items():
                moments = batch.column(name).cast(pa.timestamp("us", "UTC")).cast(pa.int64())
                part.append(moments.to_numpy(zero_copy_only=False) / 1e6)
        found[job] = Times(**{name: np.concatenate(part) for name, part in parts.items()})
    return found


def counts(data, night):
    """What the tables have of a night, counted.

    Returns
    -------
    dict
        ``topics`` {topic: {state: rows}}, ``dead_letters`` {reason: rows}, ``filters``
        {topic: {outcome: rows}}, ``modules`` {module: {status: rows}}, ``duplicates``
        {survey: {kind: rows}}.
    """
    names = {"topic": pc.field("topic"), "state": pc.field("state"), "reason": pc.field("reason")}
    bronze = _count(data, "bronze", night, names)
    letters = Counter()
    for (_, state, reason), rows in bronze.items():
        letters[reason] += rows if state != "ok" else 0
    return {"topics": _nested((key[:2], rows) for key, rows in bronze.items()),
            "dead_letters": dict(+letters), "modules": _modules(data, night),
            "filters": _nested(_pairs(data, "deliveries", night, "topic", "outcome")),
            "duplicates": _nested(_pairs(data, "duplicates", night, "survey", "kind"))}


def sizes(data, night):
    """Table -> {files, bytes} of a night, of the tables that have any."""
    found = {}
    for table in TABLES:
        with contextlib.suppress(SetupError):  # its job has not run yet
            files = pa.table(open_delta(data, table).get_add_actions(flatten=True))
            mine = files.filter(pc.field("partition.night") == night)["size_bytes"]
            if len(mine):
                found[table] = {"files": len(mine), "bytes": pc.sum(mine).as_py()}
    return found


def _pairs(data, table, night, *names):
    return _count(data, table, night, {name: pc.field(name) for name in names}).items()


def _modules(data, night):
    """Module -> status in words -> alerts."""
    schema = client.open_dataset(data, "silver").schema
    modules = [f.name for f in schema if pa.types.is_struct(f.type)
               and f.type.get_field_index("status") >= 0]
    found = {}
    for module in modules:
        rows = _count(data, "silver", night, {"status": pc.field(module, "status")})
        found[module] = {STATUS.get(status, str(status)): n for (status,), n in
                         sorted(rows.items(), key=lambda item: -item[1])}
    return found


def _count(data, table, night, columns):
    """Rows by the values of some columns."""
    found = Counter()
    for batch in _pieces(data, table, night, columns):
        rows = pa.Table.from_batches([batch]).group_by([*columns]).aggregate([([], "count_all")])
        for row in rows.to_pylist():
            found[tuple(row[name] for name in columns)] += row["count_all"]
    return found


def _nested(counted):
    found = {}
    for (first, second), rows in sorted(counted, key=str):
        group = found.setdefault(first, {})
        group[second] = group.get(second, 0) + rows
    return found


def _pieces(data, table, night, columns, where=None):
    try:
        dataset = client.open_dataset(data, table)
    except SetupError:
        return  # its job has not run yet
    here = pc.field("night") == night
    yield from dataset.scanner(columns=columns, filter=here if where is None else here & where,
                               batch_size=ROWS).to_batches()


def latency(moments):
    """Job -> 50, 95, 99 % and the largest delay in seconds from the survey's topic."""
    return {job: [round(float(q), 3) for q in np.percentile(found.delay, (50, 95, 99, 100))]
            for job, found in moments.items() if len(found.done)}


def batches(data, night):
    """The ledger's batches with rows of a night, one line each, as a frame (columns `BATCH`)."""
    lines = client.open_table(data, "ledger")
    mine = lines[[night in found for found in lines["nights"]]]
    sums = mine.groupby(["job", "kind", "batch"], as_index=False).agg(
        {"committed_at": "max", "seconds": "max", "rows": "sum", "dead": "sum", "gap": "sum"})
    return sums[BATCH].sort_values("seconds", ascending=False, ignore_index=True)


def slowest(found):
    """The slowest of `batches`, of each job, as plain values."""
    rows = [found[found["job"] == job].head(SLOWEST) for job in JOBS]
    return [{**row, "committed_at": f"{row['committed_at']:%F %T}", "gap": int(row["gap"])}
            for part in rows for row in part.to_dict("records")]
