"""Figures of a model, reckoned by hand where that can be done."""

import numpy as np
import pandas as pd
import pytest
import yaml

from fink_like.errors import ConfigError
from fink_like.training import declaration, evaluate, fit, rows

NAMES = ("a", "b")


class Told:
    """A model whose answer is its one feature."""

    def probabilities(self, features):
        return np.stack([features[:, 0], 1 - features[:, 0]], axis=1).astype(float)


def some(*lines):
    """Rows of (name, label, probability of a, how many)."""
    table = pd.DataFrame([line[:3] for line in lines for _ in range(line[3])],
                         columns=["name", "label", "p"])
    return rows.of(table[["p"]], table.assign(survey="s", group=range(len(table))))


def test_figures_of_a_class():
    found = evaluate.judge(
        Told(), some(("a1", 0, 0.9, 80), ("a1", 0, 0.2, 20), ("b1", 1, 0.9, 10), ("b1", 1, 0.1, 90),
                     ("b2", 1, 0.1, 50)), {"a": 0.5, "b": 0.5}, {"a1": 0.01, "b1": 0.5})
    mine = found["classes"]["a"]
    assert mine["recall"][0] == 0.8 and mine["recall"][3] == 100
    assert mine["recall"][1:3] == pytest.approx([0.711, 0.867], abs=1e-3)  # Wilson, 80 of 100
    assert mine["false_positives_in_10000"]["b1"][0] == 1000
    assert mine["false_positives_in_10000"]["b2"][:2] == [0, 0]
    assert mine["false_positives_in_10000"]["b2"][2] == pytest.approx(713.5, abs=0.1)  # 0 of 50
    assert mine["precision_1_to_1"][0] == pytest.approx(0.8 / (0.8 + 0.05))
    assert mine["precision_in_stream"][0] == pytest.approx(0.008 / (0.008 + 0.05), rel=1e-5)
    for value, low, high in (mine["precision_1_to_1"], mine["precision_in_stream"]):
        assert low < value < high
    assert found["confusion"] == {"a1": {"a": 80, "b": 20}, "b1": {"a": 10, "b": 90},
                                  "b2": {"a": 0, "b": 50}}
    assert found["macro_recall"] == pytest.approx((0.8 + 140 / 150) / 2, rel=1e-5)
    precision_a = 0.8 / (0.8 + 10 / 150)  # of classes that are alike in number
    precision_b = (140 / 150) / (140 / 150 + 0.2)
    assert found["macro_precision"] == pytest.approx((precision_a + precision_b) / 2, rel=1e-5)


def test_a_class_that_the_stream_does_not_know_has_no_precision_there():
    found = evaluate.judge(Told(), some(("a1", 0, 0.9, 5), ("b1", 1, 0.1, 5)),
                           {"a": 0.5, "b": 0.5}, {})
    assert found["classes"]["a"]["precision_in_stream"] is None
    assert found["classes"]["a"]["precision_1_to_1"][0] == 1.0


def test_a_labelled_object_counts_once_by_its_last_alert():
    table = pd.DataFrame({"name": "QSO", "label": [1, 1, 1], "survey": "s", "group": [7, 7, 8]})
    found = evaluate.judge_labelled(Told(), rows.of(np.array([[0.9], [0.1], [0.8]]), table),
                                    {"a": 0.5, "b": 0.5})
    assert found["QSO"]["n"] == 2 and found["QSO"]["said"] == {"a": 1, "b": 1}
    assert found["QSO"]["is"] == "b" and found["QSO"]["above"]["a"][0] == 0.5


def test_shares_of_the_stream(repository_conf, tmp_path):
    found = evaluate.stream_shares(repository_conf)
    assert 0.9 < sum(found.values()) <= 1 + 1e-9 and found["SN IIP"] > found["SN IIL"]
    (tmp_path / "populations").mkdir()
    (tmp_path / "populations" / "stream.yaml").write_text(
        (repository_conf / "populations" / "stream.yaml").read_text())
    for wrong in ({"SN Ia": {"of": "SN Ia", "part": 1.5}}, {"SN Ia": {"of": "Ia", "part": 1}}):
        (tmp_path / "stream_shares.yaml").write_text(yaml.safe_dump(wrong))
        with pytest.raises(ConfigError, match="no class of the stream, or more"):
            evaluate.stream_shares(tmp_path)


@pytest.fixture
def repository_conf():
    from pathlib import Path
    return Path(__file__).resolve().parents[2] / "conf"


def test_names_of_a_class_count_alike_and_classes_too():
    weights = fit.balanced(some(("a1", 0, 0.5, 300), ("a2", 0, 0.5, 100), ("b1", 1, 0.5, 20)))
    sums = pd.Series(weights).groupby(["a1"] * 300 + ["a2"] * 100 + ["b1"] * 20).sum()
    assert sums["a1"] == pytest.approx(sums["a2"])
    assert sums["a1"] + sums["a2"] == pytest.approx(sums["b1"]) and weights.mean() == 1
    few = fit.balanced(some(("a1", 0, 0.5, 300), ("odd", 0, 0.5, 1), ("b1", 1, 0.5, 20)))
    assert few[300] == pytest.approx(fit.MOST_BLOWN_UP * few[0])


def test_a_class_without_a_row_is_refused():
    declared = declaration.Declaration(classes={"a": ("a1",), "b": ("b1",)})
    with pytest.raises(ConfigError, match="no alert of b can be computed"):
        fit.fit(some(("a1", 0, 0.5, 9)), declared, seed=1)


def test_the_fit_is_calibrated_to_the_prior_that_is_declared():
    """Overlapping classes: the mean probability over a mixture of the prior is the prior."""
    dice = np.random.default_rng(3)
    label = np.repeat([0, 1], 3000)
    table = pd.DataFrame({"label": label, "name": np.where(label == 0, "a1", "b1"), "survey": "s",
                          "group": np.arange(6000)})
    made = rows.of((dice.normal(size=6000) + 1.5 * label)[:, None], table)
    declared = declaration.Declaration(
        classes={"a": ("a1",), "b": ("b1",)}, prior={"a": 0.5, "b": 0.5},
        thresholds={"a": {"recall": 0.8}, "b": 0.5},
        network={"layers": [8], "members": 2, "epochs": 30})
    parts, thresholds, told = fit.fit(made, declared, seed=1)
    model = fit.Classifier(parts)
    x = dice.normal(size=4000)[:, None]
    p = model.probabilities(np.concatenate([x[:2000], x[2000:] + 1.5]))
    assert p.mean(axis=0) == pytest.approx([0.5, 0.5], abs=0.03)
    assert (p[:2000, 0] >= thresholds["a"]).mean() == pytest.approx(0.8, abs=0.05)
    truth = 1 / (1 + np.exp(1.5 * np.linspace(-1, 2.5, 8) - 1.5**2 / 2))  # Bayes, equal priors
    assert model.probabilities(np.linspace(-1, 2.5, 8)[:, None])[:, 0] == pytest.approx(
        truth, abs=0.08)
    assert told["rows"] == 6000 and thresholds["b"] == 0.5
