"""Which messages of bronze, in the order of their events: a small index, then the packets.

The index holds the coordinates and times of the chosen rows, some 60 bytes each; packets are
fetched in chunks. Bronze's files are in (topic, partition, offset) order, and a survey sends in
about the order of events, so that a chunk opens few files.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from fink_like.client.archive import frame
from fink_like.client.stored_packets import REBUILT_FROM
from fink_like.errors import BrokerError, ConfigError, FilterError
from fink_like.filters.compile import condition
from fink_like.vocabulary import BRONZE, leaves

COORDINATES = ["topic", "partition", "offset"]
ORDERED_BY = ("night", "state", *COORDINATES, "kafka_time", "midpointMjdTai", "bytes")
ATTEMPT = "attempt"  # 0: first landing; n: the same coordinates, read again after mending
CHUNK_BYTES, CHUNK_ROWS = 64 << 20, 2000
ROWS_A_READ = 128  # rows of up to 0.9 MB that Arrow decodes at once
MJD_1970, TAI_MINUS_UTC_S, DAY_US = 40587, 37, 86_400_000_000


@dataclass(frozen=True)
class Selection:
    """Which messages; what is given must all be true.

    Parameters
    ----------
    nights : tuple of int
        Observing nights YYYYMMDD; empty: all.
    where : str
        Condition in the language of filters, on columns of bronze; empty: none.
    ids : tuple of int
        diaSourceId; empty: all.
    dead_letters : bool
        Also messages without a time of their own; Kafka's stands in for it.
    """

    nights: tuple = ()
    where: str = ""
    ids: tuple = ()
    dead_letters: bool = False

    def __post_init__(self):
        if not (self.nights or self.where or self.ids):
            raise ConfigError("replay what? Give a night, a condition (where) or ids")


def read_ids(text):
    """Alert ids out of a list (``12,34``) or of a file with some on each line, ``#`` comments.

    Raises
    ------
    ConfigError
        Something is not a number, with the file and line.
    """
    path = Path(text)
    lines = path.read_text().splitlines() if path.is_file() else [text]
    ids = []
    for number, line in enumerate(lines, 1):
        for word in re.split(r"[\s,;]+", line.split("#")[0].strip()):
            if word and not re.fullmatch(r"-?\d{1,19}", word):
                raise ConfigError(f"{text}:{number}: {word!r} is neither an alert id nor a file")
            ids += [int(word)] if word else []
    return tuple(ids)


def index(dataset, selection):
    """Coordinates of the chosen messages in the order of events.

    Parameters
    ----------
    dataset : pyarrow.dataset.Dataset
        Bronze.
    selection : Selection

    Returns
    -------
    pandas.DataFrame
        `ORDERED_BY`, ``attempt`` and ``mjd`` (d, TAI: of the event, else of Kafka), sorted by
        mjd, topic, partition, offset; of a message read several times the newest reading only.

    Raises
    ------
    FilterError
        The condition is wrong, or names a column that bronze does not have.
    """
    wanted = _condition(selection.where) if selection.where else None
    columns = [*ORDERED_BY, *_attempt(dataset), *(wanted.columns if wanted else ())]
    found = []
    for batch in dataset.to_batches(columns=list(dict.fromkeys(columns)),
                                    filter=_prefilter(selection)):
        rows = frame(pa.Table.from_batches([batch]))
        rows = rows[wanted.mask(rows)] if wanted and len(rows) else rows
        found.append(rows[[*ORDERED_BY, *_attempt(dataset)]])
    rows = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=[*ORDERED_BY])
    return _sorted(_newest(rows, dataset))


def _condition(where):
    try:
        return condition(where, leaves(BRONZE))
    except FilterError as error:
        raise FilterError(f"where: {error} (a replay takes columns of bronze)") from error


def _prefilter(selection):
    """What Arrow can decide by itself, most of it by the statistics of files."""
    chosen = pc.scalar(True)
    if selection.nights:
        chosen &= pc.field("night").isin(selection.nights)
    if selection.ids:
        chosen &= pc.field("diaSourceId").isin(pa.array(selection.ids, pa.int64()))
    return chosen if selection.dead_letters else chosen & pc.field("midpointMjdTai").is_valid()


def _attempt(dataset):
    return [ATTEMPT] if ATTEMPT in dataset.schema.names else []


def _newest(rows, dataset):
    """Without the rows that a later attempt has replaced, which may be of another night."""
    if ATTEMPT not in rows:
        return rows.assign(**{ATTEMPT: 0})
    again = dataset.to_table(columns=[*COORDINATES, ATTEMPT], filter=pc.field(ATTEMPT) > 0)
    newest = again.to_pandas().groupby(COORDINATES, as_index=False)[ATTEMPT].max()
    rows = rows.assign(**{ATTEMPT: rows[ATTEMPT].fillna(0).astype("int64")})
    rows = rows.merge(newest, how="left", on=COORDINATES, suffixes=("", "_newest"))
    return rows[rows[ATTEMPT] >= rows[f"{ATTEMPT}_newest"].fillna(0)]


def _sorted(rows):
    kafka_us = rows["kafka_time"].astype("datetime64[us, UTC]").astype("int64")
    received = kafka_us / DAY_US + MJD_1970 + TAI_MINUS_UTC_S / 86400
    rows = rows.assign(topic=pd.Categorical(rows["topic"]), kafka_time=kafka_us,
                       mjd=rows["midpointMjdTai"].astype(float).fillna(received))
    order = np.lexsort((rows["offset"], rows["partition"], rows["topic"].cat.codes, rows["mjd"]))
    return rows.iloc[order].reset_index(drop=True)


def chunks(rows):
    """Parts of an index, one after the other, none with more than `CHUNK_BYTES` of packets."""
    start, total = 0, np.cumsum(rows["bytes"].to_numpy("int64"))
    while start < len(rows):
        before = total[start - 1] if start else 0
        stop = np.searchsorted(total, before + CHUNK_BYTES, side="right")
        stop = min(max(int(stop), start + 1), start + CHUNK_ROWS)
        yield rows.iloc[start:stop]
        start = stop


def fetch(dataset, chunk):
    """Rows of bronze of a part of an index, in its order.

    Parameters
    ----------
    dataset : pyarrow.dataset.Dataset
        The one that was indexed.
    chunk : pandas.DataFrame
        From `chunks`.

    Returns
    -------
    list of dict
        Coordinates, ``key``, ``headers`` and what `fink_like.client.stored_packets.as_received`
        needs.

    Raises
    ------
    BrokerError
        A message is there no longer.
    """
    attempt = _attempt(dataset)
    places = {place: n for n, place in enumerate(_keys(chunk, [*COORDINATES, *attempt]))}
    found = [None] * len(places)
    for batch in dataset.to_batches(
            columns=[*COORDINATES, *attempt, "key", "headers", *REBUILT_FROM],
            filter=_near(chunk), batch_size=ROWS_A_READ, batch_readahead=2, fragment_readahead=1):
        for row in batch.to_pylist():
            place = (row["topic"], row["partition"], row["offset"],
                     *([row[ATTEMPT] or 0] if attempt else ()))
            if place in places:
                found[places[place]] = row
    for place, row in zip(places, found):
        if row is None:
            raise BrokerError(f"bronze has lost {place[0]}:{place[1]}:{place[2]} while it was "
                              "replayed; was it past its retention?")
    return found


def _keys(chunk, names):
    return zip(*(chunk[name].tolist() for name in names))


def _near(chunk):
    """Where to look: nights, and offsets of each partition, with the range for the statistics."""
    near = pc.scalar(False)
    for (topic, partition), rows in chunk.groupby(["topic", "partition"], observed=True):
        offsets = rows["offset"].to_numpy("int64")
        near |= ((pc.field("topic") == topic) & (pc.field("partition") == int(partition))
                 & (pc.field("offset") >= int(offsets.min()))
                 & (pc.field("offset") <= int(offsets.max()))
                 & pc.field("offset").isin(pa.array(offsets)))
    return pc.field("night").isin([int(n) for n in chunk["night"].unique()]) & near
