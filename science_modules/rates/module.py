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
    applies=at_least(1, "points"))
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
    lc = LightCurve.of(*columns)
    by_band = lc.by_band()
    recent = by_band.usable()
    newest = np.fmax.reduce(recent.mjd.max().reshape(len(BANDS), -1), axis=0)
    recent = recent.select(recent.mjd >= np.tile(newest - WINDOW, len(BANDS)))
    return _slopes(recent) | _before_first_detection(by_band)


def _slopes(recent):
    n_rows = len(recent) // len(BANDS)
    base = (recent.mjd.max() - recent.mjd.min()).reshape(len(BANDS), -1)
    counts = recent.counts.reshape(len(BANDS), -1)
    best = np.argmax(counts + counts.max() * (base >= LEAST_BASE), axis=0)
    chosen = best * n_rows + np.arange(n_rows)
    flux_slope, flux_slope_err, n_points = _slope(recent, recent.flux, recent.flux_err)
    bright = recent.select(recent.flux > BRIGHT * recent.flux_err)
    slope, slope_err, n_mags = _slope(bright, *magnitudes(bright.flux, bright.flux_err))
    significance = (flux_slope / flux_slope_err)[chosen]
    known = np.isfinite(significance)
    return {
        "slope": slope[chosen], "slope_err": slope_err[chosen],
        "flux_slope": flux_slope[chosen], "flux_slope_err": flux_slope_err[chosen],
        "band": np.where(n_points[chosen] > 0, np.array(BANDS, dtype=object)[best], None),
        "n_points": n_points[chosen], "n_mags": n_mags[chosen],
        "is_rising": np.where(known, significance > SIGNIFICANT, np.nan),
        "is_fading": np.where(known, significance < -SIGNIFICANT, np.nan),
    }


def _slope(lc, value, error):
    """Slope, its scaled error and the number of points; NaN where all lie in one night."""
    fit = linear_fit(lc.mjd, value, error)
    scatter = np.where(lc.counts > 2, fit.chi2 / (lc.counts - 2), 1.0)
    long_enough = lc.mjd.max() - lc.mjd.min() >= LEAST_BASE
    scaled = fit.slope_err * np.sqrt(np.maximum(scatter, 1.0))
    return (np.where(long_enough, fit.slope, np.nan), np.where(long_enough, scaled, np.nan),
            lc.counts)


def _before_first_detection(by_band):
    found, limits = by_band.detections(), by_band.limits()
    first = found.mjd.first().reshape(len(BANDS), -1)
    first = np.where(np.isnan(first), np.inf, first)
    n_rows = first.shape[1]
    chosen = np.argmin(first, axis=0) * n_rows + np.arange(n_rows)
    limits = limits.select(limits.mjd < found.mjd.first())
    depth, _ = magnitudes(5 * limits.flux_err.last(), 0.0)
    # The size of the change counts: a first detection may be a dip below the template.
    seen, _ = magnitudes(np.abs(found.flux.first()), 0.0)
    return {"d_since_limit": (found.mjd.first() - limits.mjd.last())[chosen],
            "limit_depth": (depth - seen)[chosen]}
