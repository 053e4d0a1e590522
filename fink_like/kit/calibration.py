"""Scores made into probabilities that mean what they say.

A classifier's scores are fitted once, on labelled rows that it was not trained on; the result is a
dict of arrays, kept in the model's file (`model_file`) and applied as a pure function.

>>> import numpy as np
>>> rng = np.random.default_rng(1)
>>> truth = rng.normal(size=4000)                        # log odds that are right
>>> labels = (rng.random(4000) < 1 / (1 + np.exp(-truth))).astype(int)
>>> parameters = fit_temperature(3 * truth, labels)      # a classifier three times too sure
>>> round(float(parameters["temperature"]), 1)
3.0
>>> apply_temperature(parameters, np.array([0.0, 3.0, np.nan])).round(2).tolist()
[0.5, 0.73, nan]
>>> steps = fit_isotonic([0.1, 0.2, 0.3, 0.4], [0, 1, 0, 1])
>>> apply_isotonic(steps, np.array([0.05, 0.25, 0.35, 0.9])).round(3).tolist()
[0.0, 0.5, 0.75, 1.0]

`fit_temperature` has one parameter: it needs a hundred rows, keeps the order of classes and cannot
mend a curve of another form. `fit_isotonic` mends any rising curve, and needs a thousand rows.
"""

import numpy as np

from fink_like.kit.probability import checked, softmax

COLDEST, HOTTEST = 0.01, 100.0  # temperatures; separable labels would ask for 0


def fit_temperature(logits, labels, weights=None):
    """The temperature that gives ``softmax(logits / temperature)`` the least log loss.

    Guo et al. 2017, arXiv:1706.04599, section 4.2. The loss is convex in 1 / temperature, so its
    slope is bisected.

    Parameters
    ----------
    logits : (n,) or (n, K) array_like
        Of an event, or of K classes; log probabilities will do as well.
    labels : (n,) array_like
        0 and 1, or 0 to K - 1.
    weights : (n,) array_like, optional

    Returns
    -------
    dict
        ``temperature``: an array without axes, 0.01 to 100; > 1: the scores were too sure.

    Raises
    ------
    ModuleError
        Logits and labels do not fit together.
    """
    logits, labels = checked(logits, labels)
    logits = _as_classes(logits)
    of_label = logits[np.arange(len(labels)), labels]

    def slope(inverse):
        expected = (softmax(inverse * logits) * logits).sum(axis=1)
        return np.average(expected - of_label, weights=weights)

    low, high = -np.log([HOTTEST, COLDEST])  # of log(1 / temperature)
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if slope(np.exp(middle)) > 0 else (middle, high)
    return {"temperature": np.array(np.exp(-(low + high) / 2))}


def apply_temperature(parameters, logits):
    """Probabilities, of the shape of `logits`; NaN where a logit is."""
    probabilities = softmax(_as_classes(logits) / parameters["temperature"])
    return probabilities if np.ndim(logits) == 2 else probabilities[:, 1]


def _as_classes(logits):
    """Logits of an event as those of two classes, (n, 2)."""
    logits = np.asarray(logits, float)
    return logits if logits.ndim == 2 else np.stack([np.zeros_like(logits), logits], axis=1)


def fit_isotonic(scores, labels, weights=None):
    """The rising step curve from score to probability with the least squared error.

    Pool adjacent violators (Ayer et al. 1955, Ann. Math. Stat. 26, 641); of K classes each against
    the rest (Zadrozny & Elkan 2002, KDD).

    Parameters
    ----------
    scores : (n,) or (n, K) array_like
        Any number that rises with the chance of the event, or of each class.
    labels : (n,) array_like
    weights : (n,) array_like, optional
        > 0.

    Returns
    -------
    dict
        ``scores`` and ``probabilities``: corners of the curves, one after the other; ``counts``:
        corners of each.

    Raises
    ------
    ModuleError
        Scores and labels do not fit together.
    """
    scores, labels = checked(scores, labels)
    weights = np.ones(len(labels)) if weights is None else np.asarray(weights, float)
    if scores.ndim == 1:
        curves = [_steps(scores, labels == 1, weights)]
    else:
        curves = [_steps(column, labels == k, weights) for k, column in enumerate(scores.T)]
    x, y = (np.concatenate(parts) for parts in zip(*curves))
    return {"scores": x, "probabilities": y, "counts": np.array([len(c[0]) for c in curves])}


def apply_isotonic(parameters, scores):
    """Probabilities, of the shape of `scores`; between corners linear, beyond them the last's.

    Of K classes they are made to sum to 1; where every curve says 0, the classes are equal. NaN
    where a score is. 0 and 1 come out where the fit saw no exception.
    """
    scores = np.asarray(scores, float)
    ends = np.cumsum(parameters["counts"])
    curves = zip(*(np.split(parameters[name], ends[:-1]) for name in ("scores", "probabilities")))
    if scores.ndim == 1:
        return np.interp(scores, *next(curves))
    found = np.stack([np.interp(column, *curve) for column, curve in zip(scores.T, curves)], axis=1)
    found[(found == 0).all(axis=1)] = 1.0
    return found / found.sum(axis=1, keepdims=True)


def _steps(scores, is_so, weights):
    """Corners of the best rising curve: the first and last score of each step, and its height."""
    x, place = np.unique(scores, return_inverse=True)
    weight = np.bincount(place, weights)
    mean = np.bincount(place, weights * is_so) / weight
    last, height = pool_adjacent_violators(mean, weight)
    first = np.concatenate([[0], last[:-1] + 1])
    corners = np.unique(np.stack([first, last], axis=1).ravel())
    return x[corners], height[np.searchsorted(last, corners)]


def pool_adjacent_violators(values, weights):
    """The closest rising sequence to `values`, in weighted squares, as steps.

    Returns
    -------
    tuple of numpy.ndarray
        The last place of each step, and its height.
    """
    steps = []  # of [last place, height, weight]
    for place, (value, weight) in enumerate(zip(values.tolist(), weights.tolist())):
        while steps and steps[-1][1] >= value:
            _, height, before = steps.pop()
            value = (value * weight + height * before) / (weight + before)
            weight += before
        steps.append((place, value, weight))
    last, height, _ = zip(*steps)
    return np.array(last), np.array(height)
