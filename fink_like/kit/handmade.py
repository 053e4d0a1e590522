"""Alerts written by hand, and a module's answer to them: for tests and notebooks.

::

    rising = light_curve(mjd=[0, 1, 2], flux=[900, 1500, 2500], flux_err=50, band="r")
    score("science_modules/rates", alerts([rising]))      # DataFrame of one row
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from fink_like.errors import ModuleError
from fink_like.kit.columns import ARROW_TYPES
from fink_like.kit.registry import external_inputs, read_module
from fink_like.kit.run import run
from fink_like.kit.stamp import stamp
from fink_like.vocabulary import DETECTION, LIGHT_CURVE

__all__ = ["alerts", "light_curve", "score", "stamp"]

_LISTS = ARROW_TYPES | {"array<double>": pa.list_(pa.float64()), "array<string>":
                        pa.list_(pa.string()), "array<boolean>": pa.list_(pa.bool_())}


def light_curve(mjd, flux, flux_err, band="r", kind=DETECTION, paired=False):
    """One alert's light curve, as a dict of lists.

    Parameters
    ----------
    mjd : list of float
        Ascending.
    flux, flux_err : float or list of float
        nJy; None is null.
    band, kind, paired
        One for all points, or a list.
    """
    columns = (mjd, band, flux, flux_err, kind, paired)
    return {field.name: column if isinstance(column, (list, tuple, np.ndarray))
            else [column] * len(mjd) for field, column in zip(LIGHT_CURVE, columns)}


def alerts(light_curves=(), **others):
    """Arrow columns of a batch, as `run` takes them.

    Parameters
    ----------
    light_curves : list of dict or None
        From `light_curve`; None: the alert has none.
    **others : list
        Further columns; a dotted name goes in as ``**{"ztf.drb": [0.9]}``, images as
        ``**{"cutouts.difference": [stamp(pixels), None]}``.
    """
    columns = {name: values if isinstance(values, pa.Array) else pa.array(values)
               for name, values in others.items()}
    if light_curves:
        for field in LIGHT_CURVE:
            lists = [None if one is None else list(one[field.name]) for one in light_curves]
            columns[f"lc.{field.name}"] = pa.array(lists, _LISTS[field.type])
    return columns


def score(folder, columns):
    """Outputs, status and version of the module in a folder, one row an alert.

    Raises
    ------
    ModuleError
        The module failed on a row: a test wants to see why.
    """
    spec = read_module(Path(folder) / "module.py")
    columns = {name: column for name, column in columns.items() if name in external_inputs([spec])}
    scores, (outcome,) = run([spec], columns)
    if outcome.message:
        raise ModuleError(f"{outcome.module}: {outcome.message}")
    return pd.DataFrame(scores.field(0).to_pylist())
