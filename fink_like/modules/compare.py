"""Two science modules on the same alerts: where they agree, and where a verdict has changed.

One is live and the other in shadow, as a rule: an old version and the next.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from fink_like.client.archive import open_dataset, open_table
from fink_like.errors import ConfigError, SetupError
from fink_like.kit.probability import wilson_interval

ALERT = ["survey", "diaSourceId", "packet.topic", "packet.partition", "packet.offset"]
TABLES = ("silver", "shadow")
EQUAL = 1e-6  # relative: numbers that differ by less are the same
EXAMPLES = 5


@dataclass(frozen=True)
class Agreement:
    """How one output compares.

    Parameters
    ----------
    output, unit : str
    both, only_first, only_second : int
        Alerts with a value of both, and of one alone.
    equal : float
        Share of equal values among those of both, NaN if there are none.
    difference : float
        Median of second minus first; NaN of words.
    scatter : float
        1.4826 times the median absolute deviation from it; NaN of words.
    correlation : float
        Pearson's; NaN of words, or where one is constant.
    changes : list
        (first, second, alerts), the most frequent pairs of different words.
    examples : list
        (alert id, first, second): of numbers those that differ most.
    """

    output: str
    unit: str
    both: int
    only_first: int
    only_second: int
    equal: float
    difference: float
    scatter: float
    correlation: float
    changes: list
    examples: list


def alerts(settings, first, second, nights):
    """What both modules said of the alerts of nights.

    Parameters
    ----------
    settings : Settings
    first, second : str
        Names of modules, live or in shadow.
    nights : list of int

    Returns
    -------
    pandas.DataFrame
        One row an alert that both have a row for, in the order of time; columns ``first.output``,
        ``second.output``, and `ALERT`, ``objectId``.

    Raises
    ------
    ConfigError
        A module has no results, or there is no alert that both have seen.
    """
    found = [open_table(settings.data, _table_of(settings, name), nights, [*ALERT, name])
             for name in (first, second)]
    objects = open_table(settings.data, "silver", nights,
                         [*ALERT, "objectId", "midpointMjdTai"])
    both = found[0].merge(found[1], on=ALERT).merge(objects, on=ALERT)
    both = both.sort_values("midpointMjdTai", kind="stable", ignore_index=True)
    if both.empty:
        raise ConfigError(f"{first} and {second} have no alert in common in the nights "
                          f"{', '.join(map(str, nights))}")
    return both


def _table_of(settings, name):
    for table in TABLES:
        try:
            if name in open_dataset(settings.data, table).schema.names:
                return table
        except SetupError:
            continue
    raise ConfigError(f"there are no results of a module {name} in {settings.data}")


def compare(found, first, second, fields):
    """How the outputs that both modules have compare, and their status.

    Parameters
    ----------
    found : pandas.DataFrame
        From `alerts`.
    first, second : str
    fields : list of Field
        Outputs of the first.

    Returns
    -------
    list of Agreement
    """
    return [_agreement(found["diaSourceId"], found[f"{first}.{field.name}"],
                       found[f"{second}.{field.name}"], field)
            for field in fields if f"{second}.{field.name}" in found
            and not field.type.startswith("array")]


def _agreement(ids, one, two, field):
    known = one.notna() & two.notna()
    a, b = one[known], two[known]
    numbers = field.type in ("float", "double", "int", "bigint")
    same = pd.Series(np.isclose(a.astype(float), b.astype(float), rtol=EQUAL, atol=0)
                     if numbers else (a == b).to_numpy(bool), index=a.index)
    step = (b.astype(float) - a.astype(float)) if numbers else pd.Series(np.nan, index=a.index)
    changed = a.index[~same]
    if numbers:
        changed = step[changed].abs().sort_values(ascending=False).index
    pairs = pd.Series(zip(a[changed], b[changed]), dtype=object).value_counts()
    varies = numbers and known.sum() > 1 and a.nunique() > 1 and b.nunique() > 1
    return Agreement(
        field.name, field.unit, int(known.sum()), int((one.notna() & two.isna()).sum()),
        int((one.isna() & two.notna()).sum()), float(same.mean()) if len(same) else np.nan,
        *_difference(step.dropna()),
        float(np.corrcoef(a.astype(float), b.astype(float))[0, 1]) if varies else np.nan,
        [] if numbers else [(*pair, int(n)) for pair, n in pairs.head(EXAMPLES).items()],
        [(int(ids[i]), a[i], b[i]) for i in changed[:EXAMPLES]])


def _difference(step):
    """Median, and 1.4826 times the median absolute deviation from it."""
    if step.empty:
        return np.nan, np.nan
    middle = float(step.median())
    return middle, 1.4826 * float((step - middle).abs().median())


def against_labels(found, names, output, labels, wanted, threshold=None):
    """Purity and completeness of a verdict, where objects have labels.

    Parameters
    ----------
    found : pandas.DataFrame
        From `alerts`.
    names : iterable of str
        Modules.
    output : str
        A boolean; or a number, with a `threshold`.
    labels : pandas.Series
        Object -> class.
    wanted : str
        The class that a positive verdict means.
    threshold : float, optional
        A number at or above it is a positive verdict.

    Returns
    -------
    list of dict
        For each module ``purity`` and ``completeness`` as (share, low, high), 95 % Wilson
        intervals, with their ``n``; an object counts once, by its last alert here.

    Raises
    ------
    ConfigError
        There is no such output, or it is no boolean and there is no threshold.
    """
    for column in (f"{name}.{output}" for name in names):
        if column not in found:
            raise ConfigError(f"--verdict {output}: there is no {column}")
        if threshold is None and str(found[column].dtype) not in ("bool", "boolean"):
            raise ConfigError(f"--verdict {output}: {column} is no boolean; give a --threshold")
    classes = found["objectId"].map(labels)
    last = found[classes.notna()].drop_duplicates("objectId", keep="last")
    is_wanted = (classes[last.index] == wanted).to_numpy()
    lines = []
    for name in names:
        verdict = last[f"{name}.{output}"]
        verdict = (verdict if threshold is None else verdict >= threshold)
        positive = verdict.fillna(False).to_numpy(bool)
        hits = int((positive & is_wanted).sum())
        lines.append({"module": name, "purity": _share(hits, int(positive.sum())),
                      "completeness": _share(hits, int(is_wanted.sum())),
                      "positive": int(positive.sum()), "wanted": int(is_wanted.sum()),
                      "labelled": len(last)})
    return lines


def _share(hits, n):
    return (hits / n, *(float(edge) for edge in wilson_interval(hits, n))) if n else None

