"""Light of objects in the exposures of their field: what stays in place, and what moves."""

import numpy as np

from fink_like.simulator import asteroids, dust, populations
from fink_like.simulator.photometry import blackbody_ratio, nanojansky
from fink_like.simulator.transients import OPTICAL

UNDER = {"host_magnitude": 5500.0, "star_magnitude": 5000.0}
"""What else the template may hold at the position: parameter, and the colour's temperature in K."""

VECTORS = ("helio", "topo", "helio_velocity", "topo_velocity")
GEOMETRY = (*(f"{vector}_{axis}" for vector in VECTORS for axis in "xyz"), "helio_range",
            "topo_range", "phase_angle", "elongation", "absolute_magnitude", "epoch", "a", "q", "e",
            "inclination", "node", "argperi", "mean_anomaly", "mean_motion", "period", "peri_time")
"""What only moving objects have: of `moving`, all but position and magnitude."""


def static(source_class, keys, parameters, epochs):
    """Light of objects that stay, with their host below.

    Parameters
    ----------
    source_class : SourceClass
    keys : numpy.ndarray of uint64, shape (n,)
    parameters : dict of numpy.ndarray, shape (n,)
    epochs : Epochs

    Returns
    -------
    tuple of numpy.ndarray, shape (n, epochs)
        Difference flux and template flux, nJy.
    """
    difference, template = populations.light_curve(source_class, keys, parameters, epochs.mjd,
                                                   epochs.wavelength)
    if "ebv" in parameters or "host_ebv" in parameters:
        left = 10.0 ** (-0.4 * reddening(parameters, epochs.passbands))
        left = left[np.arange(len(keys))[:, None], epochs.band]
        difference, template = difference * left, template * left
    return difference, under(template, parameters, epochs)


def reddening(parameters, wavelength):
    """Magnitudes that dust takes, in the Milky Way and in the object's host.

    Parameters
    ----------
    parameters : dict of numpy.ndarray, shape (n,)
        ``ebv``; ``host_ebv``, ``host_rv`` (else as in the Milky Way), ``redshift`` (else 0).
    wavelength : numpy.ndarray, shape (bands,)
        Angstrom.

    Returns
    -------
    numpy.ndarray, shape (n, bands)
    """
    p = {name: value[:, None] for name, value in parameters.items()}
    taken = p.get("ebv", 0.0) * dust.extinction(wavelength)
    if "host_ebv" in p:
        rest = wavelength / (1.0 + p.get("redshift", 0.0))
        taken = taken + p["host_ebv"] * dust.extinction(rest, p.get("host_rv", dust.GALACTIC_RV))
    return taken


def under(template, parameters, epochs):
    """Add a host galaxy's or a star's light to the template; a magnitude of NaN is none."""
    for name, temperature in UNDER.items():
        if name in parameters:
            colours = blackbody_ratio(epochs.passbands, OPTICAL, temperature)
            light = np.nan_to_num(nanojansky(parameters[name]))
            template = template + light[:, None] * colours[epochs.band]
    return template


def sunlight(magnitude, parameters, wavelength):
    """Flux of reflected sunlight in nJy."""
    return (nanojansky(magnitude)
            * blackbody_ratio(wavelength, OPTICAL, parameters["temperature"][:, None]))


def moving(start, epochs, parameters, ra, dec):
    """Where moving objects are at the last epoch, and how bright.

    Parameters
    ----------
    start : float or numpy.ndarray, shape (n,)
        MJD TAI at which they are at `ra` and `dec`.
    epochs : Epochs
    parameters : dict of numpy.ndarray, shape (n,)
    ra, dec : numpy.ndarray, shape (n,)
        Degrees.

    Returns
    -------
    dict of numpy.ndarray, shape (n,)
        Geometry, orbit, and ``apparent``, a magnitude.
    """
    mjd = epochs.mjd[..., -1]
    state = asteroids.place(ra, dec, start, parameters)
    before = asteroids.observe(*state, 0.0, start)
    now = asteroids.observe(*state, mjd - start, mjd)
    absolute = parameters["magnitude"] - asteroids.dimming(before, parameters["slope"])
    turn = 2.0 * np.pi * (mjd - start) / parameters["rotation_period"]
    spin = 0.5 * parameters["rotation_amplitude"] * np.sin(turn)
    apparent = absolute + asteroids.dimming(now, parameters["slope"]) + spin
    for name in VECTORS:
        for axis, letter in enumerate("xyz"):
            now[f"{name}_{letter}"] = now[name][:, axis]
    plain = {name: value for name, value in now.items() if name not in VECTORS}
    return {**plain, "apparent": apparent, "absolute_magnitude": absolute,
            "epoch": np.full(len(absolute), start), **asteroids.elements(*state, start)}
