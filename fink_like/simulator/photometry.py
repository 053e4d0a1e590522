"""Magnitudes, blackbody colours and the noise of a survey."""

import numpy as np

AB_ZERO = 31.4
"""AB magnitude of 1 nJy (Oke & Gunn 1983: 3631 Jy is magnitude 0)."""

HC_OVER_K = 1.438776877e8
"""Second radiation constant in Angstrom K (CODATA 2018)."""


def magnitude(flux):
    """AB magnitude of a positive flux in nJy; NaN where it is not positive."""
    flux = np.asarray(flux, dtype=np.float64)
    return AB_ZERO - 2.5 * np.log10(np.where(flux > 0, flux, np.nan))


def nanojansky(mag):
    """Flux in nJy of an AB magnitude."""
    return 10.0 ** (0.4 * (AB_ZERO - np.asarray(mag, dtype=np.float64)))


def blackbody_ratio(wavelength, reference, temperature):
    """Flux density of a blackbody over that at another wavelength.

    Parameters
    ----------
    wavelength, reference : array or float
        Angstrom.
    temperature : array or float
        K.

    Returns
    -------
    array
        B_nu(wavelength) / B_nu(reference), after Planck's law.
    """
    here = wavelength**-3.0 / np.expm1(HC_OVER_K / (wavelength * temperature))
    there = reference**-3.0 / np.expm1(HC_OVER_K / (reference * temperature))
    return here / there


def flux_error(total_flux, limit_flux, gamma):
    """1-sigma error of a point source's flux.

    Parameters
    ----------
    total_flux : array
        Flux in the science image, nJy.
    limit_flux : array
        5-sigma limiting flux of the exposure, nJy.
    gamma : float
        How much of the noise at the limit is sky and read-out; 0.04: all of it.

    Returns
    -------
    array
        nJy. Ivezic et al. 2019 (ApJ 873, 111) equation 5, written for fluxes; below zero the
        photon noise is the sky's alone.
    """
    photons = (0.04 - gamma) * np.maximum(total_flux, 0.0) * limit_flux
    return np.sqrt(photons + gamma * limit_flux**2)
