"""Light curves of things that appear for weeks: supernovae, disruptions, novae, microlensing.

Each model takes parameters (dict of arrays that broadcast against the epochs), times (MJD TAI) and
wavelengths (Angstrom), and returns two arrays in nJy: the flux, and the flux the template holds.
"""

import numpy as np

from fink_like.simulator.photometry import blackbody_ratio, nanojansky

REST_BLUE = 4400.0
"""Angstrom; where a supernova's peak magnitude and light-curve shape are given, rest frame."""

OPTICAL = 5000.0
"""Angstrom; where the magnitudes of Galactic objects are given."""

SECOND_WIDTH, DIP = 9.0, 11.0 / 9.0
"""Days, 1 sigma, of a type Ia supernova's second maximum in the red; how many of these before it
the light has its dip."""

PEAK_GRID = np.linspace(-20.0, 120.0, 141)
"""Days, rest frame, on which a supernova's maximum is looked for."""


def supernova(parameters, mjd, wavelength):
    """Villar et al. 2019 (ApJ 884, 83) equation 1, coloured by a cooling blackbody.

    Light below `ultraviolet_edge` is cut by a power law, as line blanketing does in type Ia. If
    there is `second`, red light has a second maximum, see `_shoulder`; if there is `tail`, that
    share of the light decays with the e-folding time `tail_days`, as cobalt's does.
    """
    p = parameters
    stretch = 1.0 + p["redshift"]
    days = (mjd - p["explosion_mjd"]) / stretch
    rest = wavelength / stretch
    shape = _villar(p, days) / _villar_peak(p)
    if "tail" in p:
        shape = (1.0 - p["tail"]) * shape + p["tail"] * _tail(p, days)
    flux = nanojansky(p["magnitude"]) * shape * _colour(p, days, rest)
    if "second" in p:
        flux = flux * (1.0 + _shoulder(p, days, rest))
    return flux, np.zeros_like(flux)


def _colour(p, days, rest):
    """Flux at a rest-frame wavelength over that in the blue: a blackbody that cools, blanketed."""
    temperature = p["cool"] + (p["hot"] - p["cool"]) * np.exp(-np.maximum(days, 0) / p["cooling"])
    colour = blackbody_ratio(rest, REST_BLUE, temperature)
    return colour * np.minimum(rest / p["ultraviolet_edge"], 1.0) ** p["ultraviolet_slope"]


def _shoulder(p, days, rest):
    """Share of light that a type Ia lacks and then gains in the red, from 5500 Angstrom on.

    A `dip` two weeks after the blue maximum and a `second` maximum 11 d later, `second_days` after
    the rise, as iron recombines (Kasen 2006, ApJ 649, 939; Dhawan et al. 2015, MNRAS 448, 1345).
    """
    redness = np.clip((rest - 5500.0) / 2000.0, 0.0, 1.0)
    since = (days - p["second_days"]) / SECOND_WIDTH
    gained = p["second"] * np.exp(-0.5 * since**2)
    return redness * (gained - p["dip"] * np.exp(-0.5 * (since + DIP) ** 2))


def bazin_supernova(parameters, mjd, wavelength):
    """Bazin et al. 2009 (A&A 499, 653) equation 1, coloured by a blackbody that cools as a power.

    Another form than `supernova`, with the same parameters but for `plateau` and `decline`; `fall`
    is above twice `rise`, else there is no maximum behind the rise.
    """
    p = parameters
    stretch = 1.0 + p["redshift"]
    days, rest = (mjd - p["explosion_mjd"]) / stretch, wavelength / stretch
    top = p["rise"] * np.log(p["fall"] / p["rise"] - 1.0)
    shape = _bazin(p, days) / _bazin(p, top)
    temperature = np.maximum(p["hot"] * (1.0 + np.maximum(days, 0.0) / p["cooling"]) ** -0.7,
                             p["cool"])
    colour = blackbody_ratio(rest, REST_BLUE, temperature)
    colour = colour * np.minimum(rest / p["ultraviolet_edge"], 1.0) ** p["ultraviolet_slope"]
    flux = nanojansky(p["magnitude"]) * shape * colour
    return flux, np.zeros_like(flux)


def _bazin(p, days):
    rise = 1.0 + np.exp(np.clip(-days / p["rise"], -50.0, 50.0))
    return np.exp(-np.clip(days / p["fall"], -5.0, 700.0)) / rise


def tidal_disruption(parameters, mjd, wavelength):
    """Gaussian rise, decline as (1 + t / decay)**(-5/3), one temperature.

    As fitted by van Velzen et al. 2021 (ApJ 908, 4) to 17 events of ZTF.
    """
    p = parameters
    stretch = 1.0 + p["redshift"]
    days, rest = (mjd - p["peak_mjd"]) / stretch, wavelength / stretch
    rise = np.exp(-0.5 * (np.minimum(days, 0.0) / p["rise"]) ** 2)
    decline = (1.0 + np.maximum(days, 0.0) / p["decay"]) ** (-5.0 / 3.0)
    colour = blackbody_ratio(rest, REST_BLUE, p["temperature"])
    flux = nanojansky(p["magnitude"]) * rise * decline * colour
    return flux, np.zeros_like(flux)


def _villar(p, days):
    plateau = 1.0 - p["decline"] * np.clip(days, 0.0, p["plateau"])
    tail = np.exp(-np.maximum(days - p["plateau"], 0.0) / p["fall"])
    return plateau * tail / (1.0 + np.exp(np.clip(-days / p["rise"], -50.0, 50.0)))


def _tail(p, days):
    risen = 1.0 + np.exp(np.clip(-days / p["rise"], -50.0, 50.0))
    return np.exp(-np.maximum(days, 0.0) / p["tail_days"]) / risen


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


def nova(parameters, mjd, wavelength):
    """Classical nova: a rise of a day or so, then a decline as time**-1.75.

    That is the free-free law of Hachisu & Kato 2006 (ApJS 167, 59); `two_mag_days` is t2.
    """
    p = parameters
    days = mjd - p["peak_mjd"]
    rise = np.exp(np.minimum(days, 0.0) / p["rise"])
    decline = (1.0 + 1.865 * np.maximum(days, 0.0) / p["two_mag_days"]) ** -1.75
    colour = blackbody_ratio(wavelength, OPTICAL, p["temperature"])
    quiet = nanojansky(p["magnitude"] + p["amplitude"]) * colour
    return quiet + nanojansky(p["magnitude"]) * rise * decline * colour, _like(quiet, mjd)


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
