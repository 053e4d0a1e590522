"""Typed tree → Spark SQL, and → a mask over a pandas frame, with one meaning.

No piece of a filter's text reaches the SQL: names are those of known columns, numbers are
written again from their values, and text that is more than letters and digits goes as bytes.
The rules on missing values, NaN and integers are in `fink_like.filters.functions`.
"""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fink_like.errors import FilterError
from fink_like.filters.check import Apply, Column, Constant, check, columns_used
from fink_like.filters.functions import WIDEN, Cells, known
from fink_like.filters.language import parse
from fink_like.filters.tree import Kind

PLAIN_TEXT = re.compile(r"[A-Za-z0-9_ .:+-]*")
EXACT_IN_DOUBLE = 2**53  # above, a double skips integers

DTYPES = {Kind.INTEGER: np.int64, Kind.REAL: np.float64, Kind.TEXT: object, Kind.BOOLEAN: bool}
INFERRED = {Kind.INTEGER: ("integer",), Kind.BOOLEAN: ("boolean",),
            Kind.REAL: ("floating", "integer", "mixed-integer-float"),
            Kind.TEXT: ("string", "categorical")}
"""What `pandas.api.types.infer_dtype` calls columns of a kind."""

FILL = {Kind.INTEGER: 0, Kind.REAL: np.nan, Kind.TEXT: "", Kind.BOOLEAN: False}


@dataclass(frozen=True)
class Condition:
    """A filter ready to use.

    Parameters
    ----------
    tree : Literal, Name or Call
    typed : Constant, Column or Apply
    """

    tree: object
    typed: object

    @property
    def columns(self):
        """Dotted names of the columns it reads, sorted."""
        return columns_used(self.typed)

    @property
    def sql(self):
        """Spark SQL expression: true where a row passes, else false, never null."""
        return f"coalesce({to_sql(self.typed)}, false)"

    def mask(self, frame):
        """Which rows pass.

        Parameters
        ----------
        frame : pandas.DataFrame
            With at least `columns`, dotted names; None, NA and NaN are missing values.

        Returns
        -------
        numpy.ndarray of bool, shape (len(frame),)

        Raises
        ------
        FilterError
            A column is absent, or holds values of another type.
        """
        with np.errstate(all="ignore"):
            cells = to_cells(self.typed, frame)
        return np.broadcast_to(cells.values & ~cells.missing, (len(frame),)).copy()


def condition(text, columns):
    """Read, check and compile a filter's text.

    Parameters
    ----------
    text : str
    columns : mapping of str to fink_like.vocabulary.Field
        Every column a filter may use, by dotted name.

    Returns
    -------
    Condition

    Raises
    ------
    FilterError
        With line and column in ``text``.
    """
    return from_tree(parse(text), columns)


def from_tree(tree, columns):
    """Check and compile a tree, see `condition`."""
    return Condition(tree, check(tree, columns))


def to_sql(typed):
    """Spark SQL text of a typed tree, every operation in brackets; null or NaN is missing.

    NaN runs through arithmetic like null, so it is made null once, where arithmetic ends. After
    each step instead, a sum of 30 terms kept Spark 4.1 busy for more than ten minutes: its search
    for common subexpressions doubles with each conditional expression inside another.
    """
    if isinstance(typed, Constant):
        return _literal_sql(typed)
    if isinstance(typed, Column):
        return _column_sql(typed)
    operation = typed.operation
    write = to_sql if operation.is_arithmetic else _without_nan
    parts = [write(part) for part in typed.arguments]
    return operation.sql.format(*parts, all=operation.separator.join(parts),
                                rest=operation.separator.join(parts[1:]))


def _without_nan(typed):
    may_be_nan = isinstance(typed, Column) and typed.kind is Kind.REAL or (
        isinstance(typed, Apply) and typed.operation.is_arithmetic and typed.operation is not WIDEN)
    return f"nanvl({to_sql(typed)}, NULL)" if may_be_nan else to_sql(typed)


def to_cells(typed, frame):
    """Values and missing marks of a typed tree over a pandas frame, `Cells`."""
    if isinstance(typed, Constant):
        return known(np.array(typed.value, dtype=DTYPES[typed.kind]))
    if isinstance(typed, Column):
        return _column_cells(typed, frame)
    return typed.operation.compute(*(to_cells(part, frame) for part in typed.arguments))


def _literal_sql(constant):
    value = constant.value
    if constant.kind is Kind.TEXT:
        if PLAIN_TEXT.fullmatch(value):
            return f"'{value}'"
        return f"CAST(X'{value.encode().hex().upper()}' AS STRING)"
    if constant.kind is Kind.BOOLEAN:
        return "true" if value else "false"
    written = f"{value}L" if constant.kind is Kind.INTEGER else f"{value!r}D"
    return f"({written})" if value < 0 else written


def _column_sql(column):
    name = ".".join("`" + part.replace("`", "``") + "`" for part in column.name.split("."))
    if column.kind is Kind.REAL:
        return f"CAST({name} AS DOUBLE)"
    return f"CAST({name} AS BIGINT)" if column.kind is Kind.INTEGER else name


def _column_cells(column, frame):
    if column.name not in frame:
        raise FilterError(f"the table has no column `{column.name}`")
    series = frame[column.name]
    missing = series.isna().to_numpy(bool)
    fill = FILL[column.kind]
    if missing.all():
        return Cells(np.full(len(series), fill, DTYPES[column.kind]), missing)
    _refuse_other_kind(series, column.kind)
    if column.kind is Kind.TEXT:
        series = series.astype(object)  # a categorical takes no fill that is no category
    return Cells(series.where(~missing, fill).to_numpy(DTYPES[column.kind]), missing)


def _refuse_other_kind(series, kind):
    found = pd.api.types.infer_dtype(series, skipna=True)
    if kind is Kind.INTEGER and found == "floating":  # as pandas keeps integers with gaps
        present = series.dropna().astype(np.float64)
        if ((present % 1 != 0) | (present.abs() > EXACT_IN_DOUBLE)).any():
            raise FilterError(f"column `{series.name}` should hold 64-bit integers, but went "
                              "through a float and is no longer exact; read it as Int64")
    elif found not in INFERRED[kind]:
        raise FilterError(f"column `{series.name}` should hold {kind.value}, it holds {found}")
