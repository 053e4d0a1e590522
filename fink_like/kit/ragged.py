"""Rows of unequal length in one flat array, with the arithmetic of numpy.

::

    flux = Ragged.from_lists([[1.0, 3.0], [], [5.0]])
    flux.counts                  # [2, 0, 1]
    flux.mean()                  # [2., nan, 5.]           one value a row
    (flux - flux.mean()) ** 2    # Ragged [[1, 1], [], [0]] one value a point
    flux.where(flux > 2)         # Ragged [[3], [], [5]]

An operand may be a scalar, a Ragged of the same shape, or an array of one value a row, which is
spread over the row's points. No method loops over rows in Python.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fink_like.errors import ModuleError


@dataclass(frozen=True, eq=False)
class Rows:
    """How a flat array is cut: row i is ``[offsets[i]:offsets[i + 1]]``, nothing left over."""

    offsets: np.ndarray

    def __post_init__(self):
        """Modules share shapes: what one wrote into them the next one would count with."""
        self.offsets.setflags(write=False)

    @classmethod
    def from_counts(cls, counts):
        """Rows of these lengths."""
        offsets = np.zeros(len(counts) + 1, dtype=np.int64)
        np.cumsum(counts, out=offsets[1:])
        return cls(offsets)

    @cached_property
    def counts(self):
        """Points in each row."""
        return _fixed(np.diff(self.offsets))

    @cached_property
    def ids(self):
        """Row number of each point."""
        return _fixed(np.repeat(np.arange(len(self.counts)), self.counts))

    @cached_property
    def filled(self):
        """Mask of the rows that have a point."""
        return _fixed(self.counts > 0)

    @cached_property
    def starts(self):
        """First point of each row that has one: what ``ufunc.reduceat`` wants.

        Given the start of an empty row, reduceat returns the next row's first value.
        """
        return _fixed(self.offsets[:-1][self.filled])

    def take(self, rows):
        """Some of the rows, in this order: their shape, and the places of their points."""
        shape = Rows.from_counts(self.counts[rows])
        shift = self.offsets[:-1][rows] - shape.offsets[:-1]
        return shape, np.repeat(shift, shape.counts) + np.arange(shape.offsets[-1])


def _fixed(array):
    array.setflags(write=False)
    return array


@dataclass(frozen=True, eq=False)
class Ragged(np.lib.mixins.NDArrayOperatorsMixin):
    """Values of all rows, one after the other.

    Parameters
    ----------
    values : numpy.ndarray
        Flat, of any type.
    shape : Rows
    """

    values: np.ndarray
    shape: Rows

    @classmethod
    def from_counts(cls, values, counts):
        """Cut flat ``values`` into rows of these lengths."""
        return cls(np.asarray(values), Rows.from_counts(counts))

    @classmethod
    def from_lists(cls, lists, dtype=float):
        """From a list of lists: for tests and notebooks."""
        flat = [value for row in lists for value in row]
        return cls.from_counts(np.array(flat, dtype=dtype), [len(row) for row in lists])

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        if method != "__call__" or "out" in options:
            return NotImplemented
        return Ragged(ufunc(*(self.aligned(each) for each in inputs), **options), self.shape)

    def aligned(self, other):
        """`other` with one value a point: a Ragged, a scalar, or one value a row.

        Raises
        ------
        ModuleError
            It fits neither the points nor the rows.
        """
        if isinstance(other, Ragged):
            if self.is_like(other.shape):
                return other.values
            raise ModuleError("two ragged arrays have rows of different lengths; "
                              "select the same points from both")
        if np.ndim(other) == 0:
            return other
        if np.shape(other) == (len(self),):
            return np.repeat(other, self.counts)
        raise ModuleError(f"an array of shape {np.shape(other)} is neither a scalar nor one value "
                          f"for each of {len(self)} rows; use Ragged.with_values for points")

    def is_like(self, shape):
        """Whether it is cut as `shape` says."""
        return shape is self.shape or np.array_equal(shape.offsets, self.shape.offsets)

    def __len__(self):
        return len(self.shape.offsets) - 1

    @property
    def counts(self):
        """Points in each row."""
        return self.shape.counts

    def row(self, i):
        """Values of row i."""
        return self.values[self.shape.offsets[i]:self.shape.offsets[i + 1]]

    def with_values(self, values):
        """Other values, one a point, cut the same way."""
        return Ragged(values, self.shape)

    def reduce(self, ufunc, empty=np.nan):
        """One value a row: ``ufunc.reduce`` over its points, `empty` for a row without any."""
        if self.shape.filled.all() and len(self):
            return ufunc.reduceat(self.values, self.shape.starts)
        result = np.full(len(self), empty, dtype=np.result_type(self.values, type(empty)))
        if len(self.values):
            result[self.shape.filled] = ufunc.reduceat(self.values, self.shape.starts)
        return result

    def sum(self):
        """Sum over each row, 0 if empty."""
        summable = self.values.astype(float) if self.values.dtype == bool else self.values
        return self.with_values(summable).reduce(np.add, empty=0.0)

    def mean(self):
        """Mean of each row, NaN if empty."""
        with np.errstate(invalid="ignore"):
            return self.sum() / self.counts

    def min(self):
        """Least value of each row, NaN if empty."""
        return self.reduce(np.minimum)

    def max(self):
        """Greatest value of each row, NaN if empty."""
        return self.reduce(np.maximum)

    def first(self, empty=np.nan):
        """First value of each row."""
        return self._pick(self.shape.offsets[:-1], empty)

    def last(self, empty=np.nan):
        """Last value of each row."""
        return self._pick(self.shape.offsets[1:] - 1, empty)

    def _pick(self, places, empty):
        result = np.full(len(self), empty, dtype=np.result_type(self.values, type(empty)))
        filled = self.shape.filled
        result[filled] = self.values[places[filled]]
        return result

    def where(self, mask):
        """Only the points where `mask` (a Ragged of booleans) is true; no row disappears."""
        keep = np.flatnonzero(self.aligned(mask))
        return Ragged(self.values[keep], kept_rows(self.shape, keep))

    def take(self, rows):
        """These rows, in this order."""
        shape, points = self.shape.take(rows)
        return Ragged(self.values[points], shape)

    def differences(self):
        """Each point minus the one before it in its row: rows one shorter, none below zero."""
        inner = np.diff(self.shape.ids) == 0
        counts = np.maximum(self.counts - 1, 0)
        return Ragged.from_counts(np.diff(self.values)[inner], counts)

    def sorted(self):
        """Values ascending within each row, NaN last.

        3 to 5 times faster than ``lexsort``, see `_blocks`.
        """
        result = np.empty(len(self.values))
        for block, places, inside in self._blocks():
            block.sort(axis=1)
            result[places] = block[inside]
        return self.with_values(result)

    def order(self):
        """Flat places that put each row in ascending order, equal values as they came, NaN last."""
        result = np.empty(len(self.values), dtype=np.int64)
        for block, places, inside in self._blocks():
            start = places[np.cumsum(inside.sum(axis=1)) - inside.sum(axis=1)]
            result[places] = (start[:, None] + block.argsort(axis=1, kind="stable"))[inside]
        return result

    def _blocks(self):
        """Rows of similar length, stacked into matrices that numpy's vector instructions sort.

        Yields the matrix, padded by NaN to the next power of two, the flat places of its values,
        and the mask of where they stand in it.
        """
        widths = 1 << np.ceil(np.log2(np.maximum(self.counts, 1))).astype(int)
        for width in np.unique(widths[self.shape.filled]):
            rows = np.flatnonzero((widths == width) & self.shape.filled)
            inside = np.arange(width) < self.counts[rows, None]
            places = (self.shape.offsets[rows, None] + np.arange(width))[inside]
            block = np.full(inside.shape, np.nan)
            block[inside] = self.values[places]
            yield block, places, inside

    def percentiles(self, *percents):
        """Exact percentiles of each row, by linear interpolation as ``numpy.percentile``.

        Returns
        -------
        list of numpy.ndarray
            One array for each of `percents` (0 to 100); NaN where the row is empty. Drop NaN
            points first, see `where`.
        """
        ordered, filled = self.sorted().values, self.shape.filled
        found = []
        for percent in percents:
            place = (self.counts[filled] - 1) * (percent / 100)
            below = place.astype(np.int64)
            above = np.minimum(below + 1, self.counts[filled] - 1)
            low, high = (ordered[self.shape.starts + at] for at in (below, above))
            value = np.full(len(self), np.nan)
            value[filled] = low + (high - low) * (place - below)
            found.append(value)
        return found

    def median(self):
        """Median of each row, NaN if empty."""
        return self.percentiles(50)[0]


def kept_rows(shape, keep):
    """Rows after only the points `keep` (ascending places) are left."""
    return Rows(np.searchsorted(keep, shape.offsets).astype(np.int64))
