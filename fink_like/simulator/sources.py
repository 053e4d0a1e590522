"""Objects that a survey sees, and every exposure of each."""

import json
from dataclasses import dataclass, replace

import numpy as np

from fink_like.simulator.epochs import Epochs, ending_places

THRESHOLD = 5.0
"""Signal to noise of a detection, of either sign (both surveys' rule)."""


@dataclass(frozen=True)
class Sources:
    """Objects detected in their last exposure, and all their earlier ones.

    Arrays are (n,) or (n, epochs). Fluxes in nJy.
    """

    epochs: Epochs  # of one field, or of each object
    key: np.ndarray
    row: np.ndarray  # number of the object in its field
    source_class: np.ndarray  # index in the model's classes
    ra: np.ndarray
    dec: np.ndarray
    true_flux: np.ndarray
    template_flux: np.ndarray
    flux: np.ndarray
    flux_err: np.ndarray
    produced: np.ndarray  # was there a difference image
    details: dict  # parameters and geometry by name, NaN where a class has none
    truth: np.ndarray  # parameters as JSON, once `join` has written them

    @property
    def detected(self):
        """Where the measured flux passes the threshold, in a difference image."""
        return self.produced & (np.abs(self.flux) >= THRESHOLD * self.flux_err)

    def take(self, rows):
        """Some of the objects."""
        picked = {name: value[rows] for name, value in vars(self).items()
                  if isinstance(value, np.ndarray)}
        details = {name: value[rows] for name, value in self.details.items()}
        return Sources(epochs=self.epochs.take(rows), details=details, **picked)

    def ending(self, last):
        """The same objects as they were known at an earlier exposure of each.

        Parameters
        ----------
        last : numpy.ndarray of int, shape (n,)
            Epoch of the exposure. Columns to its left are filled up with what is not `produced`.
        """
        places, inside = ending_places(last, self.flux.shape[1])
        moved = {name: np.take_along_axis(value, places, axis=1) for name, value
                 in vars(self).items() if isinstance(value, np.ndarray) and value.ndim == 2}
        moved["produced"] = moved["produced"] & inside
        return replace(self, epochs=self.epochs.ending(last), **moved)


def join(parts):
    """Put blocks of different classes together; parameters become columns and JSON.

    Parameters
    ----------
    parts : list of Sources
        Of one field.

    Returns
    -------
    Sources
    """
    names = dict.fromkeys(name for part in parts for name in part.details)
    joined = {name: np.concatenate([vars(part)[name] for part in parts])
              for name, value in vars(parts[0]).items() if isinstance(value, np.ndarray)}
    joined["truth"] = np.concatenate([_texts(part) for part in parts])
    details = {name: np.concatenate([part.details.get(name, np.full(len(part.key), np.nan))
                                     for part in parts]) for name in names}
    return Sources(epochs=parts[0].epochs, details=details, **joined)


def _texts(part):
    columns = {name: np.round(values, 6).tolist() for name, values in part.details.items()}
    rows = zip(*columns.values(), strict=True)
    texts = [json.dumps(dict(zip(columns, row, strict=True))) for row in rows]
    return np.array(texts, dtype=object)
