"""Training: gradients against finite differences, scipy's optimum, and what must not happen."""

import numpy as np
import pytest
from scipy import optimize

from fink_like.errors import ModuleError
from fink_like.kit.mlp import inputs, member_logits, member_probabilities
from fink_like.kit.mlp_training import (TrainingSettings, balanced_weights, loss_and_gradients,
                                        train_mlp)
from fink_like.kit.probability import log_loss, log_softmax, softmax

QUICK = TrainingSettings(layers=(16, 8), members=2, epochs=15)


def rings(n_rows, seed=1):
    """Two features, three classes by distance from the middle: no line parts them."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_rows, 2))
    return x, np.digitize(np.hypot(*x.T), [0.8, 1.5])


def test_gradients_equal_finite_differences():
    rng = np.random.default_rng(2)
    layers = [[rng.normal(size=(2, n, m)), rng.normal(size=(2, 1, m))]
              for n, m in ((4, 5), (5, 3), (3, 3))]
    x, labels = rng.normal(size=(2, 6, 4)), rng.integers(0, 3, (2, 6))
    weights, step = rng.uniform(0.2, 2, (2, 6)), 1e-6
    loss, gradients = loss_and_gradients(layers, x, labels, weights)
    assert loss.shape == (2,)
    for layer, slopes in zip(layers, gradients):
        for array, slope in zip(layer, slopes):
            assert array.shape == slope.shape
            for place in np.ndindex(array.shape):
                ends = []
                for sign in (1, -1):
                    array[place] += sign * step
                    ends.append(loss_and_gradients(layers, x, labels, weights)[0])
                    array[place] -= sign * step
                found = (ends[0] - ends[1]) / (2 * step)
                assert slope[place] == pytest.approx(found[place[0]], abs=1e-7)
                assert found[1 - place[0]] == pytest.approx(0, abs=1e-9)  # members are apart


def test_a_weight_counts_as_so_many_rows():
    rng = np.random.default_rng(3)
    layers = [[rng.normal(size=(1, 3, 2)), rng.normal(size=(1, 1, 2))]]
    x, labels = rng.normal(size=(1, 4, 3)), np.array([[0, 1, 1, 0]])
    weighted = loss_and_gradients(layers, x, labels, np.array([[3.0, 1, 0, 1]]))
    rows = [0, 0, 0, 1, 3]
    repeated = loss_and_gradients(layers, x[:, rows], labels[:, rows], np.ones((1, 5)))
    np.testing.assert_allclose(weighted[0] * 4, repeated[0] * 5)
    for one, other in zip(weighted[1][0], repeated[1][0]):
        np.testing.assert_allclose(one * 4, other * 5)


def test_without_hidden_layers_it_finds_the_optimum_of_logistic_regression():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(3000, 4))
    truth = x @ rng.normal(size=(4, 3))
    labels = (rng.random((3000, 1)) > softmax(truth).cumsum(axis=1)).sum(axis=1)
    weights = rng.uniform(0.2, 2, 3000)
    training = train_mlp(x, labels, TrainingSettings(
        layers=(), members=1, epochs=150, patience=150, learning_rate=3e-3, weight_decay=0),
        weights)
    seen = ~training.is_validation
    design = np.column_stack([inputs(training.parameters, x).astype(float), np.ones(3000)])[seen]

    def loss(flat):
        logs = log_softmax(design @ flat.reshape(5, 3))[np.arange(seen.sum()), labels[seen]]
        return -np.average(logs, weights=weights[seen])

    best = optimize.minimize(loss, np.zeros(15)).fun
    found = log_loss(member_probabilities(training.parameters, x[seen])[0], labels[seen],
                     weights[seen])
    assert best - 1e-6 < found < best + 2e-3


def test_rings_are_learnt():
    x, labels = rings(4000)
    training = train_mlp(x, labels, TrainingSettings(layers=(32, 16), members=3, epochs=60))
    x, labels = rings(2000, seed=9)
    p = member_probabilities(training.parameters, x).mean(axis=0)
    assert (p.argmax(axis=1) == labels).mean() > 0.95 and log_loss(p, labels) < 0.15


def test_the_same_seed_gives_the_same_model_and_another_seed_another():
    x, labels = rings(600)
    one, two, other = (train_mlp(x, labels, TrainingSettings(
        layers=(8,), members=2, epochs=4, seed=seed)) for seed in (5, 5, 6))
    assert one.parameters.keys() == two.parameters.keys()
    for name, array in one.parameters.items():
        np.testing.assert_array_equal(array, two.parameters[name])
    np.testing.assert_array_equal(one.validation_loss, two.validation_loss)
    assert (one.parameters["weights_0"] != other.parameters["weights_0"]).any()
    assert (one.parameters["weights_0"][0] != one.parameters["weights_0"][1]).any()
    assert one.parameters["weights_0"].dtype == np.float32


def test_each_member_is_returned_as_it_was_at_its_best_epoch():
    x, labels = rings(400)
    labels = np.where(np.random.default_rng(1).random(400) < 0.4, (labels + 1) % 3, labels)
    settings = TrainingSettings(layers=(64, 64), members=3, epochs=200, patience=5, batch=32,
                                learning_rate=1e-2)
    training = train_mlp(x, labels, settings)
    held = training.is_validation
    assert len(training.validation_loss) < 200  # it overfits, and stops
    assert (training.validation_loss.min(axis=0) < training.validation_loss[-1]).any()
    p = member_probabilities(training.parameters, x[held])
    found = [log_loss(member, labels[held]) for member in p]
    np.testing.assert_allclose(found, training.validation_loss.min(axis=0), rtol=1e-4)
    best = training.validation_loss.argmin(axis=0).max()
    assert len(training.validation_loss) == best + 1 + settings.patience


def test_rows_of_a_group_stay_together():
    x, labels = rings(900)
    groups = np.random.default_rng(2).integers(0, 60, 900)
    training = train_mlp(x, labels, QUICK, groups=groups)
    share = np.array([training.is_validation[groups == g].mean() for g in np.unique(groups)])
    assert set(share) == {0, 1} and share.sum() == round(0.15 * 60)


def test_rows_without_weight_teach_nothing():
    x, labels = rings(1500)
    weights = np.ones(1500)
    wrong = np.arange(1500) % 3 == 0
    labels[wrong], weights[wrong] = (labels[wrong] + 1) % 3, 0
    training = train_mlp(x, labels, TrainingSettings(layers=(32, 16), members=2, epochs=60),
                         weights)
    x, labels = rings(1000, seed=9)
    p = member_probabilities(training.parameters, x).mean(axis=0)
    assert (p.argmax(axis=1) == labels).mean() > 0.9


def test_balanced_weights_make_classes_count_the_same():
    labels = np.array([0, 0, 0, 2])
    weights = balanced_weights(labels)
    np.testing.assert_allclose(weights, [2 / 3, 2 / 3, 2 / 3, 2])
    assert weights.mean() == 1


def test_only_features_missing_in_training_have_a_flag():
    x, labels = rings(600)
    x = np.column_stack([x, np.where(np.arange(600) % 4, 1.0, np.nan)])
    training = train_mlp(x, labels, QUICK)
    assert training.parameters["flagged"].tolist() == [2]
    assert training.parameters["weights_0"].shape == (2, 4, 16)
    np.testing.assert_array_equal(member_logits(training.parameters, [[np.nan, 0, 1]]),
                                  member_logits(training.parameters,
                                                [[training.parameters["medians"][0], 0, 1]]))


@pytest.mark.parametrize("change, message", [
    ({"features": np.zeros(300)}, "belong"), ({"labels": np.arange(299)}, "belong"),
    ({"labels": np.full(300, 1.5)}, "whole numbers"), ({"labels": np.full(300, -1)}, "from 0"),
    ({"labels": np.arange(300) % 2 * 2}, "no training row"),
    ({"weights": np.full(300, -1.0)}, "not negative"), ({"weights": np.zeros(300)}, "any weight"),
    ({"groups": np.zeros(300)}, "held out")])
def test_what_cannot_be_trained_on_is_refused(change, message):
    x, labels = rings(300)
    with pytest.raises(ModuleError, match=message):
        train_mlp(**{"features": x, "labels": labels, "settings": QUICK} | change)
