"""Stored alerts as modules are given them: of silver, with what silver does not keep beside it.

The history is put together from the object's alerts of earlier nights in silver, so it holds what
was known then, and nothing that a later packet brought; the images are those of the packets in
bronze, as long as these are kept.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fink_like.client.archive import dataset_of, open_dataset, open_delta
from fink_like.client.declared import packet_schema
from fink_like.client.stored_packets import COORDINATES
from fink_like.errors import PacketError, SchemaError, SetupError
from fink_like.kit.lightcurve import LIGHT_CURVE
from fink_like.kit.own_history import merged, until
from fink_like.packets import reference, wire
from fink_like.packets import survey as survey_declarations
from fink_like.vocabulary import CUTOUTS, HISTORY, PacketStatus, leaves

OBJECT = ("survey", "diaObjectId")
KEYS = (*OBJECT, "midpointMjdTai", *COORDINATES.values())
PAIRS = 20_000  # of an alert and an earlier one, put together at once: 100 MB of points
LITTLE = {"batch_size": 64, "batch_readahead": 1, "fragment_readahead": 1}
"""Of packets, a few at a time: pyarrow's own sizes hold gigabytes of them."""


def alerts(settings, wanted, types, where, limit=None):
    """Columns of stored alerts.

    Parameters
    ----------
    settings : Settings
    wanted : iterable of str
        Dotted names; what silver has not, of a survey for instance that came later, is left out.
    types : dict of str to pyarrow.DataType
        Of `wanted`.
    where : pyarrow.compute.Expression
        Which rows of silver.
    limit : int, optional
        Alerts at most.

    Returns
    -------
    dict of str to pyarrow.Array
        In the order of ``diaSourceId``; without packets of which only the keys could be read.

    Raises
    ------
    SetupError
        There is no silver.
    """
    silver = dataset_of(open_delta(settings.data, "silver"), settings.data, "silver")
    have = [name for name in {*wanted, *KEYS, "diaSourceId"} if is_in(silver.schema, name)]
    if is_in(silver.schema, "packet_status"):
        where &= pc.field("packet_status") == int(PacketStatus.OK)
    scanner = silver.scanner(columns={n: pc.field(*n.split(".")) for n in have}, filter=where)
    found = scanner.to_table() if limit is None else scanner.head(limit)
    found = found.take(pc.sort_indices(found["diaSourceId"])).combine_chunks()
    beside = {}
    if any(name.startswith(f"{HISTORY.name}.") for name in wanted):
        beside |= histories(silver, found)
    if any(name.startswith(f"{CUTOUTS.name}.") for name in wanted):
        beside |= images(settings, found)
    columns = {name: found[name].combine_chunks() for name in have} | beside
    return {name: columns[name].cast(types[name]) for name in wanted if name in columns}


def is_in(schema, name):
    """Whether a table has a column of this dotted name."""
    struct, dot, inner = name.partition(".")
    field = schema.field(struct) if struct in schema.names else None
    return field is not None and (not dot or inner in {f.name for f in field.type})


def histories(silver, found):
    """What our alerts of earlier nights had shown of the objects.

    Parameters
    ----------
    silver : pyarrow.dataset.Dataset
    found : pyarrow.Table
        Alerts, with `KEYS`.

    Returns
    -------
    dict of str to pyarrow.ListArray
        ``history.*``; null of an object not met before.
    """
    is_mine = pc.field("diaObjectId").isin(pc.unique(found["diaObjectId"]))
    names = (*OBJECT, "night", "midpointMjdTai", *LIGHT_CURVE)
    before = silver.to_table(columns={n: pc.field(*n.split(".")) for n in names},
                             filter=is_mine & (pc.field("diaObjectId") != 0)).combine_chunks()
    pairs = _pairs(found, before)
    parts, n_pairs = [], np.bincount(pairs["alert"], minlength=len(found))
    chunk = np.cumsum(n_pairs) // PAIRS
    for number in np.unique(chunk):
        rows = np.flatnonzero(chunk == number)
        mine = pairs[(pairs["alert"] >= rows[0]) & (pairs["alert"] <= rows[-1])]
        lists = [_together(before[name].take(pa.array(mine["earlier"])), n_pairs[rows])
                 for name in LIGHT_CURVE]
        known = merged(lists, [pa.nulls(len(rows), each.type) for each in lists])
        mjd = found["midpointMjdTai"].take(pa.array(rows)).to_numpy()
        parts.append(until([known.field(place) for place in range(len(lists))], mjd))
    return {name: pa.concat_arrays([part[name] for part in parts]) for name in parts[0]} if (
        parts) else {name: pa.nulls(0) for name in leaves((HISTORY,))}


def _pairs(found, before):
    """Each alert with its object's alerts of earlier nights, the newest of these first."""
    alerts, earlier = (table.select([*OBJECT, "night", "midpointMjdTai"]).to_pandas()
                       for table in (found, before))
    alerts["alert"], earlier["earlier"] = np.arange(len(alerts)), np.arange(len(earlier))
    pairs = alerts.merge(earlier, on=list(OBJECT), suffixes=("", "_then"))
    pairs = pairs[pairs["night_then"] < pairs["night"]]
    return pairs.sort_values(["alert", "midpointMjdTai_then"], ascending=[True, False])


def _together(lists, counts):
    """Lists of lists, `counts` of them a row, as one list a row."""
    lists = lists.combine_chunks() if isinstance(lists, pa.ChunkedArray) else lists
    lengths = pc.list_value_length(lists).fill_null(0).to_numpy()
    ends = np.concatenate([[0], np.cumsum(lengths)])[np.concatenate([[0], np.cumsum(counts)])]
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), lists.flatten())


def images(settings, found):
    """Images of the packets of alerts.

    Parameters
    ----------
    settings : Settings
    found : pyarrow.Table
        Alerts, with `KEYS`.

    Returns
    -------
    dict of str to pyarrow.BinaryArray
        ``cutouts.*``; null where bronze keeps the packet no longer, or it cannot be read.
    """
    places = [*zip(*(found[name].to_pylist() for name in COORDINATES.values()))]
    wanted, stamps = set(places), {}
    surveys = survey_declarations.load_all(settings.conf / "surveys")
    here = (pc.field("state") == "ok") & pc.field("offset").isin(pc.unique(found["packet.offset"]))
    here &= pc.field("night").isin(pc.unique(found["night"]))
    for row in _packets(settings.data, here):
        place = tuple(row[name] for name in COORDINATES)
        if place in wanted and row["survey"] in surveys:
            stamps[place] = _cutouts(str(settings.data), surveys[row["survey"]], row)
    return {f"{CUTOUTS.name}.{field.name}": pa.array(
        [stamps.get(place, {}).get(field.name) for place in places], pa.binary())
        for field in CUTOUTS.fields}


def _packets(data, where):
    """Rows of bronze; none if there is no bronze."""
    try:
        bronze = open_dataset(data, "bronze")
    except SetupError:
        return
    kept = ["survey", "schema_key", "datum", *COORDINATES]
    for batch in bronze.to_batches(columns=kept, filter=where, **LITTLE):
        yield from batch.to_pylist()


def _cutouts(data, survey, row):
    """Images of a packet; none of one that cannot be read any more."""
    try:
        schema = packet_schema(data, survey.name, row["schema_key"])
        return reference.cutouts(survey, wire.decode(row["datum"], schema))
    except (PacketError, SchemaError):
        return {}
