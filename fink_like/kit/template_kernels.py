"""The loops of `template_grid`: sums over points for all templates at once, best of a row.

Templates lie side by side in memory, so that one point and epoch cost one interpolation weight and
a few vector instructions a template; each template has its own sums, which no vector width and no
neighbouring row can change.
"""

import numpy as np

from fink_like.kit.compiled import kernel

FLAT = 1e-12  # share of a template's square that must be left once its mean is taken off


@kernel
def fit_rows(offsets, points, trials, table, days, options, found, every):
    """Fit all templates at all trial epochs to all rows.

    Parameters
    ----------
    offsets : (n + 1,) int64
        Row i has the points ``offsets[i]`` to ``offsets[i + 1]``.
    points : tuple of arrays
        Time (d), flux, error, band (0 to the number of bands - 1).
    trials : tuple of arrays
        Offsets as for points, and the trial epochs (d).
    table : (bands, days, templates) float64
    days : tuple of float
        First day of the table and its step.
    options : tuple of bool
        Fit a constant in each band; amplitudes > 0 only.
    found : tuple of arrays
        Filled, one value a row: template, epoch, amplitude, its error, chi2, chi2 of a constant
        in each band. Untouched where nothing can be fitted.
    every : (trials, templates) float64
        Filled with chi2 of each fit; or no rows: not wanted.
    """
    baseline, positive = options
    template, epoch, amplitude, error, chi2, constant = found
    n_templates = table.shape[2]
    sums = (np.empty(n_templates), np.empty(n_templates), np.empty(n_templates),
            np.empty(n_templates), np.empty(n_templates))
    along, norm = sums[0], sums[1]
    for row in range(len(offsets) - 1):
        if offsets[row] == offsets[row + 1]:
            continue
        curve, square, constant[row] = _by_band(points, offsets[row], offsets[row + 1],
                                                table.shape[0], baseline)
        best = 0.0
        for trial in range(trials[0][row], trials[0][row + 1]):
            if np.isnan(trials[1][trial]):
                continue
            _template_sums(curve, trials[1][trial], table, days, baseline, sums)
            for k in range(n_templates):
                fits = norm[k] > 0.0 and (along[k] > 0.0 or not positive)
                gain = along[k] * along[k] / norm[k] if fits else 0.0
                if len(every):
                    every[trial, k] = max(square - gain, 0.0)
                if gain > best:
                    best, template[row], epoch[row] = gain, k, trials[1][trial]
                    amplitude[row], error[row] = along[k] / norm[k], 1.0 / np.sqrt(norm[k])
        if template[row] >= 0:
            chi2[row] = max(square - best, 0.0)


@kernel
def _by_band(points, start, end, n_bands, baseline):
    """One row's points in the order of bands.

    Returns
    -------
    tuple of arrays
        Time, flux, weight 1 / error^2, and where each band begins. With `baseline`, the flux is
        less its band's weighted mean.
    float
        Sum of weight * flux^2 of that.
    float
        chi2 of a constant in each band.
    """
    mjd, flux, flux_err, band = points
    n = end - start
    t, y, w, cuts = np.empty(n), np.empty(n), np.empty(n), np.zeros(n_bands + 1, np.int64)
    square, constant, place = 0.0, 0.0, 0
    for b in range(n_bands):
        total, mean = 0.0, 0.0
        for i in range(start, end):
            if band[i] == b:
                t[place], y[place], w[place] = mjd[i], flux[i], 1.0 / (flux_err[i] * flux_err[i])
                total += w[place]
                mean += w[place] * y[place]
                place += 1
        cuts[b + 1] = place
        for i in range(cuts[b], place):
            away = y[i] - mean / total
            constant += w[i] * away * away
            y[i] = away if baseline else y[i]
            square += w[i] * y[i] * y[i]
    return (t, y, w, cuts), square, constant


@kernel
def _template_sums(curve, epoch, table, days, baseline, sums):
    """Sums of weight * template * flux and weight * template^2, for each template.

    With `baseline`, of the template less its mean in the band. Its value at the band's first
    point is taken off first, so that little is lost to rounding, and a flat template is 0.
    """
    t, y, w, cuts = curve
    along, norm, shift, first, second = sums
    along[:], norm[:], shift[:] = 0.0, 0.0, 0.0
    last = table.shape[1] - 1
    for b in range(len(cuts) - 1):
        total = 0.0
        first[:], second[:] = 0.0, 0.0
        for i in range(cuts[b], cuts[b + 1]):
            place = min(max((t[i] - epoch - days[0]) / days[1], 0.0), float(last))
            low = min(int(place), last - 1)
            part = place - low
            before, after = table[b, low], table[b, low + 1]
            if baseline and i == cuts[b]:
                for k in range(len(norm)):
                    shift[k] = before[k] + part * (after[k] - before[k])
            total += w[i]
            for k in range(len(norm)):
                value = before[k] + part * (after[k] - before[k]) - shift[k]
                weighted = w[i] * value
                along[k] += weighted * y[i]
                first[k] += weighted
                second[k] += weighted * value
        for k in range(len(norm)):
            mean_part = first[k] * first[k] / total if baseline and total > 0.0 else 0.0
            if second[k] - mean_part > FLAT * second[k]:
                norm[k] += second[k] - mean_part
