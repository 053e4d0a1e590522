"""Light curves with truth, without packets: for training, and for people.

::

    model = simulator.open_survey(root, survey, world="training")
    curves = simulator.light_curves(model, {"SN Ia": 2000, "AGN": 2000}, seed=1)
    curves.columns, curves.light_curve     # as modules see them in silver
    curves.truth["class"]

The k-th object of a class is the same however many are asked for, of whatever other classes.
"""

import itertools
import zlib
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa

from fink_like.errors import ConfigError
from fink_like.kit.columns import Batch
from fink_like.kit.ragged import Ragged, Rows
from fink_like.simulator import cadence, dice, populations
from fink_like.simulator.calendars import calendar
from fink_like.simulator.moments import any_detection
from fink_like.simulator.neutral import LISTS, NeutralAlerts
from fink_like.simulator.observing import measure, observe, shine

BLOCK, PER_FIELD = 1024, 8
"""Objects made at a time, and how many share the exposures of a field."""

FAINTEST = 1.0
"""Signal to noise that an object's true flux must reach once: noise alone hardly adds four more."""

BARREN = 40
"""Blocks in a row without a detection, after which we say that there will be none."""

COLUMNS = ("survey", "ra", "dec", "midpointMjdTai", "band", "psfFlux", "psfFluxErr", "snr", "n_det",
           "age", "total_flux", "template_flux", *LISTS)
"""Neutral columns that are made unless others are asked for."""


@dataclass(frozen=True)
class LightCurves:
    """Light curves of many objects, each at the moment of an alert.

    Parameters
    ----------
    columns : dict of str to pyarrow.Array
        What a module may declare, by dotted name: input of `fink_like.kit.run.run`. No truth.
    truth : pandas.DataFrame
        One row an object: survey, class, key, detections in all the exposures made, and each
        parameter that was drawn, NaN where a class has none.
    true_flux : Ragged
        Difference flux without noise, nJy, of each point of the light curve.
    """

    columns: dict = field(repr=False)
    truth: pd.DataFrame = field(repr=False)
    true_flux: Ragged = field(repr=False)

    def __len__(self):
        return len(self.truth)

    @cached_property
    def light_curve(self):
        """`fink_like.kit.LightCurve` of all."""
        return Batch(self.columns).light_curve

    def take(self, rows):
        """Some of them, in this order."""
        return LightCurves({name: column.take(pa.array(rows)) for name, column
                            in self.columns.items()},
                           self.truth.iloc[rows].reset_index(drop=True), self.true_flux.take(rows))


def light_curves(model, counts, *, seed, moment=None, history_days=None, columns=COLUMNS):
    """Light curves as they are known when an object has an alert.

    Parameters
    ----------
    model : SurveyModel
        Of a world, or of the stream.
    counts : int or dict of str to int
        How many of each class; a number: so many in all, in the population's proportions.
    seed : int
    moment : callable, optional
        Of `moments`; any of an object's detections, if not given.
    history_days : float, optional
        How far back the history and the forced photometry go; as in the survey's packets, if not
        given.
    columns : iterable of str, optional
        Neutral columns, and the survey's own with its name before them.

    Returns
    -------
    LightCurves
        Class behind class, or in the order drawn.

    Raises
    ------
    ConfigError
        An unknown class or column, no count above 0, or a class of which nothing is detected.
    """
    run = _run(model, seed, history_days)
    if isinstance(counts, dict):
        classes = [name for name, count in counts.items() for _ in range(count)]
    else:
        classes = _drawn(model, counts, run.key)
    wanted = dict(zip(*np.unique(classes, return_counts=True), strict=True))
    if not wanted:
        raise ConfigError(f"{counts} light curves: ask for one at least")
    maker = _Maker(run, moment or any_detection(), tuple(columns))
    made = {name: maker.of_class(name, int(count)) for name, count in wanted.items()}
    return _in_order(made, classes)


def _run(model, seed, history_days):
    """A run of one night, which is the last of those that objects may live in."""
    recipe = model.recipe
    if history_days is not None:
        recipe = {**recipe, **{name: {**recipe[name], "days": history_days}
                               for name in ("history", "forced")}}
    return cadence.Run(replace(model, recipe=recipe), int(seed), int(recipe["start_mjd"]), visits=2,
                       alerts_per_visit=1.0, nights=1, efficiencies=(1.0,) * len(model.classes),
                       lead_days=float(recipe["cadence"]["lookback_days"]))


def _drawn(model, n, key):
    """Classes in the population's proportions."""
    edges = np.cumsum([source_class.share for source_class in model.classes])
    drawn = dice.uniform(dice.combine(key, np.arange(n)), "class")
    places = np.minimum(np.searchsorted(edges, drawn), len(edges) - 1)
    return [model.classes[place].name for place in places]


@dataclass(frozen=True)
class _Maker:
    """Makes objects of a class, block by block."""

    run: cadence.Run
    moment: object
    columns: tuple

    def of_class(self, name, count):
        """The first light curves of a class."""
        names = [source_class.name for source_class in self.run.model.classes]
        if name not in names:
            raise ConfigError(f"no class {str(name)!r} in the population; there are {names}")
        parts, found = [], 0
        for block in itertools.count():
            sources = self._block(names.index(name), block)
            sources = sources.take(np.arange(min(count - found, len(sources.key))))
            if len(sources.key):
                parts.append(self._curves(name, sources))
                found += len(sources.key)
            if found == count:
                return _joined(parts)
            if not found and block + 1 == BARREN:
                raise ConfigError(f"{name}: of {BARREN * BLOCK} objects none has the detections "
                                  f"asked for in {self.run.model.survey}; make it brighter in the "
                                  "population file, or ask for fewer detections")

    def _block(self, index, block):
        """Those of a block of objects that have an alert, at its moment."""
        source_class, trials = self.run.model.classes[index], block * BLOCK + np.arange(BLOCK)
        keys = dice.combine(self.run.key, zlib.crc32(source_class.name.encode()), trials)
        fields = block * (BLOCK // PER_FIELD) + np.arange(BLOCK // PER_FIELD)
        epochs = calendar(self.run, fields).take(np.arange(BLOCK) // PER_FIELD)
        if source_class.kind != populations.STATIC:  # seen once, in any exposure
            last, _ = any_detection()(epochs.mjd, epochs.taken, keys)
            sources = observe(self.run, epochs.ending(last), index, keys, trials)
            return sources.take(np.flatnonzero(sources.detected[:, -1]))
        sources = shine(self.run, epochs, index, keys, trials)
        bright = np.abs(sources.true_flux) > FAINTEST * sources.flux_err
        sources = measure(self.run, sources.take(np.flatnonzero(
            np.any(bright & sources.produced, axis=1))))
        last, chosen = self.moment(sources.epochs.mjd, sources.detected, sources.key)
        return sources.take(np.flatnonzero(chosen)).ending(last[chosen])

    def _curves(self, name, sources):
        alerts = NeutralAlerts(self.run, sources)
        truth = pd.DataFrame({"survey": alerts.survey.name, "class": name,
                              "key": sources.key.view(np.int64),
                              "n_det": sources.detected.sum(axis=1),
                              "ra": sources.ra, "dec": sources.dec, **sources.details})
        shape = Rows.from_counts(np.bincount(alerts.points.parent, minlength=len(truth)))
        return LightCurves(alerts.columns(self.columns), truth,
                           Ragged(alerts.points.true_flux, shape))


def _joined(parts):
    """Light curves of several blocks or classes, one behind the other."""
    columns = {name: pa.concat_arrays([part.columns[name] for part in parts])
               for name in parts[0].columns}
    truth = pd.concat([part.truth for part in parts], ignore_index=True)
    values = np.concatenate([part.true_flux.values for part in parts])
    counts = np.concatenate([part.true_flux.counts for part in parts])
    return LightCurves(columns, truth, Ragged.from_counts(values, counts))


def _in_order(made, classes):
    """The light curves of each class, dealt out in the order of `classes`."""
    joined = _joined(list(made.values()))
    starts = np.concatenate([[0], np.cumsum([len(curves) for curves in made.values()])[:-1]])
    first = dict(zip(made, starts.tolist(), strict=True))
    names = pd.Series(classes)
    places = names.map(first).to_numpy() + names.groupby(names).cumcount().to_numpy()
    return joined if np.array_equal(places, np.arange(len(places))) else joined.take(places)
