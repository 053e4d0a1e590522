"""Distances in a flat universe."""

import numpy as np

HUBBLE, MATTER = 70.0, 0.3
"""km/s/Mpc, and the density parameter: round numbers near Planck's and the supernovae'."""

LIGHT = 299792.458
"""km/s."""

GRID = np.geomspace(1e-4, 6.0, 600)


def _moduli():
    """Distance moduli on GRID: the comoving distance is the integral of c/H."""
    steps = np.concatenate([[0.0], GRID])
    rate = LIGHT / HUBBLE / np.sqrt(MATTER * (1.0 + steps) ** 3 + 1.0 - MATTER)
    comoving = np.cumsum(0.5 * (rate[1:] + rate[:-1]) * np.diff(steps))
    return 5.0 * np.log10(comoving * (1.0 + GRID)) + 25.0


MODULI = _moduli()


def redshift(distance_modulus):
    """Redshift of a distance modulus, between 0.0001 and 6 (flat, H0 70, matter 0.3)."""
    return np.interp(distance_modulus, MODULI, GRID)
