"""Expressions on columns give what the plain Python gives, row by row."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fink_like.packets.arrays import ArrayEvaluator
from fink_like.packets.expressions import Evaluator, Sentinels, parse

SENTINELS = Sentinels((-999, -99999), ("null",))
SIGN = {"lookup": "sign", "in": {"t": 1, "1": 1, "f": -1, "0": -1}}
COLUMNS = {"flux": {"flux_of_mag": ["mag", SIGN]}}

EXPRESSIONS = [
    "mag", "$flux", {"constant": None}, {"flux_err_of_mag": ["mag", "err"]},
    {"snr_of_mag_err": "err"}, {"flux_of_counts": ["err", "mag"]},
    {"mjd_tai_of_jd_utc": ["jd", {"first": ["seconds", {"constant": 30}]}]},
    {"lookup": "number", "in": {1: "g", 2: "r"}}, {"first": ["err", "mag", {"constant": 0}]},
    {"when": [{"less": ["err", "mag"]}, "jd"]}, {"when": [{"greater": ["err", "mag"]}, "sign"]},
    {"all": [{"present": "mag"}, {"missing": "err"}]}, {"is_in": ["sign", "t", "0"]},
    {"plus": ["mag", "err"]}, {"minus": ["mag", "number"]}, {"times": ["mag", "err"]},
    {"quadrature": ["mag", "err"]}, {"text": "number"},
    {"text_id": "name", "prefix": "ZTF", "digits": 2, "letters": 7},
]

numbers = st.one_of(st.none(), st.just(math.nan), st.sampled_from([-999.0, -99999.0, 0.0]),
                    st.floats(-40, 40, width=32))
RECORDS = st.fixed_dictionaries({
    "mag": numbers, "err": numbers, "seconds": numbers,
    "jd": st.one_of(st.none(), st.floats(2450000, 2461000)),
    "number": st.one_of(st.none(), st.integers(0, 3), st.just(-999)),
    "sign": st.sampled_from(["t", "f", "1", "0", "x", "null", None]),
    "name": st.sampled_from(["ZTF18aaaaaab", "ZTF26zzzzzzz", "ZTF1", "null", None]),
})


def fields(records, encoding=None):
    """Columns of records as `ArrayEvaluator` asks for them."""
    fill = {"sign": "", "name": "", "number": 0}

    def column(parts):
        values = [record[parts[0]] for record in records]
        missing = np.array([value is None for value in values])
        filled = np.array([fill.get(parts[0], 0.0) if value is None else value for value in values])
        return (filled.astype("S") if encoding and filled.dtype.kind == "U" else filled), missing

    return column


def as_list(pair, n):
    values, missing = (np.broadcast_to(part, n) for part in pair)
    plain = [value.decode() if isinstance(value, bytes) else value for value in values.tolist()]
    return [None if absent else value for value, absent in zip(plain, missing)]


@pytest.mark.parametrize("text", [None, "bytes"])
@given(st.lists(RECORDS, min_size=1, max_size=6))
def test_columns_agree_with_rows(text, records):
    columns = {name: parse(spec) for name, spec in COLUMNS.items()}
    slow = Evaluator(columns, SENTINELS)
    fast = ArrayEvaluator(columns, SENTINELS, fields(records, text))
    for spec in EXPRESSIONS:
        node = parse(spec)
        expected = [slow.value(node, record) for record in records]
        found = as_list(fast.value(node), len(records))
        for one, other in zip(found, expected, strict=True):
            if isinstance(other, float) and not isinstance(one, bool):
                assert one == pytest.approx(other, rel=1e-12), spec
            else:
                assert one == other, spec


def test_a_field_that_nobody_has_is_null():
    fast = ArrayEvaluator({}, SENTINELS, lambda parts: (np.nan, True))
    value, missing = fast.value(parse({"flux_of_mag": ["mag", {"constant": 1}]}))
    assert np.all(missing)
