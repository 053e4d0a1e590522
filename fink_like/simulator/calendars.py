"""Exposures of many fields at once, each with a cadence and a depth of its own: for training."""

import numpy as np

from fink_like.simulator import cadence, dice
from fink_like.simulator.epochs import Epochs
from fink_like.simulator.photometry import nanojansky
from fink_like.simulator.populations import draw


def calendar(run, fields):
    """Exposures of fields in the nights before a run's first.

    In a share `clear` of the nights, every `revisit_nights`-th, an exposure, and with the chance
    `pairs` a second one in another band, less than a night after; none in one stretch of
    `gap_days`. The bands' limits are moved by `depth` and scatter by `depth_scatter` (mag).

    Parameters
    ----------
    run : cadence.Run
        `lead_days` says how long; the model's `field_rules` what varies: expressions of the names
        above, which stand for the survey's own value in them.
    fields : numpy.ndarray of int, shape (n,)

    Returns
    -------
    Epochs
        Shape (n, epochs), shorter ones filled up from the left.
    """
    keys = dice.combine(run.key, fields)
    rules = _rules(run, keys)
    utc, taken = _nights(run, keys, rules)
    utc, taken = _filled_up(utc, taken)
    seen = dice.combine(keys[:, None], np.round(utc * cadence.DAY))
    bands = list(run.model.recipe["bands"].values())
    band = _bands(seen, [float(each["weight"]) for each in bands], utc)
    depths, passbands = (np.array([float(each[name]) for each in bands])
                         for name in ("depth", "wavelength"))
    scatter = rules["depth_scatter"][:, None] * dice.normal(seen, "depth")
    limit = nanojansky(depths[band] + rules["depth"][:, None] + scatter)
    site = run.model.recipe["site"]
    tick = np.floor((utc - site["tick_epoch"]) / site["tick_days"]).astype(np.int64)
    ra, dec = _centres(site, keys)
    return Epochs(fields, ra, dec, cadence.middle(run, utc), band, limit, tick,
                  np.full(utc.shape, -1, dtype=np.int8), passbands, taken)


def _rules(run, keys):
    """What the world says of each field; what it says nothing of is the survey's."""
    recipe = run.model.recipe
    own = {"revisit_nights": recipe["cadence"]["revisit_nights"], "pairs": 1.0, "gap_days": 0.0,
           "clear": recipe["cadence"]["clear"], "depth": 0.0,
           "depth_scatter": recipe["noise"]["depth_scatter"]}
    drawn = draw(run.model.field_rules, keys, {**own, "days": run.lead_days})
    return {**{name: np.full(len(keys), float(value)) for name, value in own.items()}, **drawn}


def _nights(run, keys, rules):
    """MJD UTC of what could be an exposure, two a night, and which are."""
    hours = run.model.recipe["cadence"]
    nights = np.arange(int(run.lead_days))
    tonight = dice.combine(keys[:, None], nights)
    chance = np.minimum(rules["clear"] / rules["revisit_nights"], 1.0)
    clear = dice.uniform(tonight, "seen") < chance[:, None]
    begun = np.floor(dice.uniform(keys, "gap") * run.lead_days)[:, None]
    clear &= (nights < begun) | (nights >= begun + rules["gap_days"][:, None])
    second = clear & (dice.uniform(tonight, "second") < rules["pairs"][:, None])
    gap = hours["pair_minutes"] / 1440.0
    room = hours["hours"] / 24.0 - gap
    evening = cadence.evening(run, 0) - run.lead_days
    utc = evening + nights + room * dice.uniform(tonight, "offset")
    shape = len(keys), -1
    return (np.stack([utc, utc + gap], axis=-1).reshape(shape),
            np.stack([clear, second], axis=-1).reshape(shape))


def _filled_up(utc, taken):
    """Exposures moved to the right; what is left of them has the time of the first."""
    n_epochs = max(int(taken.sum(axis=1).max()), 1)
    order = np.argsort(taken, axis=1, kind="stable")[:, -n_epochs:]
    utc, taken = np.take_along_axis(utc, order, axis=1), np.take_along_axis(taken, order, axis=1)
    first = np.take_along_axis(utc, np.argmax(taken, axis=1)[:, None], axis=1)
    return np.where(taken, utc, first), taken


def _bands(keys, weights, utc):
    """Band of each exposure; the second of a night has another one."""
    edges = np.cumsum(weights) / np.sum(weights)
    band = np.searchsorted(edges[:-1], dice.uniform(keys, "band"), side="right")
    if len(weights) == 1:
        return band
    step = np.diff(utc, axis=1, prepend=-np.inf)
    second = (step > 0.0) & (step < 0.5)  # 0: filled up
    before = np.concatenate([band[:, :1], band[:, :-1]], axis=1)
    # The line of the other bands, end to end: where the first one's stretch began, skip it.
    low = np.concatenate([[0.0], edges])[before]
    width = np.diff(edges, prepend=0.0)[before]
    drawn = dice.uniform(keys, "other band") * (1.0 - width)
    other = np.searchsorted(edges[:-1], np.where(drawn < low, drawn, drawn + width), side="right")
    return np.where(second, other, band)


def _centres(site, keys):
    """Anywhere the survey looks."""
    low, high = np.sin(np.radians(site["declinations"]))
    dec = np.degrees(np.arcsin(low + (high - low) * dice.uniform(keys, "dec")))
    return 360.0 * dice.uniform(keys, "ra"), dec
