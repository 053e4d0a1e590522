"""Least-squares fits of a few coefficients to every row of a batch at once.

>>> from fink_like.kit import Ragged
>>> t = Ragged.from_lists([[61000, 61002, 61004, 61010], [61000, 61001]])
>>> flux = Ragged.from_lists([[100, 140, 160, 100], [5, 6]])
>>> parabola = polynomial_fit(t, flux, 0 * flux + 2.0, degree=2)
>>> parabola.coefficients[0].round(3).tolist()     # at 61004: nJy, nJy/d, nJy/d2
[160.0, 5.0, -2.5]
>>> parabola.errors[0].round(2).tolist(), parabola.dof.tolist()
([1.7, 0.37, 0.1], [1, -1])
>>> parabola.coefficients[1].tolist()              # two points make no parabola
[nan, nan, nan]

Any other linear model: hand its columns to `linear_model`, ``[1, sin(w t), cos(w t)]`` for a
sine of known frequency. A straight line alone is cheaper by `lightcurve.linear_fit`.
"""

from typing import NamedTuple

import numpy as np

SINGULAR = 1e-8  # least share of the largest eigenvalue: beyond it 8 of 16 digits are lost


class LinearModel(NamedTuple):
    """Fit of C coefficients to each of n rows; NaN where the points do not determine them."""

    coefficients: np.ndarray
    """(n, C)"""
    covariance: np.ndarray
    """(n, C, C), formal: not scaled by chi2."""
    chi2: np.ndarray
    dof: np.ndarray
    """Points less coefficients, negative if there are too few."""

    @property
    def errors(self):
        """(n, C) formal 1-sigma errors."""
        return np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))


def linear_model(columns, y, y_err):
    """Weighted least squares ``y = sum of coefficient * column``, row by row.

    Normal equations of columns scaled to unit length in each row, see e.g. Hogg, Bovy & Lang 2010,
    arXiv:1008.4686, eq. 5.

    Parameters
    ----------
    columns : list of Ragged, array_like or float
        Each of the shape of y, one value a row, or a number for all. Take time from a reference
        near the points: a column of MJDs is nearly a constant, and such a pair is singular.
    y, y_err : Ragged
        Finite, errors > 0.

    Returns
    -------
    LinearModel
        A row is NaN where columns are so nearly dependent that half the digits would be lost:
        an eigenvalue of the scaled matrix below 1e-8 of the largest.
    """
    design = [y.with_values(np.broadcast_to(y.aligned(column), y.values.shape) / y_err.values)
              for column in columns]
    size = np.sqrt(np.stack([(column ** 2).sum() for column in design], axis=-1))
    with np.errstate(divide="ignore", invalid="ignore"):
        design = [column / size[:, c] for c, column in enumerate(design)]
        inverse = _inverse(_matrix(design)) / (size[:, :, None] * size[:, None, :])
    target = np.stack([(column * (y / y_err)).sum() for column in design], axis=-1) * size
    coefficients = (inverse @ target[:, :, None])[:, :, 0]
    fitted = sum(column * (coefficients * size)[:, c] for c, column in enumerate(design))
    chi2 = ((y / y_err - fitted) ** 2).sum()
    determined = np.isfinite(coefficients).all(axis=1)
    return LinearModel(coefficients, inverse, np.where(determined, chi2, np.nan),
                       y.counts - len(design))


def _matrix(design):
    """(n, C, C) scalar products of the columns."""
    matrix = np.empty((len(design[0]), len(design), len(design)))
    for i, left in enumerate(design):
        for j, right in enumerate(design[:i + 1]):
            matrix[:, i, j] = matrix[:, j, i] = (left * right).sum()
    return matrix


def _inverse(matrix):
    """Inverses of symmetric matrices, NaN where one is singular."""
    known = np.isfinite(matrix).all(axis=(1, 2))
    eigenvalues, vectors = np.linalg.eigh(np.where(known[:, None, None], matrix,
                                                   np.eye(matrix.shape[1])))
    regular = known & (eigenvalues[:, 0] > SINGULAR * eigenvalues[:, -1])
    with np.errstate(divide="ignore"):
        inverse = (vectors / eigenvalues[:, None, :]) @ vectors.transpose(0, 2, 1)
    return np.where(regular[:, None, None], inverse, np.nan)


class PolynomialFit(NamedTuple):
    """``y = sum of coefficients[:, k] * (x - pivot)^k``, see `LinearModel` for the rest."""

    coefficients: np.ndarray
    """(n, degree + 1), from the constant up."""
    covariance: np.ndarray
    pivot: np.ndarray
    """Weighted mean of x."""
    chi2: np.ndarray
    dof: np.ndarray

    errors = LinearModel.errors


def polynomial_fit(x, y, y_err, degree=2):
    """Weighted polynomial through each row's points.

    Parameters
    ----------
    x, y, y_err : Ragged
        Finite, errors > 0; x may be MJD.
    degree : int
        1 to 4 or so.

    Returns
    -------
    PolynomialFit
        NaN where a row has too few different x. Two x closer than about 1e-4 of the row's range
        are as good as one.
    """
    origin = x.first()  # subtracted before the sums: MJDs are large
    weight = y_err ** -2.0
    with np.errstate(divide="ignore", invalid="ignore"):
        pivot = ((x - origin) * weight).sum() / weight.sum()
        reach = (x.max() - x.min()) / 2
        reach = np.where(reach > 0, reach, np.nan)
        unit = (x - origin - pivot) / reach
    model = linear_model([unit ** power for power in range(degree + 1)], y, y_err)
    scale = reach[:, None] ** -np.arange(degree + 1.0)
    return PolynomialFit(model.coefficients * scale,
                         model.covariance * scale[:, :, None] * scale[:, None, :],
                         origin + pivot, model.chi2, model.dof)

