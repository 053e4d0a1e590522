"""`rates` against numpy.polyfit, and its errors against the scatter of many skies."""

from pathlib import Path

import numpy as np
import pytest

from fink_like.kit.handmade import alerts, light_curve, score

FOLDER = Path(__file__).resolve().parents[2] / "science_modules" / "rates"
MAG = 2.5 / np.log(10)


def rates(*curves):
    return score(FOLDER, alerts(list(curves)))


def test_slopes_equal_polyfit_with_weights():
    rng = np.random.default_rng(5)
    curves = []
    for n in (2, 3, 8, 60):
        t = 61000 + np.sort(np.concatenate([[0.0, 14.0], rng.uniform(0, 14, n - 2)]))
        curves.append(light_curve(t, rng.normal(9000, 900, n).astype("f4"),
                                  rng.uniform(100, 300, n).astype("f4")))
    found = rates(*curves)
    for i, curve in enumerate(curves):
        t, f, e = (np.array(curve[k], float) for k in ("midpointMjdTai", "psfFlux", "psfFluxErr"))
        for name, y, error in (("flux_slope", f, e), ("slope", 31.4 - 2.5 * np.log10(f),
                                                      MAG * e / f)):
            x = t - t.mean()
            (slope, level), covariance = (
                np.polyfit(x, y, 1, w=1 / error, cov="unscaled") if len(t) > 3
                else (np.polyfit(x, y, 1, w=1 / error), None))
            design = np.stack([x, np.ones_like(x)]) / error
            covariance = np.linalg.inv(design @ design.T) if covariance is None else covariance
            chi2 = (((y - level - slope * x) / error) ** 2).sum()
            scale = np.sqrt(max(1, chi2 / (len(t) - 2))) if len(t) > 2 else 1
            assert found[name][i] == pytest.approx(slope, rel=1e-4)
            assert found[f"{name}_err"][i] == pytest.approx(scale * covariance[0, 0] ** .5,
                                                            rel=1e-4)


def test_a_known_decline_is_measured_within_its_error():
    rng = np.random.default_rng(7)
    t = np.arange(0, 14, 2.0)
    truth = 20000 * 10 ** (-0.4 * 0.12 * t)  # 0.12 mag/d
    sky = [light_curve(t, truth + rng.normal(0, 200, len(t)), 200) for _ in range(2000)]
    found = rates(*sky)
    pull = (found.slope - 0.12) / found.slope_err
    assert abs(pull.mean()) < 0.1  # the mean of 2,000 unit pulls scatters by 0.022
    assert 0.85 < pull.std() < 1.05  # the scale factor only widens errors
    assert found.is_fading.mean() > 0.99 and not found.is_rising.any()


def test_noise_alone_is_rarely_rising_or_fading():
    rng = np.random.default_rng(8)
    sky = [light_curve(np.arange(8.0), rng.normal(0, 50, 8), 50, kind="forced")
           for _ in range(3000)]
    found = rates(*sky)
    assert (found.is_rising | found.is_fading).mean() < 0.004  # 3 sigma: 0.0027


def test_flicker_beyond_the_errors_is_not_significant():
    flicker = light_curve([0, 1, 2, 3, 4, 5], [5000, 9000, 4000, 8500, 5200, 9000], 20)
    found = rates(flicker).iloc[0]
    assert not found.is_rising and not found.is_fading


def test_a_negative_source_that_deepens_is_fading_without_a_magnitude():
    found = rates(light_curve([0, 3, 6], [-500, -900, -1400], 50)).iloc[0]
    assert found.is_fading and found.slope is None and found.flux_slope == pytest.approx(-150)


def test_points_of_one_night_make_no_slope():
    found = rates(light_curve([0.0, 0.02, 0.3], [500, 900, 1400], 20)).iloc[0]
    assert found.slope is None and found.flux_slope is None and found.is_rising is None
    assert found.n_points == 3 and found.status == 0


def test_the_band_with_a_time_base_is_preferred_to_more_points():
    curve = light_curve([0, 4, 4.01, 4.02, 4.03], [100, 500, 500, 500, 500], 10,
                        ["g", "g", "r", "r", "r"])
    found = rates(curve).iloc[0]
    assert found.band == "g" and found.n_points == 2 and found.flux_slope == pytest.approx(100)


def test_only_the_last_fifteen_days_count():
    found = rates(light_curve([0, 20, 22, 24], [90000, 100, 200, 300], 5)).iloc[0]
    assert found.n_points == 3 and found.flux_slope == pytest.approx(50)


def test_the_limit_before_the_first_detection_in_its_band():
    kinds = ["limit", "limit", "limit", "detection", "limit", "detection"]
    curve = light_curve([1, 3, 4, 5, 5.5, 7], [None, None, None, 1000, None, 2000],
                        [40, 20, 20, 50, 20, 50], ["r", "r", "g", "r", "r", "r"], kinds)
    found = rates(curve).iloc[0]
    assert found.d_since_limit == pytest.approx(2)
    assert found.limit_depth == pytest.approx(2.5 * np.log10(1000 / 100))


def test_without_limits_status_is_ok():
    found = rates(light_curve([60000.1], [900], 50, "i")).iloc[0]
    assert found.status == 0 and found.d_since_limit is None and found.limit_depth is None
    assert found.band == "i" and found.n_points == 1 and found.is_rising is None


def test_a_forced_twin_is_not_counted_twice():
    curve = light_curve([0, 0, 2, 2], [100, 101, 300, 299], 10, "g",
                        ["detection", "forced"] * 2, [False, True] * 2)
    assert rates(curve).n_points[0] == 2


def test_a_band_that_is_not_ours_has_no_rate():
    found = rates(light_curve([0, 2], [100, 300], 10, "w")).iloc[0]
    assert found.band is None and found.n_points == 0 and found.flux_slope is None
