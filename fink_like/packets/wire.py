"""The wire forms: Kafka value <-> schema key and datum, and the slow reference decoder.

container
    One Avro object container file a message: header (magic, metadata with the writer's schema,
    16-byte sync marker), one block with one record, the sync marker again. ZTF sends these.
framed
    One zero byte, the schema's registry id as 4 bytes big-endian, the bare datum. Rubin sends
    these; its id is MAJOR * 100 + MINOR. (Its sample client says little-endian; 8 of 8 genuine
    messages are big-endian.)

`split` and `join` are inverse to each other byte for byte. What the fast lane in
`fink_like.spark.avro` does in the JVM must equal what stands here.
"""

import bz2
import hashlib
import io
import json
import lzma
import zlib
from dataclasses import dataclass
from functools import lru_cache

import cramjam
import fastavro

from fink_like.errors import PacketError, SchemaError
from fink_like.packets.schemas import PacketSchema, names_and_types

CONTAINER, FRAMED = "container", "framed"
MAGIC = b"Obj\x01"
FRAME_BYTES = 5
SYNC_BYTES = 16
HEADER_SCHEMA = fastavro.parse_schema({
    "type": "record", "name": "container_header", "fields": [
        {"name": "magic", "type": {"type": "fixed", "name": "magic", "size": 4}},
        {"name": "meta", "type": {"type": "map", "values": "bytes"}},
        {"name": "sync", "type": {"type": "fixed", "name": "sync", "size": SYNC_BYTES}}]})
CODECS = {
    "null": bytes,
    "deflate": lambda block: zlib.decompress(block, wbits=-15),  # no zlib header
    "bzip2": bz2.decompress,
    "xz": lzma.decompress,
    "snappy": lambda block: bytes(cramjam.snappy.decompress_raw(block[:-4])),  # then a CRC-32
    "zstandard": lambda block: bytes(cramjam.zstd.decompress(block)),
}
"""Codecs of a container's block; https://avro.apache.org/docs/1.12.0/specification/#codecs"""


@dataclass(frozen=True)
class Packet:
    """One message, taken apart.

    Parameters
    ----------
    schema : PacketSchema
    datum : bytes
        The Avro record, uncompressed.
    sync : bytes or None
        A container's sync marker; None for a frame.
    """

    schema: PacketSchema
    datum: bytes
    sync: bytes | None


def split(value, form, book):
    """Take a message apart.

    Parameters
    ----------
    value : bytes
        Kafka value.
    form : str
        ``container`` or ``framed``.
    book : SchemaBook

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
    return _split_container(value) if form == CONTAINER else _split_frame(value, book)


def _split_frame(value, book):
    if value[:1] != b"\x00":
        raise PacketError("not_this_wire_form", f"first byte is {value[0]:#04x}, a frame has 0x00")
    if len(value) <= FRAME_BYTES:
        raise PacketError("truncated", f"{len(value)} bytes, a frame's header alone has 5")
    number = int.from_bytes(value[1:FRAME_BYTES], "big")
    try:
        return Packet(book.by_id(number), value[FRAME_BYTES:], None)
    except SchemaError as error:
        reason = "schema_unreachable" if getattr(error, "waits", False) else "unknown_schema"
        raise PacketError(reason, f"schema id {number}: {error}") from error


def _split_container(value):
    if value[:4] != MAGIC:
        raise PacketError("not_this_wire_form", f"starts with {value[:4]!r}, a container with Obj1")
    stream = io.BytesIO(value)
    head = _read(stream, HEADER_SCHEMA, "container header")
    header = value[:stream.tell() - SYNC_BYTES]
    schema = read_header(header)
    count = _read(stream, "long", "block count")
    size = _read(stream, "long", "block size")
    start, end = stream.tell(), stream.tell() + size
    if count != 1:
        raise PacketError("record_count", f"the first block holds {count} records")
    if not 0 <= size <= len(value) - start:
        raise PacketError("truncated", f"block of {size} bytes, {len(value) - start} are there")
    if value[end:end + SYNC_BYTES] != head["sync"]:
        raise PacketError("bad_container", "no sync marker behind the block")
    if len(value) > end + SYNC_BYTES:
        raise PacketError("record_count", f"{len(value) - end - SYNC_BYTES} bytes behind the "
                                          "block: a second block or a second container")
    return Packet(schema, decompress(value[start:end], schema.codec), head["sync"])


def _container_schema(header, meta):
    if "avro.schema" not in meta:
        raise PacketError("bad_container", "no avro.schema in the header")
    codec = meta.get("avro.codec", b"null").decode("ascii", "replace")
    try:
        avro = names_and_types(json.loads(meta["avro.schema"]))
    except (ValueError, SchemaError) as error:
        raise PacketError("schema_invalid", str(error)[:500]) from error
    return PacketSchema(header_key(header), avro, header, codec)


@lru_cache(maxsize=256)  # a header is a third of a packet, and the same in all of a night
def read_header(header):
    """The schema that a container header (without its sync marker) brings along.

    Raises
    ------
    PacketError
        It is no container header, or its schema is not valid.
    """
    head = _read(io.BytesIO(header + bytes(SYNC_BYTES)), HEADER_SCHEMA, "container header")
    return _container_schema(header, head["meta"])


def header_key(header):
    """Schema key of a container header: its bytes' SHA-256, shortened to 16 hex digits."""
    return "c" + hashlib.sha256(header).hexdigest()[:16]


def _read(stream, schema, what):
    try:
        return fastavro.schemaless_reader(stream, schema)
    except (EOFError, IndexError) as error:
        raise PacketError("truncated", f"the bytes end inside the {what}") from error
    except Exception as error:
        raise PacketError("bad_container", f"{what}: {error!r}") from error


def decompress(block, codec):
    """Content of a container's block; PacketError if the codec is unknown or the block damaged."""
    if codec not in CODECS:
        raise PacketError("unknown_codec", f"codec {codec!r}; there are {sorted(CODECS)}")
    try:
        return CODECS[codec](block)
    except Exception as error:  # each library has its own
        raise PacketError("bad_container", f"codec {codec}: {error!r}") from error


def join(packet_schema, datum, sync):
    """Put a message together again, byte for byte (uncompressed containers and frames).

    Parameters
    ----------
    packet_schema : PacketSchema
    datum : bytes
    sync : bytes or None
        None: a frame.

    Returns
    -------
    bytes
    """
    if sync is None:
        return b"\x00" + int(packet_schema.key).to_bytes(4, "big") + datum
    block = io.BytesIO()
    fastavro.schemaless_writer(block, "long", 1)
    fastavro.schemaless_writer(block, "bytes", datum)
    return packet_schema.header + sync + block.getvalue() + sync


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
