"""When and where a survey looks: fields, visits, and the exposures a field had before."""

import itertools
from dataclasses import dataclass

import numpy as np

from fink_like.simulator import dice
from fink_like.simulator.epochs import Epochs
from fink_like.simulator.photometry import nanojansky

TAI_MINUS_UTC = 37.0
"""Seconds since 2017-01-01 (IERS Bulletin C 70 of July 2025: no leap second is announced)."""

DAY = 86400.0


@dataclass(frozen=True)
class Run:
    """One simulated stretch of nights.

    Parameters
    ----------
    model : SurveyModel
    seed : int
    first_night : int
        MJD of the evening's date.
    visits : int
        In each night; a field gets two of them.
    alerts_per_visit : float
        Expected.
    nights : int
    efficiencies : tuple of float
        Of each class: chance that an object is detected in an exposure.
    lead_days : float
        Time before the first exposure that counts as the run's for what happens to its objects.
    """

    model: object
    seed: int
    first_night: int
    visits: int
    alerts_per_visit: float
    nights: int
    efficiencies: tuple = ()
    lead_days: float = 0.0

    @property
    def fields(self):
        """Number of fields visited in a night."""
        return (self.visits + 1) // 2

    def visit(self, number):
        """The visit of a number: all fields of a night once, then again, then the next night."""
        night, in_night = divmod(number, self.visits)
        turn, field = divmod(in_night, self.fields)
        return Visit(field, night, turn)

    @property
    def rows_per_field(self):
        """Bound on the objects of a field, a power of two: twice the expected number."""
        shares = [source_class.share for source_class in self.model.classes]
        expected = sum(share / chance for share, chance
                       in zip(shares, self.efficiencies, strict=True))
        return 1 << int(np.ceil(np.log2(2.0 * expected * self.alerts_per_visit + 64.0)))

    @property
    def key(self):
        """Key of all that is drawn in this run."""
        return dice.combine(self.seed, self.first_night)

    @property
    def start(self):
        """MJD TAI of the first exposure."""
        return float(middle(self, evening(self, 0)))

    @property
    def end(self):
        """MJD TAI of the last evening plus a night."""
        return self.start + self.nights - 1 + self.model.recipe["cadence"]["hours"] / 24.0


@dataclass(frozen=True)
class Visit:
    """One exposure of a run: which field, in which night (from 0), for the how-manieth time."""

    field: int
    night: int
    turn: int


def visits(run):
    """Visits in the order of time, for ever.

    Yields
    ------
    Visit
    """
    return (run.visit(number) for number in itertools.count())


def middle(run, utc):
    """MJD TAI of the middle of exposures that start at an MJD UTC."""
    return utc + (run.model.recipe["cadence"]["exposure_seconds"] / 2.0 + TAI_MINUS_UTC) / DAY


def evening(run, night):
    """MJD UTC at which a night's first exposure starts.

    Half the night's hours before local midnight, and up to one exposure later: seeds differ.
    """
    cadence = run.model.recipe["cadence"]
    midnight = run.first_night + night + (-run.model.recipe["site"]["longitude"] / 360.0) % 1.0
    jitter = float(dice.uniform(run.key, "evening")) * cadence["step_seconds"]
    return midnight - cadence["hours"] / 48.0 + jitter / DAY


def starts(run, visit):
    """MJD UTC of the visits of a visit's field in this run, itself the last."""
    cadence = run.model.recipe["cadence"]
    step = cadence["step_seconds"] / DAY
    gap = max(cadence["pair_minutes"] / 1440.0, run.fields * step)
    turns = [(night, turn) for night in range(visit.night + 1) for turn in (0, 1)
             if (night, turn) <= (visit.night, visit.turn)
             and turn * run.fields + visit.field < run.visits]
    return np.array([evening(run, night) + turn * gap + visit.field * step
                     for night, turn in turns])


def earlier(run, field):
    """MJD UTC of the exposures a field had before the run: pairs in clear nights.

    No two fields share a tick, of which ids are made: a field's exposures fall on its own slots.
    """
    recipe = run.model.recipe
    cadence, slot = recipe["cadence"], 2.0 * recipe["site"]["tick_days"]
    nights = run.first_night - np.arange(cadence["lookback_days"], 0, -1)
    keys = dice.combine(run.key, field, nights)
    seen = dice.uniform(keys, "seen") < cadence["clear"] / cadence["revisit_nights"]
    cycle = 2 * run.fields * slot
    gap = max(round(cadence["pair_minutes"] / 1440.0 / cycle), 1) * cycle + slot
    room = cadence["hours"] / 24.0 - gap
    offset = np.floor(room * dice.uniform(keys, "offset") / cycle) * cycle + 2 * field * slot
    first = (nights + (evening(run, 0) - run.first_night) + offset)[seen]
    return np.sort(np.concatenate([first, first + gap]))


def epochs(run, visit):
    """Exposures of a visit's field, earlier ones first.

    Parameters
    ----------
    run : Run
    visit : Visit

    Returns
    -------
    Epochs
    """
    before, during = earlier(run, visit.field), starts(run, visit)
    utc = np.concatenate([before, during])
    recipe = run.model.recipe
    bands = list(recipe["bands"].values())
    keys = dice.combine(run.key, visit.field, np.round(utc * DAY))
    band = _bands(keys, bands, utc)
    depth = np.array([b["depth"] for b in bands])[band]
    limit = depth + recipe["noise"]["depth_scatter"] * dice.normal(keys, "depth")
    wavelengths = np.array([b["wavelength"] for b in bands], dtype=np.float64)
    tick = np.floor((utc - recipe["site"]["tick_epoch"]) / recipe["site"]["tick_days"])
    ra, dec = centre(run, visit.field)
    in_run = np.concatenate([np.full(len(before), -1), np.arange(len(during))])
    return Epochs(visit.field, ra, dec, middle(run, utc), band, nanojansky(limit),
                  tick.astype(np.int64), in_run, wavelengths)


def _bands(keys, bands, utc):
    """Band of each exposure; the second of a pair, within 0.2 d, takes another one."""
    weights = np.array([band["weight"] for band in bands], dtype=np.float64)
    chance = np.repeat(weights[None, :], len(keys), axis=0)
    first = _pick(chance, dice.uniform(keys, "band"))
    second = np.concatenate([[False], np.diff(utc) < 0.2])
    chance[np.arange(1, len(keys)), first[:-1]] *= ~second[1:]
    if len(bands) == 1:
        return first
    return np.where(second, _pick(chance, dice.uniform(keys, "other band")), first)


def _pick(chance, drawn):
    edges = np.cumsum(chance, axis=1)
    return np.sum(drawn[:, None] * edges[:, -1:] >= edges, axis=1)


def centre(run, field):
    """Right ascension and declination of a field's centre in degrees.

    Within 50 degrees of the meridian at midnight, between the survey's declinations.
    """
    site = run.model.recipe["site"]
    key = dice.combine(run.key, field)
    midnight = evening(run, 0) + run.model.recipe["cadence"]["hours"] / 48.0
    sidereal = 280.4606 + 360.9856473 * (midnight - 51544.5) + site["longitude"]
    low, high = np.sin(np.radians(site["declinations"]))
    dec = np.degrees(np.arcsin(low + (high - low) * dice.uniform(key, "dec")))
    return float((sidereal + 100.0 * (dice.uniform(key, "ra") - 0.5)) % 360.0), float(dec)
