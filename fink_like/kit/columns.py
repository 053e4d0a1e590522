"""From Arrow to what a module sees; `outputs` is the way back.

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
cutouts.*                 `Cutouts`, of the rows that the module is computed for
lc.band, lc.kind          `Ragged` of int8 places in `lightcurve.CODES`, -1: none of them
a column nobody has       float64, all NaN
========================  ============================================================

What it returns is stricter: the declared type or nothing.
"""

from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fink_like.errors import ModuleError
from fink_like.kit.cutouts import Cutouts
from fink_like.kit.lightcurve import CODES, LIGHT_CURVE, LightCurve
from fink_like.kit.ragged import Ragged
from fink_like.vocabulary import CUTOUTS, leaves

ARROW_TYPES = {
    "boolean": pa.bool_(), "tinyint": pa.int8(), "int": pa.int32(), "bigint": pa.int64(),
    "float": pa.float32(), "double": pa.float64(), "string": pa.string(),
    "array<float>": pa.list_(pa.float32()),
}
"""Closed list of the types an output may have."""

STAMPS = frozenset(leaves((CUTOUTS,)))

MOST_SUBSETS = 16  # of rows that are kept: a module that raises on every row makes thousands


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
        self._seen, self._shapes, self._subsets = {}, [], {}

    def __len__(self):
        return self.length

    def values(self, name):
        """A column as a module sees it, read-only; of `STAMPS` the files, read by `inputs`."""
        if name in STAMPS:
            return self.columns.get(name)
        if name not in self._seen:
            column = self.columns.get(name)
            self._seen[name] = self._shared(np.full(self.length, np.nan) if column is None
                                            else from_arrow(column, CODES.get(name)))
        return self._seen[name]

    def _shared(self, values):
        """Columns of one light curve get one shape: whoever compares or takes it does so once."""
        if not isinstance(values, Ragged):
            return values
        same = (shape for shape in self._shapes if values.is_like(shape))
        if (shape := next(same, None)) is None:
            self._shapes.append(values.shape)
            return values
        return Ragged(values.values, shape)

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
        """Columns `names` of some rows, as a list of arrays, `Ragged` and `Cutouts`.

        Read-only, so that no module can change what the next one sees.
        """
        taken = self._taken(rows)
        chosen = [self._cutouts(name, rows, taken) if name in STAMPS
                  else self._rows(name, rows, taken) for name in names]
        for each in chosen:
            _numbers(each).setflags(write=False)
        return chosen

    def _rows(self, name, rows, taken):
        if len(rows) == self.length:
            return self.values(name)
        if name not in taken:
            values = self.values(name)
            if isinstance(values, Ragged):
                if values.shape not in taken:
                    taken[values.shape] = values.shape.take(rows)
                shape, points = taken[values.shape]
                taken[name] = Ragged(values.values[points], shape)
            else:
                taken[name] = values[rows]
        return taken[name]

    def _taken(self, rows):
        """What has been taken of these rows: modules with one condition share it."""
        key = rows.tobytes()
        if key not in self._subsets and len(self._subsets) == MOST_SUBSETS:
            self._subsets.clear()
        return self._subsets.setdefault(key, {})

    def _cutouts(self, name, rows, taken):
        """The stamps of some rows, inflated once for all modules that are computed for these."""
        if name not in taken:
            files = self.columns.get(name)
            taken[name] = Cutouts.of(pa.nulls(len(rows), pa.binary()) if files is None
                                     else files.take(pa.array(rows)))
        return taken[name]


def _numbers(each):
    """The array that a module must not write to."""
    return (each.values if isinstance(each, Ragged)
            else each.pool.data if isinstance(each, Cutouts) else each)


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
