"""Ensembles of small multilayer perceptrons as plain arrays: features to probabilities.

>>> import numpy as np
>>> from fink_like.kit.mlp_training import TrainingSettings, train_mlp
>>> rng = np.random.default_rng(1)
>>> x = rng.normal(size=(2000, 2))
>>> labels = (x[:, 0] * x[:, 1] > 0).astype(int)         # opposite quadrants: no line parts them
>>> x[::20, 1] = np.nan                                  # one in twenty has no second feature
>>> model = train_mlp(x, labels, TrainingSettings(layers=(16, 8), members=2, epochs=40)).parameters
>>> p = member_probabilities(model, np.array([[1.0, 1.0], [1.0, -1.0], [1.0, np.nan]]))
>>> p.shape                                              # members, rows, classes
(2, 3, 2)
>>> p.mean(axis=0)[:2, 1].round(1).tolist()
[1.0, 0.0]
>>> bool(0.2 < p.mean(axis=0)[2, 1] < 0.8)               # of the third nothing is known
True

A model is a dict of arrays (D features, M members, K classes)::

    medians, means, scales   (D,)          a missing feature becomes its median; (x - mean) / scale
    flagged                  (F,) int64    features with a column of their own that says "missing"
    weights_0, biases_0      (M, D + F, H), (M, 1, H)     and so on, one pair a layer; float32

stored by `model_file.save_model`, made by `mlp_training.train_mlp`. Layers are followed by ReLU,
the last by softmax. About 0.5 us a row and member on one core, for 60 features (all of them
flagged), layers of 64 and 32, 8 classes.
"""

import numpy as np

from fink_like.errors import ModuleError
from fink_like.kit.blocks import blocks, unblocked
from fink_like.kit.probability import softmax

FARTHEST = 10.0  # standard deviations: a feature beyond is as strange as one there


def member_probabilities(parameters, features):
    """Probabilities by each member of the ensemble.

    Their mean over the first axis is the ensemble's; their spread goes to
    `uncertainty.entropies`.

    Parameters
    ----------
    parameters : dict
        A model, see above.
    features : (n, D) array_like
        In the order of the training; NaN or infinite where missing.

    Returns
    -------
    (M, n, K) numpy.ndarray
        float64, never NaN, and the same for a row in any batch.

    Raises
    ------
    ModuleError
        Another number of features.
    """
    return softmax(member_logits(parameters, features))


def member_logits(parameters, features):
    """As `member_probabilities`, before the softmax."""
    hidden = blocks(inputs(parameters, features))
    layers = layers_of(parameters)
    for place, (weights, biases) in enumerate(layers):
        hidden = hidden @ weights
        hidden += biases
        if place < len(layers) - 1:
            np.maximum(hidden, 0, out=hidden)
    return unblocked(hidden, len(features)).astype(np.float64)


def inputs(parameters, features):
    """What the first layer sees: scaled features, then the flags of missing ones.

    Only features that were missing in training have a flag. Another one's would have weights that
    nothing has trained.

    Returns
    -------
    (n, D + F) numpy.ndarray
        float32, -10 to 10.

    Raises
    ------
    ModuleError
        Another number of features.
    """
    x = np.asarray(features, dtype=np.float64)
    medians = parameters["medians"]
    if x.ndim != 2 or x.shape[1] != len(medians):
        raise ModuleError(f"features of shape {x.shape} for a model of {len(medians)} features: "
                          "a matrix (rows, features) in the order of the training is needed")
    missing = ~np.isfinite(x)
    scaled = (np.where(missing, medians, x) - parameters["means"]) / parameters["scales"]
    clipped = np.clip(scaled, -FARTHEST, FARTHEST)
    flags = missing[:, parameters["flagged"]]
    return np.concatenate([clipped, flags], axis=1, dtype=np.float32, casting="unsafe")


def layers_of(parameters):
    """Its (weights, biases), from the first layer to the last."""
    depth = sum(name.startswith("weights_") for name in parameters)
    return [(parameters[f"weights_{i}"], parameters[f"biases_{i}"]) for i in range(depth)]
