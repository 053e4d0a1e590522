"""An ensemble fitted to rows, calibrated, with thresholds that stay as they are."""

import numpy as np

from fink_like.errors import ConfigError
from fink_like.kit.calibration import fit_temperature
from fink_like.kit.classifier import Classifier
from fink_like.kit.mlp import member_probabilities
from fink_like.kit.mlp_training import TrainingSettings, train_mlp
from fink_like.kit.probability import LEAST

MOST_BLOWN_UP = 4.0  # times: a name with few alerts, two labelled objects say, stays small


def fit(rows, declaration, seed):
    """Train and calibrate.

    Parameters
    ----------
    rows : Rows
        Simulated ones and labelled ones.
    declaration : Declaration
    seed : int

    Returns
    -------
    dict
        Parts of the model, for `model_file.save_model`.
    dict of str to float
        Class -> threshold of its probability.
    dict
        How the training went.

    Raises
    ------
    ConfigError
        A class has no row.
    """
    absent = [name for place, name in enumerate(declaration.names)
              if not np.any((rows.label == place) & (rows.weight > 0))]
    if absent:
        raise ConfigError(f"no alert of {', '.join(absent)} can be computed: is `applies` too "
                          "strict, or are these classes too faint?")
    settings = TrainingSettings(seed=seed, **_as_declared(declaration.network))
    training = train_mlp(rows.features, rows.label, settings, balanced(rows), rows.group)
    held = rows.take(training.is_validation)
    mean = member_probabilities(training.parameters, held.features).mean(axis=0)
    weights = balanced(held) * np.array([*declaration.prior.values()])[held.label]
    parts = {"mlp": training.parameters, "classes": {"names": np.array(declaration.names)},
             "calibration": fit_temperature(np.log(np.maximum(mean, LEAST)), held.label, weights)}
    probabilities = Classifier(parts).probabilities(held.features)
    best = training.validation_loss.argmin(axis=0)
    told = {"rows": len(rows), "held_out": len(held), "epochs": len(training.validation_loss),
            "best_epochs": best.tolist(),
            "temperature": float(parts["calibration"]["temperature"])}
    return parts, _thresholds(declaration, probabilities, held), told


def balanced(rows):
    """Weights with which each class counts the same, and in a class what its rows are named.

    Rows of one name share its part by their own weight; real objects by theirs.
    """
    weights = rows.weight.astype(float)
    for place in np.unique(rows.label):
        mine = rows.label == place
        names, inverse = np.unique(rows.name[mine].astype(str), return_inverse=True)
        share = np.bincount(inverse, rows.weight[mine])
        weights[mine] *= np.minimum(share.max() / share, MOST_BLOWN_UP)[inverse]
        weights[mine] /= weights[mine].sum()
    return weights / weights.mean()


def _as_declared(network):
    return {name: tuple(value) if isinstance(value, list) else value
            for name, value in network.items()}


def _thresholds(declaration, probabilities, held):
    found = {}
    for place, (name, wanted) in enumerate(declaration.thresholds.items()):
        mine = probabilities[held.label == place, place]
        found[name] = float(np.quantile(mine, 1 - wanted["recall"])
                            if isinstance(wanted, dict) else wanted)
    return found
