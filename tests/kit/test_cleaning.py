"""Joining, cleaning and binning against the same rules written as loops over points."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fink_like.errors import ModuleError
from fink_like.kit import BANDS, LIGHT_CURVE
from fink_like.kit.cleaning import (binned, depth, joined, limits_before_first_detection,
                                    outliers)
from fink_like.kit.columns import Batch
from fink_like.kit.handmade import alerts, light_curve

HALF_SECOND = 1 / 172800
POINT = st.tuples(st.sampled_from([None, 0.2, 0.2 + HALF_SECOND, 0.5, 0.8, 1.1, 2.0, 2.6, 7.9]),
                  st.sampled_from(["g", "r", "w"]), st.sampled_from([None, -30.0, 10.0, 400.0]),
                  st.sampled_from([None, 0.0, 5.0, 10.0]),
                  st.sampled_from(["detection", "forced", "limit"]), st.booleans())
ROW = st.lists(POINT, max_size=7)
TWO = st.integers(1, 4).flatmap(lambda n: st.tuples(*[st.lists(ROW, min_size=n, max_size=n)] * 2))


def curves(rows):
    """`LightCurve` of drawn points."""
    made = []
    for row in rows:
        mjd, band, flux, error, kind, paired = map(list, zip(*row)) if row else [[]] * 6
        made.append(light_curve(mjd, flux, error, band, kind, paired))
    return Batch(alerts(made)).light_curve


def points(lc, i):
    """Row i as a list of tuples of numbers."""
    return list(zip(*(column.row(i).tolist() for column in lc.columns)))


def rank(point):
    _, _, flux, error, kind, paired = point
    measured = np.isfinite(flux) and error > 0
    if kind == 2:
        return 3 if error > 0 else 4
    return 4 if not measured or np.isnan(point[0]) else 0 if kind == 0 else 1 + int(paired)


def joined_reference(first, second):
    left, kept = list(enumerate([*first, *second])), []
    left.sort(key=lambda at: (at[1][1], np.isnan(at[1][0]), np.nan_to_num(at[1][0])))
    while left:
        group = [left.pop(0)]
        while (left and left[0][1][1] == group[0][1][1]
               and left[0][1][0] - group[-1][1][0] <= 1 / 86400):
            group.append(left.pop(0))
        kept.append(min(group, key=lambda at: (rank(at[1]), at[0]))[1])
    return kept


def values_of(row):
    """For comparison: NaN equals NaN, order of simultaneous points does not matter."""
    return sorted(tuple("nan" if value != value else f"{value:.9g}" for value in point)
                  for point in row)


@given(TWO)
@settings(max_examples=100, deadline=None)
def test_a_join_keeps_the_best_point_of_each_exposure(drawn):
    first, second = map(curves, drawn)
    found = joined(first, second)
    for i in range(len(first)):
        expected = joined_reference(points(first, i), points(second, i))
        got = points(found, i)
        assert values_of(got) == values_of(expected)
        times = found.mjd.row(i)[np.isfinite(found.mjd.row(i))]
        assert (np.diff(times) >= 0).all() and np.isnan(found.mjd.row(i)[len(times):]).all()


@given(st.lists(ROW, min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_joining_twice_or_with_nothing_changes_nothing_more(rows):
    lc, nothing = curves(rows), curves([[] for _ in rows])
    once = joined(lc, nothing)
    timed = once.select(np.isfinite(once.mjd))
    for again in (joined(timed, timed), joined(nothing, timed), joined(timed, lc)):
        again = again.select(np.isfinite(again.mjd))
        for i in range(len(lc)):
            assert values_of(points(again, i)) == values_of(points(timed, i))


def test_of_equal_points_that_of_the_first_history_stays():
    first, second = (curves([[(1.0, "r", flux, 5.0, "detection", False)]]) for flux in (10., 20.))
    assert joined(first, second).flux.values.tolist() == [10]
    assert joined(second, first).flux.values.tolist() == [20]


def test_a_detection_takes_the_place_of_limit_and_forced_point():
    limit = (1.0, "r", None, 5.0, "limit", False)
    forced = (1.0 + HALF_SECOND, "r", 8.0, 5.0, "forced", False)
    detection = (1.0 + HALF_SECOND, "r", 9.0, 5.0, "detection", False)
    lc = joined(curves([[limit], [limit]]), curves([[forced, detection], [forced]]))
    assert lc.flux.values.tolist() == [9, 8] and lc.counts.tolist() == [1, 1]


def test_other_bands_and_later_exposures_are_other_points():
    one = (1.0, "r", 8.0, 5.0, "detection", False)
    lc = joined(curves([[one]]), curves([[(1.0, "g", *one[2:]), (1 + 30 / 86400, *one[1:])]]))
    assert lc.counts.tolist() == [3]
    assert joined(curves([[one]]), curves([[(1 + 30 / 86400, *one[1:])]]),
                  tolerance=40).counts.tolist() == [1]


def test_histories_of_different_alerts_are_refused():
    with pytest.raises(ModuleError, match="1 and 2 alerts"):
        joined(curves([[]]), curves([[], []]))


def binned_reference(row, width, origin):
    bins = {}
    for point in row:
        mjd, band, flux, error, kind, paired = point
        usable = rank(point) in (0, 1)
        if band >= 0 and np.isfinite(mjd) and (usable or rank(point) == 3):
            bins.setdefault((band, np.floor((mjd - origin) / width)), []).append((usable, point))
    made = []
    for (band, _), members in bins.items():
        measured = [p for usable, p in members if usable]
        if measured:
            mjd, _, flux, error, kind, _ = map(np.array, zip(*measured))
            weight = 1 / error ** 2
            made.append((np.average(mjd, weights=weight), band, np.average(flux, weights=weight),
                         weight.sum() ** -0.5, kind.min(), 0.0))
        else:
            deepest = min((p for _, p in members), key=lambda p: p[3])
            made.append((deepest[0], band, np.nan, deepest[3], 2, 0.0))
    return sorted(made, key=lambda p: p[:2])


@given(st.lists(ROW, min_size=1, max_size=4), st.sampled_from([0.5, 1.0, 3.0]))
@settings(max_examples=80, deadline=None)
def test_bins_equal_a_loop(rows, width):
    lc = curves([[p for p in row if p[4] != "limit" or p[2] is None] for row in rows])
    found = binned(lc, width, origin=0.1)
    for i in range(len(lc)):
        expected = np.array(binned_reference(points(lc, i), width, 0.1)).reshape(-1, 6)
        got = np.array(sorted(points(found, i), key=lambda p: (round(p[0], 9), p[1])))
        expected = np.array(sorted(expected.tolist(), key=lambda p: (round(p[0], 9), p[1])))
        np.testing.assert_allclose(got.reshape(-1, 6), expected.reshape(-1, 6), rtol=1e-9)
        assert (np.diff(found.mjd.row(i)) >= 0).all()
    assert found.band.values.dtype == found.kind.values.dtype == np.int8


def test_a_binned_light_curve_of_single_points_is_itself():
    row = [(1.0, "g", 30.0, 5.0, "detection", False), (2.0, "r", None, 5.0, "limit", False),
           (3.0, "g", -30.0, 5.0, "forced", False)]
    for found, expected in zip(binned(curves([row])).columns, curves([row]).columns):
        np.testing.assert_array_equal(found.values, expected.values)


def test_the_default_bins_are_nights_of_the_americas():
    palomar, rubin = (0.08, 0.55), (0.95, 1.42)  # dusk and dawn, MJD - day
    for night in (palomar, rubin):
        row = [(61000 + day + t, "r", 10.0, 1.0, "detection", False)
               for day in (0, 1) for t in night]
        assert binned(curves([row])).counts.tolist() == [2]


def test_the_error_of_a_bin_is_the_scatter_of_its_mean():
    rng = np.random.default_rng(9)
    rows = [[(1 + k / 50, "r", float(rng.normal(100, 7)), 7.0, "detection", False)
             for k in range(4)] for _ in range(4000)]
    lc = binned(curves(rows))
    assert lc.flux.values.std() == pytest.approx(lc.flux_err.values[0], rel=0.05)
    assert lc.flux_err.values[0] == pytest.approx(3.5)


def outliers_reference(row, n_sigma, window):
    mask = [False] * len(row)
    for band in range(len(BANDS)):
        use = [k for k, p in enumerate(row) if p[1] == band and rank(p) in (0, 1)]
        for at, k in list(enumerate(use))[1:-1]:
            if len(use) < window:
                continue
            begin = min(max(at - window // 2, 0), len(use) - window)
            flux = np.array([row[j][2] for j in use[begin:begin + window]])
            scatter = 1.4826 * np.median(np.abs(flux - np.median(flux)))
            mask[k] = abs(row[k][2] - np.median(flux)) > n_sigma * np.hypot(row[k][3], scatter)
    return mask


@given(st.lists(st.lists(st.tuples(
    st.integers(0, 50).map(float), st.sampled_from("gr"), st.integers(-90, 90).map(float),
    st.sampled_from([1.0, 8.0]), st.sampled_from(["detection", "forced", "limit"]),
    st.booleans()), max_size=16), min_size=1, max_size=4), st.sampled_from([3, 5, 7]))
@settings(max_examples=80, deadline=None)
def test_outliers_equal_a_loop(rows, window):
    lc = curves(rows)
    found = outliers(lc, 3.0, window)
    for i in range(len(lc)):
        assert found.row(i).tolist() == outliers_reference(points(lc, i), 3.0, window)


def test_a_spike_goes_and_a_rise_a_new_point_and_a_limit_stay():
    spike = [100.0, 102, 98, 5000, 101, 99, 100]
    rise = [0.0, 50, 200, 800, 3200, 9000, 20000]
    newest = [100.0, 102, 98, 100, 101, 99, 5000]
    rows = [[(float(t), "r", f, 5.0, "detection", False) for t, f in enumerate(flux)]
            + [(9.0, "r", None, 1.0, "limit", False)] for flux in (spike, rise, newest)]
    lc = curves(rows)
    kept = lc.select(~outliers(lc))
    assert kept.counts.tolist() == [7, 8, 8] and 5000 not in kept.flux.row(0)


def test_few_true_points_are_called_outliers():
    rng = np.random.default_rng(3)
    rows = [[(float(t), "r", float(rng.normal(0, 5)), 5.0, "forced", False) for t in range(40)]
            for _ in range(250)]
    assert outliers(curves(rows)).values.mean() < 1e-3


@pytest.mark.parametrize("window", [1, 4])
def test_a_window_without_a_middle_is_refused(window):
    with pytest.raises(ModuleError, match="no middle"):
        outliers(curves([[]]), window=window)


def test_limits_before_the_first_detection_and_their_depth():
    rows = [[(1.0, "r", None, 4.0, "limit", False), (1.5, "g", None, 2.0, "limit", False),
             (2.0, "g", 100.0, 5.0, "detection", False), (3.0, "r", None, 4.0, "limit", False),
             (4.0, "r", 200.0, 5.0, "detection", False)],
            [(1.0, "r", None, 4.0, "limit", False)], []]
    lc = curves(rows)
    before = limits_before_first_detection(lc)
    assert before.counts.tolist() == [2, 0, 0]
    np.testing.assert_allclose(depth(before).row(0), 31.4 - 2.5 * np.log10([20, 10]))
    by_band = limits_before_first_detection(lc.by_band())
    assert by_band.counts.reshape(6, -1)[[1, 2], 0].tolist() == [1, 2]  # in r two, by then


@given(st.lists(ROW, min_size=2, max_size=5), st.data())
@settings(max_examples=40, deadline=None)
def test_neighbours_and_order_change_nothing(rows, data):
    lc = curves(rows)
    order = np.array(data.draw(st.permutations(range(len(rows)))))[:data.draw(st.integers(0, 9))]
    for function in (lambda one: joined(one, one), binned, limits_before_first_detection,
                     lambda one: one.select(outliers(one))):
        whole, part = function(lc), function(lc.take(order))
        for name, found, expected in zip(LIGHT_CURVE, part.columns, whole.columns):
            np.testing.assert_array_equal(found.values, expected.take(order).values, err_msg=name)
