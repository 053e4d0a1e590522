"""Which topics carry a survey's packets, and in which wire form each.

In the survey's YAML, ``topics`` and ``wire`` are the common case; ``inputs`` lists what differs::

    topics: survey-alerts-v.*
    wire: framed
    inputs:
      - {topics: alerts-sim, wire: framed, aliases: {1: 1000}}    # id in the frame: the schema's
      - {topics: old_.*, wire: bare, schema: "11.0"}              # a file of schemas/<survey>/
      - {topics: sim_.*, wire: bare, schema: {"3.3": "3.3"}}      # the packet's first text: file
      - {topics: their_.*, wire: fink}
      - {topics: web_.*, wire: json}
      - {topics: mixed_.*, wire: auto}

The first of them that matches a topic counts. See docs/inputs.md.
"""

import re
from dataclasses import dataclass, field

from fink_like.errors import ConfigError

CONTAINER, FRAMED, BARE, FINK, JSON = "container", "framed", "bare", "fink", "json"
AUTO = "auto"
FORMS = (CONTAINER, FRAMED, BARE, FINK, JSON)
ALLOWED = {"topics", "wire", "aliases", "schema"}

CONTAINER_BEGINS, FRAME_BEGINS, JSON_BEGINS = b"Obj\x01", b"\x00", b"{"
SCHEMA_HAS = b'"fields"'


@dataclass(frozen=True)
class Input:
    """Topics of one wire form.

    Parameters
    ----------
    wire : str
        One of `FORMS`, or ``auto``: told from each message's first bytes.
    topics : str
        Regular expression, matched whole.
    aliases : dict
        Of frames: id in the frame -> id of the schema, both as text.
    schema : str
        Of bare packets: name of the schema's file; empty: `versions` says.
    versions : dict
        Of bare packets that begin with the text of their version: that text -> name of the file.
    """

    wire: str
    topics: str = ""
    aliases: dict = field(default_factory=dict, hash=False)
    schema: str = ""
    versions: dict = field(default_factory=dict, hash=False)

    def form_of(self, value, key):
        """Wire form of a message; `fink_like.spark.avro` asks the same in SQL.

        A key that is a schema counts before a first byte of zero: Spark writes a nullable first
        field with a zero byte in front.
        """
        if self.wire != AUTO:
            return self.wire
        if value.startswith(CONTAINER_BEGINS):
            return CONTAINER
        if key and key.startswith(JSON_BEGINS) and SCHEMA_HAS in key:
            return FINK
        if value.startswith(FRAME_BEGINS):
            return FRAMED
        return JSON if value.startswith(JSON_BEGINS) else BARE

    @property
    def names(self):
        """Files of ``schemas/<survey>/`` that it names."""
        return (self.schema, *self.versions.values()) if self.schema else (*self.versions.values(),)

    @property
    def needs_newest(self):
        """Whether a message may have to be written in the survey's newest schema."""
        return self.wire in (JSON, AUTO)


def read(content):
    """All inputs of a survey's YAML, the common case first.

    Raises
    ------
    ConfigError
    KeyError
        ``topics`` or ``wire`` is not there.
    """
    first = _input({k: v for k, v in content.items() if k in ALLOWED})
    more = []
    for number, spec in enumerate(content.get("inputs", ())):
        try:
            more.append(_input(spec))
        except KeyError as error:
            raise ConfigError(f"inputs[{number}]: key {error} is missing") from error
        except (ConfigError, TypeError, AttributeError) as error:
            raise ConfigError(f"inputs[{number}]: {error}") from error
    found = (first, *more)
    twice = sorted({i.topics for i in found if [o.topics for o in found].count(i.topics) > 1})
    if twice:
        raise ConfigError(f"inputs: topics {twice[0]!r} stands twice; the first would count")
    return found


def _input(spec):
    unknown = sorted(set(spec) - ALLOWED)
    if unknown:
        raise ConfigError(f"no key {unknown}; there are {sorted(ALLOWED)}")
    wire, schema = spec["wire"], spec.get("schema", "")
    if wire not in (*FORMS, AUTO):
        raise ConfigError(f"wire: {wire} is not one of {', '.join((AUTO, *FORMS))}")
    if wire == BARE and not schema:
        raise ConfigError("wire: bare needs `schema`: a file of the survey's folder in schemas/")
    if schema and wire not in (BARE, AUTO) or spec.get("aliases") and wire not in (FRAMED, AUTO):
        raise ConfigError(f"wire: {wire} takes no schema (bare does) or no aliases (framed does)")
    aliases = {_id(there): _id(here) for there, here in spec.get("aliases", {}).items()}
    versions, name = (schema, "") if isinstance(schema, dict) else ({}, schema)
    wrong = [t for t in (name, *versions, *versions.values()) if not isinstance(t, str)]
    if wrong:
        raise ConfigError(f"schema: put {wrong[0]!r} in quotes: YAML reads 3.10 as the number 3.1")
    return Input(wire, _pattern(spec["topics"]), aliases, name, versions)


def _id(number):
    try:
        if 0 <= int(number) < 1 << 32:
            return str(int(number))
    except (TypeError, ValueError):
        raise ConfigError(f"aliases: {number!r} is no schema id") from None
    raise ConfigError(f"aliases: {number} does not fit into a frame's 4 bytes")


def _pattern(text):
    try:
        re.compile(text)
    except (re.error, TypeError) as error:
        raise ConfigError(f"topics: {text!r} is not a regular expression: {error}") from error
    return text


def joined(inputs):
    """One regular expression of all topics."""
    if len(inputs) == 1:
        return inputs[0].topics
    return "|".join(f"(?:{one.topics})" for one in inputs)
