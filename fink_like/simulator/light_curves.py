"""Light curves with truth, without packets: for training, and for people."""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from fink_like.errors import ConfigError
from fink_like.simulator import cadence, observing
from fink_like.simulator.nights import plan

OBJECTS_IN_FIELD = 200
"""Expected number from one field: small, so that many cadences and depths are met."""


@dataclass(frozen=True)
class LightCurves:
    """Light curves of many objects, one behind the other.

    Object ``k`` has the points ``offsets[k]:offsets[k + 1]``, ascending in time; the last is a
    detection, the moment of its alert.

    Parameters
    ----------
    offsets : numpy.ndarray of int, shape (n + 1,)
    mjd : numpy.ndarray
        MJD TAI, middle of the exposure.
    band : numpy.ndarray of str
    flux, flux_err : numpy.ndarray
        Measured difference flux and its 1-sigma error, nJy, also where nothing was detected.
    true_flux : numpy.ndarray
        nJy.
    limit_flux : numpy.ndarray
        5-sigma limit of the exposure, nJy.
    detected : numpy.ndarray of bool
    truth : pandas.DataFrame
        One row an object: class, position, detections so far, parameters as JSON.
    """

    offsets: np.ndarray
    mjd: np.ndarray
    band: np.ndarray
    flux: np.ndarray
    flux_err: np.ndarray
    true_flux: np.ndarray
    limit_flux: np.ndarray
    detected: np.ndarray
    truth: pd.DataFrame = field(repr=False)


def light_curves(model, n, *, seed, start_mjd=None):
    """Light curves as they are known when an object has an alert.

    Parameters
    ----------
    model : SurveyModel
    n : int
    seed : int
    start_mjd : float, optional
        Night of the alerts; the recipe's if not given.

    Returns
    -------
    LightCurves
        Classes in the population's proportions; history as far back as the recipe looks.

    Raises
    ------
    ConfigError
        `n` is not positive.
    """
    if n < 1:
        raise ConfigError(f"{n} light curves: ask for one at least")
    run = replace(plan(model, n, seed, start_mjd), alerts_per_visit=float(OBJECTS_IN_FIELD))
    parts, number = [], 0
    while number < n:
        found = observing.detect(run, cadence.Visit(len(parts), 0, 0))
        found = found.take(np.arange(min(n - number, len(found.key))))
        parts.append(_points(run, found))
        number += len(found.key)
    return _join(run, parts)


def _points(run, sources):
    """Columns of one field's points, their number for each object, and the objects."""
    rows, epochs = np.nonzero(sources.produced)
    names = np.array(list(run.model.recipe["bands"]))
    classes = np.array([source.name for source in run.model.classes])
    points = {"mjd": sources.epochs.mjd[epochs], "band": names[sources.epochs.band[epochs]],
              "limit_flux": sources.epochs.limit_flux[epochs],
              **{name: getattr(sources, name)[rows, epochs]
                 for name in ("flux", "flux_err", "true_flux", "detected")}}
    objects = pd.DataFrame({"class": classes[sources.source_class], "ra": sources.ra,
                            "dec": sources.dec, "n_det": sources.detected.sum(axis=1),
                            "parameters": sources.truth})
    return points, sources.produced.sum(axis=1), objects


def _join(run, parts):
    points, numbers, objects = zip(*parts, strict=True)
    joined = {name: np.concatenate([part[name] for part in points]) for name in points[0]}
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(numbers))])
    truth = pd.concat(objects, ignore_index=True)
    truth.insert(0, "survey", run.model.survey)
    return LightCurves(offsets=offsets, truth=truth, **joined)
