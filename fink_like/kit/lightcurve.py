"""Light curves of a whole batch, and the few sums every module needs.

A module declares ``inputs=LIGHT_CURVE`` and begins with ``lc = LightCurve.of(*columns)``::

    lc = LightCurve.of(*columns).usable()
    lc.flux.counts                          # points in each alert's light curve
    lc.in_band("g").flux.max()              # brightest g point, nJy
    linear_fit(lc.mjd, lc.flux, lc.flux_err).slope    # nJy / d, one value a row

All flux is difference flux in nJy, all times MJD TAI in days.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fink_like.kit.ragged import Ragged, Rows, kept_rows
from fink_like.vocabulary import AB_ZEROPOINT, BANDS, DETECTION, FORCED, LIMIT

LIGHT_CURVE = ("lc.midpointMjdTai", "lc.band", "lc.psfFlux", "lc.psfFluxErr", "lc.kind",
               "lc.paired")
"""The inputs that `LightCurve.of` takes, in its order."""

HISTORY = tuple(name.replace("lc.", "history.") for name in LIGHT_CURVE)
"""The same of the object's earlier alerts: ``joined(LightCurve.of(*columns[:6]), ...)``."""

KINDS = (DETECTION, FORCED, LIMIT)
CODES = {"lc.band": BANDS, "lc.kind": KINDS, "history.band": BANDS, "history.kind": KINDS}
"""Text columns that reach a module as int8 places in this tuple, -1: not in it, or null."""

MAG_PER_RELATIVE_FLUX = 2.5 / np.log(10)  # 1.0857: error in mag of a small relative flux error


@dataclass(frozen=True, eq=False)
class LightCurve:
    """The light curves of a batch: six ragged columns of the same shape, ascending in time."""

    mjd: Ragged
    band: Ragged
    flux: Ragged
    flux_err: Ragged
    kind: Ragged
    paired: Ragged

    @classmethod
    def of(cls, *columns):
        """From the columns named in `LIGHT_CURVE`, sorted by time where they are not.

        Points without a time come last in their row.

        Raises
        ------
        ModuleError
            The columns of an alert have different lengths.
        """
        mjd, *others = columns
        light_curve = cls(mjd, *(mjd.with_values(mjd.aligned(other)) for other in others))
        backwards = ~(np.diff(mjd.values) >= 0) & (np.diff(mjd.shape.ids) == 0)  # or no time
        if backwards.any():
            return light_curve._at(mjd.order(), mjd.shape)
        return light_curve

    def __len__(self):
        return len(self.mjd)

    @property
    def counts(self):
        """Points of each row."""
        return self.mjd.counts

    def _at(self, places, shape):
        return LightCurve(*(Ragged(column.values[places], shape) for column in self.columns))

    @property
    def columns(self):
        """The six columns, in the order of `LIGHT_CURVE`."""
        return self.mjd, self.band, self.flux, self.flux_err, self.kind, self.paired

    def select(self, mask):
        """Only the points where `mask` (a Ragged of booleans) is true; no row disappears."""
        keep = np.flatnonzero(self.mjd.aligned(mask))
        return self._at(keep, kept_rows(self.mjd.shape, keep))

    def take(self, rows):
        """The light curves of these rows, in this order."""
        shape, points = self.mjd.shape.take(rows)
        return self._at(points, shape)

    @property
    def is_detection(self):
        """Mask of the points that `detections` keeps."""
        return (self.kind == KINDS.index(DETECTION)) & self._measured()

    @property
    def is_usable(self):
        """Mask of the points that `usable` keeps."""
        unpaired = (self.kind == KINDS.index(FORCED)) & (self.paired != 1)
        return (unpaired | (self.kind == KINDS.index(DETECTION))) & self._measured()

    @property
    def is_limit(self):
        """Mask of the points that `limits` keeps."""
        known = np.isfinite(self.mjd) & (self.flux_err > 0) & np.isfinite(self.flux_err)
        return (self.kind == KINDS.index(LIMIT)) & known

    def detections(self):
        """Points found in the difference image, with finite time and flux and an error > 0."""
        return self.select(self.is_detection)

    def usable(self):
        """Detections, and forced points of exposures without a detection.

        Each exposure counts once. Time and flux are finite, errors are > 0.
        """
        return self.select(self.is_usable)

    def limits(self):
        """Exposures without a detection: ``5 * flux_err`` is the limiting flux."""
        return self.select(self.is_limit)

    def _measured(self):
        finite = np.isfinite(self.mjd) & np.isfinite(self.flux) & np.isfinite(self.flux_err)
        return finite & (self.flux_err > 0)

    def in_band(self, band):
        """Points of one band, given by its letter."""
        return self.select(self.band == BANDS.index(band))

    def by_band(self):
        """The light curves cut by band, so that all bands are computed at once.

        Returns
        -------
        LightCurve
            ``6 * n`` rows: the n rows in u, then the n rows in g, ... A result of one value a row
            is turned by ``.reshape(6, -1)`` into one array a band, in the order of BANDS. Points
            of an unknown band are left out.
        """
        codes, n_rows = self.band.values, len(self)
        order = np.argsort(codes, kind="stable")  # int8: a radix sort; unknown bands come first
        order = order[np.count_nonzero(codes < 0):]
        places = codes[order].astype(np.int64) * n_rows + self.mjd.shape.ids[order]
        counts = np.bincount(places, minlength=len(BANDS) * n_rows)
        return self._at(order, Rows.from_counts(counts))


class LinearFit(NamedTuple):
    """Straight lines ``y = level + slope * (x - pivot)``, arrays of one value a row."""

    slope: np.ndarray
    slope_err: np.ndarray
    level: np.ndarray
    level_err: np.ndarray
    pivot: np.ndarray
    chi2: np.ndarray


def linear_fit(x, y, y_err):
    """Weighted least-squares line through each row's points, in closed form.

    With x counted from its weighted mean (the pivot), slope and level are uncorrelated and the
    sums lose no digits to large MJDs. See e.g. Hogg, Bovy & Lang 2010, arXiv:1008.4686, eq. 5.

    Parameters
    ----------
    x, y, y_err : Ragged
        Finite, errors > 0.

    Returns
    -------
    LinearFit
        Formal errors, not scaled by chi2. NaN where a row has fewer than two different x.
    """
    weight = y_err ** -2.0
    total = np.where(weight.counts > 0, weight.sum(), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        origin = x.first()  # subtracted before the sums: MJDs are large
        pivot = ((x - origin) * weight).sum() / total
        away = x - origin - pivot
        level = (y * weight).sum() / total
        spread = np.where(x.max() > x.min(), (away ** 2 * weight).sum(), np.nan)
        slope = (away * (y - level) * weight).sum() / spread
        chi2 = ((y - level - away * slope) ** 2 * weight).sum()
        return LinearFit(slope, spread ** -0.5, level, total ** -0.5, origin + pivot, chi2)


def weighted_mean(values, errors):
    """Mean of each row with weights 1 / error^2, and its error; NaN if empty."""
    weight = errors ** -2.0
    total = np.where(weight.counts > 0, weight.sum(), np.nan)
    return (values * weight).sum() / total, total ** -0.5


def magnitudes(flux, flux_err):
    """AB magnitudes and errors of fluxes in nJy (arrays or Ragged); NaN where flux <= 0.

    The error is the small-error form 1.0857 * flux_err / flux: good to 5 % for S/N > 5.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        mag = AB_ZEROPOINT - 2.5 * np.log10(flux)
        error = MAG_PER_RELATIVE_FLUX * flux_err / flux + 0 * mag  # NaN wherever mag is NaN
    return mag, error
