"""Light curves of things that appear: supernovae, dwarf novae, microlensing.

Each model takes parameters (dict of arrays that broadcast against the epochs), times (MJD TAI) and
wavelengths (Angstrom), and returns two arrays in nJy: the flux, and the flux the template holds.
"""

import numpy as np

from fink_like.simulator.photometry import blackbody_ratio, nanojansky

REST_BLUE = 4400.0
"""Angstrom; where a supernova's peak magnitude and light-curve shape are given, rest frame."""

OPTICAL = 5000.0
"""Angstrom; where the magnitudes of Galactic objects are given."""

PEAK_GRID = np.linspace(-20.0, 120.0, 141)
"""Days, rest frame, on which a supernova's maximum is looked for."""


def supernova(parameters, mjd, wavelength):
    """Villar et al. 2019 (ApJ 884, 83) equation 1, coloured by a cooling blackbody.

    Light below `ultraviolet_edge` is cut by a power law, as line blanketing does in type Ia.
    """
    p = parameters
    stretch = 1.0 + p["redshift"]
    days = (mjd - p["explosion_mjd"]) / stretch
    shape = _villar(p, days) / _villar_peak(p)
    rest = wavelength / stretch
    temperature = p["cool"] + (p["hot"] - p["cool"]) * np.exp(-np.maximum(days, 0) / p["cooling"])
    colour = blackbody_ratio(rest, REST_BLUE, temperature)
    colour = colour * np.minimum(rest / p["ultraviolet_edge"], 1.0) ** p["ultraviolet_slope"]
    flux = nanojansky(p["magnitude"]) * shape * colour
    return flux, np.zeros_like(flux)


def _villar(p, days):
    plateau = 1.0 - p["decline"] * np.clip(days, 0.0, p["plateau"])
    tail = np.exp(-np.maximum(days - p["plateau"], 0.0) / p["fall"])
    return plateau * tail / (1.0 + np.exp(np.clip(-days / p["rise"], -50.0, 50.0)))


def _villar_peak(p):
    return _villar(p, PEAK_GRID).max(axis=-1, keepdims=True)


def dwarf_nova(parameters, mjd, wavelength):
    """Outbursts of a cataclysmic variable: fast rise, plateau, linear decline in magnitudes.

    Amplitudes, durations and decline rates as in Otulakowska-Hypka et al. 2016 (MNRAS 460, 2526).
    """
    p = parameters
    days = np.mod(mjd - p["outburst_mjd"], p["recurrence"])
    decline = p["amplitude"] / p["decline_rate"]
    height = np.minimum(days / p["rise"], (p["rise"] + p["plateau"] + decline - days) / decline)
    height = np.clip(height, 0.0, 1.0)
    faint = nanojansky(p["magnitude"] + p["amplitude"])
    quiet = faint * blackbody_ratio(wavelength, OPTICAL, p["cool"])
    bright = faint * (10.0 ** (0.4 * p["amplitude"] * height) - 1.0)
    return quiet + bright * blackbody_ratio(wavelength, OPTICAL, p["hot"]), _like(quiet, mjd)


def microlensing(parameters, mjd, wavelength):
    """Point source, point lens, blended (Paczynski 1986, ApJ 304, 1)."""
    p = parameters
    star = nanojansky(p["magnitude"]) * blackbody_ratio(wavelength, OPTICAL, p["temperature"])
    separation = np.hypot(p["impact"], (mjd - p["closest_mjd"]) / p["einstein_time"])
    squared = separation**2
    amplification = (squared + 2.0) / (separation * np.sqrt(squared + 4.0))
    return star * (1.0 + p["blend"] * (amplification - 1.0)), _like(star, mjd)


def _like(flux, mjd):
    return np.broadcast_to(flux, np.broadcast_shapes(flux.shape, np.shape(mjd)))
