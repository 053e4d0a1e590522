"""Numbers that describe the shape of a light curve: the closed list, and all of them at once.

::

    lc = LightCurve.of(*columns).by_band().usable()
    describe(lc)["eta"]       # one value for each (band, row), NaN where it has no meaning

They are of difference flux in nJy, one band at a time, and need no model and no training. Most are
defined in Malanchev et al. 2021, MNRAS 502, 5147 (arXiv:2012.01419), appendix A, as magnitudes'; we
take fluxes, which have a sign. The tests compare them with the package `light-curve` of these
authors, whose class `counterpart` names. What describes the cadence alone (time between points,
their mean time) is left out: it tells surveys apart, not sources.

Null (NaN) where there are fewer points than `least`; where the definition divides by a scatter of
0, because the flux is constant; and where it divides by a mean of 0 or by no time passed.
"""

from typing import NamedTuple

import numpy as np

from fink_like.kit.feature_kernels import describe_rows
from fink_like.vocabulary import Field

FLUX, SLOPE = "nJy", "nJy / d"


class Feature(NamedTuple):
    """One number of one band's light curve.

    Parameters
    ----------
    name : str
    unit, ucd : str
        As in `Field`.
    least : int
        Points from which on it has a value.
    counterpart : str
        Class of the package `light-curve`; empty: it has none.
    doc : str
        What it is, without a full stop.
    """

    name: str
    unit: str
    ucd: str
    least: int
    counterpart: str
    doc: str

    def field(self, band):
        """Its column for a band: ``eta_g``."""
        kind = "int" if self.name == "n" else "float"
        return Field(f"{self.name}_{band}", kind, self.unit, self.ucd, f"In {band}: {self.doc}.")


FEATURES = (
    Feature("n", "", "meta.number", 0, "ObservationCount", "points used"),

    Feature("std", FLUX, "stat.stdev;phot.flux", 2, "StandardDeviation",
            "standard deviation of the flux, with n - 1"),
    Feature("mean_variance", "", "stat.stdev;arith.ratio", 2, "MeanVariance",
            "std over the plain mean"),
    Feature("skew", "", "stat.param", 3, "Skew", "unbiased skewness of the flux, G1"),
    Feature("kurtosis", "", "stat.param", 4, "Kurtosis",
            "unbiased excess kurtosis of the flux, G2"),
    Feature("beyond_1_std", "", "stat.param;arith.ratio", 2, "BeyondNStd(1)",
            "fraction of points further than std from the plain mean"),
    Feature("positive_fraction", "", "stat.param;arith.ratio", 1, "",
            "fraction of points above the template, flux > 0: 1 for a bright transient"),

    Feature("max", FLUX, "phot.flux;stat.max", 1, "", "greatest flux"),
    Feature("amplitude", FLUX, "src.var.amplitude;phot.flux", 1, "Amplitude",
            "half of greatest minus least flux"),
    Feature("median", FLUX, "phot.flux;stat.median", 1, "Median", "median flux"),
    Feature("mad", FLUX, "stat.stdev;phot.flux", 1, "MedianAbsoluteDeviation",
            "median absolute deviation from the median flux"),
    Feature("percent_amplitude", FLUX, "src.var.amplitude;phot.flux", 1, "PercentAmplitude",
            "greatest distance of a point from the median flux"),
    Feature("median_buffer_range_10", "", "stat.param;arith.ratio", 1,
            "MedianBufferRangePercentage(0.1)",
            "fraction of points no further than amplitude / 10 from the median"),
    Feature("inter_percentile_range_10", FLUX, "stat.stdev;phot.flux", 1,
            "InterPercentileRange(0.1)", "90 % minus 10 % quantile of the flux, Q(0.9) - Q(0.1)"),
    Feature("inter_percentile_range_25", FLUX, "stat.stdev;phot.flux", 1,
            "InterPercentileRange(0.25)", "quartile range of the flux, Q(0.75) - Q(0.25)"),
    Feature("percentage_ratio_40_5", "", "stat.param;arith.ratio", 2,
            "MagnitudePercentageRatio(0.4, 0.05)",
            "(Q(0.6) - Q(0.4)) over (Q(0.95) - Q(0.05)): small if few points make the range"),
    Feature("percentage_ratio_20_10", "", "stat.param;arith.ratio", 2,
            "MagnitudePercentageRatio(0.2, 0.1)",
            "(Q(0.8) - Q(0.2)) over (Q(0.9) - Q(0.1))"),
    Feature("anderson_darling_normal", "", "stat.param", 4, "AndersonDarlingNormal",
            "Anderson and Darling's distance of the fluxes from a normal distribution"),
    Feature("otsu_mean_diff", FLUX, "phot.flux;arith.diff", 2, "OtsuSplit",
            "difference of the means of the bright and the faint points, split where the "
            "variance between the two groups is greatest (the lower of equal splits)"),
    Feature("otsu_std_lower", FLUX, "stat.stdev;phot.flux", 2, "OtsuSplit",
            "standard deviation of the faint group of that split, 0 of a single point"),
    Feature("otsu_std_upper", FLUX, "stat.stdev;phot.flux", 2, "OtsuSplit",
            "standard deviation of the bright group of that split, 0 of a single point"),
    Feature("otsu_lower_to_all_ratio", "", "stat.param;arith.ratio", 2, "OtsuSplit",
            "fraction of points in the faint group of that split"),

    Feature("mean", FLUX, "phot.flux;stat.mean", 1, "WeightedMean",
            "mean flux, weighted by 1 / error^2"),
    Feature("chi2", "", "stat.fit.chi2", 2, "ReducedChi2", "reduced chi2 of a constant flux"),
    Feature("stetson_k", "", "stat.param", 2, "StetsonK",
            "Stetson's K: mean over root mean square of |flux - mean| / error; 0.8 for noise"),
    Feature("roms", "", "stat.param", 2, "Roms",
            "robust median statistic: sum of |flux - median| / error, over n - 1"),
    Feature("excess_variance", "", "stat.variance;arith.ratio", 2, "ExcessVariance",
            "variance beyond that of the errors, over the squared plain mean"),

    Feature("eta", "", "stat.param", 2, "Eta",
            "von Neumann's ratio: mean squared step over variance; 2 for noise, small if smooth"),
    Feature("cusum", "", "stat.param", 2, "Cusum",
            "range of the running sum of flux minus plain mean, over n std"),

    Feature("slope", SLOPE, "phot.flux;arith.rate", 2, "LinearFit",
            "slope of the straight line through the flux, weighted by 1 / error^2"),
    Feature("slope_err", SLOPE, "stat.error;phot.flux;arith.rate", 2, "LinearFit",
            "1-sigma error of slope, from the errors of the flux"),
    Feature("slope_chi2", "", "stat.fit.chi2", 3, "LinearFit", "reduced chi2 of that line"),
    Feature("trend", SLOPE, "phot.flux;arith.rate", 3, "LinearTrend",
            "slope of the straight line through the flux, all points alike"),
    Feature("trend_err", SLOPE, "stat.error;phot.flux;arith.rate", 3, "LinearTrend",
            "1-sigma error of trend, from the scatter about that line"),
    Feature("trend_noise", FLUX, "stat.stdev;phot.flux", 3, "LinearTrend",
            "scatter about that line"),
    Feature("max_slope", SLOPE, "phot.flux;arith.rate", 2, "MaximumSlope",
            "greatest absolute slope between two consecutive points"),
    Feature("eta_e", "", "stat.param", 2, "EtaE",
            "eta for uneven times: mean squared slope between consecutive points, over variance, "
            "times the squared mean step in time"),
    Feature("duration", "d", "time.duration", 1, "Duration", "time from first to last point"),
    Feature("time_to_max", "d", "time.interval", 1, "",
            "time from first to brightest point (the earlier of equals)"),
)
"""In the order of `feature_kernels.describe_rows`, after the count. Only ever grows."""

_LEAST = np.array([feature.least for feature in FEATURES[1:]])


def describe(light_curve):
    """All features of each row.

    Parameters
    ----------
    light_curve : LightCurve
        Of one band a row, from `LightCurve.by_band`, and of measured points only, from `usable`
        or `detections`.

    Returns
    -------
    dict of str to numpy.ndarray
        By name, in the order of FEATURES; one value a row: floats, NaN for null, and for ``n``
        integers.
    """
    flux = light_curve.flux
    columns = light_curve.mjd.values, flux.values, light_curve.flux_err.values, flux.sorted().values
    # Always the same type of array, so that one compiled form is enough.
    offsets = np.require(flux.shape.offsets, np.int64, "CW")
    found = describe_rows(offsets, *(np.require(each, np.float64, "CW") for each in columns))
    too_few = light_curve.counts < _LEAST[:, None]
    found[too_few | ~np.isfinite(found)] = np.nan
    names = (feature.name for feature in FEATURES)
    return dict(zip(names, (light_curve.counts, *found), strict=True))
