"""`rates`: a hit, a miss, and too few points."""

from pathlib import Path

import pytest

from fink_like.kit.handmade import alerts, light_curve, score


def rates(*curves):
    return score(Path(__file__).parent, alerts(list(curves)))


def test_hit_a_source_that_doubles_each_day():
    curve = light_curve([0, 1, 2, 3], [None, 1000, 2000, 4000], [30, 40, 40, 40], "g",
                        ["limit"] + ["detection"] * 3)
    found = rates(curve).iloc[0]
    assert found.slope == pytest.approx(-0.7526, abs=1e-4)  # 2.5 log10(2) mag a day, brightening
    assert found.is_rising and not found.is_fading and found.band == "g"
    assert found.d_since_limit == 1.0
    assert found.limit_depth == pytest.approx(2.0598, abs=1e-3)  # 1000 over 5 * 30, in mag


def test_miss_a_constant_source():
    found = rates(light_curve([0, 1, 2, 3], [990, 1010, 1012, 988], 40)).iloc[0]
    assert not found.is_rising and not found.is_fading
    assert abs(found.slope) < 2 * found.slope_err


def test_too_few_points_for_a_slope():
    found = rates(light_curve([60000], [900], 50)).iloc[0]
    assert found.status == 0 and found.slope is None and found.n_points == 1


def test_too_few_points_for_anything():
    found = rates(light_curve([60000], [None], 50, kind="limit")).iloc[0]
    assert found.status == 2 and found.band is None
