"""JSON -> the Avro datum of a schema: for packets that come as JSON in the survey's field names.

Ids may be numbers or text; NaN and Infinity are taken, bare or as text; bytes are base64 text; a
field of JSON that the schema lacks is passed over, a nullable one that JSON lacks is null.
"""

import base64
import binascii
import io
import json

import fastavro

from fink_like.errors import PacketError
from fink_like.packets.projection import named_records

EXACT_FLOAT = 2**53  # from here on a float is not one integer but several


def encode(value, schema):
    """Write a JSON object as a record of a schema.

    Parameters
    ----------
    value : bytes
        UTF-8.
    schema : PacketSchema
        Of primitives, arrays, records and unions with null.

    Returns
    -------
    bytes

    Raises
    ------
    PacketError
        ``undecodable``, with the field that is missing or wrong.
    """
    try:
        content = json.loads(value)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise PacketError("undecodable", f"not JSON: {error}"[:500]) from error
    record, stream = _Writer(schema.avro).fit(content, schema.avro), io.BytesIO()
    try:
        fastavro.schemaless_writer(stream, schema.parsed, record)
    except (ValueError, OverflowError, TypeError) as error:  # a number beyond its type
        raise PacketError("undecodable", f"JSON that Avro cannot hold: {error}"[:500]) from error
    return stream.getvalue()


class _Writer:
    """Brings JSON's values to the types of a schema."""

    def __init__(self, avro):
        self.records = named_records(avro)

    def fit(self, value, kind, place=""):
        if isinstance(kind, list):
            return None if value is None else self.fit(value, _other_than_null(kind), place)
        kind = self.records.get(kind, kind) if isinstance(kind, str) else kind
        if isinstance(kind, str):
            return _primitive(value, kind, place)
        if kind["type"] == "array":
            _need(isinstance(value, list), value, "an array", place)
            return [self.fit(item, kind["items"], f"{place}[{n}]") for n, item in enumerate(value)]
        _need(isinstance(value, dict), value, "an object", place)
        dot = f"{place}." if place else ""
        return {f["name"]: self.fit(_field(value, f, dot), f["type"], dot + f["name"])
                for f in kind["fields"]}


def _field(value, field, dot):
    if field["name"] not in value and not isinstance(field["type"], list):
        raise PacketError("undecodable", f"the field {dot}{field['name']} is missing, and must not "
                          "be null")
    return value.get(field["name"])


def _other_than_null(union):
    return next(branch for branch in union if branch != "null")


def _primitive(value, kind, place):
    if kind in ("int", "long"):
        return _integer(value, 32 if kind == "int" else 64, place)
    if kind in ("float", "double"):
        _need(isinstance(value, (int, float, str)) and not isinstance(value, bool), value,
              "a number", place)
        return _converted(float, value, "a number", place)
    if kind == "bytes":
        _need(isinstance(value, str), value, "base64 text", place)
        return _converted(lambda text: base64.b64decode(text, validate=True), value,
                          "base64 text", place)
    if kind == "boolean":
        _need(isinstance(value, bool), value, "true or false", place)
    else:
        _need(isinstance(value, str), value, "text", place)
    return value


def _integer(value, bits, place):
    """An integer, of a number or text; a float of 2**53 or more may have been another id."""
    if isinstance(value, float):
        _need(value.is_integer() and abs(value) < EXACT_FLOAT, value, "an exact integer", place)
    _need(isinstance(value, (int, float, str)) and not isinstance(value, bool), value,
          "an integer", place)
    number = _converted(int, value, "an integer", place)
    _need(-(1 << bits - 1) <= number < 1 << bits - 1, value, f"an integer of {bits} bits", place)
    return number


def _converted(function, value, wanted, place):
    try:
        return function(value)
    except (ValueError, OverflowError, binascii.Error):
        return _need(False, value, wanted, place)


def _need(fine, value, wanted, place):
    if not fine:
        raise PacketError("undecodable", f"{place or 'the message'} should be {wanted}, and is "
                          f"{str(value)[:80]!r}")
