"""Scores that are missing by our fault: which alerts a module has yet to score again."""

from collections import Counter

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from fink_like.vocabulary import Status

ALERT = {"survey": ("survey",), "diaSourceId": ("diaSourceId",)}
PLACE = {name: ("packet", name) for name in ("topic", "partition", "offset")}
MODULE_FIELDS = {"status", "version"}  # what every module's struct has, and no other struct


def missing(snapshot, near):
    """Alerts that a module failed on, was stopped at or was off for, and nobody has scored since.

    Parameters
    ----------
    snapshot : Snapshot
    near : pyarrow.compute.Expression
        Which nights.

    Returns
    -------
    dict of str to pandas.DataFrame
        Module -> ``status`` (< 0) and ``key`` (Kafka coordinates); modules without any left out.
    """
    found, scored_again = {}, snapshot.structs("rescores", MODULE_FIELDS)
    for module in snapshot.structs("silver", MODULE_FIELDS):
        status = pc.field(module, "status")
        columns = {**ALERT, **PLACE, "status": (module, "status")}
        rows = snapshot.numbers("silver", columns, near & (status < 0))
        if not len(rows["status"]):
            continue
        keys = snapshot.keys(*(rows.pop(name) for name in PLACE))
        left = pd.DataFrame({**rows, "key": keys})
        if module in scored_again:
            mended = pd.DataFrame(snapshot.numbers("rescores", ALERT, near & (status >= 0)))
            left = left[~pd.MultiIndex.from_frame(left[[*ALERT]]).isin(
                pd.MultiIndex.from_frame(mended))]
        if len(left):
            found[module] = left[["status", "key"]]
    return found


def summary(night):
    """The missing scores of a night added up.

    Parameters
    ----------
    night : Night

    Returns
    -------
    dict
        Module -> ``statuses`` {name: alerts} and ``where``, the ranges of their Kafka coordinates
        as [topic, partition, first, last].
    """
    return {module: {"statuses": {Status(status).name.lower(): count for status, count in
                                  sorted(Counter(rows["status"].tolist()).items())},
                     "where": [_range(night.snapshot, first, last)
                               for first, last in _ranges(np.sort(rows["key"].to_numpy()))]}
            for module, rows in night.unscored.items()}


def _ranges(keys):
    ends = np.flatnonzero(np.diff(keys) > 1)
    return zip(keys[np.concatenate([[0], ends + 1])].tolist(),
               keys[np.concatenate([ends, [len(keys) - 1]])].tolist())


def _range(snapshot, first, last):
    return [*snapshot.coordinates(first), snapshot.coordinates(last)[2]]
