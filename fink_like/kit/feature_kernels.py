"""The numbers of `features`, worked out point by point for one light curve after the other.

``describe_rows(...)[k, i]`` is feature k of row i, in the order of `features.FEATURES` from the
second on (the first is the count). Definitions and sources stand there; how many points a value
needs is decided there, too: here a division by zero is infinity or NaN.

Each row is summed by itself from its first point to its last, so that its numbers are the same to
the last bit in every batch. Flux is counted from the row's first value, time from its first point:
a constant flux then has a variance of exactly 0, and large MJDs lose no digits.
"""

import math

import numpy as np

from fink_like.kit.compiled import kernel

N_FEATURES = 38
TIE = 1e-12  # two splits this close, relative, are as good: rounding must not choose


@kernel
def describe_rows(offsets, mjd, flux, flux_err, ordered):
    """Features of every row.

    Parameters
    ----------
    offsets : numpy.ndarray of int64
        Row i is ``[offsets[i]:offsets[i + 1]]`` of the flat arrays.
    mjd, flux, flux_err : numpy.ndarray of float64
        MJD TAI ascending within a row, nJy; all finite, errors > 0.
    ordered : numpy.ndarray of float64
        The fluxes of each row, ascending.

    Returns
    -------
    numpy.ndarray of float64, shape (N_FEATURES, rows)
        NaN where the row is empty.
    """
    found = np.full((N_FEATURES, len(offsets) - 1), np.nan)
    weights, equal = 1 / (flux_err * flux_err), np.ones(len(flux))
    for row in range(len(offsets) - 1):
        begin, end = offsets[row], offsets[row + 1]
        if begin < end:
            t, f, w = mjd[begin:end], flux[begin:end], weights[begin:end]
            found[:, row] = (_of_flux(f, w, ordered[begin:end])
                             + _line(t, f, w) + _trend(t, f, equal[begin:end]) + _steps(t, f))
    return found


@kernel
def _of_flux(f, weights, ordered):
    mean, std = _mean_and_std(f)
    median = _quantile(ordered, 0.5)
    return (_moments(f, mean, std) + _quantiles(ordered, median)
            + (_normality(ordered, mean, std),) + _otsu(ordered, mean)
            + _against_errors(f, weights, median, mean, std) + _sequence(f, mean, std))


@kernel
def _mean_and_std(f):
    """Plain mean; standard deviation with n - 1, NaN of one point."""
    n, total, squares = len(f), 0.0, 0.0
    for i in range(n):
        total += f[i] - f[0]
    mean = f[0] + total / n
    for i in range(n):
        squares += (f[i] - mean) ** 2
    return mean, math.sqrt(squares / (n - 1))


@kernel
def _moments(f, mean, std):
    """std, mean_variance, skew, kurtosis, beyond_1_std, positive_fraction."""
    n, cubes, fourths, beyond, positive = float(len(f)), 0.0, 0.0, 0, 0
    for i in range(len(f)):
        away = f[i] - mean
        cubes += away ** 3
        fourths += away ** 4
        beyond += abs(away) > std
        positive += f[i] > 0
    skew = n / ((n - 1) * (n - 2)) * cubes / std ** 3
    pairs = (n - 2) * (n - 3)
    kurtosis = n * (n + 1) / ((n - 1) * pairs) * fourths / std ** 4 - 3 * (n - 1) ** 2 / pairs
    return std, std / mean, skew, kurtosis, beyond / n, positive / n


@kernel
def _quantile(ordered, fraction):
    """Hazen's quantile: point i of n stands at (i + 1/2) / n, linear in between."""
    n = len(ordered)
    place = min(max(n * fraction - 0.5, 0.0), n - 1.0)
    below = int(place)
    above = min(below + 1, n - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


@kernel
def _range(ordered, fraction):
    return _quantile(ordered, 1 - fraction) - _quantile(ordered, fraction)


@kernel
def _quantiles(ordered, median):
    """max, amplitude, median, mad, percent_amplitude, median_buffer_range_10, then
    inter_percentile_range_10 and _25, percentage_ratio_40_5 and _20_10."""
    half = (ordered[-1] - ordered[0]) / 2
    near = 0
    for i in range(len(ordered)):
        near += abs(ordered[i] - median) <= 0.1 * half
    return (ordered[-1], half, median, _mad(ordered, median),
            max(ordered[-1] - median, median - ordered[0]), near / len(ordered),
            _range(ordered, 0.10), _range(ordered, 0.25),
            _range(ordered, 0.40) / _range(ordered, 0.05),
            _range(ordered, 0.20) / _range(ordered, 0.10))


@kernel
def _mad(ordered, median):
    """Median distance from the median, by walking outwards from it: no second sort."""
    n = len(ordered)
    right = np.searchsorted(ordered, median)
    left = right - 1
    before = distance = 0.0
    for _ in range(n // 2 + 1):
        before = distance
        if right == n or (left >= 0 and median - ordered[left] <= ordered[right] - median):
            distance = median - ordered[left]
            left -= 1
        else:
            distance = ordered[right] - median
            right += 1
    return distance if n % 2 else (before + distance) / 2


@kernel
def _normality(ordered, mean, std):
    """anderson_darling_normal: the i-th faintest and the i-th brightest point have one weight."""
    n, total, scale = len(ordered), 0.0, 1 / (std * math.sqrt(2.0))
    for i in range(n):
        below = math.erfc((mean - ordered[i]) * scale)  # 2 Phi(z), exact far out as well
        above = math.erfc((ordered[n - 1 - i] - mean) * scale)  # 2 (1 - Phi(z))
        total += (2 * i + 1) * math.log(below * above / 4)
    return (1 + 4 / n - 25 / (n * n)) * (-n - total / n)


@kernel
def _otsu(ordered, mean):
    """otsu_mean_diff, otsu_std_lower, otsu_std_upper, otsu_lower_to_all_ratio."""
    n, left, best, cut = len(ordered), 0.0, 0.0, 0
    for k in range(1, n):  # the k faintest points against the others
        left += ordered[k - 1] - mean
        between = left * left / (k * (n - k))
        if between > best * (1 + TIE):
            best, cut = between, k
    if cut == 0:  # constant flux
        return np.nan, np.nan, np.nan, np.nan
    low, low_std = _mean_and_std(ordered[:cut])
    high, high_std = _mean_and_std(ordered[cut:])
    return high - low, 0.0 if cut == 1 else low_std, 0.0 if cut == n - 1 else high_std, cut / n


@kernel
def _against_errors(f, weights, median, mean, std):
    """mean, chi2, stetson_k, roms, excess_variance."""
    n, total, weighted = len(f), 0.0, 0.0
    for i in range(n):
        total += weights[i]
        weighted += (f[i] - f[0]) * weights[i]
    level = f[0] + weighted / total
    squares = sizes = around_median = noise = 0.0
    for i in range(n):
        per_error = math.sqrt(weights[i])
        sizes += abs(f[i] - level) * per_error
        squares += (f[i] - level) ** 2 * weights[i]
        around_median += abs(f[i] - median) * per_error
        noise += 1 / weights[i]
    return (level, squares / (n - 1), sizes / math.sqrt(n * squares), around_median / (n - 1),
            (std * std - noise / n) / (mean * mean))


@kernel
def _sequence(f, mean, std):
    """eta, cusum: of the order of the points, not of their times."""
    n, steps, walk, highest, lowest = len(f), 0.0, 0.0, -np.inf, np.inf
    for i in range(n):
        walk += f[i] - mean
        highest, lowest = max(highest, walk), min(lowest, walk)
        if i > 0:
            steps += (f[i] - f[i - 1]) ** 2
    return steps / ((n - 1) * std * std), (highest - lowest) / (n * std)


@kernel
def _fit(t, f, weights):
    """Slope of the least-squares line, weighted spread of the times, weighted squares left."""
    total = early = weighted = spread = along = squares = 0.0
    for i in range(len(t)):
        total += weights[i]
        early += (t[i] - t[0]) * weights[i]
        weighted += (f[i] - f[0]) * weights[i]
    pivot, level = early / total, weighted / total
    for i in range(len(t)):
        away = t[i] - t[0] - pivot
        spread += away * away * weights[i]
        along += away * (f[i] - f[0] - level) * weights[i]
    slope = along / spread
    for i in range(len(t)):
        off = f[i] - f[0] - level - slope * (t[i] - t[0] - pivot)
        squares += off * off * weights[i]
    return slope, spread, squares


@kernel
def _line(t, f, weights):
    """slope, slope_err, slope_chi2."""
    slope, spread, chi2 = _fit(t, f, weights)
    return slope, 1 / math.sqrt(spread), chi2 / (len(t) - 2)


@kernel
def _trend(t, f, equal):
    """trend, trend_err, trend_noise."""
    slope, spread, squares = _fit(t, f, equal)
    noise = math.sqrt(squares / (len(t) - 2))
    return slope, noise / math.sqrt(spread), noise


@kernel
def _steps(t, f):
    """max_slope, eta_e, duration, time_to_max."""
    _, std = _mean_and_std(f)
    brightest, steps, steepest, squares = 0, 0.0, np.nan, 0.0
    for i in range(1, len(t)):
        if f[i] > f[brightest]:
            brightest = i
        if t[i] > t[i - 1]:
            slope = abs((f[i] - f[i - 1]) / (t[i] - t[i - 1]))
            steepest = slope if steps == 0 else max(steepest, slope)
            steps += 1
            squares += slope * slope
    duration = t[-1] - t[0]
    eta_e = squares * duration ** 2 / (steps ** 3 * std ** 2)
    return steepest, eta_e, duration, t[brightest] - t[0]
