"""Avro container files of many records, as surveys' archives have them -> one message a record.

A record's bytes are not changed: it is decoded only to find where it ends.
"""

import io
from typing import NamedTuple

import fastavro

from fink_like.errors import PacketError
from fink_like.packets import container, wire
from fink_like.packets.inputs import CONTAINER_BEGINS
from fink_like.packets.schemas import PacketSchema

CODEC = "avro.codec"
PART = 1 << 20  # bytes read at once while looking for a sync marker


class Damaged(NamedTuple):
    """A message, or a container with the block, that cannot be read, and why."""

    value: bytes
    why: PacketError


def one_each(stream, largest):
    """Messages of a container file, each a container of one record.

    Parameters
    ----------
    stream : binary file
        Seekable, at its beginning.
    largest : int
        Bytes that a message may have; a longer file must have several records.

    Yields
    ------
    tuple of (int or None, bytes or Damaged)
        Number of the message, from 0, or None for a file with one record, which is passed on as it
        is. Behind a damaged record its block ends, and the next one follows.
    """
    whole = stream.read(largest)
    try:
        wire.split(whole, wire.CONTAINER, None)
        yield None, whole
    except PacketError as error:
        if error.reason != "record_count" and len(whole) < largest:
            yield None, Damaged(whole, error)
        else:
            stream.seek(0)
            yield from enumerate(_every(stream))


def header(schema, meta=()):
    """Bytes of an uncompressed container's header, up to its sync marker.

    Parameters
    ----------
    schema : bytes
        The Avro schema's JSON.
    meta : mapping, optional
        More entries of the header.
    """
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, container.HEADER_SCHEMA, {
        "magic": CONTAINER_BEGINS, "meta": {**dict(meta), "avro.schema": schema, CODEC: b"null"},
        "sync": bytes(container.SYNC_BYTES)})
    return stream.getvalue()[:-container.SYNC_BYTES]


def _every(stream):
    """Records of all blocks; of several containers, if one stands behind the other."""
    schema = out = sync = None
    while begin := stream.read(len(CONTAINER_BEGINS)):
        stream.seek(-len(begin), io.SEEK_CUR)
        start = stream.tell()
        try:
            if begin == CONTAINER_BEGINS:
                schema, out, sync = _open(stream)
            else:
                for datum in _block(stream, schema, sync):
                    yield wire.join(out, datum, sync)
        except PacketError as error:
            end = _skip(stream, sync)
            stream.seek(start)
            yield Damaged((schema.header + sync if schema else b"") + stream.read(end - start),
                          error)


def _open(stream):
    """Schema of the container that begins here, schema of the messages, sync marker."""
    begin = stream.tell()
    head = _read(stream, container.HEADER_SCHEMA, "container header")
    end = stream.tell()
    stream.seek(begin)
    schema = wire.read_header(stream.read(end - begin - container.SYNC_BYTES))
    stream.seek(end)
    out = schema.header if schema.codec == "null" else header(head["meta"]["avro.schema"],
                                                              head["meta"])
    return schema, PacketSchema(wire.header_key(out), schema.avro, out), head["sync"]


def _block(stream, schema, sync):
    count, size = _read(stream, "long", "block count"), _read(stream, "long", "block size")
    if count < 0 or size < 0:
        raise PacketError("bad_container", f"a block of {count} records in {size} bytes")
    begin = stream.tell()
    content = stream.read(size)
    if len(content) < size:
        raise PacketError("truncated", f"block of {size} bytes, {len(content)} are there")
    if stream.read(container.SYNC_BYTES) != sync:
        stream.seek(begin)  # the marker may stand earlier
        raise PacketError("bad_container", "no sync marker behind the block")
    stream.seek(-container.SYNC_BYTES, io.SEEK_CUR)  # where _skip looks, if a record is damaged
    yield from _data(container.decompress(content, schema.codec), schema, count)
    stream.seek(container.SYNC_BYTES, io.SEEK_CUR)


def _data(content, schema, count):
    """The bytes of each record of a block."""
    inside = io.BytesIO(content)
    for _ in range(count):
        begin = inside.tell()
        try:
            fastavro.schemaless_reader(inside, schema.parsed)
        except Exception as error:  # damaged bytes raise nearly anything
            raise PacketError("undecodable", f"{error!r}"[:500]) from error
        yield content[begin:inside.tell()]
    if inside.tell() < len(content):
        raise PacketError("surplus_bytes", f"{len(content) - inside.tell()} bytes behind the last "
                                           "record of a block")


def _read(stream, schema, what):
    try:
        return fastavro.schemaless_reader(stream, schema)
    except Exception as error:
        raise PacketError("bad_container", f"{what}: {error!r}") from error


def _skip(stream, sync):
    """Where the next sync marker ends, or else the file."""
    kept = b""
    while part := stream.read(PART):
        place = (kept + part).find(sync) if sync else -1
        if place >= 0:
            return stream.tell() - len(kept + part) + place + len(sync)
        kept = part[-container.SYNC_BYTES:]
    return stream.tell()
