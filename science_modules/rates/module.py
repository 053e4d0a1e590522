"""How fast the source brightens or fades now, and how long before it was not there."""

import numpy as np

from fink_like.kit import (BANDS, LIGHT_CURVE, Field, LightCurve, at_least, linear_fit,
                           magnitudes, science_module)

WINDOW = 15.0  # d, looked back from the newest point: about the rise of a SN Ia
LEAST_BASE = 0.5  # d between first and last point: no night is so long, so two nights at least
BRIGHT = 3.0  # flux over error from which a point has a magnitude
SIGNIFICANT = 3.0  # flux slope over its error


@science_module(
    version="1.0",
    inputs=LIGHT_CURVE,
    outputs=(
        Field("slope", "float", "mag / d", "phot.mag;arith.rate",
              "Change of magnitude; negative: brightening."),
        Field("slope_err", "float", "mag / d", "stat.error;phot.mag;arith.rate",
              "Its 1-sigma error."),
        Field("flux_slope", "float", "nJy / d", "phot.flux;arith.rate",
              "Change of difference flux, of any sign; positive: brightening."),
        Field("flux_slope_err", "float", "nJy / d", "stat.error;phot.flux;arith.rate",
              "Its 1-sigma error."),
        Field("band", "string", "", "instr.bandpass", "Band of the slopes."),
        Field("n_points", "int", "", "meta.number", "Points in the fit of flux_slope."),
        Field("n_mags", "int", "", "meta.number", "Points in the fit of slope."),
        Field("is_rising", "boolean", "", "meta.code",
              "flux_slope is positive by 3 sigma; null: no slope."),
        Field("is_fading", "boolean", "", "meta.code",
              "flux_slope is negative by 3 sigma; null: no slope."),
        Field("d_since_limit", "float", "d", "time.interval",
              "From the last limit before the first detection, in its band, to that detection; "
              "null: there is no such limit."),
        Field("limit_depth", "float", "mag", "phot.mag;arith.diff",
              "Magnitude of that limit minus that of the first detection: it rose so much or "
              "more; negative: the limit was too shallow to see it."),
    ),
    applies=at_least(1, "points"),
    budget=40.0)
def rates(*columns):
    """Measure the rate of change over the last 15 days, and the time since the last limit.

    Method
        In the band with most points among those that span half a day or more (ties: the bluer),
        two weighted straight lines. `flux_slope` takes every usable point, forced and negative
        ones included, and decides on rising and fading. `slope` takes the magnitudes of points
        with flux > 3 errors, and is null where they do not span half a day. Errors are formal
        ones times sqrt(chi2 / (n - 2)) where that is > 1, so that a star flickering beyond its
        errors has no significant slope. Several points of a night are points like others;
        they only never make a slope alone.
    Reference
        Rates as ZTFReST selects fast transients, Andreoni et al. 2021 (arXiv:2104.06352); fit:
        Hogg et al. 2010 (arXiv:1008.4686); scale factor: Particle Data Group, Review of Particle
        Physics, section 5.2.2 of the Introduction.
    Limits
        A line: near the peak both flags are False. Leaving out faint points makes `slope` too
        flat near the limit; `flux_slope` has no such bias. The first detection is the packet's:
        compare `age`. First LSST alerts have neither slope nor limit, and status 0.
    """
    by_band = LightCurve.of(*columns).by_band()
    return _slopes(by_band.usable()) | _before_first_detection(by_band)


def _slopes(usable):
    newest = np.fmax.reduce(usable.mjd.max().reshape(len(BANDS), -1), axis=0)
    recent = usable.select(usable.mjd >= np.tile(newest - WINDOW, len(BANDS)))
    counts, base = recent.counts.reshape(len(BANDS), -1), _base(recent).reshape(len(BANDS), -1)
    band = np.argmax(counts + counts.max(initial=0) * (base >= LEAST_BASE), axis=0)
    lc = _chosen(recent, band)
    flux_slope, flux_slope_err = _slope(lc, lc.flux, lc.flux_err)
    bright = lc.select(lc.flux > BRIGHT * lc.flux_err)
    slope, slope_err = _slope(bright, *magnitudes(bright.flux, bright.flux_err))
    significance = flux_slope / flux_slope_err
    known = np.isfinite(significance)
    return {
        "slope": slope, "slope_err": slope_err,
        "flux_slope": flux_slope, "flux_slope_err": flux_slope_err,
        "band": np.where(lc.counts > 0, np.array(BANDS, dtype=object)[band], None),
        "n_points": lc.counts, "n_mags": bright.counts,
        "is_rising": np.where(known, significance > SIGNIFICANT, np.nan),
        "is_fading": np.where(known, significance < -SIGNIFICANT, np.nan),
    }


def _chosen(by_band, band):
    """From light curves cut by band, the one in each alert's own `band` (a place in BANDS)."""
    return by_band.take(band * len(band) + np.arange(len(band)))


def _base(lc):
    return lc.mjd.max() - lc.mjd.min()


def _slope(lc, value, error):
    """Slope and its scaled error; NaN where all points lie in one night."""
    fit = linear_fit(lc.mjd, value, error)
    scatter = np.where(lc.counts > 2, fit.chi2 / (lc.counts - 2), 1.0)
    scaled = fit.slope_err * np.sqrt(np.maximum(scatter, 1.0))
    long_enough = _base(lc) >= LEAST_BASE
    return np.where(long_enough, fit.slope, np.nan), np.where(long_enough, scaled, np.nan)


def _before_first_detection(by_band):
    found, limits = by_band.detections(), by_band.limits()
    first = found.mjd.first().reshape(len(BANDS), -1)
    band = np.argmin(np.where(np.isnan(first), np.inf, first), axis=0)
    found, limits = _chosen(found, band), _chosen(limits, band)
    limits = limits.select(limits.mjd < found.mjd.first())
    depth, _ = magnitudes(5 * limits.flux_err.last(), 0.0)
    # The size of the change counts: a first detection may be a dip below the template.
    seen, _ = magnitudes(np.abs(found.flux.first()), 0.0)
    return {"d_since_limit": found.mjd.first() - limits.mjd.last(), "limit_depth": depth - seen}
