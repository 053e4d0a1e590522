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
        What a packet carries to name it, see `fink_like.packets.wire.schema_key`.
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
    """Read one file of `schemas/`.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    dict
        An Avro schema; each record is defined where it first occurs and named afterwards.

    Raises
    ------
    ConfigError
        The file is not in the notation above.
    """
    try:
        content = yaml.safe_load(Path(path).read_text())
        return _Builder(content).record(next(iter(content["records"])))
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
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
        Any valid Avro schema.

    Returns
    -------
    dict
        Decodes the same bytes.

    Raises
    ------
    SchemaError
        It is not a valid Avro schema.
    """
    try:
        fastavro.parse_schema(schema)
    except Exception as error:  # fastavro raises SchemaParseException, KeyError, TypeError, ...
        raise SchemaError(f"not a valid Avro schema: {error}") from error
    return _strip(schema, "")


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
        stripped["fields"] = [{"name": f["name"], "type": _strip(f["type"], inner)}
                              for f in schema["fields"]]
    else:
        stripped.update({k: schema[k] for k in ("symbols", "size") if k in schema})
    return stripped


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
        self.fetch = fetch
        for path in sorted(Path(folder).glob("*.yaml")) if folder else ():
            number = yaml.safe_load(path.read_text()).get("id")
            if number is not None:
                self.known.setdefault(str(number), PacketSchema(str(number), load_notation(path)))

    def by_id(self, number):
        """Schema of a registry id.

        Raises
        ------
        SchemaError
            Unknown everywhere; ``waits`` on the error is true if a registry did not answer.
        """
        key = str(number)
        if key not in self.known:
            if self.fetch is None:
                raise SchemaError(f"schema id {key} is not in the schemas folder and no registry "
                                  "is configured (setting `registry`)")
            avro = names_and_types(json.loads(self.fetch(number)))
            self.known[key] = PacketSchema(key, avro)
        return self.known[key]
