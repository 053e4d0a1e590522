"""Stored alerts as modules are given them: of silver, with what silver does not keep beside it.

The history is of the table `history`, cut at each alert as the science job does; the images are
those of the packets in bronze, as long as these are kept.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fink_like.client.archive import dataset_of, open_dataset, open_delta
from fink_like.client.declared import packet_schema
from fink_like.client.stored_packets import COORDINATES
from fink_like.errors import SetupError
from fink_like.kit.lightcurve import LIGHT_CURVE
from fink_like.kit.own_history import until
from fink_like.packets import reference, wire
from fink_like.packets import survey as survey_declarations
from fink_like.vocabulary import CUTOUTS, HISTORY, leaves

TABLE = HISTORY.name
OBJECT = ("survey", "diaObjectId")
KEYS = (*OBJECT, "midpointMjdTai", *COORDINATES.values())


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
        In the order of ``diaSourceId``.

    Raises
    ------
    SetupError
        There is no silver.
    """
    silver = dataset_of(open_delta(settings.data, "silver"), settings.data, "silver")
    have = [name for name in {*wanted, *KEYS, "diaSourceId"} if is_in(silver.schema, name)]
    scanner = silver.scanner(columns={n: pc.field(*n.split(".")) for n in have}, filter=where)
    found = scanner.to_table() if limit is None else scanner.head(limit)
    found = found.take(pc.sort_indices(found["diaSourceId"])).combine_chunks()
    beside = {}
    if any(name.startswith(f"{HISTORY.name}.") for name in wanted):
        beside |= histories(settings.data, found)
    if any(name.startswith(f"{CUTOUTS.name}.") for name in wanted):
        beside |= images(settings, found)
    columns = {name: found[name].combine_chunks() for name in have} | beside
    return {name: columns[name].cast(types[name]) for name in wanted if name in columns}


def is_in(schema, name):
    """Whether a table has a column of this dotted name."""
    struct, dot, inner = name.partition(".")
    field = schema.field(struct) if struct in schema.names else None
    return field is not None and (not dot or inner in {f.name for f in field.type})


def histories(data, found):
    """What our earlier alerts showed of the objects, before each alert.

    Parameters
    ----------
    data : str or Path
    found : pyarrow.Table
        Alerts, with `KEYS`.

    Returns
    -------
    dict of str to pyarrow.ListArray
        ``history.*``; null of an object not met before, and of all, if there is no such table.
    """
    names = [name.split(".")[1] for name in LIGHT_CURVE]
    try:
        table = open_dataset(data, TABLE)
    except SetupError:
        lists = {name: field.type for name, field in leaves((HISTORY,)).items()}
        return {name: pa.nulls(len(found)) for name in lists}
    is_mine = pc.field("diaObjectId").isin(pc.unique(found["diaObjectId"]))
    columns = {name: pc.field(name) for name in OBJECT}
    known = table.to_table(columns=columns | {n: pc.field(TABLE, n) for n in names},
                           filter=is_mine).combine_chunks()
    places = _longest(known, names[0])
    wanted = found.select(OBJECT).to_pandas().merge(places, how="left", on=list(OBJECT))
    place = pa.array(wanted["place"].astype("Int64"))
    return until([known[name].combine_chunks().take(place) for name in names],
                 found["midpointMjdTai"].to_numpy())


def _longest(known, name):
    """Where each object stands; of two, at a border of cells of the sky, that with more points."""
    objects = known.select(OBJECT).to_pandas()
    objects["points"] = pc.list_value_length(known[name]).to_numpy()
    objects["place"] = np.arange(len(objects))
    return (objects[objects["diaObjectId"] != 0].sort_values("points", kind="stable")
            .drop_duplicates(OBJECT, keep="last"))


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
        ``cutouts.*``; null where bronze keeps the packet no longer.
    """
    surveys = survey_declarations.load_all(settings.conf / "surveys")
    offsets = pc.unique(found["packet.offset"])
    here = (pc.field("state") == "ok") & pc.field("offset").isin(offsets)
    here &= pc.field("night").isin(pc.unique(found["night"]))
    kept = ["survey", "schema_key", "datum"]
    place, known = {}, open_dataset(settings.data, "bronze")
    for batch in known.to_batches(columns=[*kept, *COORDINATES], filter=here):
        for row in batch.to_pylist():
            schema = packet_schema(str(settings.data), row["survey"], row["schema_key"])
            record = wire.decode(row["datum"], schema)
            place[tuple(row[name] for name in COORDINATES)] = reference.cutouts(
                surveys[row["survey"]], record)
    rows = zip(*(found[name].to_pylist() for name in COORDINATES.values()))
    stamps = [place.get(row, {}) for row in rows]
    return {f"{CUTOUTS.name}.{field.name}": pa.array([one.get(field.name) for one in stamps],
                                                     pa.binary()) for field in CUTOUTS.fields}
