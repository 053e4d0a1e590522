"""Ensemble entropies, prediction sets and density against scipy and simulated truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fink_like.errors import ModuleError
from fink_like.kit.uncertainty import (entropies, fit_density, fit_prediction_sets, ood_score,
                                       prediction_sets)


@given(st.integers(0, 10 ** 6), st.integers(1, 6), st.integers(2, 5))
@settings(max_examples=60, deadline=None)
def test_entropies_equal_scipy_and_add_up(seed, n_members, n_classes):
    rng = np.random.default_rng(seed)
    members = rng.dirichlet(np.full(n_classes, 0.3), (n_members, 7))
    members[rng.random(members.shape) < 0.1] = 0
    members = members / np.maximum(members.sum(axis=2, keepdims=True), 1e-300)
    found = entropies(members)
    np.testing.assert_allclose(found.aleatoric, -np.where(members > 0, members * np.log(
        np.where(members > 0, members, 1)), 0).sum(axis=2).mean(axis=0), atol=1e-12)
    full = members.sum(axis=2).all(axis=0)
    np.testing.assert_allclose(found.total[full], stats.entropy(members.mean(axis=0)[full], axis=1),
                               atol=1e-12)
    np.testing.assert_allclose(found.total[full], (found.aleatoric + found.epistemic)[full],
                               atol=1e-12)
    assert (found.epistemic >= 0).all() and (found.total[full] <= np.log(n_classes) + 1e-9).all()


def test_members_that_agree_have_no_epistemic_part_and_nan_stays():
    p = np.array([[0.2, 0.8], [1.0, 0.0], [np.nan, 0.5]])
    found = entropies(np.stack([p, p, p]))
    np.testing.assert_allclose(found.epistemic, [0, 0, np.nan], atol=1e-12)
    np.testing.assert_allclose(found.total[:2], [0.5004, 0], atol=1e-4)


def simulated(n_rows, rng):
    """Probabilities of a classifier that is wrong about how sure it is, and labels."""
    truth = rng.dirichlet([0.5, 1, 2], n_rows)
    labels = np.minimum((rng.random((n_rows, 1)) > truth.cumsum(axis=1)).sum(axis=1), 2)
    said = truth ** 2 * rng.uniform(0.5, 2, truth.shape)
    return said / said.sum(axis=1, keepdims=True), labels


@pytest.mark.parametrize("by_class", [False, True])
@pytest.mark.parametrize("error_rate", [0.05, 0.2])
def test_sets_hold_the_truth_as_often_as_promised(error_rate, by_class):
    """Over 300 calibrations: the mean is within four of its own errors of the promise or above.

    With n calibration scores, coverage is Beta(r, n + 1 - r), r = ceil((n + 1)(1 - error_rate)):
    between 1 - error_rate and that plus 1 / (n + 1). The test rows add binomial noise.
    """
    rng = np.random.default_rng(10)
    held, sizes = [], []
    for _ in range(300):
        p, labels = simulated(400, rng)
        parameters = fit_prediction_sets(p[:200], labels[:200], error_rate, by_class)
        inside = prediction_sets(parameters, p[200:])
        hit = inside[np.arange(200), labels[200:]]
        groups = range(3) if by_class else [None]
        held.append([hit[labels[200:] == k].mean() if by_class else hit.mean() for k in groups])
        sizes.append([(labels[:200] == k).sum() if by_class else 200 for k in groups])
    held, n = np.array(held), np.array(sizes)
    rank = np.minimum(np.ceil((n + 1) * (1 - error_rate)), n + 1)
    variance = rank * (n + 1 - rank) / ((n + 1) ** 2 * (n + 2)) + error_rate * (1 - error_rate) / n
    tolerance = 4 * np.sqrt(variance.mean(axis=0) / len(held))
    mean = held.mean(axis=0)
    assert (mean > 1 - error_rate - tolerance).all()
    assert (mean < 1 - error_rate + (1 / (n + 1)).mean(axis=0) + tolerance).all()


def test_one_threshold_for_all_favours_the_common_class_and_one_each_does_not():
    rng = np.random.default_rng(11)
    p, labels = simulated(40000, rng)
    common, each = (fit_prediction_sets(p[:20000], labels[:20000], 0.1, by_class)
                    for by_class in (False, True))
    p, labels = p[20000:], labels[20000:]
    hit = [prediction_sets(one, p)[np.arange(20000), labels] for one in (common, each)]
    assert hit[0][labels == 0].mean() < 0.86 and hit[0][labels == 2].mean() > 0.9
    assert all(abs(hit[1][labels == k].mean() - 0.9) < 0.02 for k in range(3))


def test_the_threshold_is_the_right_one_of_the_sorted_scores():
    p = np.stack([1 - np.arange(9) / 10, np.arange(9) / 10], axis=1)  # scores 0 to 0.8
    thresholds = fit_prediction_sets(p, np.zeros(9, int), 0.1)["thresholds"]
    np.testing.assert_allclose(thresholds, [0.8, 0.8])  # the 9th of 9: ceil(10 * 0.9)


def test_too_few_rows_of_a_class_put_it_into_every_set():
    p = np.array([[0.9, 0.1]] * 9 + [[0.2, 0.8]] * 3)
    parameters = fit_prediction_sets(p, [0] * 9 + [1] * 3, 0.1, by_class=True)
    assert prediction_sets(parameters, [[1.0, 0.0], [0.0, 1.0], [np.nan, 1.0]]).tolist() == [
        [True, True], [False, True], [True, True]]


def training_rows(n_rows, rng):
    labels = rng.integers(0, 2, n_rows)
    mixing = np.array([[[1, 0.9, 0], [0, 0.5, 0], [0, 0, 3]], [[9, 0, 0], [0, 2, 1], [0, 0, 1]]])
    centres = np.array([[0, 0, 0], [40, 5, -9]])
    x = np.einsum("ni,nij->nj", rng.normal(size=(n_rows, 3)), mixing[labels].astype(float))
    return x + centres[labels], labels


def test_new_rows_of_the_same_kind_have_uniform_scores():
    rng = np.random.default_rng(12)
    x, labels = training_rows(40000, rng)
    for diagonal in (False, True):
        parameters = fit_density(x[:20000], labels[:20000], diagonal)
        score = ood_score(parameters, x[20000:])
        # Both samples of 20,000 scatter: 1.36 sqrt(2 / 20,000) = 0.0136 at 95 %.
        assert stats.kstest(score, "uniform").statistic < 0.02


def test_the_score_is_the_probability_of_a_nearer_row():
    rng = np.random.default_rng(13)
    x = rng.normal(size=(50000, 3)) @ np.array([[1, 0.9, 0], [0, 0.5, 0], [0, 0, 300]])
    parameters = fit_density(x, np.zeros(50000, int))
    distance = np.einsum("ni,ij,nj->n", x[:200], np.linalg.inv(np.cov(x.T)), x[:200])
    np.testing.assert_allclose(ood_score(parameters, x[:200]), stats.chi2.cdf(distance, 3),
                               atol=0.01)


def test_a_row_off_the_correlation_is_strange_to_the_full_density_only():
    rng = np.random.default_rng(14)
    x = rng.normal(size=(5000, 1)) + rng.normal(0, 0.05, (5000, 2))
    odd = np.array([[1.0, -1.0]])
    assert ood_score(fit_density(x, np.zeros(5000, int)), odd) == 1
    assert ood_score(fit_density(x, np.zeros(5000, int), diagonal=True), odd) < 0.9


def test_between_the_classes_is_strange_and_far_away_is_stranger():
    rng = np.random.default_rng(15)
    x, labels = training_rows(5000, rng)
    parameters = fit_density(x, labels)
    assert (ood_score(parameters, [[0, 0, 0], [40, 5, -9]]) < 0.05).all()
    assert (ood_score(parameters, [[10, -30, 40], [1e9, 0, 0]]) == 1).all()


def test_small_classes_and_constant_features_have_a_density():
    rng = np.random.default_rng(16)
    x = np.column_stack([rng.normal(size=300), np.full(300, 7.0)])
    labels = np.array([0] * 299 + [1])
    score = ood_score(fit_density(x, labels), [[0, 7.0], [0, 8.0]])
    assert score[0] < 0.2 and score[1] == 1


def test_a_row_has_the_same_score_in_any_batch():
    rng = np.random.default_rng(17)
    x, labels = training_rows(1000, rng)
    x[::50] = np.nan
    good = np.isfinite(x).all(axis=1)
    parameters = fit_density(x[good], labels[good])
    whole = ood_score(parameters, x)
    assert np.isnan(whole[::50]).all() and np.isfinite(whole[good]).all()
    order = rng.permutation(1000)
    np.testing.assert_array_equal(ood_score(parameters, x[order]), whole[order])
    for part in (slice(0, 0), slice(3, 4), slice(10, 97)):
        np.testing.assert_array_equal(ood_score(parameters, x[part]), whole[part])


@pytest.mark.parametrize("x, labels, message", [
    ([[1.0]], [0, 1], "features"), ([[np.nan]], [0], "finite"), ([[1.0], [2]], [0, 2], "class 1")])
def test_a_density_of_wrong_rows_is_refused(x, labels, message):
    with pytest.raises(ModuleError, match=message):
        fit_density(x, labels)
