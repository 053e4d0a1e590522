"""What a model sees of alerts, with their true class: one row an alert."""

import functools
from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd

from fink_like.errors import ConfigError, ModuleError
from fink_like.kit.run import run
from fink_like.modules.trial import Trial
from fink_like.simulator.moments import any_detection
from fink_like.vocabulary import Field, Status

MATRIX = "matrix"
SEEN = (Field("seen", "boolean"),)


@dataclass(frozen=True)
class Rows:
    """Alerts that a model can be asked about.

    Parameters
    ----------
    features : (n, D) numpy.ndarray
        What the module's `matrix` makes of them, float32.
    label : (n,) numpy.ndarray
        Place of the true class among the model's.
    name : (n,) numpy.ndarray
        What it is in the words of the source: simulated class, or label.
    survey : (n,) numpy.ndarray
    group : (n,) numpy.ndarray
        int64: alerts of one object have one number.
    weight : (n,) numpy.ndarray
    """

    features: np.ndarray
    label: np.ndarray
    name: np.ndarray
    survey: np.ndarray
    group: np.ndarray
    weight: np.ndarray

    def __len__(self):
        return len(self.label)

    def take(self, rows):
        """Some of them: places or a mask."""
        return Rows(*(getattr(self, entry.name)[rows] for entry in fields(self)))


def joined(parts):
    """Rows one behind the other."""
    return Rows(*(np.concatenate([getattr(part, entry.name) for part in parts])
                  for entry in fields(Rows)))


def of(features, truth, weight=1.0):
    """Rows of features and a frame with label, name, survey and group."""
    return Rows(np.asarray(features, np.float32), truth["label"].to_numpy(np.int64),
                truth["name"].to_numpy(object), truth["survey"].to_numpy(object),
                truth["group"].to_numpy(np.int64), np.broadcast_to(np.float64(weight), len(truth)))


@dataclass(frozen=True)
class Job:
    """A share of the simulated rows, for a process of its own.

    Parameters
    ----------
    settings : Settings
    module : str
    survey, world : str
    classes : dict of str to int
        Simulated class -> place of the model's class.
    each : int
        Light curves of each class.
    seed : int
    detections : tuple
    """

    settings: object
    module: str
    survey: str
    world: str
    classes: dict
    each: int
    seed: int
    detections: tuple


def simulate(job):
    """The rows of a job.

    Returns
    -------
    Rows
        Of alerts that the module is computed for.
    dict of str to dict
        Simulated class -> alerts ``made`` and ``computed``; or why there is none, ``said``.

    Raises
    ------
    ModuleError
        The module's matrix fails.
    """
    trial, parts, counts = Trial(job.settings, job.module), [], {}
    for name, label in job.classes.items():
        try:
            columns, truth = trial.of_world(job.survey, job.world, {name: job.each}, seed=job.seed,
                                            moment=any_detection(*job.detections))
        except ConfigError as error:  # too faint for this survey, as a rule
            counts[name] = {"made": 0, "computed": 0, "said": str(error)}
            continue
        rows, features = seen(trial.specs, columns)
        counts[name] = {"made": len(truth), "computed": len(rows)}
        parts.append(of(features, pd.DataFrame({
            "label": label, "name": name, "survey": job.survey, "group": truth["key"].take(rows)})))
    return joined(parts) if parts else None, counts


def seen(specs, columns):
    """What the last module's model sees, of the alerts that the module is computed for.

    Parameters
    ----------
    specs : list of ModuleSpec
        The module, behind those it takes outputs from.
    columns : dict of str to pyarrow.Array

    Returns
    -------
    (n,) numpy.ndarray
        Places of these alerts.
    (n, D) numpy.ndarray

    Raises
    ------
    ModuleError
        It has no function `matrix`, or that fails, or gives no matrix.
    """
    *before, spec = specs
    matrix = spec.compute.__globals__.get(MATRIX)
    if not callable(matrix):
        raise ModuleError(f"science module {spec.name}: module.py needs a function "
                          f"{MATRIX}(*columns) that makes of its inputs what the model sees: "
                          "(alerts, features)")
    found = []

    @functools.wraps(matrix)
    def look(*inputs):
        features = np.asarray(matrix(*inputs), np.float32)
        if features.ndim != 2:
            raise ModuleError(f"{MATRIX} gave an array of shape {features.shape}, "
                              "(alerts, features) is needed")
        found.append(features)
        return {"seen": np.ones(len(features), bool)}

    scores, outcomes = run([*before, replace(spec, compute=look, outputs=SEEN)], columns)
    if outcomes[-1].message:
        raise ModuleError(f"science module {spec.name}: {outcomes[-1].message}")
    status = scores.field(len(before)).field("status").to_numpy()
    rows = np.flatnonzero(status == Status.OK)
    return rows, np.concatenate(found) if found else np.empty((0, 0), np.float32)
