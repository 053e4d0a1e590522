"""Batched linear fits against numpy.linalg.lstsq and numpy.polyfit, row by row."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fink_like.kit import Ragged, linear_fit
from fink_like.kit.fits import linear_model, polynomial_fit

POINT = st.tuples(st.integers(0, 60), st.integers(-5000, 5000), st.integers(1, 300))
ROWS = st.lists(st.lists(POINT, max_size=10), min_size=1, max_size=6)


def columns(rows):
    """Times from MJD 61000 in half days, values, errors."""
    return [Ragged.from_lists([[point[place] * scale + start for point in row] for row in rows])
            for place, scale, start in ((0, 0.5, 61000.0), (1, 1.0, 0.0), (2, 0.1, 0.0))]


@given(ROWS, st.integers(1, 3))
@settings(max_examples=100, deadline=None)
def test_polynomials_equal_least_squares(rows, degree):
    x, y, e = columns(rows)
    fit = polynomial_fit(x, y, e, degree)
    for i in range(len(rows)):
        assert fit.dof[i] == len(rows[i]) - degree - 1
        if len(set(x.row(i))) <= degree:
            assert np.isnan(fit.coefficients[i]).all() and np.isnan(fit.chi2[i])
            continue
        if np.isnan(fit.coefficients[i]).any():  # nearly dependent: only where lstsq says so too
            u = (x.row(i) - fit.pivot[i]) / np.ptp(x.row(i)) * 2
            design = np.vander(u, degree + 1) / e.row(i)[:, None]
            assert np.linalg.cond(design / np.linalg.norm(design, axis=0)) > 0.99e4
            continue
        design = np.vander(x.row(i) - fit.pivot[i], degree + 1, increasing=True) / e.row(i)[:, None]
        scale = np.linalg.norm(design, axis=0)
        expected = np.linalg.lstsq(design / scale, y.row(i) / e.row(i), rcond=None)[0]
        size = np.abs(y.row(i) / e.row(i)).max() + 1e-9
        np.testing.assert_allclose(fit.coefficients[i] * scale, expected, rtol=1e-6,
                                   atol=1e-6 * size)
        covariance = np.linalg.inv((design / scale).T @ (design / scale))
        np.testing.assert_allclose(fit.errors[i] * scale, np.sqrt(np.diag(covariance)), rtol=1e-6)
        chi2 = ((y.row(i) / e.row(i) - design @ (expected / scale)) ** 2).sum()
        np.testing.assert_allclose(fit.chi2[i], chi2, rtol=1e-6, atol=1e-6 * size ** 2)


def test_a_polynomial_of_first_degree_is_the_straight_line():
    rng = np.random.default_rng(1)
    counts = [2, 5, 40]
    x = Ragged.from_counts(61000 + rng.uniform(0, 30, 47), counts)
    y, e = (Ragged.from_counts(rng.uniform(1, 9, 47), counts) for _ in range(2))
    line, fit = linear_fit(x, y, e), polynomial_fit(x, y, e, degree=1)
    np.testing.assert_allclose(fit.coefficients, np.stack([line.level, line.slope], 1), rtol=1e-9)
    np.testing.assert_allclose(fit.errors, np.stack([line.level_err, line.slope_err], 1), rtol=1e-9)
    np.testing.assert_allclose(fit.chi2, line.chi2, rtol=1e-6, atol=1e-9)


def test_a_sine_of_known_frequency_comes_back_with_its_covariance():
    rng = np.random.default_rng(2)
    n_rows, n = 2000, 30
    x = Ragged.from_counts(rng.uniform(0, 20, n_rows * n), [n] * n_rows)
    truth = np.array([10.0, 3.0, -4.0])
    phase = 2 * np.pi * x / 3.3
    design = [1.0, np.sin(phase), np.cos(phase)]
    y = sum(c * column for c, column in zip(truth, design))
    y = y + x.with_values(rng.normal(0, 0.7, n_rows * n))
    fit = linear_model(design, y, 0 * y + 0.7)
    pull = (fit.coefficients - truth) / fit.errors
    assert (np.abs(pull.mean(axis=0)) < 0.1).all()  # 1 / sqrt(2000) is 0.022
    assert (np.abs(pull.std(axis=0) - 1) < 0.06).all()
    assert abs((fit.chi2 / fit.dof).mean() - 1) < 0.03
    found = np.cov(fit.coefficients.T)
    np.testing.assert_allclose(found, fit.covariance.mean(axis=0), atol=0.1 * found.max())


@pytest.mark.parametrize("second", [3.0, 0.0, np.array([1.0, 2.0])])
def test_dependent_or_empty_columns_give_no_fit(second):
    y = Ragged.from_lists([[1.0, 2.0, 3.0], [4.0, 5.0]])
    fit = linear_model([1.0, second], y, 0 * y + 1)
    assert np.isnan(fit.coefficients).all() and np.isnan(fit.errors).all()
    assert np.isnan(fit.chi2).all() and fit.dof.tolist() == [1, 0]


def test_neighbours_and_order_change_nothing():
    rng = np.random.default_rng(4)
    counts = rng.poisson(6, 150)
    x, y, e = (Ragged.from_counts(rng.uniform(1, 40, counts.sum()), counts) for _ in range(3))
    whole = polynomial_fit(x, y, e)
    assert np.isfinite(whole.chi2).sum() > 100 and np.isnan(whole.chi2).any()
    for rows in (rng.permutation(150), np.array([7]), np.arange(0)):
        part = polynomial_fit(x.take(rows), y.take(rows), e.take(rows))
        for found, expected in zip(part, whole):
            np.testing.assert_array_equal(found, expected[rows])
