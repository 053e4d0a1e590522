"""One meaning: generated filters give the same rows in pandas, in Spark and by plain Python.

The plain Python evaluator below works row by row, with None for missing, and shares no code with
the two back ends. Rows hold what goes wrong in practice: nulls, NaN, infinities, both zeros, ids
beyond 2^53, single-precision values, and text that needs escaping.
"""

import itertools
import math
import random
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fink_like.filters.compile import from_tree
from fink_like.filters.language import parse
from fink_like.filters.tree import Call, Kind, Literal, Name, written
from fink_like.vocabulary import Field

COLUMNS = {name: Field(name, spark_type) for name, spark_type in {
    "id": "bigint", "other.id": "bigint", "count": "int", "x.status": "tinyint",
    "flux": "float", "rb": "float", "ra": "double", "x.slope": "double",
    "band": "string", "x.name": "string", "x.is_clean": "boolean", "known": "boolean"}.items()}
NAMES = {
    Kind.INTEGER: ["id", "other.id", "count", "x.status"],
    Kind.REAL: ["flux", "rb", "ra", "x.slope"],
    Kind.TEXT: ["band", "x.name"],
    Kind.BOOLEAN: ["x.is_clean", "known"],
}
SINGLE = [None, math.nan, math.inf, -math.inf, 0.0, -0.0, 0.65, 0.1, 2.5, -2.5, 1.0, 1e38]
DOUBLE = [*SINGLE, 5e-324, 1e308, -1e308, 0.49999999999999994, 100.0, 2.0**53, 0.5, 1.5]
VALUES = {
    "bigint": [None, 0, 1, -1, 3, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)],
    "int": [None, 0, 1, -1, 2, 3, 2**31 - 1], "tinyint": [None, 0, 1, -3],
    "float": [value if value is None else float(np.float32(value)) for value in SINGLE],
    "double": DOUBLE, "boolean": [None, True, False],
    "string": [None, "", "g", "r", "G", "it's", "\\", "a\\'b", "é", "\U0001f600", "\uffee", "%"],
}
LITERALS = {
    Kind.INTEGER: [value for value in VALUES["bigint"] if value is not None] + [2, -3, 5],
    Kind.REAL: [v for v in DOUBLE if v is not None and math.isfinite(v)] + [1e22, 1e-5, 3.0],
    Kind.TEXT: [value for value in VALUES["string"] if value is not None] + ["${x}", "x' or '1"],
    Kind.BOOLEAN: [True, False],
}
COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")


def rows(seed, count):
    choose = random.Random(seed)
    return [{name: choose.choice(VALUES[field.type]) for name, field in COLUMNS.items()}
            for _ in range(count)]


# ------------------------------------------------------------------ generated filters

def leaf(choose, kind):
    if choose.random() < 0.6:
        return Name(choose.choice(NAMES[kind]))
    return Literal(choose.choice(LITERALS[kind]), kind)


def number(choose, depth):
    form = choose.choice("iirrabcd") if depth else choose.choice("ir")
    if form in "ir":
        return leaf(choose, Kind.INTEGER if form == "i" else Kind.REAL)
    if form == "a":
        return Call(choose.choice("+-*/"), (number(choose, depth - 1), number(choose, depth - 1)))
    if form == "b":
        operation = choose.choice(["minus sign", "abs", "log10", "sqrt", "round"])
        return Call(operation, (number(choose, depth - 1),))
    if form == "c":
        parts = [number(choose, depth - 1) for _ in range(choose.randint(2, 4))]
        return Call(choose.choice(["least", "greatest", "coalesce"]), tuple(parts))
    return Call("status", (Name("x"),))


def text(choose, depth):
    if depth and choose.random() < 0.2:
        return Call("coalesce", (text(choose, depth - 1), text(choose, depth - 1)))
    return leaf(choose, Kind.TEXT)


def boolean(choose, depth):
    """A condition over COLUMNS, up to ``depth`` levels."""
    if not depth:
        return leaf(choose, Kind.BOOLEAN)
    form = choose.choice(["logic", "not", "compare", "compare", "between", "in", "null", "leaf"])
    if form == "leaf":
        return leaf(choose, Kind.BOOLEAN)
    if form == "logic":
        parts = [boolean(choose, depth - 1) for _ in range(choose.randint(2, 4))]
        return Call(choose.choice(["and", "or"]), tuple(parts))
    if form == "not":
        return Call("not", (boolean(choose, depth - 1),))
    kind = choose.choice([number, number, text, boolean])
    if form == "null":
        return Call("is null", (kind(choose, depth - 1),))
    if form == "in":
        return membership(choose, kind, depth)
    if kind is boolean:
        return Call(choose.choice(["=", "!="]), (kind(choose, depth - 1), kind(choose, depth - 1)))
    if form == "between":
        return Call("between", tuple(kind(choose, depth - 1) for _ in range(3)))
    return Call(choose.choice(COMPARISONS), (kind(choose, depth - 1), kind(choose, depth - 1)))


def membership(choose, kind, depth):
    kinds = {number: [Kind.INTEGER, Kind.REAL], text: [Kind.TEXT], boolean: [Kind.BOOLEAN]}[kind]
    listed = [leaf_kind for leaf_kind in kinds if choose.random() < 0.7] or kinds[:1]
    literals = []
    for _ in range(choose.choice([1, 2, 3, 14])):  # Spark turns lists over 10 into hash sets
        member = choose.choice(listed)
        literals.append(Literal(choose.choice(LITERALS[member]), member))
    return Call("in", (kind(choose, depth - 1), *literals))


# ------------------------------------------------------------------ plain Python, row by row

def is_real(node):
    if isinstance(node, Name):
        return COLUMNS[node.name].type in ("float", "double")
    if isinstance(node, Literal):
        return node.kind is Kind.REAL
    if node.operation in ("least", "greatest", "coalesce"):
        return any(map(is_real, node.arguments))
    return node.operation in (*"+-*/", "minus sign", "abs", "log10", "sqrt", "round")


def present(value):
    return None if isinstance(value, float) and math.isnan(value) else value


def expected(node, row):
    """Value of a tree in one row: None, True, False, int, float or str."""
    if isinstance(node, Literal):
        return node.value
    if isinstance(node, Name):
        return present(row[node.name])
    if node.operation == "status":
        return row[node.arguments[0].name + ".status"]
    values = [expected(part, row) for part in node.arguments]
    if any(map(is_real, node.arguments)) or is_real(node):
        values = [None if value is None else float(value) for value in values]
    return present(apply(node.operation, values))


def apply(operation, values):
    if operation in ("and", "or"):
        decisive = operation == "or"
        if decisive in values:
            return decisive
        return None if None in values else not decisive
    if operation == "is null":
        return values[0] is None
    if operation == "between":
        low, high = apply(">=", values[:2]), apply("<=", [values[0], values[2]])
        return apply("and", [low, high])
    known = [value for value in values if value is not None]
    if operation in ("least", "greatest", "coalesce"):
        pick = {"least": min, "greatest": max, "coalesce": lambda found: found[0]}[operation]
        return pick(known) if known else None
    if len(known) < len(values):
        return None
    return STRICT[operation](*values)


def rounded(a):
    if math.isinf(a):
        return a
    return float(Decimal(a).quantize(Decimal(1), rounding=ROUND_HALF_UP)) if abs(a) < 1e15 else a


STRICT = {
    "not": lambda a: not a, "in": lambda a, *choices: a in choices,
    "=": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b,
    "/": lambda a, b: a / b if b else None,
    "minus sign": lambda a: -a, "abs": abs, "round": rounded,
    "log10": lambda a: math.log10(a) if a > 0 else None,
    "sqrt": lambda a: math.sqrt(a) if a >= 0 else None,
}


# ------------------------------------------------------------------ the tests

def as_objects(table):
    return pd.DataFrame({name: pd.Series([row[name] for row in table], dtype=object)
                         for name in COLUMNS})


def as_typed(table):
    """The same with pandas' own types: Int64, float32, float64, string, boolean."""
    dtypes = {"bigint": "Int64", "int": "Int32", "tinyint": "Int8", "float": "float32",
              "double": "float64", "string": "string", "boolean": "boolean"}
    return pd.DataFrame({name: pd.Series([row[name] for row in table], dtype=dtypes[field.type])
                         for name, field in COLUMNS.items()})


def passing(tree, table):
    return np.array([expected(tree, row) is True for row in table])


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(0, 10_000))
def test_pandas_says_what_python_says(choose, seed):
    table = rows(seed, 40)
    objects, typed = as_objects(table), as_typed(table)
    for _ in range(5):
        tree = boolean(choose, 4)
        compiled = from_tree(tree, COLUMNS)
        wanted = passing(tree, table)
        np.testing.assert_array_equal(compiled.mask(objects), wanted, written(tree))
        np.testing.assert_array_equal(compiled.mask(typed), wanted, written(tree))
        assert parse(written(tree)) == tree


def flat_frame(spark, table):
    """Spark frame with the structs that the dotted names speak of."""
    groups = {name.split(".")[0] for name in COLUMNS if "." in name}
    raw = ", ".join(f"`{name}` {field.type}" for name, field in COLUMNS.items())
    frame = spark.createDataFrame([tuple(row.values()) for row in table], raw)
    parts = [f"`{name}`" for name in COLUMNS if "." not in name]
    for group in sorted(groups):
        inside = [name for name in COLUMNS if name.startswith(group + ".")]
        fields = ", ".join(f"'{name.split('.')[1]}', `{name}`" for name in inside)
        parts.append(f"named_struct({fields}) AS `{group}`")
    return frame.selectExpr(*parts).coalesce(1)


def masks_in_spark(spark, trees, table):
    """Boolean array (trees, rows): every filter in one select."""
    array = "array(" + ",\n".join(from_tree(tree, COLUMNS).sql for tree in trees) + ") AS found"
    found = flat_frame(spark, table).selectExpr(array).collect()
    return np.array([row.found for row in found]).T


@pytest.mark.spark
@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 3, 4))])
def test_spark_says_what_pandas_says(spark, seed):
    choose, table = random.Random(seed), rows(seed, 60)
    trees = [boolean(choose, 3) for _ in range(80)]
    found, frame = masks_in_spark(spark, trees, table), as_objects(table)
    for tree, mask in zip(trees, found):
        compiled = from_tree(tree, COLUMNS)
        np.testing.assert_array_equal(mask, compiled.mask(frame), compiled.sql)
        np.testing.assert_array_equal(mask, passing(tree, table), written(tree))


@pytest.mark.spark
def test_every_operation_on_every_pair_of_values(spark):
    """Each comparison and function on all pairs of the awkward values, in Spark and pandas."""
    texts = [f"{a} {op} {b}" for op in COMPARISONS
             for a, b in [("id", "other.id"), ("id", "ra"), ("ra", "x.slope"), ("flux", "ra"),
                          ("band", "x.name")]]
    texts += [f"{function}(ra) {op} x.slope" for op in ("=", "<", "!=")
              for function in ("abs", "round", "sqrt", "-")]
    texts += ["ra / x.slope is null", "ra / x.slope > flux", "ra + x.slope is null",
              "ra * x.slope is null", "ra - x.slope <= flux", "log10(ra) is null",
              "log10(ra) > x.slope", "least(id, other.id) = id", "greatest(ra, x.slope) = ra",
              "coalesce(id, other.id) = 9007199254740993", "id in (9007199254740993, 0)",
              "ra in (0.0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)", "not x.slope in (-0.0, 1)",
              "flux = 0.65", "rb >= 0.65", "rb between 0.1 and 0.65"]
    trees = [parse(text) for text in texts]
    pairs = {"id": "other.id", "ra": "x.slope", "band": "x.name", "flux": "rb"}
    table = []
    for a, b in pairs.items():
        for left, right in itertools.product(VALUES[COLUMNS[a].type], VALUES[COLUMNS[b].type]):
            table.append({**dict.fromkeys(COLUMNS), "ra": 0.5, a: left, b: right})
    found, frame = masks_in_spark(spark, trees, table), as_objects(table)
    for tree, mask in zip(trees, found):
        np.testing.assert_array_equal(mask, passing(tree, table), written(tree))
        np.testing.assert_array_equal(mask, from_tree(tree, COLUMNS).mask(frame), written(tree))


@pytest.mark.spark
def test_largest_filters_run_in_spark(spark):
    """At the limits of length and depth Spark's parser holds, and text stays text."""
    ids = ", ".join(str(2**53 + i) for i in range(1000))
    deep = "id > 0"
    for _ in range(4):
        deep = f"not ({deep} and known = (count / 2 > 1))"
    nested = "ra"
    for _ in range(7):
        nested = f"coalesce({nested} + 1, flux)"
    hostile = "band = 'x'' or 1=1 -- ' or x.name = '\\'' or ''1''=''1'"
    texts = [f"id in ({ids})", " and ".join(["id > 0"] * 1000), deep, hostile,
             "+".join(["ra"] * 15) + " > 1", nested + " > 1"]
    trees, table = [parse(text) for text in texts], rows(3, 60)
    for tree, mask in zip(trees, masks_in_spark(spark, trees, table)):
        np.testing.assert_array_equal(mask, passing(tree, table), written(tree)[:80])
