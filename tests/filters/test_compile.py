"""SQL text that holds nothing of the user's, and masks over pandas frames of any make."""

import math
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fink_like.errors import FilterError
from fink_like.filters.compile import condition, from_tree
from fink_like.filters.tree import Call, Name
from fink_like.vocabulary import Field

COLUMNS = {"id": Field("id", "bigint"), "n": Field("n", "int"), "flux": Field("flux", "float"),
           "band": Field("band", "string"), "x.is_clean": Field("is_clean", "boolean"),
           "odd": Field("odd", "double"), "odd`name.a": Field("a", "double")}


def test_sql_is_bracketed_and_typed():
    assert condition("id = 9007199254740993 and flux > 1 or not x.is_clean", COLUMNS).sql == (
        "coalesce((((CAST(`id` AS BIGINT) = 9007199254740993L) AND "
        "(nanvl(CAST(`flux` AS DOUBLE), NULL) > 1.0D)) OR (NOT `x`.`is_clean`)), false)")


@given(st.text(st.characters(exclude_categories=("C", "Z")), max_size=30))
def test_users_text_reaches_sql_as_plain_letters_or_bytes(value):
    sql = condition("band = '" + value.replace("'", "''") + "'", COLUMNS).sql
    inside = re.fullmatch(r"coalesce\(\(`band` = (.*)\), false\)", sql, re.DOTALL)[1]
    plain = re.fullmatch(r"'([A-Za-z0-9_ .:+-]*)'", inside)
    as_bytes = re.fullmatch(r"CAST\(X'([0-9A-F]*)' AS STRING\)", inside)
    assert value == (plain[1] if plain else bytes.fromhex(as_bytes[1]).decode())


def test_backticks_in_a_columns_name_are_doubled():
    sql = from_tree(Call("is null", (Name("odd`name.a"),)), COLUMNS).sql
    assert "`odd``name`.`a`" in sql


@pytest.mark.parametrize("values, dtype", [
    ([1, None, 2**53 + 1], "Int64"), ([1, None, 2**53 + 1], object), ([1, 2, 2**53 + 1], "int64"),
    ([1, None, 3], "float64"), ([1, None, 3], "int64[pyarrow]")])
def test_integers_of_any_make(values, dtype):
    frame = pd.DataFrame({"id": pd.Series(values, dtype=dtype)})
    assert list(condition("id >= 1", COLUMNS).mask(frame)) == [v is not None for v in values]


@pytest.mark.parametrize("values", [[2.0**53 + 2, np.nan], [1.5, 2.0]])
def test_integers_that_went_through_a_float_are_refused(values):
    with pytest.raises(FilterError, match="no longer exact"):
        condition("id = 1", COLUMNS).mask(pd.DataFrame({"id": values}))


@pytest.mark.parametrize("text, column, values", [
    ("flux > 1", "flux", ["a", "b"]), ("band = 'g'", "band", [1, 2]),
    ("x.is_clean", "x.is_clean", [1, 0]), ("id = 1", "id", ["1", "2"]),
    ("id = 1", "id", [True, False])])
def test_columns_of_another_type_are_refused(text, column, values):
    with pytest.raises(FilterError, match=f"column `{column}` should hold"):
        condition(text, COLUMNS).mask(pd.DataFrame({column: values}))


def test_absent_column_is_named():
    with pytest.raises(FilterError, match="no column `flux`"):
        condition("flux > 1", COLUMNS).mask(pd.DataFrame({"id": [1]}))


def test_frames_without_rows_and_constant_filters():
    assert condition("flux > 1", COLUMNS).mask(pd.DataFrame({"flux": []})).shape == (0,)
    frame = pd.DataFrame({"flux": [1.0, None]}, index=[7, 7])
    assert list(condition("1 < 2", COLUMNS).mask(frame)) == [True, True]
    assert list(condition("flux is null or false", COLUMNS).mask(frame)) == [False, True]
    frame = pd.DataFrame({"band": pd.Categorical(["g", None, "r"])})
    assert list(condition("band in ('g', 'i')", COLUMNS).mask(frame)) == [True, False, False]


@pytest.mark.parametrize("text, value, passes", [
    ("flux >= 0.65", np.float32(0.65), False),  # 0.64999998 in single precision
    ("flux > 0.6499", np.float32(0.65), True),
    ("flux > 1e9", math.nan, False), ("flux = flux", math.nan, False),
    ("not flux > 1", math.nan, False),
    ("flux is null", math.nan, True), ("flux > 1e9", math.inf, True),
    ("id = 9007199254740993", 2**53, False), ("id = 9007199254740993", 2**53 + 1, True),
    ("round(odd) = 3", 2.5, True), ("round(odd) = -3", -2.5, True), ("round(odd) = 0", 0.4, True),
    ("1 / odd is null", 0.0, True), ("log10(odd) is null", 0.0, True),
    ("sqrt(odd) < 0", -1.0, False),
])
def test_rules_that_users_are_told(text, value, passes):
    compiled = condition(text, COLUMNS)
    assert list(compiled.mask(pd.DataFrame({compiled.columns[0]: [value]}))) == [passes]
