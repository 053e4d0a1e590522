"""Light curves of things that are always there: variable stars and active galactic nuclei.

Each model takes parameters (dict of arrays that broadcast against the epochs), times (MJD TAI) and
wavelengths (Angstrom), and returns two arrays in nJy: the flux, and the flux the template holds.
"""

import numpy as np

from fink_like.simulator import dice
from fink_like.simulator.photometry import blackbody_ratio, nanojansky
from fink_like.simulator.transients import OPTICAL

SAWTOOTH = (1.0, 0.45, 0.27, 0.15, 0.08)
"""Relative amplitudes of a type ab RR Lyrae's first harmonics (Deb & Singh 2009, A&A 507, 1729)."""

SAWTOOTH_RANGE = 2.722
"""Peak-to-peak range of the sum of these harmonics."""

G_BAND = 4770.0
"""Angstrom; where pulsation amplitudes are given."""


def rr_lyrae(parameters, mjd, wavelength):
    """Sawtooth of five harmonics; its amplitude falls as wavelength**-1.24.

    That is the ratio g : r : i = 1 : 0.72 : 0.57 of Sesar et al. 2010 (ApJ 708, 717).
    """
    p = parameters
    phase = 2.0 * np.pi * (mjd - p["maximum_mjd"]) / p["period"]
    wave = sum(a * np.sin((k + 1) * phase) for k, a in enumerate(SAWTOOTH)) / SAWTOOTH_RANGE
    mean = _star(p, wavelength)
    amplitude = p["amplitude"] * (wavelength / G_BAND) ** -1.24
    return mean * 10.0 ** (-0.4 * amplitude * wave), mean + 0.0 * wave


def eclipsing_binary(parameters, mjd, wavelength):
    """Two Gaussian eclipses and an ellipsoidal wave (Mowlavi et al. 2017, A&A 606, A92)."""
    p = parameters
    phase = np.mod((mjd - p["eclipse_mjd"]) / p["period"] + 0.25, 1.0) - 0.25
    fading = (p["primary_depth"] * np.exp(-0.5 * (phase / p["width"]) ** 2)
              + p["secondary_depth"] * np.exp(-0.5 * ((phase - 0.5) / p["width"]) ** 2)
              + p["ellipsoidal"] * np.cos(4.0 * np.pi * phase))
    mean = _star(p, wavelength)
    return mean * 10.0 ** (-0.4 * fading), mean + 0.0 * fading


def long_period(parameters, mjd, wavelength):
    """Mira or semiregular: a sine in magnitudes, larger in the blue, on a cool blackbody.

    Amplitudes fall by about half from V to I (Iwanek et al. 2021, ApJS 257, 23): wavelength**-1.7.
    """
    p = parameters
    wave = np.sin(2.0 * np.pi * (mjd - p["maximum_mjd"]) / p["period"])
    mean = _star(p, wavelength)
    amplitude = p["amplitude"] * (wavelength / OPTICAL) ** -1.7
    return mean * 10.0 ** (-0.2 * amplitude * wave), mean + 0.0 * wave


def _star(p, wavelength):
    return nanojansky(p["magnitude"]) * blackbody_ratio(wavelength, OPTICAL, p["temperature"])


def active_nucleus(parameters, mjd, wavelength):
    """Damped random walk in magnitudes, sampled exactly (Kelly, Bechtold & Siemiginowska 2009).

    Its amplitude falls as wavelength**-0.479 (MacLeod et al. 2010, ApJ 721, 1014); the mean colour
    is a power law of frequency, index -0.44 (Vanden Berk et al. 2001, AJ 122, 549). Bands move
    together. Times must ascend; more epochs behind do not change those before.
    """
    p = parameters
    mean = nanojansky(p["magnitude"]) * (wavelength / OPTICAL) ** 0.44
    wave = damped_random_walk(p["key"], mjd, p["timescale"]) / np.sqrt(2.0)
    amplitude = p["structure_function"] * (wavelength / 4000.0) ** -0.479
    return mean * 10.0 ** (-0.4 * amplitude * wave), mean + 0.0 * wave


def pulsator(parameters, mjd, wavelength):
    """Cosine series of three harmonics in magnitudes, its amplitude a power of the wavelength.

    `amplitude` is peak to peak in g, `r21`, `r31` are ratios of amplitudes, `phi21`, `phi31` phases
    in the cosine convention (Simon & Lee 1981, ApJ 248, 291). Cepheids, RR Lyrae, delta Scuti,
    spotted stars.
    """
    p = parameters
    phase = 2.0 * np.pi * np.mod((mjd - p["phase_mjd"]) / p["period"], 1.0)
    turn = 2.0 * np.pi * np.arange(40.0) / 40.0
    range_ = np.ptp(_harmonics(p, turn), axis=-1, keepdims=True)
    amplitude = p["amplitude"] / range_ * (wavelength / G_BAND) ** p["chromatic"]
    mean = _star(p, wavelength)
    wave = _harmonics(p, phase)
    return mean * 10.0 ** (-0.4 * amplitude * wave), mean + 0.0 * wave


def _harmonics(p, phase):
    """In magnitudes, so negative where the star is bright."""
    return (np.cos(phase) + p["r21"] * np.cos(2.0 * phase + p["phi21"])
            + p["r31"] * np.cos(3.0 * phase + p["phi31"]))


def irregular(parameters, mjd, wavelength):
    """Young star: a damped random walk in magnitudes, larger in the blue, as dust and spots are.

    Times and amplitudes as in Cody et al. 2014 (AJ 147, 82) and Venuti et al. 2015 (A&A 581, A66).
    """
    p = parameters
    wave = damped_random_walk(p["key"], mjd, p["timescale"])
    amplitude = p["amplitude"] * (wavelength / OPTICAL) ** p["chromatic"]
    mean = _star(p, wavelength)
    return mean * 10.0 ** (-0.4 * amplitude * wave), mean + 0.0 * wave


def residual(parameters, mjd, wavelength):
    """No object: what a bad subtraction leaves of a bright star, another in each exposure.

    Of either sign, `share` of the star's light in the mean, with a long tail.
    """
    p = parameters
    keys = dice.combine(p["key"], np.round(np.asarray(mjd) * 86400.0))
    tail = np.minimum(dice.uniform(keys, "tail") ** -0.5, 10.0)
    star = _star(p, wavelength)
    left = p["share"] * dice.normal(keys, "residual") * tail
    return star * (1.0 + left), star + 0.0 * left


def damped_random_walk(key, mjd, timescale):
    """Walk of unit variance.

    Parameters
    ----------
    key : array of uint64, shape (n, 1)
    mjd : array, shape (epochs,) or (n, epochs)
        Days, ascending.
    timescale : array, shape (n, 1)
        Days.

    Returns
    -------
    numpy.ndarray, shape (n, epochs)
    """
    steps = dice.normal(dice.combine(key, np.round(np.asarray(mjd) * 86400.0)), "walk")
    times = np.broadcast_to(mjd, steps.shape)
    walk = np.empty(steps.shape)
    walk[:, 0] = steps[:, 0]
    memory = np.exp(-np.diff(times, axis=1) / timescale)
    for epoch in range(1, steps.shape[1]):
        kept = memory[:, epoch - 1]
        walk[:, epoch] = kept * walk[:, epoch - 1] + np.sqrt(1.0 - kept**2) * steps[:, epoch]
    return walk
