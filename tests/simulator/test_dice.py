"""Random numbers: what they are like, and that they depend on their key and name alone."""

import numpy as np
import pytest

from fink_like.simulator import dice

KEYS = dice.combine(1, np.arange(200_000))


def test_uniform_fills_the_open_interval_evenly():
    drawn = dice.uniform(KEYS, "x")
    assert 0.0 < drawn.min() and drawn.max() < 1.0
    counts = np.histogram(drawn, bins=100, range=(0, 1))[0]
    assert np.sum((counts - 2000.0) ** 2 / 2000.0) < 99 + 5 * np.sqrt(2 * 99)


def test_normal_has_the_moments_of_a_normal():
    drawn = dice.normal(KEYS, "x")
    moments = [np.mean(drawn**power) for power in (1, 2, 3, 4)]
    assert moments == pytest.approx([0.0, 1.0, 0.0, 3.0], abs=0.06)


def test_names_keys_and_parts_are_independent():
    x, y = dice.normal(KEYS, "x"), dice.normal(KEYS, "y")
    assert abs(np.corrcoef(x, y)[0, 1]) < 0.01
    assert abs(np.corrcoef(x[1:], x[:-1])[0, 1]) < 0.01
    other = dice.normal(dice.combine(2, np.arange(len(KEYS))), "x")
    assert abs(np.corrcoef(x, other)[0, 1]) < 0.01


def test_a_number_does_not_depend_on_its_neighbours():
    assert np.array_equal(dice.normal(KEYS, "x")[500:510], dice.normal(KEYS[500:510], "x"))


def test_keys_do_not_collide_and_mind_the_order_of_parts():
    assert len(np.unique(KEYS)) == len(KEYS)
    assert dice.combine(1, 2) != dice.combine(2, 1)
