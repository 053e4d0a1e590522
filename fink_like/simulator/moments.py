"""When in its life an object is looked at: which of its detections is the alert.

::

    light_curves(model, 1000, seed=1, moment=at_age(20.0))

A moment is a function of times, detections and keys that gives each object's epoch, and whether it
has one.
"""

import numpy as np

from fink_like.simulator import dice


def any_detection(least=1, most=None):
    """The n-th detection, n drawn evenly between bounds.

    Parameters
    ----------
    least : int, optional
        Objects with fewer detections are left out.
    most : int, optional
        None: as many as there are.
    """
    def moment(mjd, detected, keys):
        total = detected.sum(axis=1)
        upper = total if most is None else np.minimum(total, most)
        drawn = least + np.floor(dice.uniform(keys, "moment") * (upper - least + 1))
        counted = np.cumsum(detected, axis=1)
        return np.argmax(counted >= drawn[:, None], axis=1), total >= least
    return moment


def nth_detection(n):
    """The n-th detection; objects with fewer are left out."""
    return any_detection(n, n)


def last_detection(least=1):
    """The last detection there is: the whole light curve."""
    def moment(mjd, detected, keys):
        return _last(detected), detected.sum(axis=1) >= least
    return moment


def at_age(days):
    """The last detection that is not more than some days after the first."""
    def moment(mjd, detected, keys):
        first = np.argmax(detected, axis=1)[:, None]
        begun = np.take_along_axis(np.broadcast_to(mjd, detected.shape), first, axis=1)
        return _last(detected & (mjd <= begun + days)), detected.any(axis=1)
    return moment


def _last(mask):
    return mask.shape[1] - 1 - np.argmax(mask[:, ::-1], axis=1)
