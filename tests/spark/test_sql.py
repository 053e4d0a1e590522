"""The SQL that our pure code writes, run by Spark and compared with an independent calculation."""

import datetime
import math

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from fink_like.packets import normalise
from fink_like.packets.conversions import tai_minus_utc, text_id_sql
from fink_like.packets.expressions import Evaluator, Sentinels, SqlWriter, parse
from fink_like.vocabulary import DETECTION, FORCED, LIMIT

RNG = np.random.default_rng(5)


def test_galactic_and_ecliptic_coordinates(spark):
    """To 1e-4 deg of astropy, poles and the seam at 0 included."""
    ra = np.concatenate([RNG.uniform(0, 360, 500), [0, 0, 360, 192.85948, 266.405, 83.0]])
    dec = np.concatenate([np.degrees(np.arcsin(RNG.uniform(-1, 1, 500))),
                          [90, -90, 0, 27.12825, -28.936, 23.4]])
    frame = spark.createDataFrame(list(zip(ra.tolist(), dec.tolist())), "ra double, dec double")
    rows = frame.selectExpr(f"{normalise.sky_sql()} AS sky").select("sky.*").collect()
    found = np.array([tuple(row) for row in rows])
    place = SkyCoord(ra, dec, unit="deg")
    there = SkyCoord(found[:, 0], found[:, 1], unit="deg", frame="galactic")
    assert there.separation(place.galactic).max() < 1e-4 * u.deg
    ecliptic = place.transform_to("barycentricmeanecliptic").lat.deg
    assert np.abs(found[:, 2] - ecliptic).max() < 1e-4
    assert (found[:, 0] >= 0).all() and (found[:, 0] <= 360).all()


def night_at(utc, offset_hours):
    """Date of the noon, by the site's clock, before a moment."""
    local = utc + datetime.timedelta(hours=offset_hours) - datetime.timedelta(hours=12)
    return int(local.strftime("%Y%m%d"))


EPOCH = datetime.datetime(1858, 11, 17)


def test_nights_change_at_local_noon(spark, surveys):
    for survey in surveys.values():
        noon = 12 - survey.utc_offset_hours
        moments = [datetime.datetime(2025, 3, 1) + datetime.timedelta(hours=noon, seconds=s)
                   for s in (-1, 1, -3600, 43200, 86399)]
        moments += [datetime.datetime(2018, 1, 1) + datetime.timedelta(hours=float(h))
                    for h in RNG.uniform(0, 60000, 300)]
        mjds = [(m - EPOCH) / datetime.timedelta(days=1) for m in moments]
        tai = [mjd + tai_minus_utc(mjd) / 86400 for mjd in mjds]
        assert found_nights(spark, survey, tai, "2026-01-01") == [
            (night_at(m, survey.utc_offset_hours), False) for m in moments]


def found_nights(spark, survey, mjds, arrived):
    rows = [(n, mjd) for n, mjd in enumerate(mjds)]
    frame = spark.createDataFrame(rows, "n int, midpointMjdTai double")
    frame = frame.selectExpr("*", f"timestamp'{arrived}' AS timestamp")
    night, assumed = normalise.night_sql(survey)
    return [tuple(row)[1:] for row in
            sorted(frame.selectExpr("n", f"{night} AS night", f"{assumed} AS assumed").collect())]


@pytest.mark.parametrize("damaged", [None, float("nan"), float("inf"), -1.0, 0.0, 50000.0, 61402.0,
                                     2.5e6, 1e300])
def test_a_damaged_time_takes_kafkas_night(spark, surveys, damaged):
    """It arrived at MJD 61400.92: a time more than a day after that has not been yet."""
    arrived = datetime.datetime(2026, 12, 26, 22)
    for survey in surveys.values():
        ((night, assumed),) = found_nights(spark, survey, [damaged], str(arrived))
        assert (night, assumed) == (night_at(arrived, survey.utc_offset_hours), True)


def point(time, kind, band="r", visit=None, flux=1.0):
    return (float(time), kind, band, visit, flux, 1.0)


def exposures(n):
    """Points of n exposures: detections, forced points of most, limits, as packets mix them."""
    points, time = [], 59000.0
    for visit in range(n):
        time += RNG.choice([40 / 86400, 0.02, 1.0])
        band = RNG.choice(list("ugrizy"))
        near = time + RNG.choice([0.0, 1e-5])
        if RNG.random() < 0.6:
            points.append(point(time, DETECTION, band, visit))
        else:
            points.append(point(time, LIMIT, band, visit, None))
        if RNG.random() < 0.7:
            points.append(point(near, FORCED, band, visit if RNG.random() < 0.95 else None))
    return points


def paired(points):
    """Each forced point against every detection."""
    seen = {(p[3], p[2]) for p in points if p[1] == DETECTION}
    return [p[1] == FORCED and p[3] is not None and (p[3], p[2]) in seen for p in points]


def test_pairing_looks_far_enough(spark):
    curves = [exposures(n) for n in (0, 1, 2, 3, 30, 300, 1100) for _ in range(4)]
    rows = [(n, curve) for n, curve in enumerate(curves)]
    frame = spark.createDataFrame(rows, f"n int, points array<{normalise.POINT_TYPE}>")
    frame = frame.selectExpr("n", "sort_array(points) AS points")
    light = frame.selectExpr("*", f"{normalise.light_curve_sql()} AS lc").collect()
    for row in light:
        points = [tuple(p) for p in row.points]
        assert row.lc.paired == paired(points)
        assert row.lc.kind == [p[1] for p in points]
        assert row.lc.midpointMjdTai == sorted(p[0] for p in curves[row.n])


def test_counted_in_the_packet(spark):
    rows = [([point(1, DETECTION), point(3, LIMIT), point(4, DETECTION)], 4.0), ([], 4.0),
            ([point(1, FORCED)], 4.0), (None, 4.0)]
    frame = spark.createDataFrame(rows, f"points array<{normalise.POINT_TYPE}>, "
                                        "midpointMjdTai double")
    found = frame.selectExpr(*(f"{sql} AS {n}" for n, sql in normalise.counted_sql().items()))
    assert [tuple(row) for row in found.collect()] == [(2, 3.0), (0, None), (0, None), (None, None)]


SPECS = [
    {"first": ["a", "b"]}, {"when": [{"less": ["a", "b"]}, "t"]},
    {"when": [{"greater": ["a", {"constant": 3}]}, "b"]}, {"present": "a"}, {"missing": "a"},
    {"all": [{"present": "a"}, {"missing": "b"}]}, {"is_in": ["t", "x", "1"]},
    {"plus": ["a", "n"]}, {"minus": ["a", "b"]}, {"times": ["a", {"constant": 0.2}]},
    {"quadrature": ["a", "b"]}, {"text": "n"}, {"flux_of_mag": ["a", {"constant": -1}]},
    {"flux_of_mag": ["a", {"lookup": "t", "in": {"x": 1, "1": -1}}]},
    {"flux_err_of_mag": ["a", "b"]}, {"snr_of_mag_err": "b"}, {"flux_of_counts": ["a", "b"]},
    {"mjd_tai_of_jd_utc": ["jd", {"first": ["b", {"constant": 30}]}]},
    {"lookup": "n", "in": {1: "g", 2: "r"}}, "$twice", {"constant": "it's \\ here"},
    {"text_id": "t", "prefix": "ZTF", "digits": 2, "letters": 7}]
NUMBERS = [None, float("nan"), 0.0, -0.0, 1.5, -3.25, 20.0, -999.0, -99999.0, 1e38, 25.0]
TEXTS = [None, "x", "1", "null", "", "ZTF18aayhyhx", "ZTF18aayhyhx\n", "ZTF18aayhyh",
         "ZTF1_aayhyhx", "ZTF99zzzzzzz", "ztf18aayhyhx"]
JDS = [2457754.4999, 2457754.5, 2456109.5, 2454832.5, 2460000.123, 2451179.5, None]


def records(n):
    return [tuple(RNG.choice(np.array(values, dtype=object)) for values in
                  (NUMBERS, NUMBERS, [None, 1, 2, -999, 7], TEXTS, JDS)) for _ in range(n)]


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_sql_and_python_of_each_conversion_agree(drawn, spec):
    writer, evaluator, frame, rows = drawn
    node = parse(spec)
    found = frame.selectExpr("p.i AS i", f"{writer.write(node)} AS value").collect()
    for i, value in found:
        expected = evaluator.value(node, rows[i])
        if isinstance(expected, float) and isinstance(value, float):
            assert math.isclose(value, expected, rel_tol=1e-14, abs_tol=1e-300), (rows[i], spec)
        else:
            assert value == expected or isinstance(expected, float) and float(value) == expected, (
                rows[i], spec, value, expected)


@pytest.fixture(scope="module")
def drawn(spark):
    names = ("a", "b", "n", "t", "jd")
    rows = records(400)
    frame = spark.createDataFrame([(i, *row) for i, row in enumerate(rows)],
                                  "i int, a double, b double, n bigint, t string, jd double")
    frame = frame.selectExpr("struct(*) AS p").cache()
    columns = {"twice": parse({"plus": ["a", "a"]})}
    sentinels = Sentinels((-999, -99999), ("null",))
    types = {("a",): "double", ("b",): "double", ("n",): "long", ("t",): "string",
             ("jd",): "double"}
    yield (SqlWriter("p", types, columns, sentinels), Evaluator(columns, sentinels), frame,
           [dict(zip(names, row)) for row in rows])
    frame.unpersist()


def test_text_ids_of_another_survey(spark):
    frame = spark.createDataFrame([("WNTR24awatr",), ("WNTR24awatrx",), (None,)], "t string")
    sql = text_id_sql("t", "WNTR", 2, 5)
    assert [row.id for row in frame.selectExpr(f"{sql} AS id").collect()] == [
        24 * 26**5 + 22 * 26**3 + 19 * 26 + 17 + 1, 0, 0]
