"""Light-curve features of each band."""

import numpy as np

from fink_like.kit import (BANDS, LIGHT_CURVE, Field, LightCurve, at_least, linear_fit,
                           science_module, weighted_mean)

FEATURES = (
    Field("n", "int", "", "meta.number", "points used"),
    Field("mean", "float", "nJy", "phot.flux;stat.mean", "mean flux, weighted by 1 / error^2"),
    Field("std", "float", "nJy", "phot.flux;stat.stdev", "standard deviation of the flux"),
    Field("amplitude", "float", "nJy", "phot.flux;src.var.amplitude",
          "half of greatest minus least flux"),
    Field("median", "float", "nJy", "phot.flux;stat.median", "median flux"),
    Field("mad", "float", "nJy", "phot.flux;stat.stdev",
          "median absolute deviation from the median flux"),
    Field("skew", "float", "", "stat.param", "skewness of the flux"),
    Field("beyond_1_std", "float", "", "stat.param",
          "fraction of points further than std from the plain mean"),
    Field("chi2", "float", "", "stat.fit.chi2", "reduced chi2 of a constant flux"),
    Field("eta", "float", "", "stat.param",
          "von Neumann's ratio: mean squared step over variance; 2 for noise, small if smooth"),
    Field("slope", "float", "nJy / d", "phot.flux;arith.rate",
          "slope of the weighted straight line through the flux"),
    Field("max_slope", "float", "nJy / d", "phot.flux;arith.rate",
          "greatest absolute slope between two consecutive points"),
    Field("duration", "float", "d", "time.duration", "time from first to last point"),
)


@science_module(
    version="1.0",
    inputs=LIGHT_CURVE,
    outputs=tuple(Field(f"{feature.name}_{band}", feature.type, feature.unit, feature.ucd,
                        f"In {band}: {feature.doc}.")
                  for band in BANDS for feature in FEATURES),
    applies=at_least(2, "points"))
def features(*columns):
    """Describe the shape of the difference-flux light curve in each band.

    Method
        Detections and forced points of exposures without one; flux in nJy, so that points below
        the template count as well. All bands of all alerts are computed at once. Null where a
        band has too few points: 2 for std, chi2, eta, both slopes and beyond_1_std, 3 for skew;
        also where the flux is constant (skew, eta) or no time has passed (the slopes).
    Reference
        Definitions: Malanchev et al. 2021, MNRAS 502, 5147 (arXiv:2012.01419), Appendix A, there
        called WeightedMean, StandardDeviation, Amplitude, Median, MedianAbsoluteDeviation, Skew,
        BeyondNStd(1), ReducedChi2, Eta, LinearFit, MaximumSlope. Eta: von Neumann 1941, Ann.
        Math. Stat. 12, 367.
    Limits
        As long as the packet: 30 days in ZTF. Difference flux: amplitude over mean is not the
        star's, see `template_flux`. max_slope between exposures minutes apart is mostly noise.
    """
    lc = LightCurve.of(*columns).by_band().usable()
    shape = _moments(lc.flux) | _against_constant(lc) | _along_time(lc)
    by_band = {name: value.reshape(len(BANDS), -1) for name, value in shape.items()}
    return {f"{feature.name}_{band}": by_band[feature.name][place]
            for place, band in enumerate(BANDS) for feature in FEATURES}


def _moments(flux):
    n = flux.counts
    away = flux - flux.mean()
    squared = away ** 2
    variance = np.where(n > 1, squared.sum() / (n - 1), np.nan)
    std, median = np.sqrt(variance), flux.median()
    skew = n / ((n - 1) * (n - 2)) * (squared * away).sum() / std ** 3
    eta = (flux.differences() ** 2).sum() / ((n - 1) * variance)
    # Rounding leaves a constant flux a variance of 1e-32 times its square, not 0.
    varies = flux.max() > flux.min()
    return {
        "n": n,
        "std": std,
        "amplitude": (flux.max() - flux.min()) / 2,
        "median": median,
        "mad": np.abs(flux - median).median(),
        "skew": np.where((n > 2) & varies, skew, np.nan),
        "eta": np.where(varies, eta, np.nan),
        "beyond_1_std": np.where(n > 1, (np.abs(away) > std).mean(), np.nan),
    }


def _against_constant(lc):
    mean, _ = weighted_mean(lc.flux, lc.flux_err)
    chi2 = (((lc.flux - mean) / lc.flux_err) ** 2).sum()
    return {"mean": mean, "chi2": np.where(lc.counts > 1, chi2 / (lc.counts - 1), np.nan)}


def _along_time(lc):
    step = lc.mjd.differences()
    steep = np.abs(lc.flux.differences() / step).where(step > 0)
    return {"slope": linear_fit(lc.mjd, lc.flux, lc.flux_err).slope,
            "max_slope": steep.max(),
            "duration": lc.mjd.max() - lc.mjd.min()}
