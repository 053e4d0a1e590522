"""Conversions against numbers worked out by hand, and against astropy."""

import math

import pytest
from astropy import units as u
from astropy.time import Time
from hypothesis import given
from hypothesis import strategies as st

from fink_like.errors import ConfigError
from fink_like.packets import conversions
from fink_like.packets.conversions import CONVERSIONS, literal, text_id
from fink_like.packets.expressions import Evaluator, Sentinels, parse

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def value(spec, record, columns=None, numbers=(), texts=()):
    columns = {name: parse(e) for name, e in (columns or {}).items()}
    return Evaluator(columns, Sentinels(numbers, texts)).value(parse(spec), record)


@pytest.mark.parametrize(("mag", "njy"), [
    (31.4, 1.0), (23.9, 1000.0), (20.0, 36307.805477), (8.9, 1e9 * 1.0), (16.4, 1e6)])
def test_magnitudes_to_nanojansky(mag, njy):
    found = value({"flux_of_mag": ["m", {"constant": 1}]}, {"m": mag})
    assert found == pytest.approx(njy, rel=1e-9)
    assert value({"flux_of_mag": ["m", {"constant": -1}]}, {"m": mag}) == pytest.approx(-njy)


@given(st.floats(5, 30), st.floats(0.001, 0.5))
def test_fluxes_agree_with_astropy(mag, err):
    flux = (mag * u.ABmag).to_value(u.nJy)
    assert value({"flux_of_mag": ["m", {"constant": 1}]}, {"m": mag}) == pytest.approx(flux, 1e-4)
    # astropy's AB zero point is 3631 Jy, Rubin's 31.4 mag for 1 nJy: 2.4e-5 apart.
    found = value({"flux_err_of_mag": ["m", "e"]}, {"m": mag, "e": err})
    assert found == pytest.approx(flux * err * 0.4 * math.log(10), 1e-4)


def test_signal_to_noise_of_a_magnitude_error():
    """0.1085736 mag is 10 sigma: 2.5 / ln(10) / 10."""
    assert value({"snr_of_mag_err": "e"}, {"e": 0.10857362}) == pytest.approx(10, rel=1e-7)
    assert value({"snr_of_mag_err": "e"}, {"e": 0.0}) is None


def test_counts_at_a_zero_point():
    """100 DN at zero point 26.4 mag are 100 * 10^(0.4 * 5) nJy; 0 at any; negative stays so."""
    spec = {"flux_of_counts": ["dn", "zp"]}
    assert value(spec, {"dn": 100.0, "zp": 26.4}) == pytest.approx(10000.0)
    assert value(spec, {"dn": 0.0, "zp": 26.4}) == 0
    assert value(spec, {"dn": -100.0, "zp": 26.4}) == pytest.approx(-10000.0)


@pytest.mark.parametrize(("jd", "exposure"), [
    (2458331.666, 30.0),       # 2018
    (2457754.4999, 30.0),      # 9 s before the leap second of 2016-12-31 ends the year
    (2457754.5, 30.0),         # and right behind it
    (2457203.9, 300.0), (2457204.5, 0.0),   # 2015-06-30
    (2456108.499, 30.0), (2456109.5, 30.0),  # 2012-06-30
    (2454832.4, 30.0), (2454832.6, 30.0), (2453736.6, 15.0), (2451180.0, 60.0)])
def test_start_in_utc_to_middle_in_tai(jd, exposure):
    start = Time(jd, format="jd", scale="utc")
    expected = (start.tai + exposure / 2 * u.s).mjd
    found = value({"mjd_tai_of_jd_utc": ["jd", "t"]}, {"jd": jd, "t": exposure})
    # A double JD resolves 40 us; astropy stretches the days that hold a leap second.
    inside_leap_day = start.datetime.strftime("%m-%d") in ("12-31", "06-30")
    assert abs(found - expected) * 86400 < (1.0 if inside_leap_day else 1e-4)


@pytest.mark.parametrize("date", ["1999-01-02", "2006-01-02", "2009-01-02", "2012-07-02",
                                  "2015-07-02", "2017-01-02", "2026-06-01"])
def test_leap_seconds_agree_with_astropy(date):
    time = Time(date, scale="utc")
    assert conversions.tai_minus_utc(time.mjd) == round((time.tai.mjd - time.utc.mjd) * 86400)


def test_no_leap_second_is_missing():
    """astropy's table, kept up to date by IERS, has none after ours."""
    from astropy.utils.iers import LeapSeconds

    table = LeapSeconds.auto_open()
    since = Time({"year": int(table["year"][-1]), "month": int(table["month"][-1])},
                 format="ymdhms").mjd
    assert (int(since), int(table["tai_utc"][-1])) == conversions.LEAP_SECONDS[0]


def test_choosing_and_conditions():
    record = {"a": None, "b": 2, "c": 3.5, "s": "x", "n": float("nan")}
    assert value({"first": ["a", "n", "b", "c"]}, record) == 2
    assert value({"first": ["a"]}, record) is None
    assert value({"when": [{"less": ["b", "c"]}, "s"]}, record) == "x"
    assert value({"when": [{"greater": ["b", "c"]}, "s"]}, record) is None
    assert value({"when": [{"less": ["a", "c"]}, "s"]}, record) is None
    assert value({"all": [{"present": "b"}, {"missing": "a"}, {"missing": "n"}]}, record) is True
    assert value({"is_in": ["s", "x", "y"]}, record) is True
    assert value({"is_in": ["a", "x", "y"]}, record) is None
    assert value({"plus": ["b", "c"]}, record) == 5.5
    assert value({"minus": ["b", "a"]}, record) is None
    assert value({"times": ["b", "c"]}, record) == 7.0
    assert value({"quadrature": ["x", "y"]}, {"x": 3.0, "y": -4.0}) == 5.0
    assert value({"text": "b"}, record) == "2"
    assert value({"lookup": "b", "in": {1: "g", 2: "r"}}, record) == "r"
    assert value({"lookup": "c", "in": {1: "g", 2: "r"}}, record) is None
    assert value("$twice", record, {"twice": {"plus": ["b", "b"]}}) == 4


@pytest.mark.parametrize("missing", [None, float("nan"), -999.0, -99999.0, "null"])
def test_what_a_survey_writes_for_missing_is_null(missing):
    found = value("c.x", {"c": {"x": missing}}, numbers=(-999, -99999), texts=("null",))
    assert found is None


def test_what_only_looks_like_missing_is_kept():
    record = {"x": -999.5, "t": "nullable", "flag": False, "zero": 0}
    for name, expected in record.items():
        assert value(name, record, numbers=(-999, 0.5), texts=("null",)) == expected
    assert value("a.b.c", {"a": None}) is None and value("a.b", {}) is None


@pytest.mark.parametrize("spec", [{"flux_of_mag": ["m", {"constant": 1}]},
                                  {"flux_err_of_mag": ["m", "m"]}, {"snr_of_mag_err": "m"},
                                  {"flux_of_counts": ["m", "m"]}, {"plus": ["m", "m"]},
                                  {"mjd_tai_of_jd_utc": ["m", "m"]}, {"times": ["m", "m"]},
                                  {"quadrature": ["m", "m"]}])
@given(m=st.floats(allow_nan=True, allow_infinity=True) | st.floats(width=32) | st.none())
def test_no_number_makes_a_conversion_fail(spec, m):
    """Damaged bytes decode to any number; a conversion answers null or a float."""
    found = value(spec, {"m": m})
    assert found is None or isinstance(found, float)


ids = st.tuples(st.integers(0, 99), st.text(LETTERS, min_size=7, max_size=7))


@given(ids, ids)
def test_text_ids_are_one_to_one_and_in_order(one, other):
    texts = [f"ZTF{year:02d}{letters}" for year, letters in (one, other)]
    numbers = [text_id(text, "ZTF", 2, 7) for text in texts]
    assert (texts[0] < texts[1]) == (numbers[0] < numbers[1])
    assert (texts[0] == texts[1]) == (numbers[0] == numbers[1])
    assert 1 <= numbers[0] <= 100 * 26**7 < 2**63


def test_text_ids_by_hand():
    assert text_id("ZTF00aaaaaaa", "ZTF", 2, 7) == 1
    assert text_id("ZTF00aaaaaab", "ZTF", 2, 7) == 2
    assert text_id("ZTF18aaaaaaa", "ZTF", 2, 7) == 18 * 26**7 + 1
    assert text_id("ZTF99zzzzzzz", "ZTF", 2, 7) == 100 * 26**7
    assert text_id("WNTR24awatr", "WNTR", 2, 5) == (
        24 * 26**5 + 22 * 26**3 + 0 * 26**2 + 19 * 26 + 17 + 1)


@pytest.mark.parametrize("text", [None, "", "ZTF", "ZTF18aaaaaa", "ZTF18aaaaaaaa", "ZTF18aaaaaaA",
                                  "ZTF1８aaaaaaa", "ztf18aaaaaaa", " ZTF18aaaaaaa",
                                  "ZTF18aaaaaaa\n",
                                  "ZTF18aaaaaaé", "ZTFaaaaaaa18"])
def test_texts_of_another_form_have_no_number(text):
    assert text_id(text, "ZTF", 2, 7) == 0


def test_constants_in_sql():
    assert [literal(v) for v in (None, True, 7, 2**40, 0.1, "it's \\")] == [
        "NULL", "true", "7", f"{2**40}L", "0.1D", "'it\\'s \\\\'"]
    with pytest.raises(ConfigError, match="cannot be a constant"):
        literal([1])


def test_each_conversion_has_sql_and_python():
    for name, conversion in CONVERSIONS.items():
        assert callable(conversion.sql) and callable(conversion.python), name
