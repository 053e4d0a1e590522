"""From light to measured fluxes: noise, and what a survey's errors do not say."""

import numpy as np

from fink_like.simulator import dice
from fink_like.simulator.photometry import flux_error, nanojansky


def noise(model, total_flux, limit_flux):
    """1-sigma error in nJy of fluxes in exposures with a 5-sigma limit."""
    rules = model.recipe["noise"]
    photons = flux_error(total_flux, limit_flux, rules["gamma"])
    return np.hypot(photons, rules["calibration"] * np.maximum(total_flux, 0.0))


def measured(true_flux, error, epochs, keys, parameters):
    """Measured difference fluxes.

    Parameters
    ----------
    true_flux, error : numpy.ndarray, shape (n, epochs)
        nJy; the error is what the survey says.
    epochs : Epochs
    keys : numpy.ndarray of uint64, shape (n,)
    parameters : dict of numpy.ndarray, shape (n,)
        If they are there: ``error_scale``, the real noise over the error; ``outlier_share`` and
        ``outlier_size``, how often it is how many times larger still; ``reference_shift``,
        see `shift`.

    Returns
    -------
    numpy.ndarray, shape (n, epochs)
        nJy.
    """
    seen = dice.combine(keys[:, None], epochs.tick)
    deviate = dice.normal(seen, "noise")
    if "outlier_share" in parameters:
        hit = dice.uniform(seen, "outlier") < parameters["outlier_share"][:, None]
        deviate = np.where(hit, parameters["outlier_size"][:, None] * deviate, deviate)
    if "error_scale" in parameters:
        deviate = parameters["error_scale"][:, None] * deviate
    flux = true_flux + error * deviate
    return flux + shift(epochs, keys, parameters) if "reference_shift" in parameters else flux


def shift(epochs, keys, parameters):
    """What noise of the reference image adds to all difference fluxes of an object in a band.

    A normal deviate for each object and band, times ``reference_shift``, in units of the 1-sigma
    noise of an exposure of magnitude limit ``reference_depth``.
    """
    bands = dice.combine(keys[:, None], np.arange(len(epochs.passbands)))
    sigma = parameters["reference_shift"] * nanojansky(parameters["reference_depth"]) / 5.0
    moved = sigma[:, None] * dice.normal(bands, "reference")
    return moved[np.arange(len(keys))[:, None], epochs.band]
