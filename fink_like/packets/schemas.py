"""Packet schemas: the notation of `schemas/`, and a book that finds a schema by its key.

A file of ``schemas/<survey>/<version>.yaml`` holds names and types in wire order, nothing else::

    id: 1100                      # in a registry; surveys that send their schema have none
    name: lsst.v11_0.alert        # full name of the alert record
    namespace: lsst.v11_0         # of all other records
    records:
      alert:                      # the alert record comes first
        diaSourceId: long
        band: string?             # ? = union of null and this type; ?string: null second
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
        What brought it along: the container's header up to its sync marker, or a message's key.
    codec : str
        Compression of the container's block.
    name : str
        Of its file in ``schemas/<survey>/``; empty: it is none of the project's.
    fast : bool
        Whether the JVM can use it, see `fink_like.spark.schema_store`.
    """

    key: str
    avro: dict = field(hash=False)
    header: bytes = b""
    codec: str = "null"
    name: str = ""
    fast: bool = True

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
        if text.startswith("?"):
            return [self.type(text[1:]), "null"]
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


def fingerprint(avro):
    """SHA-256 of a schema's Parsing Canonical Form, as hex digits.

    https://avro.apache.org/docs/1.12.0/specification/#parsing-canonical-form-for-schemas
    """
    canonical = fastavro.schema.to_parsing_canonical_form(avro)
    return fastavro.schema.fingerprint(canonical, "SHA-256")


def project_schema(path):
    """The schema of one file of `schemas/`; its key is its registry id, else ``v`` and its name."""
    avro, number = read_notation(path)
    stem = Path(path).stem
    return PacketSchema(f"v{stem}" if number is None else str(number), avro, name=stem)


class SchemaBook:
    """Finds the schema that wrote a packet. It asks nobody: see `fink_like.spark.learning`.

    Parameters
    ----------
    folder : Path or None
        ``schemas/<survey>``.
    registered : iterable of PacketSchema
        Met before, in this or an earlier run.
    registry : str
        URL of the registry that is asked later for ids unknown here; empty: there is none.
    absent : iterable of str
        Ids that the registry said not to have.
    """

    def __init__(self, folder, registered=(), registry="", absent=()):
        self.known = {schema.key: schema for schema in registered}
        self.registry, self.absent = registry, set(absent)
        for path in sorted(Path(folder).glob("*.yaml")) if folder else ():
            schema = project_schema(path)
            self.known.setdefault(schema.key, schema)
        self.named = {schema.name: schema for schema in self.known.values() if schema.name}

    def by_id(self, number):
        """Schema of a registry id.

        Raises
        ------
        SchemaError
            It is not known here; ``waits``: the registry is asked after the batch.
        """
        schema = self.known.get(str(number))
        if schema is not None:
            return schema
        if not self.registry:
            raise SchemaError("not in the schemas folder, and no registry is configured (setting "
                              "`registry`)")
        if str(number) in self.absent:
            raise SchemaError(f"neither in the schemas folder nor in the registry {self.registry}")
        raise SchemaError(f"not met before; the registry {self.registry} is asked", waits=True)

    def by_name(self, name):
        """Schema of a file in ``schemas/<survey>/``.

        Raises
        ------
        SchemaError
            There is no such file.
        """
        if name not in self.named:
            raise SchemaError(f"no file {name}.yaml in the survey's schemas folder; there are "
                              f"{sorted(self.named)}")
        return self.named[name]

    def newest(self):
        """Schema of the newest file: the highest version number.

        Raises
        ------
        SchemaError
            There is no file.
        """
        if not self.named:
            raise SchemaError("the survey's schemas folder has no file to write a packet with")
        return self.named[max(self.named, key=_version)]


def _version(name):
    return [int(part) if part.isdigit() else -1 for part in name.split(".")]
