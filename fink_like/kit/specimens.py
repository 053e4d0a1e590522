"""Made-up alerts of every awkward kind, in the columns that a module declares.

::

    types = {"ra": "double", "lc.psfFlux": "array<float>"}
    alerts(types, 1000, seed=1)                  # as they come
    alerts(types, 1000, seed=1, kind="nulls")    # one of KINDS

Light curves are of one piece: the lists of a row have one length. The values mean nothing; what
they are for is that no module may fail on them, see `fink_like.kit.contract`.
"""

import numpy as np
import pyarrow as pa

from fink_like.kit.columns import ARROW_TYPES
from fink_like.kit.stamp import stamp
from fink_like.vocabulary import BANDS, DETECTION, FORCED, LIMIT

KINDS = {
    "plain": "as they come: some points are limits, some values null",
    "nulls": "every value is null",
    "not a number": "a third of all numbers is NaN",
    "no points": "light curves have no point",
    "one point": "light curves have one point",
    "one band": "all points are in one band",
    "same times": "all points of an alert have one time",
    "unsorted": "points come in any order",
    "extreme": "there are 0, infinity, 1e30, the least and greatest number of each type",
}
"""What the alerts may be like."""

ARROW = {**ARROW_TYPES, "binary": pa.binary(), "timestamp": pa.timestamp("us", "UTC"),
         **{f"array<{name}>": pa.list_(ARROW_TYPES[name])
            for name in ("float", "double", "string", "boolean", "bigint", "int")}}
"""Arrow type of every Spark SQL type that a column of an alert has."""

_EXTREMES = (0.0, -0.0, np.inf, -np.inf, 1e30, -1e30, 1e-30, 1.0)
_WORDS = {"lc.band": BANDS, "band": BANDS, "lc.kind": (DETECTION, FORCED, LIMIT)}
_COUNTS = {"no points": 0, "one point": 1}
_HOLES = {"plain": 0.05, "nulls": 1.0}


def alerts(types, n_rows, seed, kind="plain", surveys=("a_survey",)):
    """A batch of alerts.

    Parameters
    ----------
    types : dict of str to str
        Dotted column to its Spark SQL type.
    n_rows : int
    seed : int
    kind : str
        One of `KINDS`.
    surveys : tuple of str
        What the column ``survey`` may say.

    Returns
    -------
    dict of str to pyarrow.Array
        As `fink_like.kit.run.run` takes them.
    """
    rng = np.random.default_rng(seed)
    counts = rng.poisson(12, n_rows)
    if kind in _COUNTS:
        counts = np.full(n_rows, _COUNTS[kind])
    made = {}
    for name in sorted(types):
        words = {**_WORDS, "survey": surveys}.get(name, ("a", "b"))
        value = _value_type(types[name])
        if types[name].startswith("array<"):
            flat = _values(name, value, counts, rng, kind, words)
            made[name] = _lists(_with_holes(flat, value, rng, 0.02, kind), counts, kind)
        else:
            flat = _values(name, value, np.ones(n_rows, int), rng, kind, words)
            made[name] = _with_holes(flat, value, rng, _HOLES.get(kind, 0.0), kind)
    return made


def points_in_other_order(columns, seed):
    """The same alerts, the points of each light curve shuffled, all its lists alike."""
    rng, out = np.random.default_rng(seed), dict(columns)
    lists = {name: column for name, column in columns.items() if name.startswith("lc.")}
    for column in list(lists.values())[:1]:
        counts = np.diff(column.offsets.to_numpy())
        rows = np.repeat(np.arange(len(counts)), counts)
        order = pa.array(np.lexsort((rng.random(len(rows)), rows)))
        out |= {name: pa.ListArray.from_arrays(one.offsets, one.flatten().take(order))
                for name, one in lists.items()}
    return out


def _value_type(kind):
    return kind.removeprefix("array<").removesuffix(">")


def _values(name, value, counts, rng, kind, words):
    """Flat numpy values of one column, `counts` of them a row."""
    n = int(counts.sum())
    if value == "string":
        found = rng.choice(np.array(words, dtype=object), n)
        return np.full(n, "r", dtype=object) if kind == "one band" and "band" in name else found
    if value == "binary":
        return _stamps(n, rng, kind)
    if value == "boolean":
        return rng.random(n) < 0.5
    if value in ("bigint", "int", "tinyint", "timestamp"):
        bits = {"bigint": 63, "int": 31, "tinyint": 7, "timestamp": 50}[value]
        least, most = -2 ** bits if kind == "extreme" else 0, 2 ** bits - 1
        return rng.choice([least, 0, most], n) if kind == "extreme" else rng.integers(0, most, n)
    return _numbers(name, counts, rng, kind)


def _stamps(n, rng, kind):
    """Images of both surveys' sizes and forms; one in ten is cut off or no image at all."""
    shapes = ((1, 1), (3, 70)) if kind == "extreme" else ((30, 30), (63, 63), (63, 50))
    made = []
    for shape in shapes:
        pixels = rng.choice(_EXTREMES, shape) if kind == "extreme" else rng.normal(0, 10, shape)
        pixels = np.full(shape, np.nan) if kind == "not a number" else pixels
        made += [stamp(pixels), stamp(pixels, zipped=True)]
    files = np.array([*made, *made, *made, made[0][:-100], rng.bytes(20)], dtype=object)
    return rng.choice(files, n)


def _numbers(name, counts, rng, kind):
    n = int(counts.sum())
    if kind == "extreme":
        return rng.choice(_EXTREMES, n)
    rows = np.repeat(np.arange(len(counts)), counts)
    if name.endswith("MjdTai"):
        times = rng.uniform(60000, 60030, n)
        if kind == "same times":
            return rng.uniform(60000, 60030, len(counts))[rows]
        return times if kind == "unsorted" else times[np.lexsort((times, rows))]
    if name.endswith("Err") or name.endswith("_err"):
        return rng.uniform(20, 90, n)
    if "flux" in name.lower():
        return rng.normal(800, 600, n)
    found = rng.uniform(0, 1.3, n)
    return np.where(rng.random(n) < 1 / 3, np.nan, found) if kind == "not a number" else found


def _with_holes(values, value, rng, share, kind):
    holes = rng.random(len(values)) < share
    if kind == "not a number" and values.dtype.kind == "f":
        values = np.where(rng.random(len(values)) < 1 / 3, np.nan, values)
    if value in ("int", "tinyint", "float"):
        with np.errstate(over="ignore"):
            values = values.astype(ARROW[value].to_pandas_dtype())
    return pa.array(values, ARROW[value], mask=holes)


def _lists(values, counts, kind):
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
    mask = pa.array(np.full(len(counts), kind == "nulls"))
    return pa.ListArray.from_arrays(offsets, values, mask=mask)
