"""From logits to probabilities, and how good these are against known labels.

>>> import numpy as np
>>> p = np.array([0.9, 0.8, 0.3, 0.1])             # P(event) of four rows
>>> labels = np.array([1, 1, 1, 0])                # it was one, three times
>>> round(log_loss(p, labels), 3), round(brier_score(p, labels), 3)
(0.409, 0.137)
>>> table = reliability_table(p, labels, n_bins=2)
>>> table.n.tolist(), table.mean_probability.round(2).tolist(), table.fraction.tolist()
([2, 2], [0.2, 0.85], [0.5, 1.0])
>>> round(expected_calibration_error(p, labels, n_bins=2), 3)
0.225
>>> [round(float(edge), 3) for edge in wilson_interval(2, 2)]
[0.342, 1.0]

Two kinds of probabilities: of an event, (n,) with labels 0 and 1; of K classes, (n, K) with labels
0 to K - 1. Rows without a probability are to be left out, and counted, before they come here.
"""

from typing import NamedTuple

import numpy as np

from fink_like.errors import ModuleError

LEAST = 1e-12  # so that one sure mistake costs 27.6 nats, not infinity


def softmax(logits):
    """Probabilities of K classes, along the last axis."""
    return np.exp(log_softmax(logits))


def log_softmax(logits):
    """Natural logarithms of `softmax`, exact for logits of any size."""
    away = logits - logits.max(axis=-1, keepdims=True)
    return away - np.log(np.exp(away).sum(axis=-1, keepdims=True))


def log_loss(probabilities, labels, weights=None):
    """Mean of ``-log p(label)``, nats; 0 is perfect. A p below 1e-12 counts as that."""
    p, labels = checked(probabilities, labels)
    return float(np.average(-np.log(np.maximum(_of_label(p, labels), LEAST)), weights=weights))


def brier_score(probabilities, labels, weights=None):
    """Mean squared error of the probabilities: 0 is perfect; of K classes summed over them, to 2.

    Brier 1950, Mon. Weather Rev. 78, 1. Of an event it is that of the event alone, 0 to 1.
    """
    p, labels = checked(probabilities, labels)
    if p.ndim == 1:
        return float(np.average((p - labels) ** 2, weights=weights))
    truth = labels[:, None] == np.arange(p.shape[1])
    return float(np.average(((p - truth) ** 2).sum(axis=1), weights=weights))


class ReliabilityTable(NamedTuple):
    """One value a bin of probability; NaN where a bin is empty."""

    low: np.ndarray
    high: np.ndarray
    """Edges; a bin holds its low edge, the last one also its high edge."""
    n: np.ndarray
    mean_probability: np.ndarray
    fraction: np.ndarray
    """Of rows where it was so."""
    fraction_low: np.ndarray
    fraction_high: np.ndarray
    """Wilson's 95 % interval of it."""


def reliability_table(probabilities, labels, n_bins=15):
    """What was said against what happened, in equal bins of probability.

    Of an event: its probability, and how often it was one. Of classes: the probability of the most
    probable, and how often that was right.

    Returns
    -------
    ReliabilityTable
    """
    p, labels = checked(probabilities, labels)
    said, so = (p, labels == 1) if p.ndim == 1 else (p.max(axis=1), p.argmax(axis=1) == labels)
    place = np.minimum((said * n_bins).astype(int), n_bins - 1)
    n, right = (np.bincount(place, weights, minlength=n_bins) for weights in (None, so))
    with np.errstate(invalid="ignore"):
        mean, fraction = np.bincount(place, said, minlength=n_bins) / n, right / n
    edges = np.arange(n_bins + 1) / n_bins
    low, high = (np.where(n > 0, edge, np.nan) for edge in wilson_interval(right, n))
    return ReliabilityTable(edges[:-1], edges[1:], n, mean, fraction, low, high)


def expected_calibration_error(probabilities, labels, n_bins=15):
    """Mean distance of what was said from what happened, weighted by the rows of each bin.

    Guo et al. 2017, arXiv:1706.04599, eq. 5. Even perfect probabilities have about
    ``0.3 * sqrt(n_bins / n)``: say n beside it.
    """
    table = reliability_table(probabilities, labels, n_bins)
    away = np.abs(table.mean_probability - table.fraction)
    return float(np.nansum(table.n * away) / table.n.sum())


def wilson_interval(successes, n, z=1.959964):
    """Interval of a binomial fraction, 95 % by default; 0 to 1 where n is 0.

    Wilson 1927, J. Am. Stat. Assoc. 22, 209.

    Returns
    -------
    tuple of numpy.ndarray
        Low and high edge.
    """
    successes, n = np.asarray(successes, float), np.asarray(n, float)
    some = np.maximum(n, 1)
    centre = (successes + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * np.sqrt(successes * (n - successes) / some + z * z / 4)
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)


def checked(probabilities, labels):
    """Both as arrays, of floats and int64; logits or scores will do as well.

    Raises
    ------
    ModuleError
        They do not fit together, a probability is missing, or a label is none of the classes.
    """
    p, labels = np.asarray(probabilities, float), np.asarray(labels)
    n_classes = p.shape[1] if p.ndim == 2 else 2
    if p.ndim not in (1, 2) or labels.shape != p.shape[:1] or not len(labels):
        raise ModuleError(f"labels of shape {labels.shape} for values of shape {p.shape}: (n,) "
                          "for (n,) or (n, K) are needed, n > 0")
    if not np.isfinite(p).all():
        raise ModuleError(f"{int((~np.isfinite(p)).sum())} values are missing or infinite; leave "
                          "those rows out, and say how many they are")
    if not np.isin(labels, np.arange(n_classes)).all():
        raise ModuleError(f"labels are numbers from 0 to {n_classes - 1}, one of them is not")
    return p, labels.astype(np.int64)


def _of_label(p, labels):
    if p.ndim == 1:
        return np.where(labels == 1, p, 1 - p)
    return p[np.arange(len(labels)), labels]
