"""How good a model is, on rows with known classes; every share with its 95 % interval and n.

Precision of simulated rows depends on how many there are of each class, so it is given for three
mixtures: ``precision_1_to_1`` (as many of the class as of all others, which are alike among
themselves), ``precision_in_stream`` (`stream_shares`; null without one), and as false positives in
10,000 alerts of each other class. Their intervals join the ends of the intervals of the shares that
they are made of, and so are wider than 95 %.
"""

import numpy as np
import pandas as pd
import yaml

from fink_like.errors import ConfigError
from fink_like.kit.probability import (expected_calibration_error, log_loss, reliability_table,
                                       wilson_interval)
from fink_like.simulator import populations

IN = 10_000  # alerts of a contaminant, of which the false positives are told
BINS = 15


def stream_shares(conf):
    """Simulated class -> its share of the alerts of the stream.

    Parameters
    ----------
    conf : Path
        Folder with ``stream_shares.yaml`` and ``populations/stream.yaml``.

    Returns
    -------
    dict of str to float
        Classes of which no rate is known are absent.

    Raises
    ------
    ConfigError
        A class of the stream is unknown, or its parts are more than the whole.
    """
    path, parts = conf / "stream_shares.yaml", {}
    stream = {one.name: one.share for one in populations.load(conf / "populations/stream.yaml")}
    entries = yaml.safe_load(path.read_text())
    for name, entry in entries.items():
        parts[entry["of"]] = parts.get(entry["of"], 0.0) + entry["part"]
    if wrong := [name for name, part in parts.items() if name not in stream or part > 1 + 1e-9]:
        raise ConfigError(f"{path}: {', '.join(wrong)}: no class of the stream, or more than all "
                          "of it")
    return {name: entry["part"] * stream[entry["of"]] for name, entry in entries.items()}


def judge(model, rows, thresholds, stream):
    """Figures of a model on simulated rows.

    Parameters
    ----------
    model : Classifier
    rows : Rows
    thresholds : dict of str to float
        Of each class, in the model's order.
    stream : dict of str to float
        See `stream_shares`.

    Returns
    -------
    dict
        Plain values, for JSON.
    """
    p = model.probabilities(rows.features)
    said = p.argmax(axis=1)
    confusion = pd.crosstab(pd.Series(rows.name, dtype=str), said).reindex(
        columns=range(p.shape[1]), fill_value=0)
    weights = _class_weights(rows.label)
    table = reliability_table(p, rows.label, BINS)
    return {
        "n": len(rows), "log_loss": _plain(log_loss(p, rows.label, weights)),
        "ece": _plain(expected_calibration_error(p, rows.label, BINS)),
        "reliability": [[_plain(value) for value in line] for line in zip(
            table.n, table.mean_probability, table.fraction, table.fraction_low,
            table.fraction_high)],
        **_macro(rows.label, said, weights),
        "classes": {name: _of_class(p[:, place] >= thresholds[name], rows, place, stream)
                    for place, name in enumerate(thresholds)},
        "confusion": {name: dict(zip(thresholds, map(int, line)))
                      for name, line in zip(confusion.index, confusion.to_numpy())}}


def judge_labelled(model, rows, thresholds):
    """Counts of a model on real alerts, by label; an object counts once, by its last alert.

    Returns
    -------
    dict
        Label -> ``n`` objects, ``is`` (the class it should be), ``said`` (class -> objects, by the
        highest probability), ``above`` (class -> share, low, high of those above its threshold).
    """
    last = ~pd.Series(rows.group).duplicated(keep="last").to_numpy()
    rows = rows.take(last)
    p = model.probabilities(rows.features)
    names, found = list(thresholds), {}
    for label in sorted(set(rows.name)):
        mine = rows.name == label
        counts = np.bincount(p[mine].argmax(axis=1), minlength=len(names))
        place = rows.label[mine][0]
        found[label] = {
            "n": int(mine.sum()), "is": names[place] if place >= 0 else None,
            "said": dict(zip(names, counts.tolist())),
            "above": {name: share(int((p[mine, k] >= thresholds[name]).sum()), int(mine.sum()))
                      for k, name in enumerate(names)}}
    return found


def share(successes, n):
    """[share, low, high, n]; the share is None where n is 0."""
    low, high = wilson_interval(successes, n)
    return [_plain(successes / n) if n else None, _plain(low), _plain(high), int(n)]


def _of_class(positive, rows, place, stream):
    """One class at its threshold."""
    is_it = rows.label == place
    names = rows.name.astype(str)
    shares = {name: share(int(positive[names == name].sum()), int((names == name).sum()))
              for name in sorted(set(names))}
    mine, others = ({name: one for name, one in shares.items() if (name in set(names[is_it])) is so}
                    for so in (True, False))
    return {
        "recall": share(int(positive[is_it].sum()), int(is_it.sum())),
        "recall_of": mine,
        "precision_1_to_1": _precision(mine, others, dict.fromkeys(mine, 1 / max(len(mine), 1)),
                                       dict.fromkeys(others, 1 / max(len(others), 1))),
        "precision_in_stream": _precision(
            {n: one for n, one in mine.items() if n in stream},
            {n: one for n, one in others.items() if n in stream}, stream, stream),
        "false_positives_in_10000": {
            name: [_plain(IN * value) for value in one[:3]] + [one[3]]
            for name, one in others.items()}}


def _precision(mine, others, weight, other_weight):
    """[precision, low, high] of a mixture; None where it has nothing of the class."""
    hits = np.array([[weight[name] * value for value in one[:3]] for name, one in mine.items()])
    false = np.array([[other_weight[name] * value for value in one[:3]]
                      for name, one in others.items()])
    if not len(hits) or not hits[:, 0].sum() + (false[:, 0].sum() if len(false) else 0):
        return None
    hits = hits.sum(axis=0)
    false = false.sum(axis=0) if len(false) else np.zeros(3)
    return [_plain(h / (h + f)) for h, f in zip(hits, false[[0, 2, 1]])]


def _macro(label, said, weights):
    """Mean over classes of recall, precision (of classes that are alike in number) and F1."""
    places = np.unique(label)
    right = said == label
    recall = np.array([np.average(right[label == place]) for place in places])
    precision = np.array([np.average(right[said == place], weights=weights[said == place])
                          if np.any(said == place) else 0.0 for place in places])
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return {"macro_recall": _plain(recall.mean()), "macro_precision": _plain(precision.mean()),
            "macro_f1": _plain(f1.mean())}


def _class_weights(label):
    counts = np.bincount(label)
    return 1.0 / counts[label]


def _plain(value):
    """A number for JSON, of six digits; None for NaN."""
    value = float(value)
    return None if np.isnan(value) else float(f"{value:.6g}")
