"""From Arrow to what a module sees, and back.

========================  ============================================================
Spark SQL type            what the compute function is given
========================  ============================================================
float, double, int, ...   float64, missing is NaN
boolean                   float64: 1, 0, NaN. Not bool: null read as False would say "not
                          flagged" of something nobody looked at. Write ``flag == 1``
bigint                    int64, missing is 0: ids and flag words are never floats (2^53),
                          and 0 is "none" all over the alert
string, binary            object array, missing is None
array<...>                `Ragged` of the same kinds of values; a null list is an empty row
lc.band, lc.kind          `Ragged` of int8 places in `lightcurve.CODES`, -1: none of them
a column nobody has       float64, all NaN
========================  ============================================================

What it returns is stricter: the declared type or nothing. NaN and infinity become null.
"""

from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from fink_like.errors import ModuleError
from fink_like.kit.lightcurve import CODES, LIGHT_CURVE, LightCurve
from fink_like.kit.ragged import Ragged

ARROW_TYPES = {
    "boolean": pa.bool_(), "tinyint": pa.int8(), "int": pa.int32(), "bigint": pa.int64(),
    "float": pa.float32(), "double": pa.float64(), "string": pa.string(),
    "array<float>": pa.list_(pa.float32()),
}
"""Closed list of the types an output may have."""


class Batch:
    """Alerts as Arrow columns, each turned into numpy once, on first use.

    Parameters
    ----------
    columns : dict of str to pyarrow.Array
        By dotted name, all of the same length, at least one.
    """

    def __init__(self, columns):
        lengths = {len(column) for column in columns.values()}
        if len(lengths) != 1:
            raise ModuleError(f"columns of one length are needed, got lengths {sorted(lengths)}")
        self.length = lengths.pop()
        self.columns = dict(columns)
        self._seen = {}

    def __len__(self):
        return self.length

    def values(self, name):
        """A column as a module sees it, read-only."""
        if name not in self._seen:
            column = self.columns.get(name)
            self._seen[name] = (np.full(self.length, np.nan) if column is None
                                else from_arrow(column, CODES.get(name)))
        return self._seen[name]

    def missing(self, name):
        """Mask of the rows where a column is null; all, if there is no such column."""
        column = self.columns.get(name)
        if column is None:
            return np.ones(self.length, dtype=bool)
        return column.is_null().to_numpy(zero_copy_only=False)

    @cached_property
    def light_curve(self):
        """`LightCurve` of every row."""
        return LightCurve.of(*(self.values(name) for name in LIGHT_CURVE))

    def inputs(self, names, rows):
        """Columns `names` of some rows, as a list of arrays and `Ragged`.

        Read-only, so that no module can change what the next one sees.
        """
        whole = len(rows) == self.length
        chosen = [self.values(name) for name in names]
        if not whole:
            chosen = [each.take(rows) for each in chosen]
        for each in chosen:
            (each.values if isinstance(each, Ragged) else each).setflags(write=False)
        return chosen


def from_arrow(column, labels=None):
    """One Arrow array as numpy or Ragged, see the table above.

    Parameters
    ----------
    column : pyarrow.Array
        May be a slice.
    labels : tuple of str, optional
        Text is given as int8 places in this tuple.

    Raises
    ------
    ModuleError
        The type has no form a module could see (struct, map, timestamp, ...).
    """
    kind = column.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        counts = pc.list_value_length(column).fill_null(0).to_numpy()
        return Ragged.from_counts(from_arrow(column.flatten(), labels), counts)
    if labels is not None:
        places = pc.index_in(column, value_set=pa.array(labels, kind))
        return places.fill_null(-1).cast(pa.int8()).to_numpy()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
        return column.to_numpy(zero_copy_only=False)
    if pa.types.is_int64(kind):
        return column.fill_null(0).to_numpy()
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    if pa.types.is_integer(column.type) or pa.types.is_floating(kind) or pa.types.is_null(kind):
        return column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    raise ModuleError(f"a module cannot take a column of type {kind}")


def to_arrow(values, field, n_rows):
    """One output as an Arrow array of its declared type; NaN, infinity and None become null.

    Parameters
    ----------
    values : array_like or Ragged
        One value a row. Whole numbers with gaps: floats with NaN, or a masked array.
    field : Field
    n_rows : int

    Raises
    ------
    ModuleError
        Wrong length, or values that are not of the declared type.
    """
    if isinstance(values, pd.Series) and not values.index.equals(pd.RangeIndex(n_rows)):
        raise ModuleError(f"output {field.name}: its index is not 0 to {n_rows - 1}; "
                          "return rows in the order they came, with a fresh index")
    if not isinstance(values, Ragged) and field.type != "array<float>":
        values = np.ma.asanyarray(values)
        if values.ndim != 1:
            raise ModuleError(f"output {field.name}: shape {values.shape} in place of ({n_rows},)")
    if len(values) != n_rows:
        raise ModuleError(f"output {field.name}: {len(values)} values for {n_rows} rows")
    try:
        return _CONVERT.get(field.type, _number)(values, ARROW_TYPES[field.type])
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise ModuleError(f"output {field.name} is declared {field.type}: {error}") from error


def _number(values, kind):
    holes = np.ma.getmaskarray(values)
    values = np.ma.getdata(values)
    if values.dtype.kind not in "fiu":
        raise TypeError(f"got {values.dtype}")
    if pa.types.is_floating(kind):
        with np.errstate(over="ignore"):
            values = values.astype(kind.to_pandas_dtype())
        return pa.array(values, mask=holes | ~np.isfinite(values))
    if values.dtype.kind == "f":
        if pa.types.is_int64(kind):
            raise TypeError("got floats, which hold no 64-bit number; use a masked array for gaps")
        holes = holes | ~np.isfinite(values)
        values = np.where(holes, 0, values)
    return pa.array(values, mask=holes).cast(kind)  # a safe cast: refuses fractions and overflow


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
    if not isinstance(values, Ragged):
        return pa.array([None if row is None else np.asarray(row, dtype=np.float32)
                         for row in values], kind)
    points = _number(values.values, kind.value_type)
    return pa.ListArray.from_arrays(pa.array(values.shape.offsets, pa.int32()), points)


_CONVERT = {"boolean": _boolean, "string": _text, "array<float>": _list}
