"""Expressions of a survey's YAML: parsed once, then written as SQL or evaluated in Python."""

import inspect
import math
from dataclasses import dataclass

from fink_like.errors import ConfigError
from fink_like.packets.conversions import CONVERSIONS, literal, text_id, text_id_sql


@dataclass(frozen=True)
class Path:
    """A field of the packet, from the record the expression stands for."""

    parts: tuple


@dataclass(frozen=True)
class Column:
    """Another column of the same record, by its neutral name."""

    name: str


@dataclass(frozen=True)
class Constant:
    """A value."""

    value: object


@dataclass(frozen=True)
class Call:
    """A conversion of other expressions."""

    name: str
    arguments: tuple


@dataclass(frozen=True)
class Lookup:
    """A table from packet values to neutral values."""

    of: object
    table: tuple


@dataclass(frozen=True)
class TextId:
    """A text id as a number."""

    of: object
    prefix: str
    digits: int
    letters: int


def parse(spec):
    """Read one YAML expression.

    Raises
    ------
    ConfigError
        It is not of the closed set in `fink_like.packets.conversions`.
    """
    if isinstance(spec, str):
        return Column(spec[1:]) if spec.startswith("$") else Path(tuple(spec.split(".")))
    if not isinstance(spec, dict) or not spec:
        raise ConfigError(f"{spec!r} is not an expression: a field, $column or {{conversion: ...}}")
    if "constant" in spec:
        literal(spec["constant"])
        return Constant(spec["constant"])
    if "lookup" in spec:
        return Lookup(parse(spec["lookup"]), tuple(spec["in"].items()))
    if "text_id" in spec:
        return TextId(parse(spec["text_id"]), spec["prefix"], spec["digits"], spec["letters"])
    (name, arguments), = spec.items()
    if name not in CONVERSIONS:
        raise ConfigError(f"no conversion called {name}; there are {sorted(CONVERSIONS)}")
    arguments = arguments if isinstance(arguments, list) else [arguments]
    of_texts = arguments[1:] if name == "is_in" else []
    try:
        inspect.signature(CONVERSIONS[name].sql).bind(*arguments)
    except TypeError as error:
        raise ConfigError(f"{name} with {len(arguments)} arguments: {error}") from error
    parsed = [parse(a) for a in arguments[:len(arguments) - len(of_texts)]]
    return Call(name, (*parsed, *(Constant(t) for t in of_texts)))


def paths(node):
    """All packet fields an expression reads, as tuples of names."""
    if isinstance(node, Path):
        return {node.parts}
    return set().union(*(paths(child) for child in children(node)), set())


def children(node):
    """Expressions inside an expression."""
    if isinstance(node, Call):
        return node.arguments
    return (node.of,) if isinstance(node, (Lookup, TextId)) else ()


def references(node):
    """Names of the other columns that an expression reads."""
    if isinstance(node, Column):
        return {node.name}
    return set().union(*(references(child) for child in children(node)), set())


@dataclass(frozen=True)
class Sentinels:
    """What a survey writes for "missing", besides null and NaN."""

    numbers: tuple = ()
    texts: tuple = ()


class SqlWriter:
    """Writes expressions as Spark SQL.

    Parameters
    ----------
    alias : str
        Name of the record in SQL: a struct column or a lambda's variable.
    types : dict
        Path -> Avro type name, of the fields that are there.
    columns : dict
        Neutral name -> expression, for ``$name``.
    sentinels : Sentinels
    """

    def __init__(self, alias, types, columns, sentinels):
        self.alias, self.types = alias, types
        self.columns, self.sentinels = columns, sentinels

    def write(self, node):
        """SQL text of an expression; a field that no schema has is NULL."""
        if isinstance(node, Path):
            return self._path(node.parts)
        if isinstance(node, Column):
            return self.write(self.columns[node.name])
        if isinstance(node, Constant):
            return literal(node.value)
        if isinstance(node, Lookup):
            cases = " ".join(f"WHEN {literal(k)} THEN {literal(v)}" for k, v in node.table)
            return f"(CASE {self.write(node.of)} {cases} END)"
        if isinstance(node, TextId):
            return text_id_sql(self.write(node.of), node.prefix, node.digits, node.letters)
        return CONVERSIONS[node.name].sql(*(self.write(a) for a in node.arguments))

    def _path(self, parts):
        kind = self.types.get(parts)
        if kind is None:
            return "NULL"
        name = ".".join((self.alias, *(f"`{p}`" for p in parts)))
        if kind in ("float", "double"):
            name = f"nanvl({name}, CAST(NULL AS {kind}))"
        missing = self.sentinels.texts if kind == "string" else (
            self.sentinels.numbers if kind in ("int", "long", "float", "double") else ())
        for value in missing:
            name = f"nullif({name}, {literal(value)})"
        return name


class Evaluator:
    """Evaluates expressions on a decoded record: the slow reference of `SqlWriter`."""

    def __init__(self, columns, sentinels):
        self.columns, self.sentinels = columns, sentinels

    def value(self, node, record):
        """Value of an expression, None for null."""
        if isinstance(node, Path):
            return self._path(node.parts, record)
        if isinstance(node, Column):
            return self.value(self.columns[node.name], record)
        if isinstance(node, Constant):
            return node.value
        if isinstance(node, Lookup):
            return dict(node.table).get(self.value(node.of, record))
        if isinstance(node, TextId):
            return text_id(self.value(node.of, record), node.prefix, node.digits, node.letters)
        conversion = CONVERSIONS[node.name]
        values = [self.value(a, record) for a in node.arguments]
        if not conversion.nulls and None in values:
            return None
        return conversion.python(*values)

    def _path(self, parts, record):
        for part in parts:
            record = record.get(part) if record is not None else None
        if isinstance(record, float) and math.isnan(record):
            return None
        if isinstance(record, str):
            return None if record in self.sentinels.texts else record
        if isinstance(record, (int, float)) and not isinstance(record, bool):
            return None if record in self.sentinels.numbers else record
        return record
