"""How far a classification can be trusted: spread of an ensemble, sets with a guarantee, distance
from what the classifier has seen.

>>> import numpy as np
>>> agree = np.array([[[0.5, 0.5]], [[0.5, 0.5]]])       # 2 members, 1 row, 2 classes
>>> differ = np.array([[[0.99, 0.01]], [[0.01, 0.99]]])
>>> [round(float(part[0]), 2) for part in entropies(agree)]      # total, aleatoric, epistemic
[0.69, 0.69, 0.0]
>>> [round(float(part[0]), 2) for part in entropies(differ)]
[0.69, 0.06, 0.64]
>>> rng = np.random.default_rng(2)
>>> p = rng.dirichlet([1, 1, 1], 5000)                   # probabilities that are right
>>> labels = (rng.random((5000, 1)) > p.cumsum(axis=1)).sum(axis=1)
>>> sets = fit_prediction_sets(p[:4000], labels[:4000], error_rate=0.1)
>>> inside = prediction_sets(sets, p[4000:])
>>> round(float(inside[np.arange(1000), labels[4000:]].mean()), 1)   # holds the truth
0.9
>>> ood = fit_density(rng.normal(size=(5000, 4)), np.zeros(5000, int))
>>> ood_score(ood, np.array([[0.0, 0, 0, 0], [9, 9, 9, 9], [np.nan, 0, 0, 0]])).round(2).tolist()
[0.0, 1.0, nan]

What is fitted is a dict of arrays, kept in the model's file, see `model_file`.
"""

from typing import NamedTuple

import numpy as np

from fink_like.errors import ModuleError
from fink_like.kit.blocks import blocks, unblocked
from fink_like.kit.probability import checked

N_QUANTILES = 1001  # kept of the training distances: ood_score resolves 0.001
LEAST_VARIANCE = 1e-9  # of the greatest: a constant feature must not divide by zero


class Entropies(NamedTuple):
    """Nats, one value a row: total = aleatoric + epistemic."""

    total: np.ndarray
    """Entropy of the mean probabilities, 0 to log K."""
    aleatoric: np.ndarray
    """Mean entropy of the members: what more members or labels would not change."""
    epistemic: np.ndarray
    """Mutual information of class and member: how much they disagree."""


def entropies(members):
    """Uncertainty of an ensemble, and which part of it is the members' disagreement.

    Depeweg et al. 2018, arXiv:1710.07283, section 3.

    Parameters
    ----------
    members : (M, n, K) numpy.ndarray
        Probabilities of each member.

    Returns
    -------
    Entropies
        NaN where a probability is.
    """
    total, aleatoric = _entropy(members.mean(axis=0)), _entropy(members).mean(axis=0)
    return Entropies(total, aleatoric, np.maximum(total - aleatoric, 0.0))


def _entropy(probabilities):
    return -(probabilities * np.log(np.where(probabilities == 0, 1.0, probabilities))).sum(axis=-1)


def fit_prediction_sets(probabilities, labels, error_rate=0.1, by_class=False):
    """Thresholds for sets of classes that hold the truth in ``1 - error_rate`` of new rows.

    Split conformal prediction with the score 1 - p(label): Sadinle et al. 2019, arXiv:1609.00451;
    Angelopoulos & Bates 2021, arXiv:2107.07511, section 1. The promise holds for any classifier, on
    average over rows drawn as the calibration rows were, which must not be its training rows.

    Parameters
    ----------
    probabilities : (n, K) array_like
    labels : (n,) array_like
        0 to K - 1.
    error_rate : float
        0 to 1.
    by_class : bool
        Keep the promise for the rows of each true class, not only for all together. A class with
        fewer than ``1 / error_rate - 1`` rows is then in every set.

    Returns
    -------
    dict
        ``thresholds``: (K,), a class is in the set if 1 - p does not exceed its own.
    """
    p, labels = checked(probabilities, labels)
    score = 1 - p[np.arange(len(labels)), labels]
    groups = [score[labels == k] if by_class else score for k in range(p.shape[1])]
    return {"thresholds": np.array([_quantile(group, 1 - error_rate) for group in groups])}


def _quantile(scores, level):
    """The score that a new one does not exceed with probability `level`; infinite if unknown."""
    rank = int(np.ceil((len(scores) + 1) * level - 1e-9))  # 1e-9: 0.9 * 10 is 9, not 10
    return np.sort(scores)[max(rank, 1) - 1] if rank <= len(scores) else np.inf


def prediction_sets(parameters, probabilities):
    """Mask (n, K) of the classes in each row's set; all of them where a probability is missing.

    A set may be empty: then no class is likely enough, the row is unlike the calibration rows.
    """
    p = np.asarray(probabilities, float)
    unknown = np.isnan(p).any(axis=1, keepdims=True)
    return unknown | (1 - p <= parameters["thresholds"])


def fit_density(features, labels, diagonal=False):
    """A Gaussian for each class, to tell how strange a new row is.

    The distance is Mahalanobis' to the nearest class (Lee et al. 2018, arXiv:1807.03888). Each
    covariance is mixed with the pooled variances as if these were D more rows, so that small
    classes have one as well.

    Parameters
    ----------
    features : (n, D) array_like
        Finite; fill gaps and take logarithms as for the classifier.
    labels : (n,) array_like
        0 to K - 1, each at least once.
    diagonal : bool
        Take features as independent in a class: for many features and few rows.

    Returns
    -------
    dict
        ``means`` (K, D), ``whitening`` (K, D, D), and ``quantiles`` of the training distances.

    Raises
    ------
    ModuleError
        Features are missing, labels do not fit, or a class has no row.
    """
    x, labels = np.asarray(features, float), np.asarray(labels)
    if x.ndim != 2 or labels.shape != x.shape[:1] or not np.isfinite(x).all():
        raise ModuleError("fit_density: features (n, D), all finite, and labels (n,) are needed")
    counts = np.bincount(labels)
    if not counts.all():
        raise ModuleError(f"fit_density: class {int(np.argmin(counts))} has no row")
    means = np.stack([x[labels == k].mean(axis=0) for k in range(len(counts))])
    away = x - means[labels]
    pooled = (away ** 2).mean(axis=0)
    pooled = np.maximum(pooled, LEAST_VARIANCE * (pooled.max(initial=0.0) or 1.0))
    whitening = np.stack([_whitening(away[labels == k], pooled, diagonal)
                          for k in range(len(counts))])
    parameters = {"means": means, "whitening": whitening}
    distance = _nearest(parameters, x)
    return parameters | {"quantiles": np.quantile(distance, np.linspace(0, 1, N_QUANTILES))}


def _whitening(away, pooled, diagonal):
    """Matrix that makes rows of a class round and of unit variance."""
    n, n_features = away.shape
    covariance = (away.T @ away + n_features * np.diag(pooled)) / (n + n_features)
    if diagonal:
        covariance = np.diag(np.diag(covariance))
    return np.linalg.inv(np.linalg.cholesky(covariance))


def _nearest(parameters, x):
    """Squared Mahalanobis distance to the nearest class."""
    away = blocks(x) - parameters["means"][:, None, :]
    white = unblocked(away @ parameters["whitening"].transpose(0, 2, 1), len(x))
    return (white ** 2).sum(axis=2).min(axis=0)


def ood_score(parameters, features):
    """Share of training rows that are nearer to a class than this one: 0 usual, 1 never seen.

    Returns
    -------
    (n,) numpy.ndarray
        NaN where a feature is.
    """
    quantiles = parameters["quantiles"]
    distance = _nearest(parameters, np.asarray(features, float))
    return np.interp(distance, quantiles, np.linspace(0, 1, len(quantiles)))
