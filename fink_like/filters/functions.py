"""The one table of what a filter may compute: operators and functions, for both back ends.

Each entry of `OPERATIONS` holds its SQL and its numpy form side by side; `tests/filters` compares
them on generated rows. The rules, the same in both:

- A missing value is neither true nor false, as in SQL. NaN is a missing value: Spark by itself
  takes NaN for the largest number, and numpy for unequal to all. Infinity is a number.
- Division by zero, log10 of zero or less, sqrt of less than zero: missing.
- Arithmetic is in double precision; comparison, least, greatest and coalesce of integers with
  integers stay in 64-bit integers. A float column is widened to double as it is.
- Text compares by code point.
"""

from dataclasses import dataclass
from functools import reduce

import numpy as np

from fink_like.filters.tree import Kind

NUMBERS = frozenset({Kind.INTEGER, Kind.REAL})
ORDERED = NUMBERS | {Kind.TEXT}
ANY = ORDERED | {Kind.BOOLEAN}
LOGICAL = frozenset({Kind.BOOLEAN})
MODULE = frozenset()  # the argument is the name of a module, not a value


@dataclass(frozen=True)
class Cells:
    """Values of one expression over many rows; what stands under ``missing`` has no meaning.

    Parameters
    ----------
    values, missing : numpy.ndarray
        Shape (rows,), or () for the same value in every row; ``missing`` is boolean.
    """

    values: np.ndarray
    missing: np.ndarray


def known(values):
    """Cells of a result that is missing where it is NaN."""
    values = np.asarray(values)
    missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, bool)
    return Cells(values, missing)


def _strict(compute):
    """Missing where any argument is missing, or where the result is NaN."""
    def on_cells(*cells):
        result = known(compute(*(cell.values for cell in cells)))
        return Cells(result.values, reduce(np.logical_or, (c.missing for c in cells),
                                           result.missing))
    return on_cells


def _all(*cells):
    is_false = reduce(np.logical_or, (~c.values & ~c.missing for c in cells))
    missing = ~is_false & reduce(np.logical_or, (c.missing for c in cells))
    return Cells(~is_false & ~missing, missing)


def _not(cell):
    return Cells(~cell.values, cell.missing)


def _any(*cells):
    return _not(_all(*map(_not, cells)))


def _between(value, low, high):
    return _all(_strict(np.greater_equal)(value, low), _strict(np.less_equal)(value, high))


def _is_null(cell):
    return known(cell.missing)


def _first_present(*cells):
    def choose(best, other):
        return Cells(np.where(best.missing, other.values, best.values),
                     best.missing & other.missing)
    return reduce(choose, cells)


def _extreme(is_better):
    def choose(best, other):
        better = ~other.missing & (best.missing | is_better(other.values, best.values))
        return Cells(np.where(better, other.values, best.values), best.missing & other.missing)
    return lambda *cells: reduce(choose, cells)


def _one_of(value, *choices):
    return np.isin(value, np.array([choice.item() for choice in choices], dtype=value.dtype))


def _divide(left, right):
    return np.where(right == 0, np.nan, left / right)


def _log10(value):
    return np.where(value > 0, np.log10(value), np.nan)


def _round(value):
    whole = np.trunc(value)
    away = np.where(np.abs(value - whole) >= 0.5, np.sign(value), 0.0)
    return np.where(np.isinf(value), value, whole + away)


@dataclass(frozen=True)
class Operation:
    """One operator or function.

    Parameters
    ----------
    name : str
        As the tree has it.
    accepts : frozenset of Kind
        What its arguments may be; all of one kind, integers and numbers mix.
    returns : Kind or None
        None: the kind of its arguments.
    sql : str
        ``{0}`` ``{1}`` are arguments, ``{all}`` and ``{rest}`` (all but the first) lists of them.
    compute : callable
        *Cells -> Cells.
    doc : str
        One line for the reference page.
    arity : (int, int or None)
        Fewest and most arguments; None: any number.
    separator : str
        Between the arguments in ``{all}`` and ``{rest}``.
    """

    name: str
    accepts: frozenset
    returns: object
    sql: str
    compute: object
    doc: str
    arity: tuple = (2, 2)
    separator: str = ", "

    @property
    def is_arithmetic(self):
        """True: in doubles, so integers are widened before it, and it may give NaN."""
        return self.returns is Kind.REAL


def _comparison(name, sql, compute, accepts=ORDERED):
    return Operation(name, accepts, Kind.BOOLEAN, sql, _strict(compute), f"a {name} b")


def _arithmetic(name, sql, compute, doc, count=2):
    return Operation(name, NUMBERS, Kind.REAL, sql, _strict(compute), doc, (count, count))


_OPERATORS = (
    Operation("and", LOGICAL, Kind.BOOLEAN, "({all})", _all, "both true", (2, None), " AND "),
    Operation("or", LOGICAL, Kind.BOOLEAN, "({all})", _any, "at least one true", (2, None), " OR "),
    Operation("not", LOGICAL, Kind.BOOLEAN, "(NOT {0})", _not, "true if false", (1, 1)),
    _comparison("=", "({0} = {1})", np.equal, ANY),
    _comparison("!=", "({0} <> {1})", np.not_equal, ANY),
    _comparison("<", "({0} < {1})", np.less),
    _comparison("<=", "({0} <= {1})", np.less_equal),
    _comparison(">", "({0} > {1})", np.greater),
    _comparison(">=", "({0} >= {1})", np.greater_equal),
    Operation("between", ORDERED, Kind.BOOLEAN, "({0} BETWEEN {1} AND {2})", _between,
              "a between low and high, both ends included", (3, 3)),
    Operation("in", ANY, Kind.BOOLEAN, "({0} IN ({rest}))", _strict(_one_of),
              "a in (1, 2, 3): a equals one of the values", (2, None)),
    Operation("is null", ANY, Kind.BOOLEAN, "({0} IS NULL)", _is_null,
              "true where the value is missing", (1, 1)),
    _arithmetic("+", "({0} + {1})", np.add, "sum"),
    _arithmetic("-", "({0} - {1})", np.subtract, "difference"),
    _arithmetic("*", "({0} * {1})", np.multiply, "product"),
    _arithmetic("/", "try_divide({0}, {1})", _divide, "quotient, null by zero"),
    _arithmetic("minus sign", "(- {0})", np.negative, "-a", 1),
)

_FUNCTIONS = (
    _arithmetic("abs", "abs({0})", np.abs, "abs(a): absolute value", 1),
    _arithmetic("log10", "log10({0})", _log10, "log10(a): decimal logarithm, null for a <= 0", 1),
    _arithmetic("sqrt", "sqrt({0})", np.sqrt, "sqrt(a): null for a < 0", 1),
    _arithmetic("round", "round({0})", _round,
                "round(a): nearest whole number, halves away from zero", 1),
    Operation("least", NUMBERS, None, "least({all})", _extreme(np.less),
              "least(a, b, ...): smallest of those that are not null", (2, None)),
    Operation("greatest", NUMBERS, None, "greatest({all})", _extreme(np.greater),
              "greatest(a, b, ...): largest of those that are not null", (2, None)),
    Operation("coalesce", ANY, None, "coalesce({all})", _first_present,
              "coalesce(a, b, ...): first that is not null", (2, None)),
    Operation("status", MODULE, None, "{0}", lambda cell: cell,
              "status(module): 0 it ran, > 0 no value for a good reason, < 0 it failed", (1, 1)),
)

WIDEN = Operation("widen", NUMBERS, Kind.REAL, "CAST({0} AS DOUBLE)",
                  _strict(lambda values: values.astype(np.float64)), "integer to double", (1, 1))
"""Put in by the checker where integers meet numbers; not to be written in a filter."""

FUNCTIONS = {operation.name: operation for operation in _FUNCTIONS}
"""What is written as ``name(arguments)``."""

OPERATIONS = {operation.name: operation for operation in (*_OPERATORS, *_FUNCTIONS)}
"""Everything a `fink_like.filters.tree.Call` can name."""
