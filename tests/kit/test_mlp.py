"""The forward pass against one written as loops; missing values; any batch."""

import numpy as np
import pytest

from fink_like.errors import ModuleError
from fink_like.kit.mlp import inputs, layers_of, member_logits, member_probabilities
from fink_like.kit.mlp_training import fit_inputs


def random_model(n_features=7, widths=(6, 5, 3), members=4, seed=1):
    """Never trained; features 2 and 4 are flagged."""
    rng = np.random.default_rng(seed)
    model = {"medians": rng.normal(size=n_features), "means": rng.normal(size=n_features),
             "scales": rng.uniform(0.5, 3, n_features), "flagged": np.array([2, 4])}
    ends = (n_features + 2, *widths)
    for i, (n, m) in enumerate(zip(ends, ends[1:])):
        model[f"weights_{i}"] = rng.normal(size=(members, n, m)).astype(np.float32)
        model[f"biases_{i}"] = rng.normal(size=(members, 1, m)).astype(np.float32)
    return model


def random_features(n_rows, n_features=7, seed=2):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 3, (n_rows, n_features))
    x[rng.random(x.shape) < 0.1] = np.nan
    x[rng.random(x.shape) < 0.02] = np.inf
    return x


def reference(model, row, member):
    """Logits of one row by one member."""
    missing = ~np.isfinite(row)
    scaled = (np.where(missing, model["medians"], row) - model["means"]) / model["scales"]
    hidden = [*np.clip(scaled, -10, 10), *missing[model["flagged"]].astype(float)]
    depth = len(layers_of(model))
    for layer in range(depth):
        weights = model[f"weights_{layer}"][member].astype(float)
        hidden = [model[f"biases_{layer}"][member, 0, out] + sum(
            h * w for h, w in zip(hidden, weights[:, out])) for out in range(weights.shape[1])]
        if layer < depth - 1:
            hidden = [max(h, 0.0) for h in hidden]
    return hidden


def test_logits_equal_loops():
    model, x = random_model(), random_features(90)
    found = member_logits(model, x)
    expected = [[reference(model, row, m) for row in x] for m in range(4)]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    p = member_probabilities(model, x)
    np.testing.assert_allclose(p.sum(axis=2), 1)
    np.testing.assert_allclose(p, np.exp(found) / np.exp(found).sum(axis=2, keepdims=True))


def test_a_row_has_the_same_result_in_any_batch():
    model, x = random_model(60, (64, 32, 8)), random_features(500, 60)
    whole = member_probabilities(model, x)
    order = np.random.default_rng(3).permutation(500)
    np.testing.assert_array_equal(member_probabilities(model, x[order]), whole[:, order])
    for part in (slice(0, 0), slice(499, 500), slice(1, 3), slice(60, 190), slice(0, 64)):
        np.testing.assert_array_equal(member_probabilities(model, x[part]), whole[:, part])
    np.testing.assert_array_equal(member_probabilities(model, np.asfortranarray(x)), whole)


def test_a_missing_feature_is_its_median_and_a_flag_where_training_missed_some():
    model = random_model()
    medians = np.tile(model["medians"], (8, 1))
    holes = medians.copy()
    holes[np.arange(7), np.arange(7)] = np.nan
    seen = inputs(model, holes)
    np.testing.assert_array_equal(seen[:, :7], inputs(model, medians)[:, :7])
    expected = np.zeros((8, 2))
    expected[2, 0] = expected[4, 1] = 1
    np.testing.assert_array_equal(seen[:, 7:], expected)
    different = (member_logits(model, holes) != member_logits(model, medians)).any(axis=(0, 2))
    assert np.flatnonzero(different).tolist() == [2, 4]


def test_no_feature_is_strange_enough_to_break_the_result():
    x = np.array([[1e300, -1e300, np.inf, -np.inf, np.nan, 1e-300, 0.0]])
    assert np.isfinite(member_probabilities(random_model(), x)).all()
    assert np.abs(inputs(random_model(), x)).max() == 10


def test_scaling_is_that_of_the_training_rows():
    x = np.array([[1.0, 5.0, np.nan, 4.0], [3.0, 5.0, np.nan, np.inf], [8.0, 5.0, np.nan, 6.0]])
    scaling = fit_inputs(x)
    assert scaling["medians"].tolist() == [3, 5, 0, 5] and scaling["flagged"].tolist() == [2, 3]
    np.testing.assert_allclose(scaling["means"], [4, 5, 0, 5])
    np.testing.assert_allclose(scaling["scales"], [np.std([1, 3, 8]), 1, 1, np.std([4, 5, 6])])


@pytest.mark.parametrize("shape", [(5,), (5, 6), (5, 8)])
def test_features_of_another_shape_are_refused(shape):
    with pytest.raises(ModuleError, match="model of 7 features"):
        member_probabilities(random_model(), np.zeros(shape))
