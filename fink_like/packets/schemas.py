"""Packet schemas: the notation of `schemas/`, and a book that finds a schema by its key.

A file of ``schemas/<survey>/<version>.yaml`` holds names and types in wire order, nothing else::

    id: 1100                      # in a registry; surveys that send their schema have none
    name: lsst.v11_0.alert        # full name of the alert record
    namespace: lsst.v11_0         # of all other records
    records:
      alert:                      # the alert record comes first
        diaSourceId: long
        band: string?             # ? = union of null and this type, null first
        prvDiaSources: diaSource[]?   # [] = array of a type or of a record below

Decoding needs no more than that: docs, defaults and logical types do not change the bytes.
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import fastavro
import yaml

from fink_like.errors import ConfigError, SchemaError

PRIMITIVES = {"null", "boolean", "int", "long", "float", "double", "bytes", "string"}


@dataclass(frozen=True)
class PacketSchema:
    """One writer schema.

    Parameters
    ----------
    key : str
        What a packet carries to name it, see `fink_like.packets.wire.header_key`.
    avro : dict
        The Avro schema, names and types only.
    header : bytes, optional
        The container header up to its sync marker, for surveys that send the schema along.
    codec : str
        Compression of the container's block.
    """

    key: str
    avro: dict = field(hash=False)
    header: bytes = b""
    codec: str = "null"

    @cached_property
    def parsed(self):
        """The schema as fastavro wants it; to parse it takes longer than to decode a packet."""
        return fastavro.parse_schema(self.avro)


def load_notation(path):
    """Read one file of `schemas/` as an Avro schema; see `read_notation`."""
    return read_notation(path)[0]


def read_notation(path):
    """Read one file of `schemas/`.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    tuple of (dict, int or None)
        An Avro schema, each record defined where it first occurs and named afterwards; and its
        id in a registry.

    Raises
    ------
    ConfigError
        The file is not in the notation above.
    """
    try:
        content = yaml.safe_load(Path(path).read_text())
        schema = _Builder(content).record(next(iter(content["records"])))
        return schema, content.get("id")
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, StopIteration) as error:
        raise ConfigError(f"{path}: not a packet schema in our notation: {error!r}") from error


class _Builder:
    """Notation to Avro: records are spelt out once, where they are first used."""

    def __init__(self, content):
        self.records = content["records"]
        self.root, self.namespace = content["name"], content["namespace"]
        self.defined = set()

    def record(self, short):
        full = self.root if short == next(iter(self.records)) else f"{self.namespace}.{short}"
        if short in self.defined:
            return full
        self.defined.add(short)
        fields = [{"name": name, "type": self.type(text)}
                  for name, text in self.records[short].items()]
        return {"type": "record", "name": full, "fields": fields}

    def type(self, text):
        if text.endswith("?"):
            return ["null", self.type(text[:-1])]
        if text.endswith("[]"):
            return {"type": "array", "items": self.type(text[:-2])}
        return text if text in PRIMITIVES else self.record(text)


def names_and_types(schema):
    """Strip docs, defaults, aliases and logical types; give every record its full name.

    Parameters
    ----------
    schema : dict
        Any valid Avro schema of a record.

    Returns
    -------
    dict
        Decodes the same bytes.

    Raises
    ------
    SchemaError
        It is not a valid Avro schema, or not one of a record.
    """
    try:
        fastavro.parse_schema(schema)
        stripped = _strip(schema, "")
    except Exception as error:  # fastavro raises SchemaParseException, KeyError, TypeError, ...
        raise SchemaError(f"not a valid Avro schema: {error!r}") from error
    if not isinstance(stripped, dict) or stripped["type"] != "record":
        raise SchemaError("the schema of a packet must be a record")
    return stripped


def _strip(schema, namespace):
    if isinstance(schema, list):
        return [_strip(branch, namespace) for branch in schema]
    if isinstance(schema, str):
        return schema if schema in PRIMITIVES else _full_name(schema, namespace)
    kind = schema["type"]
    if kind == "array":
        return {"type": "array", "items": _strip(schema["items"], namespace)}
    if kind == "map":
        return {"type": "map", "values": _strip(schema["values"], namespace)}
    if kind not in ("record", "enum", "fixed"):
        return _strip(kind, namespace)
    name = _full_name(schema["name"], schema.get("namespace", namespace))
    stripped = {"type": kind, "name": name}
    inner = name.rpartition(".")[0]
    if kind == "record":
        stripped["fields"] = list(_fields(schema["fields"], inner))
    else:
        stripped.update({k: schema[k] for k in ("symbols", "size") if k in schema})
    return stripped


def _fields(fields, namespace):
    """Fields, each name once: WINTER's schema has ``sgmag1`` twice, which Java's Avro refuses."""
    times = Counter()
    for field in fields:
        times[field["name"]] += 1
        again = times[field["name"]]
        name = field["name"] if again == 1 else f"{field['name']}_{again}"
        yield {"name": name, "type": _strip(field["type"], namespace)}


def _full_name(name, namespace):
    return name if "." in name or not namespace else f"{namespace}.{name}"


def text(schema):
    """Compact JSON of a schema, the same text for the same schema."""
    return json.dumps(schema, separators=(",", ":"))


class SchemaBook:
    """Finds the schema that wrote a packet: registered ones, then the folder, then the registry.

    Parameters
    ----------
    folder : Path or None
        ``schemas/<survey>``; files without an ``id`` are for writing only.
    registered : iterable of PacketSchema
        Met before, in this or an earlier run.
    fetch : callable, optional
        ``fetch(id) -> str``: the schema's JSON from a registry; raises SchemaError.
    """

    def __init__(self, folder, registered=(), fetch=None):
        self.known = {schema.key: schema for schema in registered}
        self.fetch, self._failed = fetch, {}
        for path in sorted(Path(folder).glob("*.yaml")) if folder else ():
            avro, number = read_notation(path)
            if number is not None:
                self.known.setdefault(str(number), PacketSchema(str(number), avro))

    def by_id(self, number):
        """Schema of a registry id.

        Raises
        ------
        SchemaError
            Unknown everywhere; ``waits`` on the error is true if a registry did not answer.
        """
        key = str(number)
        if key in self._failed:  # one question an id: a silent registry takes 10 s to fail
            raise self._failed[key]
        if key not in self.known:
            try:
                self.known[key] = PacketSchema(key, self._fetched(number))
            except SchemaError as error:
                self._failed[key] = error
                raise
        return self.known[key]

    def _fetched(self, number):
        if self.fetch is None:
            raise SchemaError(f"schema id {number} is not in the schemas folder and no registry "
                              "is configured (setting `registry`)")
        try:
            return names_and_types(json.loads(self.fetch(number)))
        except ValueError as error:
            raise SchemaError(f"the registry's schema {number} is not JSON: {error}") from error
