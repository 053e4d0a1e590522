"""Light curves: which points count, the cut by band, and the line fit against numpy."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fink_like.kit import (BANDS, LIGHT_CURVE, LightCurve, Ragged, linear_fit, magnitudes,
                           weighted_mean)
from fink_like.kit.columns import Batch
from fink_like.kit.handmade import alerts, light_curve

POINT = st.tuples(st.floats(0, 40, width=32), st.sampled_from(BANDS + ("w",)),
                  st.one_of(st.none(), st.floats(-1000, 1000, width=32)),
                  st.sampled_from([None, 0.0, 10.0, 25.0]),
                  st.sampled_from(["detection", "forced", "limit"]), st.booleans())
ALERTS = st.lists(st.lists(POINT, max_size=8), min_size=1, max_size=6)


def as_light_curves(points):
    """Drawn points, as (list of light_curve dicts, LightCurve)."""
    rows = []
    for row in points:
        mjd, band, flux, error, kind, paired = zip(*row) if row else [[]] * 6
        rows.append(light_curve(list(mjd), list(flux), list(error), list(band), list(kind),
                                list(paired)))
    return Batch(alerts(rows)).light_curve


@given(ALERTS)
@settings(max_examples=150, deadline=None)
def test_each_point_is_kept_by_the_rule(points):
    lc = as_light_curves(points)
    for i, row in enumerate(points):
        row = sorted(row, key=lambda point: point[0])
        measured = [p for p in row if p[2] is not None and p[3]]
        usable = [p[0] for p in measured if p[4] == "detection" or (p[4] == "forced" and not p[5])]
        assert lc.usable().mjd.row(i).tolist() == usable
        assert lc.detections().mjd.row(i).tolist() == [p[0] for p in measured
                                                       if p[4] == "detection"]
        assert lc.limits().mjd.row(i).tolist() == [p[0] for p in row if p[4] == "limit" and p[3]]
        assert lc.in_band("g").mjd.row(i).tolist() == [p[0] for p in row if p[1] == "g"]


@given(ALERTS)
@settings(max_examples=100, deadline=None)
def test_all_bands_at_once_equal_one_band_each(points):
    lc = as_light_curves(points)
    at_once = lc.by_band()
    for place, band in enumerate(BANDS):
        alone = lc.in_band(band)
        for i in range(len(lc)):
            for found, expected in zip(at_once.columns, alone.columns):
                np.testing.assert_array_equal(found.row(place * len(lc) + i), expected.row(i))


def test_rows_are_taken_in_any_order():
    lc = Batch(alerts([light_curve([1, 2], [10, 20], 1), light_curve([], [], []),
                       light_curve([5], [50], 1)])).light_curve.take(np.array([2, 0, 1]))
    assert lc.counts.tolist() == [1, 2, 0] and lc.flux.values.tolist() == [50, 10, 20]


def test_points_out_of_order_are_sorted_with_their_values():
    shuffled = light_curve([3, 1, 2], [30, 10, 20], 1, ["g", "r", "i"])
    lc = Batch(alerts([light_curve([5, 6], [1, 2], 1), shuffled])).light_curve
    assert lc.mjd.row(1).tolist() == [1, 2, 3]
    assert lc.flux.row(1).tolist() == [10, 20, 30]
    assert lc.band.row(1).tolist() == [BANDS.index(b) for b in "rig"]


def test_a_point_without_time_does_not_hide_that_others_are_out_of_order():
    lc = Batch(alerts([light_curve([2, None, 1], [20, 0, 10], 1)])).light_curve
    assert lc.usable().mjd.row(0).tolist() == [1, 2] and lc.flux.row(0).tolist() == [10, 20, 0]


def test_line_equals_polyfit_at_large_mjd():
    rng = np.random.default_rng(3)
    times = [61000 + np.sort(rng.uniform(0, 20, n)) for n in (2, 3, 40, 200)]
    errors = [rng.uniform(1, 9, len(t)) for t in times]
    values = [100 - 3 * (t - 61000) + rng.normal(size=len(t)) * e for t, e in zip(times, errors)]
    fit = linear_fit(*(Ragged.from_lists(lists) for lists in (times, values, errors)))
    for i, (t, y, e) in enumerate(zip(times, values, errors)):
        slope, level = np.polyfit(t - fit.pivot[i], y, 1, w=1 / e)
        design = np.stack([t - fit.pivot[i], np.ones_like(t)]) / e
        covariance = np.linalg.inv(design @ design.T)
        np.testing.assert_allclose([fit.slope[i], fit.level[i]], [slope, level], rtol=1e-6)
        np.testing.assert_allclose([fit.slope_err[i], fit.level_err[i]],
                                   np.sqrt(np.diag(covariance)), rtol=1e-6)
        residual = (y - level - slope * (t - fit.pivot[i])) / e
        np.testing.assert_allclose(fit.chi2[i], residual @ residual, rtol=1e-6, atol=1e-9)


def test_no_line_without_two_times():
    one, none = [[1.0], [], [2.0, 2.0]], [[1.0], [], [1.0, 3.0]]
    fit = linear_fit(*(Ragged.from_lists(lists) for lists in (one, none, none)))
    assert np.isnan(fit.slope).all() and np.isnan(fit.slope_err).all()


def test_magnitudes_are_ab_and_null_below_zero():
    mag, error = magnitudes(np.array([3.631e12, 1.0, -5.0, 0.0]), np.array([3.631e10, 0.1, 1, 1]))
    np.testing.assert_allclose(mag[:2], [0.0, 31.4], atol=1e-4)  # 3631 Jy is AB 0
    np.testing.assert_allclose(error[:2], [0.010857, 0.10857], rtol=1e-4)
    assert np.isnan(mag[2]) and np.isnan(error[2])


def test_weighted_mean_by_hand():
    mean, error = weighted_mean(Ragged.from_lists([[1.0, 4.0], []]),
                                Ragged.from_lists([[1.0, 2.0], []]))
    np.testing.assert_allclose(mean, [(1 + 4 / 4) / 1.25, np.nan])
    np.testing.assert_allclose(error, [1.25 ** -0.5, np.nan])


def test_columns_are_named_once():
    assert len(LIGHT_CURVE) == len(LightCurve.__dataclass_fields__)
