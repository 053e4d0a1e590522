"""Ragged against the same thing written as a loop over rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fink_like.errors import ModuleError
from fink_like.kit import Ragged

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False, width=32)
ROWS = st.lists(st.lists(NUMBERS, max_size=9), max_size=12)


def loop(rows, function, empty=np.nan):
    return np.array([function(np.array(row)) if row else empty for row in rows], dtype=float)


@given(ROWS)
@settings(max_examples=200, deadline=None)
def test_reductions_equal_a_loop(rows):
    ragged = Ragged.from_lists(rows)
    np.testing.assert_array_equal(ragged.counts, [len(row) for row in rows])
    for found, function, empty in (
            (ragged.min(), np.min, np.nan), (ragged.max(), np.max, np.nan),
            (ragged.first(), lambda row: row[0], np.nan),
            (ragged.last(), lambda row: row[-1], np.nan)):
        np.testing.assert_array_equal(found, loop(rows, function, empty))
    np.testing.assert_allclose(ragged.sum(), loop(rows, np.sum, 0.0), rtol=1e-12, atol=1e-6)
    np.testing.assert_allclose(ragged.mean(), loop(rows, np.mean), rtol=1e-12, atol=1e-6)


@given(ROWS)
@settings(max_examples=200, deadline=None)
def test_order_statistics_equal_numpy(rows):
    ragged = Ragged.from_lists(rows)
    for percent, found in zip((0, 10, 50, 97.5, 100), ragged.percentiles(0, 10, 50, 97.5, 100)):
        expected = loop(rows, lambda row: np.percentile(row, percent))
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-9)
    for i, row in enumerate(rows):
        np.testing.assert_array_equal(ragged.sorted().row(i), np.sort(row))


@given(st.lists(st.lists(st.sampled_from([0.0, -0.0, 1.5, -2.0, np.nan, np.inf]), max_size=20)))
@settings(max_examples=100, deadline=None)
def test_the_order_of_each_row_is_stable_with_nan_last(rows):
    ragged = Ragged.from_lists(rows)
    expected = [ragged.shape.offsets[i] + place for i, row in enumerate(rows)
                for place in np.argsort(row, kind="stable")]
    assert ragged.order().tolist() == expected


@given(ROWS, st.data())
@settings(max_examples=200, deadline=None)
def test_selections_equal_a_loop(rows, data):
    ragged = Ragged.from_lists(rows)
    above = ragged.where(ragged > 0)
    steps = ragged.differences()
    order = data.draw(st.permutations(range(len(rows))))
    taken = ragged.take(np.array(order, dtype=int))
    for i, row in enumerate(map(np.array, rows)):
        np.testing.assert_array_equal(above.row(i), row[row > 0])
        np.testing.assert_array_equal(steps.row(i), np.diff(row))
        np.testing.assert_array_equal(taken.row(order.index(i)), row)
    assert len(above) == len(steps) == len(taken) == len(rows)


@given(ROWS)
@settings(max_examples=100, deadline=None)
def test_arithmetic_spreads_one_value_a_row(rows):
    ragged = Ragged.from_lists(rows)
    centre = np.arange(len(rows)) * 1.5
    away = np.abs(centre - ragged) ** 2 + ragged
    for i, row in enumerate(map(np.array, rows)):
        np.testing.assert_allclose(away.row(i), (centre[i] - row) ** 2 + row)


def test_long_rows_sort_next_to_short_ones():
    rng = np.random.default_rng(1)
    rows = [rng.normal(size=n) for n in (1150, 1, 0, 2, 64, 65)]
    ragged = Ragged.from_lists(rows).sorted()
    for i, row in enumerate(rows):
        np.testing.assert_array_equal(ragged.row(i), np.sort(row))


def test_nan_sorts_last_and_infinity_stays():
    ragged = Ragged.from_lists([[np.nan, np.inf, 1.0], [2.0, np.nan, -np.inf]])
    np.testing.assert_array_equal(ragged.sorted().values,
                                  [1.0, np.inf, np.nan, -np.inf, 2.0, np.nan])


def test_text_keeps_its_type():
    bands = Ragged.from_lists([["g", "r"], []], dtype=object)
    assert list(bands.first(empty=None)) == ["g", None]
    assert (bands == "r").sum().tolist() == [1.0, 0.0]


def test_rows_of_different_length_do_not_mix():
    with pytest.raises(ModuleError, match="different lengths"):
        Ragged.from_lists([[1, 2], [3]]) + Ragged.from_lists([[1], [2, 3]])
    with pytest.raises(ModuleError, match="one value for each of 2 rows"):
        Ragged.from_lists([[1, 2], [3]]) * np.ones(3)
