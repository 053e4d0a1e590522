"""Expressions of a survey's YAML on columns: many packets at once, without Spark.

The third form of `fink_like.packets.conversions`, for packets whose fields are at hand as arrays::

    evaluator = ArrayEvaluator(survey.columns, survey.sentinels, fields)
    flux, missing = evaluator.value(survey.columns["psfFlux"])

Values are numpy arrays or scalars, text is ``S`` or ``U``; `missing` is a mask or one bool. A
missing value's number means nothing.
"""

from functools import reduce

import numpy as np

from fink_like.errors import ConfigError
from fink_like.packets.conversions import (
    DAY,
    EARLIEST_LEAP,
    LEAP_SECONDS,
    LN10_04,
    MJD_ZERO,
    text_id,
)
from fink_like.packets.expressions import Column, Constant, Lookup, Path, TextId
from fink_like.vocabulary import AB_ZEROPOINT

LEAP_DATES, LEAP_TAI = (np.array(column) for column in zip(*reversed(LEAP_SECONDS)))


def tai_minus_utc(mjd):
    """Leap seconds at MJDs in UTC."""
    return np.concatenate([[EARLIEST_LEAP], LEAP_TAI])[np.searchsorted(LEAP_DATES, mjd, "right")]


def _mjd_tai(jd, exposure):
    utc = jd - MJD_ZERO
    return utc + (exposure / 2 + tai_minus_utc(utc)) / DAY


def flux(mag):
    """nJy of AB magnitudes."""
    with np.errstate(over="ignore"):
        return 10.0 ** (0.4 * (AB_ZEROPOINT - np.asarray(mag, dtype=np.float64)))


NULL_IN_NULL_OUT = {
    "less": np.less, "greater": np.greater, "plus": np.add, "minus": np.subtract,
    "times": np.multiply, "quadrature": lambda a, b: np.sqrt(a * a + b * b),
    "text": lambda a: np.asarray(a).astype("U"),
    "flux_of_mag": lambda mag, sign: flux(mag) * sign,
    "flux_err_of_mag": lambda mag, err: flux(mag) * err * LN10_04,
    "snr_of_mag_err": lambda err: np.where(err == 0, np.nan, 1.0 / (err * LN10_04)),
    "flux_of_counts": lambda counts, zero_point: counts * flux(zero_point),
    "mjd_tai_of_jd_utc": _mjd_tai,
}
"""Conversions that know nothing of null."""


def _first(*pairs):
    value, missing = pairs[-1]
    for other, absent in reversed(pairs[:-1]):
        value, missing = np.where(absent, value, other), missing & absent
    return value, missing


def _all(*pairs):
    value = reduce(np.logical_and, [_true(pair) for pair in pairs])
    return value, False


def _is_in(pair, *texts):
    value, missing = pair
    known = [_like(value, text) for text, _ in texts]
    return reduce(np.logical_or, [value == text for text in known]), missing


def _true(pair):
    value, missing = pair
    return np.asarray(value, dtype=bool) & ~np.asarray(missing)


NULLS = {
    "first": _first, "all": _all, "is_in": _is_in,
    "when": lambda condition, pair: (pair[0], pair[1] | ~_true(condition)),
    "present": lambda pair: (~np.asarray(pair[1]), False),
    "missing": lambda pair: (np.asarray(pair[1]), False),
}
"""Conversions that decide themselves what null means."""


class ArrayEvaluator:
    """Evaluates expressions on columns, as `expressions.Evaluator` does on one record.

    Parameters
    ----------
    columns : dict
        Neutral name -> expression, for ``$name``.
    sentinels : Sentinels
    fields : callable
        Path in the packet (tuple of names) -> pair of values and mask.
    """

    def __init__(self, columns, sentinels, fields):
        self.columns, self.sentinels, self.fields = columns, sentinels, fields

    def value(self, node):
        """Pair of values and mask of an expression.

        Raises
        ------
        ConfigError
            A conversion that has no form for arrays.
        """
        if isinstance(node, Path):
            return self._path(node.parts)
        if isinstance(node, Column):
            return self.value(self.columns[node.name])
        if isinstance(node, Constant):
            return (0.0, True) if node.value is None else (node.value, False)
        if isinstance(node, Lookup):
            return _looked_up(self.value(node.of), node.table)
        if isinstance(node, TextId):
            return _text_ids(self.value(node.of), node)
        pairs = [self.value(each) for each in node.arguments]
        if node.name in NULLS:
            return NULLS[node.name](*pairs)
        if node.name not in NULL_IN_NULL_OUT:
            raise ConfigError(f"conversion {node.name} has no form for arrays; add it to "
                              "fink_like/packets/arrays.py")
        with np.errstate(invalid="ignore", divide="ignore"):
            value = NULL_IN_NULL_OUT[node.name](*(value for value, _ in pairs))
        missing = [missing for _, missing in pairs]
        missing += [np.isnan(value)] if np.asarray(value).dtype.kind == "f" else []
        return value, reduce(np.logical_or, missing)

    def _path(self, parts):
        value, missing = self.fields(parts)
        kind = np.asarray(value).dtype.kind
        if kind == "f":
            missing = missing | np.isnan(value)
        unset = self.sentinels.texts if kind in "SU" else (
            self.sentinels.numbers if kind in "fiu" else ())
        for sentinel in unset:
            missing = missing | (value == _like(value, sentinel))
        return value, missing


def _like(values, constant):
    """A text constant in the form of the values, bytes or not."""
    return constant.encode() if np.asarray(values).dtype.kind == "S" else constant


def _looked_up(pair, table):
    value, missing = pair
    is_text = np.asarray(value).dtype.kind in "SU"
    found, known = np.zeros(np.shape(value), dtype=np.array([v for _, v in table]).dtype), False
    for key, meaning in table:
        if isinstance(key, str) == is_text:
            here = value == _like(value, key)
            found, known = np.where(here, meaning, found), known | here
    return found, missing | ~np.asarray(known)


def _text_ids(pair, node):
    """Row by row: for ids of alerts, not of points."""
    texts, missing = np.atleast_1d(pair[0]), pair[1]
    decoded = np.char.decode(texts) if texts.dtype.kind == "S" else texts
    numbers = [text_id(text, node.prefix, node.digits, node.letters) for text in decoded.tolist()]
    return np.where(missing, 0, np.array(numbers, dtype=np.int64)), False
