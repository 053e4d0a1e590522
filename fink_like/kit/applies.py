"""Which alerts a module is for, decided for a whole batch at once.

``applies=at_least(3, "points") & has("sky.gal_b")``: a costly module sees only those rows, the
others get the status of the first condition they miss.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fink_like.errors import ModuleError
from fink_like.kit.lightcurve import LIGHT_CURVE
from fink_like.vocabulary import Status


@dataclass(frozen=True)
class Condition:
    """One question about each row.

    Parameters
    ----------
    inputs : tuple of str
        Columns it looks at.
    holds : callable
        ``Batch`` to a mask of the rows that may pass.
    status : Status
        What the other rows get.
    """

    inputs: tuple
    holds: Callable
    status: Status


@dataclass(frozen=True)
class Applies:
    """Conditions that must all hold; none: every row."""

    conditions: tuple = ()

    def __and__(self, other):
        return Applies(self.conditions + other.conditions)

    @property
    def inputs(self):
        """Columns the conditions look at."""
        return tuple(name for condition in self.conditions for name in condition.inputs)


ALWAYS = Applies()

_COUNTS = {
    "points": lambda batch: batch.light_curve.is_usable.sum(),
    "detections": lambda batch: batch.light_curve.is_detection.sum(),
}


def at_least(number, what):
    """Alerts whose light curve has this many points or more; others: TOO_FEW_POINTS.

    Parameters
    ----------
    number : int
    what : str
        ``"points"``: `LightCurve.usable`, detections and unpaired forced points of all bands;
        ``"detections"``: detections only.
    """
    if what not in _COUNTS:
        raise ModuleError(f"at_least({number}, {what!r}): count one of {sorted(_COUNTS)}")
    return Applies((Condition(LIGHT_CURVE, lambda batch: _COUNTS[what](batch) >= number,
                              Status.TOO_FEW_POINTS),))


def has(*names):
    """Alerts where none of these columns is null; others: INPUT_MISSING.

    The way to require a value: a declared input alone may be null in some rows (a survey-only
    column is null in every other survey's rows).
    """
    def holds(batch):
        return ~np.any([batch.missing(name) for name in names], axis=0)

    return Applies((Condition(names, holds, Status.INPUT_MISSING),))


def from_survey(*surveys):
    """Alerts of these surveys; others: NOT_APPLICABLE."""
    def holds(batch):
        return np.isin(batch.values("survey").astype(object), np.array(surveys, dtype=object))

    return Applies((Condition(("survey",), holds, Status.NOT_APPLICABLE),))
