"""Template grids: which of K light curve shapes, and since when, fits each alert best.

Each template is a table of flux over days since its reference epoch (explosion, peak, closest
approach), in each band. For every template and every trial epoch the amplitude, and if asked for a
constant in each band, follow in closed form; the best of all is the answer.

>>> import numpy as np
>>> from fink_like.kit.columns import Batch
>>> from fink_like.kit.handmade import alerts, light_curve
>>> days = np.arange(-30.0, 31.0)
>>> grid = TemplateGrid.of(days, [[np.exp(-0.5 * (days / width) ** 2)] for width in (3, 6)], "r")
>>> lc = Batch(alerts([light_curve([61000, 61003, 61006], [140, 600, 1000], 20)])).light_curve
>>> fit = fit_templates(lc, grid, trial_epochs(lc.mjd.last(), np.arange(-4.0, 5.0)))
>>> fit.template.tolist(), fit.epoch.tolist()     # the narrow one, at its peak now
([0], [61006.0])
>>> np.round(fit.amplitude).tolist(), np.round(fit.chi2, 1).tolist()
([998.0], [0.1])
>>> template_flux(grid, fit, lc.mjd, lc.band).values.round().tolist()
[135.0, 605.0, 998.0]

Cost: 0.02 to 0.1 us for a template at one epoch and 25 points, if the grid has four templates or
more, 0.3 us for one alone: so put shapes into the grid and only the epoch into the trials. The
first fit of a process takes 0.6 s, on a machine that has never compiled it 6 s.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fink_like.errors import ModuleError
from fink_like.kit.ragged import Ragged
from fink_like.kit.template_kernels import fit_rows
from fink_like.vocabulary import BANDS


@dataclass(frozen=True, eq=False)
class TemplateGrid:
    """K templates on evenly spaced days; between days linear, beyond the ends the end's value.

    Parameters
    ----------
    start, step : float
        First day after the reference epoch, and the distance of days.
    flux : (6, n_days, K) numpy.ndarray
        In the order of BANDS; NaN in a band that the templates do not know.
    """

    start: float
    step: float
    flux: np.ndarray

    @classmethod
    def of(cls, days, flux, bands=BANDS):
        """From tables as one writes them.

        Parameters
        ----------
        days : (n_days,) array_like
            Days since the reference epoch, ascending and evenly spaced, two or more.
        flux : (K, len(bands), n_days) array_like
            Any unit: the amplitude scales it to nJy. The ratio of bands is part of a template.
        bands : iterable of str
            Points in other bands are left out of the fit.

        Raises
        ------
        ModuleError
            Shapes, spacing or values are not so.
        """
        days, flux, bands = np.asarray(days, float), np.asarray(flux, float), tuple(bands)
        if days.ndim != 1 or len(days) < 2 or flux.shape[1:] != (len(bands), len(days)):
            raise ModuleError(f"a template grid needs flux of shape (K, {len(bands)} bands, "
                              f"{days.size} days) and two days or more, got {flux.shape}")
        step = (days[-1] - days[0]) / (len(days) - 1)
        if not (step > 0 and np.allclose(np.diff(days), step, rtol=1e-6)):
            raise ModuleError("the days of a template grid ascend in even steps")
        if not np.isfinite(flux).all() or not set(bands) <= set(BANDS):
            raise ModuleError(f"a template grid has finite flux, in some of the bands {BANDS}")
        table = np.full((len(BANDS), len(days), len(flux)), np.nan)
        table[[BANDS.index(band) for band in bands]] = flux.transpose(1, 2, 0)
        return cls(float(days[0]), float(step), table)

    @property
    def bands(self):
        """Mask of the BANDS that the templates know."""
        return np.isfinite(self.flux).all(axis=(1, 2))


class TemplateFit(NamedTuple):
    """The best fit of each row; where nothing can be fitted template is -1 and the rest NaN."""

    template: np.ndarray
    """Its place in the grid, int64."""
    epoch: np.ndarray
    """The best trial epoch, MJD TAI."""
    amplitude: np.ndarray
    """nJy in one unit of the template."""
    amplitude_err: np.ndarray
    """Formal 1-sigma error, template and epoch taken as known."""
    chi2: np.ndarray
    delta_chi2: np.ndarray
    """chi2 of a constant flux in each band, less chi2. Not below 0 if there is a baseline."""
    n_points: np.ndarray
    """Points in the fit; 1 + number of bands with baseline are spent on the linear parameters."""
    every: Ragged | None
    """chi2 of all fits, a (trials, K) matrix a row; None if not asked for."""


def trial_epochs(reference, offsets):
    """The same trial times around each row's own reference time.

    Parameters
    ----------
    reference : (n,) array_like
        MJD TAI; a row with NaN gets no trials.
    offsets : (m,) array_like
        Days.

    Returns
    -------
    Ragged
    """
    reference = np.asarray(reference, float)
    known = np.isfinite(reference)
    times = reference[known, None] + np.asarray(offsets, float)
    return Ragged.from_counts(times.ravel(), known * np.size(offsets))


def fit_templates(lc, grid, epochs, baseline=False, positive=True, every=False):
    """Fit ``flux = amplitude * template(mjd - epoch, band)`` for all templates and epochs.

    Parameters
    ----------
    lc : LightCurve
        Its usable points in the grid's bands are fitted.
    grid : TemplateGrid
    epochs : Ragged
        Trial epochs of each row, MJD TAI; see `trial_epochs`. NaN is passed over.
    baseline : bool
        Fit a constant in each band as well: for sources that are in the template image.
    positive : bool
        Only amplitudes > 0 count; where no fit has one, the row has none.
    every : bool
        Return chi2 of all fits too; where an amplitude does not count, chi2 without template.

    Returns
    -------
    TemplateFit
        Of equal fits the first epoch's, then the first template's. A row's result does not depend
        on the other rows.

    Raises
    ------
    ModuleError
        Not one row of epochs for each light curve.
    """
    if len(epochs) != len(lc):
        raise ModuleError(f"{len(epochs)} rows of trial epochs for {len(lc)} light curves")
    used = lc.select(lc.is_usable & lc.band.with_values(_known(grid, lc.band.values)))
    points = (*(_plain(column.values) for column in (used.mjd, used.flux, used.flux_err)),
              _plain(used.band.values, np.int8))
    trials = _plain(epochs.shape.offsets, np.int64), _plain(epochs.values)
    found = (np.full(len(lc), -1, np.int64), *(np.full(len(lc), np.nan) for _ in range(5)))
    all_chi2 = np.full((len(epochs.values) if every else 0, grid.flux.shape[2]), np.nan)
    fit_rows(used.mjd.shape.offsets, points, trials, _plain(grid.flux),
             (float(grid.start), float(grid.step)), (bool(baseline), bool(positive)), found,
             all_chi2)
    *best, chi2, constant = found
    return TemplateFit(*best, chi2, constant - chi2, used.counts,
                       Ragged(all_chi2, epochs.shape) if every else None)


def template_flux(grid, fit, mjd, band):
    """Amplitude times the best template, at any times: the fit without its baseline.

    Parameters
    ----------
    grid : TemplateGrid
    fit : TemplateFit
    mjd, band : Ragged
        MJD TAI and band codes, of one shape; need not be the points that were fitted.

    Returns
    -------
    Ragged
        nJy; NaN in bands that the grid does not know and in rows without a fit.
    """
    epoch, template, amplitude = (mjd.aligned(each) for each in
                                  (fit.epoch, fit.template, fit.amplitude))
    last = grid.flux.shape[1] - 1
    place = np.clip((mjd.values - epoch - grid.start) / grid.step, 0, last)
    low = np.minimum(np.nan_to_num(place).astype(np.int64), last - 1)
    codes = mjd.aligned(band)
    before, after = (grid.flux[codes, at, template] for at in (low, low + 1))
    value = amplitude * (before + (place - low) * (after - before))
    return mjd.with_values(np.where(_known(grid, codes), value, np.nan))


def _plain(values, dtype=np.float64):
    """The one kind of array that the kernel is compiled for; another kind costs seconds."""
    return np.require(values, dtype, ["C", "W"])


def _known(grid, codes):
    """Mask of the points whose band the grid knows; code -1 is no band."""
    return (codes >= 0) & grid.bands[codes]
