"""Faults: as many as asked, each as the truth says."""

import numpy as np
import pandas as pd
import pytest

from fink_like import simulator
from fink_like.errors import ConfigError

RATES = {"truncated": 0.05, "flipped": 0.04, "unknown_schema": 0.03, "empty": 0.02,
         "duplicate": 0.06}


N = 1500


@pytest.fixture(scope="module")
def spoilt(model):
    """Values, truth, and the whole message of each alert."""
    batches = list(simulator.night(model, N, seed=9, faults=RATES, cutouts=False))
    whole = {alert: value for batch in simulator.night(model, N, seed=9, cutouts=False)
             for alert, value in zip(batch.truth["diaSourceId"], batch.values, strict=True)}
    values = [value for batch in batches for value in batch.values]
    return values, pd.concat([batch.truth for batch in batches], ignore_index=True), whole


def test_rates_are_met(spoilt):
    _, truth, _ = spoilt
    for kind, rate in RATES.items():
        number = (truth["fault"] == kind).sum() / (2 if kind == "duplicate" else 1)
        assert abs(number - N * rate) < 4.5 * np.sqrt(N * rate), kind


def flipped_bits(left, right):
    assert len(left) == len(right)
    return sum((a ^ b).bit_count() for a, b in zip(left, right, strict=True))


def test_each_message_has_the_fault_the_truth_says(spoilt):
    values, truth, whole = spoilt
    for value, alert, fault in zip(values, truth["diaSourceId"], truth["fault"], strict=True):
        original = whole[alert]
        if fault in ("", "duplicate"):
            assert value == original
        elif fault == "truncated":
            assert 0 < len(value) < len(original) and original.startswith(value)
        elif fault == "flipped":
            assert 1 <= flipped_bits(value, original) <= 8
        else:
            assert fault in ("empty", "unknown_schema") and value != original
            assert value == b"" or fault == "unknown_schema"


def test_every_alert_is_sent_and_duplicates_twice(spoilt):
    _, truth, whole = spoilt
    times = truth["diaSourceId"].value_counts()
    assert set(times.index) == set(whole)
    assert set(truth.loc[truth["fault"] == "duplicate", "diaSourceId"]) == set(
        times.index[times == 2])


def test_an_unknown_schema_is_only_that(model, spoilt):
    values, truth, whole = spoilt
    for value, alert in zip(values, truth["diaSourceId"], strict=True):
        if value and value != whole[alert] and len(value) == len(whole[alert]):
            fault = truth.loc[truth["diaSourceId"] == alert, "fault"].iloc[0]
            if fault == "unknown_schema" and model.recipe["wire"]["form"] == "framed":
                assert value[0] == 0 and int.from_bytes(value[1:5], "big") >= 10**6
                assert value[5:] == whole[alert][5:]
            elif fault == "unknown_schema":
                assert value.replace(b'"dquble"', b'"double"', 1) == whole[alert]


@pytest.mark.parametrize("rates", [{"tired": 0.1}, {"empty": 0.7, "flipped": 0.7}])
def test_impossible_faults_are_refused(model, rates):
    with pytest.raises(ConfigError, match="faults"):
        next(simulator.night(model, 10, seed=1, faults=rates))
