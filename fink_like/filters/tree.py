"""What a filter's text means, as a tree of three kinds of node.

`Literal` and `Name` are the leaves; everything else, operators included, is a `Call` of one of
`fink_like.filters.functions.OPERATIONS`. `written` turns a tree back into text: parsing that
gives the same tree again.
"""

from dataclasses import dataclass, field
from enum import Enum

INFIX = ("and", "or", "=", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/")


class Kind(Enum):
    """Type of a value in a filter; integers stay apart so that 64-bit ids compare exactly."""

    INTEGER = "an integer"
    REAL = "a number"
    TEXT = "text"
    BOOLEAN = "true or false"


@dataclass(frozen=True)
class Literal:
    """A value written in the filter; ``kind`` keeps 1, 1.0 and true apart."""

    value: object
    kind: Kind
    line: int = field(default=1, compare=False)
    column: int = field(default=1, compare=False)


@dataclass(frozen=True)
class Name:
    """A column, or the module in ``status(module)``; dotted as in the vocabulary."""

    name: str
    line: int = field(default=1, compare=False)
    column: int = field(default=1, compare=False)


@dataclass(frozen=True)
class Call:
    """An operator or function with its arguments; ``not between`` is ``not`` of ``between``."""

    operation: str
    arguments: tuple
    line: int = field(default=1, compare=False)
    column: int = field(default=1, compare=False)


def children(node):
    """Nodes right below this one, a tuple."""
    return node.arguments if isinstance(node, Call) else ()


def written(node):
    """Text of a tree, each operator in brackets.

    Parameters
    ----------
    node : Literal, Name or Call

    Returns
    -------
    str
    """
    if isinstance(node, Name):
        return node.name
    if isinstance(node, Literal):
        return _written_literal(node)
    return _written_call(node.operation, [written(part) for part in node.arguments])


def _written_literal(node):
    if node.kind is Kind.TEXT:
        return "'" + node.value.replace("'", "''") + "'"
    return repr(node.value).lower()  # True, False, 1e-05, 17


def _written_call(operation, parts):
    if operation in INFIX:
        return "(" + f" {operation} ".join(parts) + ")"
    if operation == "not":
        return f"(not {parts[0]})"
    if operation == "minus sign":
        return f"(- {parts[0]})" if parts[0].startswith("(") else f"(- ({parts[0]}))"  # -5: a value
    if operation == "is null":
        return f"({parts[0]} is null)"
    if operation == "between":
        return f"({parts[0]} between {parts[1]} and {parts[2]})"
    if operation == "in":
        return f"({parts[0]} in ({', '.join(parts[1:])}))"
    return f"{operation}({', '.join(parts)})"
