"""Simulated quantities as columns, for any pairs of an object and an exposure.

::

    shown = Columns(run, sources, objects, epochs)
    shown["flux"], shown["fwhm"]         # made when first asked for, then kept

The alert of an object and the row of it in a later packet's history come from the same functions
and the same keys, so they agree in every field.
"""

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from fink_like.simulator import dice
from fink_like.simulator.quantities import SIMULATED, absent

NIGHT = 0.5
"""Days: alerts that are nearer than this are of one night."""


def select(sources, rules):
    """Pairs of object and exposure that a packet's history or forced photometry shows.

    Parameters
    ----------
    sources : Sources
    rules : dict
        ``days``; ``limits``: exposures without a detection too; ``since_first``: none before the
        first detection; ``current``: the alert's own exposure too, if it is not the first.

    Returns
    -------
    tuple of numpy.ndarray of int
        Object and epoch, ascending.
    """
    mjd = sources.epochs.mjd
    shown = _of_kind(sources, rules) & (mjd[..., -1:] - mjd <= rules["days"])
    shown[:, -1] &= _repeats(sources, rules)[:, -1]
    return np.nonzero(shown)


def select_before(sources, rules, own):
    """Pairs of object and exposure that the packets of its alerts of earlier nights showed.

    Parameters
    ----------
    sources : Sources
    rules : dict
        As for `select`.
    own : bool
        The alerts themselves too.

    Returns
    -------
    tuple of numpy.ndarray of int
        Object and epoch, ascending.
    """
    mjd = np.broadcast_to(sources.epochs.mjd, sources.flux.shape)
    alert = sources.detected & (mjd[:, -1:] - mjd > NIGHT)
    next_or_now = np.minimum.accumulate(np.where(alert, mjd, np.inf)[:, ::-1], axis=1)[:, ::-1]
    following = np.pad(next_or_now[:, 1:], ((0, 0), (0, 1)), constant_values=np.inf)
    shown = _of_kind(sources, rules) & (following - mjd <= rules["days"])
    return np.nonzero(shown | alert & (own | _repeats(sources, rules)))


def _of_kind(sources, rules):
    """Exposures of which rules allow a row, whenever they were."""
    shown = sources.produced
    if not rules.get("limits"):
        shown = shown & sources.detected
    if rules.get("since_first"):
        shown = shown & (np.cumsum(sources.detected, axis=1) > 0)
    return shown


def _repeats(sources, rules):
    """Exposures of which a packet has a row beside its alert: not an object's first, if any."""
    return rules.get("current", False) & (np.cumsum(sources.detected, axis=1) > 1)


class Columns(Mapping):
    """Columns of the pairs (objects[k], epochs[k]), by the names that a recipe may use.

    Those of the recipe hide the simulator's own (`SIMULATED`), and these the drawn parameters.

    Parameters
    ----------
    run : cadence.Run
    sources : Sources
    objects, epochs : numpy.ndarray of int, shape (rows,)
    """

    def __init__(self, run, sources, objects, epochs):
        self.run, self.sources, self.objects, self.epochs = run, sources, objects, epochs
        self._found = {}

    def __getitem__(self, name):
        if name not in self._found:
            self._found[name] = self._made(name)
        return self._found[name]

    @cached_property
    def _names(self):
        model = self.run.model
        return {**absent(model), **model.source, **model.ids, **model.exposure, **SIMULATED,
                **self.sources.details}

    def __iter__(self):
        return iter({**self._names, **self._found})

    def __contains__(self, name):
        return name in self._names or name in self._found

    def __len__(self):
        return len({**self._names, **self._found})

    def update(self, more):
        """Add columns that are made elsewhere."""
        self._found.update(more)

    def rows(self, kept):
        """The same columns for the pairs of a mask."""
        fewer = Columns(self.run, self.sources, self.objects[kept], self.epochs[kept])
        fewer.update({name: value[kept] if np.shape(value)[:1] == kept.shape else value
                      for name, value in self._found.items()})
        return fewer

    @cached_property
    def key(self):
        """Key of each row: of the object in the exposure."""
        return dice.combine(self.sources.key[self.objects], self["tick"])

    @cached_property
    def exposure_key(self):
        """Key of each row's detector image, which other objects share."""
        return dice.combine(self.run.key, self["tick"], self["channel"])

    def _made(self, name):
        model = self.run.model
        if name in model.source:
            return model.source[name](self, self.key, name)
        if name in model.ids:
            return model.ids[name](self, self.key, name)
        if name in model.exposure:
            return model.exposure[name](self, self.exposure_key, name)
        if name in SIMULATED:
            return SIMULATED[name](self)
        if name in self.sources.details:
            return self.sources.details[name][self.objects]
        return np.nan

    def of_exposure(self, name):
        """A quantity of the exposures."""
        known = getattr(self.sources.epochs, name)
        return np.broadcast_to(known, self.sources.flux.shape)[self.objects, self.epochs]

    def of_field(self, known):
        """A quantity of the field, given as one for all or one an object."""
        return known if np.ndim(known) == 0 else known[self.objects]

    def of_point(self, name):
        """A quantity of the object in the exposure."""
        return getattr(self.sources, name)[self.objects, self.epochs]

    def of_object(self, name):
        """A quantity of the object."""
        return getattr(self.sources, name)[self.objects]

    def counted(self, name):
        """True ones up to the exposure."""
        return np.cumsum(getattr(self.sources, name), axis=1)[self.objects, self.epochs]

    def at_first(self, name):
        """A quantity of the exposure in which the object was first detected."""
        first = np.argmax(self.sources.detected, axis=1)[self.objects]
        known = getattr(self.sources.epochs, name)
        return np.broadcast_to(known, self.sources.flux.shape)[self.objects, first]
