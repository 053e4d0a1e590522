"""The wire forms: Kafka value <-> schema key and datum, and the slow reference decoder.

container
    One Avro object container file a message, see `fink_like.packets.container`. ZTF sends these.
framed
    One zero byte, the schema's registry id as 4 bytes big-endian, the bare datum. Rubin sends
    these; its id is MAJOR * 100 + MINOR. (Its sample client says little-endian; 8 of 8 genuine
    messages are big-endian.) A simulator's own ids have aliases in the survey's YAML.
bare
    The datum alone; its schema is named in the survey's YAML.
fink
    The datum alone; the message's key is the schema's JSON. Other brokers' live topics.
json
    A JSON object in the survey's field names; the only form that is not kept as Avro's bytes.

`split` and `join` are inverse to each other byte for byte, but for json and compressed containers.
What the fast lane in `fink_like.spark.avro` does in the JVM must equal what stands here.
"""

import hashlib
import io
import json
from dataclasses import dataclass
from functools import lru_cache

import fastavro

from fink_like.errors import PacketError, SchemaError
from fink_like.packets import container, from_json
from fink_like.packets.inputs import (
    CONTAINER, CONTAINER_BEGINS, FINK, FRAME_BEGINS, FRAMED, JSON, JSON_BEGINS, Input)
from fink_like.packets.schemas import PacketSchema, names_and_types

FRAME_BYTES = 5
SYNC_BYTES = container.SYNC_BYTES
NO_FRAME = b""
"""In the place of a sync marker: the message is the datum, nothing stands before it."""


@dataclass(frozen=True)
class Packet:
    """One message, taken apart.

    Parameters
    ----------
    schema : PacketSchema
    datum : bytes
        The Avro record, uncompressed.
    sync : bytes or None
        What stood around the datum and does not follow from the schema: a container's sync marker
        (16 bytes); the frame, where its id is an alias (5 bytes); nothing, of a bare datum (0
        bytes). None: a frame with the schema's own id.
    """

    schema: PacketSchema
    datum: bytes
    sync: bytes | None


def split(value, given, book, key=None):
    """Take a message apart.

    Parameters
    ----------
    value : bytes
        Kafka value.
    given : Input or str
        What its topic carries, or just the name of a wire form.
    book : SchemaBook
    key : bytes, optional
        Kafka key.

    Returns
    -------
    Packet

    Raises
    ------
    PacketError
        With the reason for the dead letter.
    """
    if not value:
        raise PacketError("empty", "no bytes")
    source = given if isinstance(given, Input) else Input(given)
    form = source.form_of(value, key)
    if form == CONTAINER:
        header, block, sync = container.split(value)
        schema = read_header(header)
        return Packet(schema, container.decompress(block, schema.codec), sync)
    if form == FRAMED:
        return _split_frame(value, source, book)
    if form == FINK:
        return _split_fink(value, key)
    return _split_json(value, book) if form == JSON else _split_bare(value, source, book)


def _split_frame(value, source, book):
    if not value.startswith(FRAME_BEGINS):
        raise PacketError("not_this_wire_form", f"first byte is {value[0]:#04x}, a frame has 0x00")
    if len(value) <= FRAME_BYTES:
        raise PacketError("truncated", f"{len(value)} bytes, a frame's header alone has 5")
    frame = value[:FRAME_BYTES]
    number = str(int.from_bytes(frame[1:], "big"))
    schema_id = source.aliases.get(number, number)
    try:
        return Packet(book.by_id(schema_id), value[FRAME_BYTES:],
                      None if schema_id == number else frame)
    except SchemaError as error:
        reason = "schema_unreachable" if error.waits else "unknown_schema"
        raise PacketError(reason, f"unknown schema id {number}: {error}", schema_id) from error


def _split_bare(value, source, book):
    name = source.schema or next(
        (name for text, name in source.versions.items() if value.startswith(begins(text))), None)
    if name is None and source.versions:
        raise PacketError("unknown_schema", f"unknown schema version: starts with {value[:12]!r}, "
                          f"the topic's table in the survey's YAML has {list(source.versions)}")
    if name is None:
        raise PacketError("not_this_wire_form", f"starts with {value[:12]!r}: neither a container, "
                          "a frame nor JSON, and the topic has no schema for a bare packet")
    return Packet(_named(book, name), value, NO_FRAME)


def begins(text):
    """First bytes of a bare packet whose first field is this text."""
    encoded = text.encode()
    return bytes([2 * len(encoded)]) + encoded  # Avro's length, of up to 63 bytes


def _split_fink(value, key):
    if not key or not key.startswith(JSON_BEGINS):
        raise PacketError("not_this_wire_form", f"the message's key is {(key or b'')[:40]!r}, not "
                          "the JSON of its schema")
    return Packet(read_header(bytes(key)), value, NO_FRAME)


def _split_json(value, book):
    if not value.startswith(JSON_BEGINS):
        raise PacketError("not_this_wire_form", f"starts with {value[:12]!r}, JSON with a brace")
    schema = _named(book, None)
    return Packet(schema, from_json.encode(value, schema), NO_FRAME)


def _named(book, name):
    try:
        return book.by_name(name) if name else book.newest()
    except SchemaError as error:
        raise PacketError("unknown_schema", str(error)) from error


@lru_cache(maxsize=256)  # it is a third of a packet, and the same in all of a night
def read_header(header):
    """The schema that packets bring along: of a container's header, or a message's key.

    Parameters
    ----------
    header : bytes
        A container up to its sync marker, or a schema's JSON.

    Raises
    ------
    PacketError
        It is neither, or its schema is not valid.
    """
    if header.startswith(CONTAINER_BEGINS):
        text, codec = container.read_header(header)
    else:
        text, codec = header, "null"
    try:
        avro = names_and_types(json.loads(text))
    except (ValueError, SchemaError, RecursionError) as error:
        raise PacketError("schema_invalid", str(error)[:500]) from error
    return PacketSchema(header_key(header), avro, header, codec)


def header_key(header):
    """Schema key of a container's header or a message's key: 16 hex digits of its SHA-256."""
    return "c" + hashlib.sha256(header).hexdigest()[:16]


def join(packet_schema, datum, sync):
    """Put a message together again, byte for byte (not compressed containers, nor JSON).

    Parameters
    ----------
    packet_schema : PacketSchema
    datum : bytes
    sync : bytes or None
        As in `Packet`.

    Returns
    -------
    bytes
    """
    if sync is None:
        return FRAME_BEGINS + int(packet_schema.key).to_bytes(4, "big") + datum
    if len(sync) == SYNC_BYTES:
        return container.join(packet_schema.header, datum, sync)
    return sync + datum


def decode(datum, schema):
    """Decode one record in Python: slow (30 to 1,500 a second) and the reference for all else.

    Parameters
    ----------
    datum : bytes
    schema : PacketSchema

    Returns
    -------
    dict

    Raises
    ------
    PacketError
        ``undecodable``, ``truncated`` or ``surplus_bytes``.
    """
    stream = io.BytesIO(datum)
    try:
        record = fastavro.schemaless_reader(stream, schema.parsed)
    except (EOFError, IndexError) as error:
        raise PacketError("truncated", f"the datum ends early: {error!r}") from error
    except Exception as error:  # damaged bytes raise nearly anything; each is one dead letter
        raise PacketError("undecodable", f"{error!r}"[:500]) from error
    if stream.tell() != len(datum):
        raise PacketError("surplus_bytes", f"{len(datum) - stream.tell()} bytes left over")
    return record
