"""What a module returned -> Arrow columns of the declared types; NaN, infinity and None are null.

Nearly all outputs are floats: those of all columns become one block of numbers and one of validity
bits, of which each column is a row. Column by column that took longer than most modules.
"""

import numpy as np
import pandas as pd
import pyarrow as pa

from fink_like.errors import ModuleError
from fink_like.kit.columns import ARROW_TYPES
from fink_like.kit.ragged import Ragged

FLOATS = {"float": np.float32, "double": np.float64}


def checked(found, fields, n_rows):
    """One answer of a module, each output in the form that `columns` takes.

    Parameters
    ----------
    found : dict or pandas.DataFrame
        Output name to array_like or Ragged, one value a row.
    fields : tuple of Field
    n_rows : int

    Returns
    -------
    dict of str to numpy.ndarray or pyarrow.Array
        Floats as they are; all else in Arrow.

    Raises
    ------
    ModuleError
        Names that were not declared, a wrong length, or values not of the declared type.
    """
    if isinstance(found, pd.DataFrame):
        found = {name: found[name] for name in found.columns}
    if not isinstance(found, dict):
        raise ModuleError(f"it returned a {type(found).__name__}, not a dict or DataFrame")
    declared = {field.name for field in fields}
    if set(found) != declared:
        raise ModuleError(f"it returned {sorted(set(found) - declared, key=str)} undeclared and "
                          f"left out {sorted(declared - set(found))}")
    return {field.name: _one(found[field.name], field, n_rows) for field in fields}


def columns(fields, pieces, n_rows):
    """The outputs of a batch.

    Parameters
    ----------
    fields : tuple of Field
    pieces : list of (rows, dict)
        Which rows of the batch, and their outputs from `checked`; no row twice.
    n_rows : int
        Of the batch; rows in no piece are null.

    Returns
    -------
    list of pyarrow.Array
        In the order of `fields`.
    """
    made = {}
    for kind, dtype in FLOATS.items():
        names = [field.name for field in fields if field.type == kind]
        block = np.full((len(names), n_rows), np.nan, dtype)
        for rows, piece in pieces if names else ():
            with np.errstate(over="ignore"):
                block[:, rows] = [piece[name] for name in names]
        made.update(zip(names, _floats(block, ARROW_TYPES[kind])))
    places = _places([rows for rows, _ in pieces], n_rows)
    for field in fields:
        if field.type not in FLOATS:
            parts = [piece[field.name] for _, piece in pieces]
            made[field.name] = _scattered(parts, places, ARROW_TYPES[field.type])
    return [made[field.name] for field in fields]


def column(values, field):
    """One output by itself: values of whatever form a module may return, as Arrow."""
    rows = np.arange(len(values))
    return columns((field,), [(rows, checked({field.name: values}, (field,), len(rows)))],
                   len(rows))[0]


def _floats(block, kind):
    """Each row of a block as an Arrow array."""
    finite = np.isfinite(block)
    bits = np.packbits(finite, axis=1, bitorder="little")
    nulls = block.shape[1] - np.count_nonzero(finite, axis=1)
    return [pa.Array.from_buffers(kind, block.shape[1], [pa.py_buffer(valid), pa.py_buffer(values)],
                                  int(missing))
            for valid, values, missing in zip(bits, block, nulls)]


def _places(pieces, n_rows):
    """Where each row of the batch stands in the pieces, null if not there; None: where it is."""
    rows = np.concatenate([np.arange(0), *pieces])
    if len(rows) == n_rows and (np.diff(rows) > 0).all():
        return None
    places = np.full(n_rows, -1, dtype=np.int64)
    places[rows] = np.arange(len(rows))
    return pa.array(places, mask=places < 0)


def _scattered(parts, places, kind):
    values = (parts[0] if len(parts) == 1
              else pa.concat_arrays([*parts, pa.array([], kind)]))
    return values if places is None else values.take(places)


def _one(values, field, n_rows):
    """One output as it is kept, or ModuleError.

    Whole numbers with gaps may be floats with NaN, or a masked array.
    """
    if isinstance(values, pd.Series) and not values.index.equals(pd.RangeIndex(n_rows)):
        raise ModuleError(f"output {field.name}: its index is not 0 to {n_rows - 1}; "
                          "return rows in the order they came, with a fresh index")
    if not isinstance(values, Ragged) and field.type != "array<float>":
        values = np.asanyarray(values)  # a masked array stays one; making one costs 4 us
        if values.ndim != 1:
            raise ModuleError(f"output {field.name}: shape {values.shape} in place of ({n_rows},)")
    if len(values) != n_rows:
        raise ModuleError(f"output {field.name}: {len(values)} values for {n_rows} rows")
    try:
        return _CONVERT.get(field.type, _whole)(values, ARROW_TYPES[field.type])
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise ModuleError(f"output {field.name} is declared {field.type}: {error}") from error


def _number(values, kind):
    if values.dtype.kind not in "fiu":
        raise TypeError(f"got {values.dtype}")
    return values.filled(np.nan) if isinstance(values, np.ma.MaskedArray) else values


def _whole(values, kind):
    holes = np.ma.getmask(values)  # a single False: no mask
    values = np.ma.getdata(values)
    if values.dtype.kind not in "fiu":
        raise TypeError(f"got {values.dtype}")
    if values.dtype.kind == "f":
        if pa.types.is_int64(kind):
            raise TypeError("got floats, which hold no 64-bit number; use a masked array for gaps")
        holes = holes | ~np.isfinite(values)
        values = np.where(holes, 0, values)
    # A safe cast: refuses fractions and overflow.
    return pa.array(values, mask=holes if np.ndim(holes) else None).cast(kind)


def _boolean(values, kind):
    holes = np.ma.getmaskarray(values)
    values = np.ma.getdata(values)
    if values.dtype.kind == "f":
        holes = holes | np.isnan(values)
        if not np.isin(values[~holes], (0, 1)).all():
            raise ValueError("got numbers other than 0 and 1")
        values = values == 1
    if values.dtype != bool:
        raise TypeError(f"got {values.dtype}")
    return pa.array(values, kind, mask=holes)


def _text(values, kind):
    words = np.ma.getdata(values).astype(object)  # np.ma.filled would write '?' for None
    return pa.array(words, kind, mask=np.ma.getmaskarray(values), from_pandas=True)


def _list(values, kind):
    nulls = None
    if not isinstance(values, Ragged):
        nulls = pa.array([row is None for row in values], pa.bool_())
        rows = [() if row is None else np.asarray(row, dtype=np.float32) for row in values]
        values = Ragged.from_counts(np.concatenate([np.zeros(0, np.float32), *rows]),
                                    [len(row) for row in rows])
    points = values.values.astype(np.float32)
    points = pa.array(points, mask=~np.isfinite(points))
    return pa.ListArray.from_arrays(pa.array(values.shape.offsets, pa.int32()), points, mask=nulls)


_CONVERT = {**dict.fromkeys(FLOATS, _number), "boolean": _boolean, "string": _text,
            "array<float>": _list}
