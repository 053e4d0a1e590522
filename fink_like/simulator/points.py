"""Points of many light curves, put in the order that silver has them in."""

from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa

from fink_like.kit.lightcurve import KINDS
from fink_like.kit.ragged import Rows
from fink_like.vocabulary import BANDS, DETECTION, FORCED

TIME_STEP = 1e-6
"""Days: points nearer than this are of one exposure."""

MOST_STEPS = 1 << 38
"""Steps of a light curve, 750 years: with the alert's number and the kind, 64 bits hold them."""

NEIGHBOURS = (-2, -1, 1, 2)
"""Where a forced point's detection is looked for, as `packets.normalise` does."""


@dataclass(frozen=True)
class Points:
    """Points of light curves, flat arrays of one length.

    Parameters
    ----------
    parent : numpy.ndarray of int
        The alert each belongs to.
    mjd : numpy.ndarray
        MJD TAI.
    kind, band : numpy.ndarray of int8
        Places in `kit.lightcurve.KINDS` and in `vocabulary.BANDS`; -1: unknown.
    visit : numpy.ndarray of int64
    flux, flux_err : numpy.ndarray of float32
        nJy, NaN is null.
    true_flux : numpy.ndarray
        Difference flux without noise, nJy.
    """

    parent: np.ndarray
    mjd: np.ndarray
    kind: np.ndarray
    band: np.ndarray
    visit: np.ndarray
    flux: np.ndarray
    flux_err: np.ndarray
    true_flux: np.ndarray

    @property
    def paired(self):
        """True for a forced point of an exposure that has a detection; of sorted points."""
        found = np.zeros(len(self.parent), dtype=bool)
        for step in NEIGHBOURS:
            same = np.roll(self.kind, -step) == KINDS.index(DETECTION)
            for column in (self.parent, self.visit, self.band):
                same &= np.roll(column, -step) == column
            found |= same
        return found & (self.kind == KINDS.index(FORCED))


def in_order(parts):
    """Points of several kinds as one, by alert, time and kind.

    Parameters
    ----------
    parts : list of Points
        Each in order already.

    Returns
    -------
    Points
    """
    columns = {each.name: np.concatenate([getattr(part, each.name) for part in parts])
               for each in fields(Points)}
    first = columns["mjd"].min(initial=np.inf)
    steps = np.round((columns["mjd"] - first) / TIME_STEP).astype(np.int64)
    key = (columns["parent"] * MOST_STEPS + steps) * len(KINDS) + columns["kind"]
    order = np.argsort(key, kind="stable")
    return Points(**{name: column[order] for name, column in columns.items()})


def arrow(points, n):
    """The columns of `lc`, by dotted name.

    Parameters
    ----------
    points : Points
        In order.
    n : int
        Number of alerts.

    Returns
    -------
    dict of str to pyarrow.ListArray
    """
    shape = Rows.from_counts(np.bincount(points.parent, minlength=n))
    offsets = pa.array(shape.offsets, pa.int32())
    values = {"midpointMjdTai": pa.array(points.mjd), "band": _words(points.band, BANDS),
              "psfFlux": _numbers(points.flux), "psfFluxErr": _numbers(points.flux_err),
              "kind": _words(points.kind, KINDS), "paired": pa.array(points.paired)}
    return {f"lc.{name}": pa.ListArray.from_arrays(offsets, column)
            for name, column in values.items()}


def _numbers(column):
    return pa.array(column, mask=~np.isfinite(column))


def _words(places, words):
    codes = pa.array(places, mask=places < 0)
    return pa.DictionaryArray.from_arrays(codes, pa.array(words)).dictionary_decode()
