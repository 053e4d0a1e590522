"""Light curves of things that are over in minutes to days: kilonovae, afterglows, stellar flares.

Each model takes parameters (dict of arrays that broadcast against the epochs), times (MJD TAI) and
wavelengths (Angstrom), and returns two arrays in nJy: the flux, and the flux the template holds.
"""

import numpy as np

from fink_like.simulator import dice
from fink_like.simulator.cadence import DAY
from fink_like.simulator.photometry import HC_OVER_K, blackbody_ratio, nanojansky
from fink_like.simulator.transients import OPTICAL

SOLAR_MASS, LIGHT, STEFAN = 1.98841e33, 2.99792458e10, 5.670374e-5
"""g, cm/s, erg/cm2/s/K4."""

TEN_PARSEC = 3.0856776e19
"""cm."""

PLANCK = 3.9728917e-16 * 1e24 * 1e32
"""2 h c in cgs, for a wavelength in Angstrom and a flux in nJy."""

HEATING = 4e18 * (0.11 / np.pi) ** 1.3
"""erg/s/g one second after a merger, of decays as t**-1.3 (Korobkin et al. 2012, equation 4)."""

THERMAL = 0.55, 0.13, 0.90
"""Coefficients of thermalisation, Barnes et al. 2016 (ApJ 829, 110) table 1: 0.05 Msun, 0.2 c."""

FLARE_RISE = (1.0, 1.941, -0.175, -2.246, -1.125)
FLARE_DECAY = ((0.6890, -1.600), (0.3030, -0.2783))
"""Of a flare in units of its full width at half maximum, Davenport et al. 2014 (ApJ 797, 122)."""

FLARE_TEMPERATURE = 1e4
"""K, of the light of a white-light flare (Kowalski et al. 2013, ApJS 207, 15)."""

SOONEST, LAST = 1e-3, 40.0
"""Days after a burst at which its light is first followed, and days for which a kilonova's is: then
it is eight magnitudes below its maximum."""


def _delays():
    """Light that leaves over the heat set free at that moment, by time over diffusion time.

    Arnett 1982 (ApJ 253, 785) for heating as t**-1.3: x**1.3 exp(-x2) times the integral of
    2 y**-0.3 exp(y2); y**0.7 = u takes the pole away.
    """
    u = np.linspace(0.0, 6.0**0.7, 4001)
    grown = np.exp(u ** (2.0 / 0.7))
    summed = np.concatenate([[0.0], np.cumsum(0.5 * (grown[1:] + grown[:-1]) * np.diff(u))])
    x = u ** (1.0 / 0.7)
    return np.interp(np.arange(0.0, 6.0, DELAY_STEP), x,
                     x**1.3 * np.exp(-(x**2)) * summed * 2.0 / 0.7)


DELAY_STEP = 0.002
DELAYS = _delays()


def kilonova(parameters, mjd, wavelength):
    """Two expanding blackbodies heated by r-process decays (Villar et al. 2017, ApJL 851, L21).

    Each has mass (Msun), velocity (c), opacity (cm2/g) and a temperature (K) below which it does
    not cool: from then on the photosphere recedes. Dark before, and `LAST` days after.
    """
    p = parameters
    stretch = 1.0 + p["redshift"]
    days, rest = (mjd - p["merger_mjd"]) / stretch, wavelength / stretch
    shown = (days > 0.0) & (days < LAST)
    seconds, rest = np.maximum(days[shown], SOONEST) * DAY, np.broadcast_to(rest, days.shape)[shown]
    flux = np.zeros(days.shape)
    for part in ("blue", "red"):
        flux[shown] += _ejecta({name: np.broadcast_to(p[f"{part}_{name}"], days.shape)[shown]
                                for name in ("mass", "velocity", "opacity", "floor")},
                               seconds, rest)
    return flux * stretch * 10.0 ** (-0.4 * p["modulus"]), np.zeros_like(flux)


def _ejecta(p, seconds, rest):
    """Flux in nJy of one component at 10 pc."""
    mass, velocity = p["mass"] * SOLAR_MASS, p["velocity"] * LIGHT
    diffusion = np.sqrt(2.0 * p["opacity"] * mass / (13.7 * velocity * LIGHT))
    a, b, d = THERMAL
    days = seconds / DAY
    trapped = 2.0 * b * days**d
    thermal = 0.36 * (np.exp(-a * days) + np.log1p(trapped) / trapped)
    delayed = DELAYS[np.minimum(seconds / (diffusion * DELAY_STEP), len(DELAYS) - 1).astype(int)]
    luminosity = HEATING * mass * seconds**-1.3 * thermal * delayed
    radius = velocity * seconds
    temperature = (luminosity / (4.0 * np.pi * STEFAN * radius**2)) ** 0.25
    temperature = np.maximum(temperature, p["floor"])
    area = luminosity / (4.0 * STEFAN * temperature**4)  # pi times the radius squared
    planck = PLANCK * rest**-3.0 / np.expm1(HC_OVER_K / (rest * temperature))
    return planck * area / TEN_PARSEC**2


def afterglow(parameters, mjd, wavelength):
    """Smoothly broken power law of time, power law of frequency (Beuermann et al. 1999).

    `magnitude` is that at the break, `early` and `late` the indices before and behind; an orphan,
    seen from the side, has a negative `early` index: it rises until the jet has widened to us.
    """
    p = parameters
    since = (mjd - p["burst_mjd"]) / p["break_days"]
    x = np.maximum(since, SOONEST / p["break_days"])
    sharp = p["sharpness"]
    shape = (0.5 * x ** (sharp * p["early"]) + 0.5 * x ** (sharp * p["late"])) ** (-1.0 / sharp)
    colour = (wavelength / OPTICAL) ** p["spectral_index"]
    flux = np.where(since > 0.0, nanojansky(p["magnitude"]) * shape * colour, 0.0)
    return flux, np.zeros_like(flux)


def flare_star(parameters, mjd, wavelength):
    """A red star with one flare in each stretch of `recurrence` days, at any time in it.

    Amplitudes over the star's own light at 5000 Angstrom are `least` and above, their number
    falling as amplitude**-`slope` (Lacy, Moffett & Evans 1976, ApJS 30, 85), at most 300.
    """
    p = parameters
    star = nanojansky(p["magnitude"])
    turns = (mjd - p["start_mjd"]) / p["recurrence"]
    stretch = np.floor(turns)
    keys = dice.combine(p["key"], stretch.astype(np.int64))
    peak = dice.uniform(keys, "flare time")
    amplitude = p["least"] * dice.uniform(keys, "flare amplitude") ** (-1.0 / p["slope"])
    widths = (turns - stretch - peak) * p["recurrence"] / p["width"]
    light = star * np.minimum(amplitude, 300.0) * _flare(widths)
    quiet = star * blackbody_ratio(wavelength, OPTICAL, p["temperature"])
    flux = quiet + light * blackbody_ratio(wavelength, OPTICAL, FLARE_TEMPERATURE)
    return flux, np.broadcast_to(quiet, flux.shape)


def _flare(widths):
    """Light over that at the peak."""
    rise = np.polynomial.polynomial.polyval(np.clip(widths, -1.0, 0.0), FLARE_RISE)
    decay = sum(share * np.exp(rate * np.maximum(widths, 0.0)) for share, rate in FLARE_DECAY)
    return np.where(widths > 0.0, decay, np.where(widths > -1.0, rise, 0.0))
