"""The expressions of recipes and populations."""

import numpy as np
import pytest

from fink_like.errors import ConfigError
from fink_like.simulator import dice
from fink_like.simulator.expressions import Expression

KEYS = dice.combine(9, np.arange(5000))


def evaluate(source, **columns):
    return Expression(source, "here")(columns, KEYS, "field")


def test_arithmetic_on_columns():
    flux = np.array([3631e9, 1.0])
    assert evaluate("magnitude_of(flux)", flux=flux) == pytest.approx([0.0, 31.4], abs=1e-3)
    assert evaluate("a * 2 + 1", a=np.arange(3)).tolist() == [1, 3, 5]


@pytest.mark.parametrize("source, expected", [(1, 1), (0.5, 0.5), (True, True), (None, None),
                                              ("'null'", "null"), (False, False)])
def test_constants_stand_for_themselves(source, expected):
    assert evaluate(source) == expected


def test_none_is_missing():
    column = evaluate("where(a > 1, a, None)", a=np.arange(4))
    assert column.mask.tolist() == [True, True, False, False]
    column = evaluate("where(a > 1, None, a)", a=np.arange(4))
    assert column.mask.tolist() == [False, False, True, True]


def test_text_is_filled_from_columns_of_any_kind():
    filled = evaluate("text('n{}_{}_{{{}}}', a, b, c)", a=np.array([1, 22]),
                      b=np.array([b"x", b"yy"]), c=np.array([0.5, 1e-7]))
    assert filled.tolist() == [b"n1_x_{0.5}", b"n22_yy_{1e-07}"]
    assert evaluate("letters(a, 3)", a=np.array([0, 27])).tolist() == [b"aaa", b"abb"]
    assert evaluate("digits(a, 3)", a=np.array([7, 120])).tolist() == [b"007", b"120"]


def test_counts_rise_with_the_slope():
    magnitudes = evaluate("counts(20, 0.6)")
    assert magnitudes.max() <= 20.0
    brighter = np.mean(magnitudes < 19.0)
    assert brighter == pytest.approx(10**-0.6, abs=4 * np.sqrt(0.25 * 0.75 / 5000))


def test_two_draws_in_one_expression_differ_and_repeat():
    difference = evaluate("normal() - normal()")
    assert np.std(difference) == pytest.approx(np.sqrt(2.0), rel=0.05)
    assert np.array_equal(difference, evaluate("normal() - normal()"))


@pytest.mark.parametrize("source", ["().__class__", "[x for x in a]", "lambda: 1", "a[0]",
                                    "__import__('os')", "open('x')", "b + 1", "a +"])
def test_what_is_not_arithmetic_is_refused_with_its_place(source):
    with pytest.raises(ConfigError, match="here"):
        evaluate(source, a=np.arange(3))
