"""Per-band summaries of an object's detections up to its alert, as a survey keeps them."""

import numpy as np


def summaries(run, sources):
    """Columns for the alerts of a visit.

    Parameters
    ----------
    run : cadence.Run
    sources : Sources

    Returns
    -------
    dict of numpy.ndarray, shape (n,)
        For each band: ``mean_g`` and its error ``mean_err_g`` (weighted by 1/error squared),
        ``sigma_g``, ``min_g``, ``max_g``, ``err_mean_g``, ``total_mean_g``, ``total_mean_err_g``
        (nJy), ``slope_g`` (largest change per day between neighbours, nJy/d) and ``n_g``; NaN where
        there are too few detections.
    """
    columns = {}
    for index, band in enumerate(run.model.recipe["bands"]):
        used = sources.epochs.band == index
        values = _band(sources, used)
        columns.update({f"{name}_{band}": value for name, value in values.items()})
    return columns


def _band(sources, used):
    detected = sources.detected[:, used]
    flux, error = sources.flux[:, used], sources.flux_err[:, used]
    total = flux + sources.template_flux[:, used]
    number = detected.sum(axis=1)
    weight = np.where(detected, error**-2.0, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (weight * flux).sum(axis=1) / weight.sum(axis=1)
        squares = (detected * (flux - mean[:, None]) ** 2).sum(axis=1)
        sigma = np.where(number > 1, np.sqrt(squares / (number - 1)), np.nan)
        none = number == 0
        return {
            "n": number, "mean": mean, "mean_err": weight.sum(axis=1) ** -0.5 + 0.0 / ~none,
            "sigma": sigma,
            "min": np.where(none, np.nan, np.min(flux, 1, initial=np.inf, where=detected)),
            "max": np.where(none, np.nan, np.max(flux, 1, initial=-np.inf, where=detected)),
            "err_mean": (detected * error).sum(axis=1) / number,
            "total_mean": (weight * total).sum(axis=1) / weight.sum(axis=1),
            "total_mean_err": weight.sum(axis=1) ** -0.5 + 0.0 / ~none,
            "slope": _steepest(sources.epochs.mjd[used], flux, detected),
        }


def _steepest(mjd, flux, detected):
    """Largest absolute slope between one detection and the next."""
    steepest = np.full(len(flux), np.nan)
    last_time, last_flux = np.full(len(flux), np.nan), np.full(len(flux), np.nan)
    for epoch in range(len(mjd)):
        slope = np.abs(flux[:, epoch] - last_flux) / (mjd[epoch] - last_time)
        steepest = np.where(detected[:, epoch], np.fmax(steepest, slope), steepest)
        last_time = np.where(detected[:, epoch], mjd[epoch], last_time)
        last_flux = np.where(detected[:, epoch], flux[:, epoch], last_flux)
    return steepest
