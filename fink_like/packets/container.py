"""Avro object container files, one record each: header, block, codecs.

A header is magic, metadata with the writer's schema, and a 16-byte sync marker; behind it stands
one block with one record, then the sync marker again.
"""

import bz2
import io
import lzma
import zlib

import cramjam
import fastavro

from fink_like.errors import PacketError
from fink_like.packets.inputs import CONTAINER_BEGINS

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


def split(value):
    """Parts of a container.

    Parameters
    ----------
    value : bytes

    Returns
    -------
    tuple of (bytes, bytes, bytes)
        The header up to its sync marker, the block as it is, the sync marker.

    Raises
    ------
    PacketError
        With the reason for the dead letter.
    """
    if value[:4] != CONTAINER_BEGINS:
        raise PacketError("not_this_wire_form", f"starts with {value[:4]!r}, a container with Obj1")
    stream = io.BytesIO(value)
    head = _read(stream, HEADER_SCHEMA, "container header")
    header = value[:stream.tell() - SYNC_BYTES]
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
    return header, value[start:end], head["sync"]


def join(header, datum, sync):
    """A container of one uncompressed record."""
    block = io.BytesIO()
    fastavro.schemaless_writer(block, "long", 1)
    fastavro.schemaless_writer(block, "bytes", datum)
    return header + sync + block.getvalue() + sync


def read_header(header):
    """What a container's header says.

    Parameters
    ----------
    header : bytes
        Without its sync marker.

    Returns
    -------
    tuple of (bytes, str)
        JSON of the writer's schema; codec of the block.

    Raises
    ------
    PacketError
        It is no container's header.
    """
    meta = _read(io.BytesIO(header + bytes(SYNC_BYTES)), HEADER_SCHEMA, "container header")["meta"]
    if "avro.schema" not in meta:
        raise PacketError("bad_container", "no avro.schema in the header")
    return meta["avro.schema"], meta.get("avro.codec", b"null").decode("ascii", "replace")


def _read(stream, schema, what):
    try:
        return fastavro.schemaless_reader(stream, schema)
    except (EOFError, IndexError) as error:
        raise PacketError("truncated", f"the bytes end inside the {what}") from error
    except Exception as error:
        raise PacketError("bad_container", f"{what}: {error!r}") from error


def decompress(block, codec):
    """Datum of a block.

    Raises
    ------
    PacketError
        ``unknown_codec`` or ``bad_container``.
    """
    if codec not in CODECS:
        raise PacketError("unknown_codec", f"codec {codec!r}; there are {sorted(CODECS)}")
    try:
        return CODECS[codec](block)
    except Exception as error:  # each library has its own
        raise PacketError("bad_container", f"codec {codec}: {error!r}") from error
