"""`features`: a hit, a miss, and too few points."""

from pathlib import Path

import pytest

from fink_like.kit.handmade import alerts, light_curve, score


def features(*curves):
    return score(Path(__file__).parent, alerts(list(curves)))


def test_hit_numbers_worked_out_by_hand():
    found = features(light_curve([0, 1, 2, 4], [10, 20, 30, 20], [1, 1, 1, 1], "g")).iloc[0]
    expected = {"n": 4, "mean": 20, "std": (200 / 3) ** 0.5, "amplitude": 10, "median": 20,
                "mad": 5, "skew": 0, "beyond_1_std": 0.5, "chi2": 200 / 3,
                "eta": (100 + 100 + 100) / 200, "slope": 20 / 8.75, "max_slope": 10, "duration": 4,
                "max": 30, "time_to_max": 2, "positive_fraction": 1, "percent_amplitude": 10,
                "median_buffer_range_10": 0.5, "inter_percentile_range_25": 10, "trend": 20 / 8.75,
                "otsu_mean_diff": 40 / 3, "otsu_lower_to_all_ratio": 0.25,
                "stetson_k": 0.5 ** 0.5, "eta_e": (100 + 100 + 25) * 16 / 27 / (200 / 3)}
    for name, value in expected.items():
        assert found[f"{name}_g"] == pytest.approx(value, rel=1e-6, abs=1e-6), name


def test_miss_a_constant_source_has_no_variability():
    found = features(light_curve([0, 1, 2], [700.1] * 3, 10, "r")).iloc[0]
    assert found.amplitude_r == found.std_r == found.chi2_r == found.slope_r == 0
    assert found.eta_r is None and found.skew_r is None and found.stetson_k_r is None


def test_bands_do_not_mix_and_limits_do_not_count():
    found = features(light_curve([0, 1, 2, 3], [5, 90, None, 7], 1, ["g", "r", "r", "g"],
                                 ["detection", "detection", "limit", "forced"])).iloc[0]
    assert (found.n_g, found.n_r, found.n_i) == (2, 1, 0)
    assert found.mean_g == 6 and found.mean_r == 90 and found.mean_i is None


def test_too_few_points():
    found = features(light_curve([60000], [900], 50), None)
    assert found.status.tolist() == [2, 3]
    assert found.n_r.isna().all() and found.mean_r.isna().all()
