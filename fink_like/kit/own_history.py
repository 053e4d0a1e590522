"""The light curve of an object from all its alerts: Arrow in, Arrow out.

The table `history` has one such light curve an object. Surveys send a month of history with an
alert, or a year; this one goes back to the object's first alert here, up to `MOST` points.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fink_like.kit.cleaning import joined, newest
from fink_like.kit.columns import from_arrow
from fink_like.kit.lightcurve import CODES, LIGHT_CURVE, LightCurve
from fink_like.vocabulary import HISTORY

MOST = 1000  # points: 30 kB; 5 a night for half a year, or all that a wide survey takes in 10 years


def light_curve(columns):
    """`LightCurve` of six Arrow lists in the order of `LIGHT_CURVE`; a null one has no points."""
    return LightCurve.of(*(from_arrow(column, CODES.get(name))
                           for name, column in zip(LIGHT_CURVE, columns, strict=True)))


def merged(now, before, most=MOST):
    """What is known of objects now and was known before, as one light curve each.

    Parameters
    ----------
    now, before : list of pyarrow.Array
        Six lists each, in the order of `LIGHT_CURVE`; points in any order, repeated as they come:
        of one exposure and band one stays, see `fink_like.kit.cleaning.joined`, of equals the
        later packet's.
    most : int

    Returns
    -------
    pyarrow.StructArray
        Six lists of at most `most` points, the newest, ascending in time.
    """
    return as_struct(newest(joined(light_curve(now), light_curve(before)), most))


def until(columns, mjd=np.inf):
    """What is known of objects before their alerts, as modules are given it.

    Parameters
    ----------
    columns : list of pyarrow.Array
        Six lists, in the order of `LIGHT_CURVE`.
    mjd : (n,) array_like, optional
        Of the alerts: later points are left out.

    Returns
    -------
    dict of str to pyarrow.ListArray
        ``history.psfFlux`` and so on; null of an object that was not met before.
    """
    lc = light_curve(columns)
    lc = lc.select(lc.mjd < mjd)
    met, found = pa.array(lc.counts > 0), as_struct(lc)
    return {f"{HISTORY.name}.{field.name}": pc.if_else(met, found.field(place), None)
            for place, field in enumerate(found.type)}


def as_struct(lc):
    """Light curves as Arrow: a struct of six lists, in the order of `LIGHT_CURVE`."""
    offsets = pa.array(lc.mjd.shape.offsets, pa.int32())
    kinds = pa.float64(), pa.string(), pa.float32(), pa.float32(), pa.string(), pa.bool_()
    lists = [pa.ListArray.from_arrays(offsets, _values(column.values, kind, CODES.get(name)))
             for name, column, kind in zip(LIGHT_CURVE, lc.columns, kinds)]
    return pa.StructArray.from_arrays(lists, [name.split(".")[1] for name in LIGHT_CURVE])


def _values(values, kind, words):
    """Flat values as Arrow; NaN and unknown words are null."""
    if words is not None:
        return pa.array(words, kind).take(pa.array(values, pa.int8(), mask=values < 0))
    if pa.types.is_boolean(kind):
        return pa.array(values == 1, kind)
    return pa.array(values, pa.float64(), from_pandas=True).cast(kind)
