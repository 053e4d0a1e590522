"""Probabilities and their scores against scipy, loops and hand-made cases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from fink_like.errors import ModuleError
from fink_like.kit.probability import (brier_score, expected_calibration_error, log_loss,
                                       log_softmax, reliability_table, softmax, wilson_interval)

EVENTS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1)), min_size=1, max_size=40)


@given(st.lists(st.lists(st.floats(-800, 800), min_size=3, max_size=3), min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_softmax_equals_scipy(logits):
    logits = np.array(logits)
    np.testing.assert_allclose(softmax(logits), special.softmax(logits, axis=1), rtol=1e-12,
                               atol=1e-300)  # below it doubles lose digits
    np.testing.assert_allclose(log_softmax(logits), special.log_softmax(logits, axis=1), rtol=1e-12)


def test_losses_by_hand():
    p, labels = np.array([[0.7, 0.2, 0.1], [0.0, 1.0, 0.0]]), [0, 1]
    assert log_loss(p, labels) == pytest.approx(-np.log(0.7) / 2)
    assert brier_score(p, labels) == pytest.approx((0.3 ** 2 + 0.2 ** 2 + 0.1 ** 2) / 2)
    assert log_loss(p, labels, weights=[0, 1]) == brier_score(p, labels, weights=[0, 5]) == 0
    assert log_loss([0.0], [1]) == pytest.approx(12 * np.log(10))


@given(EVENTS)
@settings(max_examples=60, deadline=None)
def test_an_event_and_two_classes_have_the_same_losses(drawn):
    p, labels = map(np.array, zip(*drawn))
    two = np.stack([1 - p, p], axis=1)
    assert log_loss(two, labels) == pytest.approx(log_loss(p, labels))
    assert brier_score(two, labels) == pytest.approx(2 * brier_score(p, labels))


@given(EVENTS, st.integers(1, 8))
@settings(max_examples=80, deadline=None)
def test_the_reliability_table_equals_a_loop(drawn, n_bins):
    p, labels = map(np.array, zip(*drawn))
    table, error = reliability_table(p, labels, n_bins), 0.0
    for k in range(n_bins):
        inside = [i for i in range(len(p)) if min(int(p[i] * n_bins), n_bins - 1) == k]
        assert table.n[k] == len(inside)
        if not inside:
            assert np.isnan([table.mean_probability[k], table.fraction[k], table.fraction_low[k],
                             table.fraction_high[k]]).all()
            continue
        assert table.mean_probability[k] == pytest.approx(p[inside].mean())
        assert table.fraction[k] == pytest.approx(labels[inside].mean())
        assert table.fraction_low[k] <= table.fraction[k] + 1e-12
        assert table.fraction_high[k] >= table.fraction[k] - 1e-12
        error += len(inside) / len(p) * abs(p[inside].mean() - labels[inside].mean())
    assert expected_calibration_error(p, labels, n_bins) == pytest.approx(error, abs=1e-12)


def test_of_classes_the_most_probable_counts():
    p = np.array([[0.6, 0.3, 0.1], [0.1, 0.1, 0.8]])
    table = reliability_table(p, [0, 1], n_bins=10)
    assert table.n[[6, 8]].tolist() == [1, 1] and table.fraction[[6, 8]].tolist() == [1, 0]
    assert expected_calibration_error(p, [0, 1], n_bins=10) == pytest.approx((0.4 + 0.8) / 2)


def test_even_right_probabilities_have_the_stated_calibration_error():
    rng = np.random.default_rng(6)
    errors = []
    for _ in range(200):
        p = rng.random(2000)
        errors.append(expected_calibration_error(p, (rng.random(2000) < p).astype(int)))
    assert np.mean(errors) == pytest.approx(0.3 * np.sqrt(15 / 2000), rel=0.15)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@settings(max_examples=60, deadline=None)
def test_wilson_intervals_equal_scipy(drawn):
    successes, n = drawn
    expected = stats.binomtest(successes, n).proportion_ci(method="wilson")
    np.testing.assert_allclose(wilson_interval(successes, n), expected, atol=1e-7)


def test_of_no_trials_nothing_is_known():
    low, high = wilson_interval([0, 3], [0, 3])
    assert (low[0], high[0]) == (0, 1) and 0.4 < low[1] < high[1] == 1


@pytest.mark.parametrize("p, labels, message", [
    ([0.5], [0, 1], "shape"), ([], [], "n > 0"), ([np.nan, 1, np.inf], [0, 1, 1], "2 values"),
    ([[0.5, 0.5]], [2], "0 to 1"), ([0.5], [0.5], "0 to 1")])
def test_what_does_not_fit_is_refused(p, labels, message):
    with pytest.raises(ModuleError, match=message):
        log_loss(p, labels)
