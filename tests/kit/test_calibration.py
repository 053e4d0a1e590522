"""Calibration against scipy's optimisers, the min-max formula, and simulated truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from fink_like.errors import ModuleError
from fink_like.kit.calibration import (apply_isotonic, apply_temperature, fit_isotonic,
                                       fit_temperature, pool_adjacent_violators)
from fink_like.kit.probability import expected_calibration_error, log_loss, softmax


def drawn_labels(p, rng):
    return np.minimum((rng.random((len(p), 1)) > p.cumsum(axis=1)).sum(axis=1), p.shape[1] - 1)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shape", [(300,), (300, 2), (300, 5)])
def test_the_temperature_is_scipys(seed, shape):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, shape)
    two = logits if len(shape) == 2 else np.stack([0 * logits, logits], axis=1)
    labels = drawn_labels(softmax(0.4 * two), rng)
    weights = rng.uniform(0.1, 3, 300)
    found = float(fit_temperature(logits, labels, weights)["temperature"])

    def loss(log_temperature):
        return log_loss(apply_temperature({"temperature": np.exp(log_temperature)}, logits), labels,
                        weights)

    best = optimize.minimize_scalar(loss, bounds=(-4.6, 4.6), method="bounded",
                                    options={"xatol": 1e-9})
    assert np.log(found) == pytest.approx(best.x, abs=1e-5)
    assert loss(np.log(found)) <= best.fun + 1e-12


def test_a_known_temperature_comes_back_and_calibrates():
    rng = np.random.default_rng(7)
    truth = rng.normal(0, 2, (20000, 4))
    labels = drawn_labels(softmax(truth), rng)
    parameters = fit_temperature(2.5 * truth[:10000], labels[:10000])
    assert parameters["temperature"] == pytest.approx(2.5, rel=0.04)
    before = expected_calibration_error(softmax(2.5 * truth[10000:]), labels[10000:])
    after = apply_temperature(parameters, 2.5 * truth[10000:])
    assert before > 0.1 and expected_calibration_error(after, labels[10000:]) < 0.02
    np.testing.assert_array_equal(after.argmax(axis=1), truth[10000:].argmax(axis=1))


def test_separable_and_opposite_labels_stop_at_the_bounds():
    logits = np.array([-2.0, -1.0, 1.0, 2.0])
    assert fit_temperature(logits, [0, 0, 1, 1])["temperature"] == pytest.approx(0.01)
    assert fit_temperature(logits, [1, 1, 0, 0])["temperature"] == pytest.approx(100)


@given(st.lists(st.tuples(st.integers(-20, 20), st.integers(1, 9)), min_size=1, max_size=15))
@settings(max_examples=120, deadline=None)
def test_pooled_steps_equal_the_min_max_formula(drawn):
    """Isotonic regression: max over a <= i of min over b >= i of the mean of a to b."""
    values, weights = (np.array(part, dtype=float) for part in zip(*drawn))
    n = len(values)
    mean = [[np.average(values[a:b + 1], weights=weights[a:b + 1]) if b >= a else np.nan
             for b in range(n)] for a in range(n)]
    expected = [max(min(mean[a][b] for b in range(i, n)) for a in range(i + 1)) for i in range(n)]
    last, height = pool_adjacent_violators(values, weights)
    found = height[np.searchsorted(last, np.arange(n))]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert last[-1] == n - 1 and (np.diff(height) > 0).all()


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 1), st.integers(1, 4)), min_size=1,
                max_size=40))
@settings(max_examples=80, deadline=None)
def test_isotonic_calibration_equals_scipy(drawn):
    if not hasattr(optimize, "isotonic_regression"):
        pytest.skip("scipy before 1.12 has no isotonic_regression")
    scores, labels, weights = map(np.array, zip(*drawn))
    different = np.unique(scores)
    weight = np.array([weights[scores == x].sum() for x in different])
    mean = [np.average(labels[scores == x], weights=weights[scores == x]) for x in different]
    expected = optimize.isotonic_regression(mean, weights=weight).x
    parameters = fit_isotonic(scores, labels, weights)
    np.testing.assert_allclose(apply_isotonic(parameters, different), expected, atol=1e-12)
    assert apply_isotonic(parameters, [-1, 99]).tolist() == pytest.approx(
        [expected[0], expected[-1]])


def test_a_bent_curve_is_straightened():
    rng = np.random.default_rng(8)
    p = rng.random(20000)
    labels = (rng.random(20000) < p).astype(int)
    said = p ** 3
    parameters = fit_isotonic(said[:10000], labels[:10000])
    found = apply_isotonic(parameters, said[10000:])
    assert expected_calibration_error(said[10000:], labels[10000:]) > 0.2
    assert expected_calibration_error(found, labels[10000:]) < 0.02
    assert np.abs(found - p[10000:]).mean() < 0.03


def test_classes_are_calibrated_one_by_one_and_sum_to_one():
    rng = np.random.default_rng(9)
    p = rng.dirichlet([1, 1, 1], 20000)
    labels = drawn_labels(p, rng)
    said = p ** 2 / (p ** 2).sum(axis=1, keepdims=True)
    parameters = fit_isotonic(said[:10000], labels[:10000])
    found = apply_isotonic(parameters, said[10000:])
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert expected_calibration_error(said[10000:], labels[10000:]) > 0.06
    assert expected_calibration_error(found, labels[10000:]) < 0.03
    assert log_loss(found, labels[10000:]) < log_loss(said[10000:], labels[10000:])


def test_where_all_curves_say_zero_classes_are_equal():
    parameters = fit_isotonic([[0.9, 0.1], [0.1, 0.9]], [0, 1])
    assert apply_isotonic(parameters, [[0.0, 0.0], [0.9, 0.1]]).tolist() == [[0.5, 0.5], [1, 0]]


@pytest.mark.parametrize("logits", [np.array([1.0, np.nan, -2.0]),
                                    np.array([[1.0, 2], [np.nan, 0], [0, 3]])])
def test_a_missing_score_has_a_missing_probability_and_no_other(logits):
    labels = np.array([0, 1, 1])
    good = np.isfinite(logits.reshape(3, -1)).all(axis=1)
    for fit, apply in ((fit_temperature, apply_temperature), (fit_isotonic, apply_isotonic)):
        parameters = fit(logits[good], labels[good])
        whole = apply(parameters, logits)
        assert np.isnan(whole.reshape(3, -1)).all(axis=1).tolist() == [False, True, False]
        for i in range(3):
            np.testing.assert_array_equal(apply(parameters, logits[i:i + 1]), whole[i:i + 1])
        assert apply(parameters, logits[:0]).shape == logits[:0].shape


@pytest.mark.parametrize("fit", [fit_temperature, fit_isotonic])
def test_missing_scores_are_refused_in_a_fit(fit):
    with pytest.raises(ModuleError, match="1 values are missing"):
        fit([0.1, np.nan], [0, 1])
