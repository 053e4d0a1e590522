"""Arrow to numpy and back: nulls, slices, 64-bit ids, and what is refused."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from fink_like.errors import ModuleError
from fink_like.kit import Field, Ragged
from fink_like.kit.columns import Batch, from_arrow
from fink_like.kit.outputs import checked, column, columns
from fink_like.vocabulary import BANDS


def back(values, kind, n_rows=None):
    if n_rows is not None:
        checked({"x": values}, (Field("x", kind),), n_rows)
    return column(values, Field("x", kind)).to_pylist()


@pytest.mark.parametrize("given, expected", [
    (pa.array([1.5, None], pa.float32()), [1.5, np.nan]),
    (pa.array([7, None], pa.int32()), [7.0, np.nan]),
    (pa.array([True, None, False]), [1.0, np.nan, 0.0]),
    (pa.nulls(2), [np.nan, np.nan]),
])
def test_numbers_and_booleans_are_floats_with_nan(given, expected):
    np.testing.assert_array_equal(from_arrow(given), expected)


def test_ids_keep_all_their_digits():
    ids = from_arrow(pa.array([2 ** 53 + 1, None], pa.int64()))
    assert ids.dtype == np.int64 and ids.tolist() == [2 ** 53 + 1, 0]


def test_text_is_objects_and_bytes_too():
    assert from_arrow(pa.array(["a", None])).tolist() == ["a", None]
    assert from_arrow(pa.array([b"\x00", None])).tolist() == [b"\x00", None]


def test_null_lists_and_slices():
    column = pa.array([[1, 2], None, [], [3, None]], pa.list_(pa.float32()))
    for piece, expected in ((column, [[1, 2], [], [], [3, np.nan]]),
                            (column[1:], [[], [], [3, np.nan]]), (column[3:], [[3, np.nan]])):
        ragged = from_arrow(piece)
        assert len(ragged) == len(expected)
        for i, row in enumerate(expected):
            np.testing.assert_array_equal(ragged.row(i), row)


def test_a_null_list_may_hide_values():
    hidden = pa.ListArray.from_arrays(pa.array([0, 2, 4], pa.int32()), pa.array([1.0, 2, 3, 4]),
                                      mask=pa.array([True, False]))
    ragged = from_arrow(hidden)
    assert ragged.counts.tolist() == [0, 2] and ragged.values.tolist() == [3, 4]


def test_bands_are_places_in_the_list():
    column = pa.array([["g", "y", None], ["nonsense"]])
    assert from_arrow(column, BANDS).values.tolist() == [1, 5, -1, -1]


def test_a_timestamp_is_refused():
    with pytest.raises(ModuleError, match="timestamp"):
        from_arrow(pa.array([0], pa.timestamp("us")))


def test_what_one_module_gets_it_cannot_change():
    batch = Batch({"ra": pa.array([1.0, 2.0])})
    (ra,) = batch.inputs(("ra",), np.arange(2))
    with pytest.raises(ValueError, match="read-only"):
        ra[0] = 5.0


def test_columns_of_two_lengths_are_refused():
    with pytest.raises(ModuleError, match="one length"):
        Batch({"ra": pa.array([1.0]), "dec": pa.array([1.0, 2.0])})


@pytest.mark.parametrize("values, kind, expected", [
    (np.array([1.0, np.nan, np.inf, 1e300]), "float", [1.0, None, None, None]),
    (np.array([1, 2]), "double", [1.0, 2.0]),
    (np.array([1.0, np.nan]), "int", [1, None]),
    (np.ma.array([2 ** 53 + 1, 0], mask=[False, True]), "bigint", [2 ** 53 + 1, None]),
    (np.array([1.0, 0.0, np.nan]), "boolean", [True, False, None]),
    (np.array([True, False]), "boolean", [True, False]),
    (["a", None], "string", ["a", None]),
    (np.ma.array(["a", "b"], mask=[False, True]), "string", ["a", None]),
    (Ragged.from_lists([[1.0, np.nan], []]), "array<float>", [[1.0, None], []]),
    ([np.array([1.0]), None], "array<float>", [[1.0], None]),
    (np.array([-1, 3]), "tinyint", [-1, 3]),
])
def test_outputs_become_their_declared_type(values, kind, expected):
    assert back(values, kind) == expected


@pytest.mark.parametrize("values, kind, says", [
    (np.array(["a"]), "float", "declared float"),
    (np.array([1.5]), "int", "declared int"),
    (np.array([2 ** 40]), "int", "declared int"),
    (np.array([1.0]), "bigint", "64-bit"),
    (np.array([2.0]), "boolean", "0 and 1"),
    (np.array([5]), "string", "declared string"),
    (np.zeros((1, 2)), "float", "shape"),
    (np.array(3.0), "float", "shape"),
    (pd.Series([1.0], index=[7]), "float", "index"),
])
def test_other_outputs_are_refused(values, kind, says):
    with pytest.raises(ModuleError, match=says):
        back(values, kind, n_rows=1)


@pytest.mark.parametrize("kind, values", [("float", [1.5, np.nan, np.inf]), ("int", [1, 2, 3]),
                                          ("string", ["a", None, "c"]), ("boolean", [True, False, True])])
def test_pieces_are_put_where_their_rows_are(kind, values):
    """Other rows are null; the pieces may come in any order."""
    fields, values = (Field("x", kind),), np.array(values, None if kind != "string" else object)
    pieces = [(np.array(rows), checked({"x": values[part]}, fields, len(rows)))
              for rows, part in (([7, 3], slice(0, 2)), ([5], slice(2, 3)))]
    whole = back(values, kind)
    found = columns(fields, pieces, 9)[0]
    found.validate(full=True)
    assert found.null_count == 6 + sum(value is None for value in whole)
    assert [found.to_pylist()[row] for row in (7, 3, 5)] == whole
    assert columns(fields, [], 4)[0].null_count == 4
