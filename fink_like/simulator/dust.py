"""Reddening by dust: Cardelli, Clayton & Mathis 1989 (ApJ 345, 245), equations 1 to 4.

Optical coefficients as there; between 0.3 and 8 inverse micrometres, and constant beyond.
"""

import numpy as np

GALACTIC_RV = 3.1
"""A(V) / E(B-V) of diffuse dust in the Milky Way."""

OPTICAL_A = (1.0, 0.17699, -0.50447, -0.02427, 0.72085, 0.01979, -0.77530, 0.32999)
OPTICAL_B = (0.0, 1.41338, 2.28305, 1.07233, -5.38434, -0.62251, 5.30260, -2.09002)
"""Polynomials of x - 1.82, x in inverse micrometres, from 1.1 to 3.3."""


def _law(x):
    """a(x) and b(x) with A(x) / A(V) = a + b / Rv."""
    infrared = x**1.61
    y = x - 1.82
    optical = [np.polynomial.polynomial.polyval(y, c) for c in (OPTICAL_A, OPTICAL_B)]
    far = np.maximum(x - 5.9, 0.0)
    bump = [-0.04473 * far**2 - 0.009779 * far**3, 0.2130 * far**2 + 0.1207 * far**3]
    ultraviolet = [1.752 - 0.316 * x - 0.104 / ((x - 4.67) ** 2 + 0.341) + bump[0],
                   -3.090 + 1.825 * x + 1.206 / ((x - 4.62) ** 2 + 0.263) + bump[1]]
    return tuple(np.where(x < 1.1, scale * infrared, np.where(x < 3.3, mid, far_side))
                 for scale, mid, far_side in zip((0.574, -0.527), optical, ultraviolet))


GRID = np.linspace(0.3, 8.0, 771)
A_OF_X, B_OF_X = _law(GRID)


def extinction(wavelength, rv=GALACTIC_RV):
    """Magnitudes of extinction for E(B-V) = 1.

    Parameters
    ----------
    wavelength : array
        Angstrom, in the frame of the dust.
    rv : array or float

    Returns
    -------
    array
    """
    x = 1e4 / wavelength
    return rv * np.interp(x, GRID, A_OF_X) + np.interp(x, GRID, B_OF_X)
