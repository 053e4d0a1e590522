"""Tree × known columns → typed tree, in which every name, type and number of arguments is right.

A typed tree has three kinds of node: `Constant`, `Column` and `Apply`.
"""

from dataclasses import dataclass, field

from fink_like.errors import FilterError
from fink_like.filters.functions import FUNCTIONS, MODULE, NUMBERS, OPERATIONS, WIDEN, Operation
from fink_like.filters.language import nearest
from fink_like.filters.tree import Kind, Literal, Name

KINDS = {
    "tinyint": Kind.INTEGER, "smallint": Kind.INTEGER, "int": Kind.INTEGER,
    "bigint": Kind.INTEGER, "float": Kind.REAL, "double": Kind.REAL,
    "string": Kind.TEXT, "boolean": Kind.BOOLEAN,
}
"""Spark SQL type of a column → what it is in a filter; other types cannot be used."""


@dataclass(frozen=True)
class Constant:
    """A value of the filter's text."""

    value: object
    kind: Kind


@dataclass(frozen=True)
class Column:
    """A column that exists, by its dotted name."""

    name: str
    kind: Kind


@dataclass(frozen=True)
class Apply:
    """An operation on arguments that fit it."""

    operation: Operation
    arguments: tuple
    kind: Kind = field(default=Kind.BOOLEAN)


def check(tree, columns):
    """Typed tree of a condition.

    Parameters
    ----------
    tree : Literal, Name or Call
        From `fink_like.filters.language.parse`.
    columns : mapping of str to fink_like.vocabulary.Field
        Every column a filter may use, by dotted name.

    Returns
    -------
    Constant, Column or Apply

    Raises
    ------
    FilterError
        Unknown names, types that do not go together, or a tree that is not a condition.
    """
    typed = _typed(tree, columns)
    if typed.kind is not Kind.BOOLEAN:
        raise FilterError(f"a filter must be true or false, this is {typed.kind.value}; "
                          "compare it with something", tree.line, tree.column)
    return typed


def columns_used(typed):
    """Dotted names in a typed tree, sorted, a tuple."""
    if isinstance(typed, Column):
        return (typed.name,)
    arguments = typed.arguments if isinstance(typed, Apply) else ()
    return tuple(sorted({name for part in arguments for name in columns_used(part)}))


def _typed(node, columns):
    if isinstance(node, Literal):
        return Constant(node.value, node.kind)
    if isinstance(node, Name):
        return _column(node, node.name, columns)
    operation = OPERATIONS.get(node.operation) or _refuse_function(node)
    _check_count(node, operation)
    if operation.accepts == MODULE:
        return _status(node, operation, columns)
    arguments = [_typed(part, columns) for part in node.arguments]
    kind = _common_kind(node, operation, arguments)
    fitted = tuple(_fit(argument, kind) for argument in arguments)
    return Apply(operation, fitted, operation.returns or kind)


def _column(node, name, columns):
    if name not in columns:
        inside = sorted(other for other in columns if other.startswith(name + "."))
        hint = (f": it is a group, with {', '.join(inside[:5])}" if inside
                else nearest(name, columns))
        raise FilterError(f"no column `{name}`{hint}", node.line, node.column)
    spark_type = columns[name].type
    if spark_type.startswith("array"):
        raise FilterError(f"`{name}` is an array, one value a point of the light curve; a filter "
                          "takes one value an alert, such as a science module's output",
                          node.line, node.column)
    if spark_type not in KINDS:
        raise FilterError(f"`{name}` is of type {spark_type}; filters know {', '.join(KINDS)}",
                          node.line, node.column)
    return Column(name, KINDS[spark_type])


def _refuse_function(node):
    raise FilterError(f"no function `{node.operation}`{nearest(node.operation, FUNCTIONS)}; there "
                      f"are {', '.join(FUNCTIONS)}", node.line, node.column)


def _check_count(node, operation):
    fewest, most = operation.arity
    count = len(node.arguments)
    if count < fewest or (most is not None and count > most):
        wanted = f"{fewest}" if most == fewest else f"{fewest} or more"
        raise FilterError(f"`{operation.name}` takes {wanted} arguments, found {count}; "
                          f"{operation.doc}", node.line, node.column)


def _status(node, operation, columns):
    module = node.arguments[0]
    modules = [name[:-len(".status")] for name in columns if name.endswith(".status")]
    if not isinstance(module, Name) or module.name not in modules:
        hint = nearest(module.name, modules) if isinstance(module, Name) else ""
        raise FilterError(f"status() takes the name of a module{hint}; there are "
                          f"{', '.join(sorted(modules)) or 'none'}", module.line, module.column)
    column = _column(module, f"{module.name}.status", columns)
    return Apply(operation, (column,), column.kind)


def _common_kind(node, operation, arguments):
    """The one kind that all arguments have or are widened to."""
    for part, argument in zip(node.arguments, arguments):
        if argument.kind not in operation.accepts:
            raise FilterError(f"`{operation.name}` does not work on {argument.kind.value}; it "
                              f"takes {_listed(operation.accepts)}", part.line, part.column)
    kinds = {argument.kind for argument in arguments}
    if kinds <= NUMBERS:
        return Kind.REAL if Kind.REAL in kinds or operation.is_arithmetic else Kind.INTEGER
    if len(kinds) > 1:
        found = " and ".join(dict.fromkeys(argument.kind.value for argument in arguments))
        raise FilterError(f"`{operation.name}` needs values of one type, found {found}",
                          node.line, node.column)
    return kinds.pop()


def _listed(kinds):
    return " or ".join(kind.value for kind in Kind if kind in kinds and kind is not Kind.INTEGER)


def _fit(argument, kind):
    if kind is not Kind.REAL or argument.kind is Kind.REAL:
        return argument
    if isinstance(argument, Constant):
        return Constant(float(argument.value), Kind.REAL)
    return Apply(WIDEN, (argument,), Kind.REAL)
