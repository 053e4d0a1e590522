"""The walk through a datum agrees with the decoder, and names the field where a cut is."""

import io
import random

import fastavro
import pytest

from fink_like.errors import PacketError
from fink_like.packets import schemas, wire
from fink_like.packets.walk import locate

SCHEMA = schemas.names_and_types({
    "type": "record", "name": "alert", "fields": [
        {"name": "id", "type": "long"},
        {"name": "band", "type": ["null", "string"]},
        {"name": "points", "type": {"type": "array", "items": {
            "type": "record", "name": "point", "fields": [
                {"name": "mjd", "type": "double"},
                {"name": "kind", "type": {"type": "enum", "name": "kind", "symbols": ["a", "b"]}},
                {"name": "near", "type": ["null", "point"]}]}}},
        {"name": "more", "type": {"type": "map", "values": "float"}},
        {"name": "sum", "type": {"type": "fixed", "name": "sum", "size": 4}},
        {"name": "good", "type": "boolean"}, {"name": "stamp", "type": "bytes"}]})
POINT = {"mjd": 60000.5, "kind": "b", "near": {"mjd": 1.0, "kind": "a", "near": None}}
RECORD = {"id": -3, "band": "g", "points": [POINT, {**POINT, "near": None}],
          "more": {"x": 1.0, "y": 2.0}, "sum": b"1234", "good": True, "stamp": b"1234567"}


def encoded(record=RECORD):
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, SCHEMA, record)
    return stream.getvalue()


def read(datum):
    try:
        wire.decode(datum, schemas.PacketSchema("1", SCHEMA))
    except PacketError as error:
        return error.reason


def test_a_whole_datum_has_no_place_where_it_ends_early():
    assert locate(encoded(), SCHEMA) is None
    stop = locate(encoded() + b"xyz", SCHEMA)
    assert (stop.path, stop.offset) == ("", len(encoded())) and "3 bytes" in stop.problem


@pytest.mark.parametrize("size, path, offset", [
    (0, "id", 0), (1, "band", 1), (3, "band", 2), (4, "points", 4), (12, "points[0].mjd", 5),
    (13, "points[0].kind", 13), (14, "points[0].near", 14), (20, "points[0].near.mjd", 15),
    (24, "points[0].near.near", 24), (26, "points[1].mjd", 25), (35, "points", 35),
    (38, "more", 36), (41, "more[x]", 39), (48, "more[y]", 45), (49, "more", 49), (52, "sum", 50),
    (54, "good", 54), (60, "stamp", 55)])
def test_a_cut_is_named(size, path, offset):
    """Offsets counted by hand: id 0, band 1, points 4, near 14, more 36, sum 50, stamp 55."""
    stop = locate(encoded()[:size], SCHEMA)
    assert (stop.path, stop.offset) == (path, offset) and len(encoded()) == 63
    assert read(encoded()[:size]) == "truncated"


def test_what_makes_no_sense_is_named():
    datum = encoded()
    stop = locate(datum[:1] + b"\x09" + datum[2:], SCHEMA)
    assert (stop.path, stop.offset) == ("band", 1) and "branch -5 of a union of 2" in stop.problem
    stop = locate(datum[:13] + b"\x08" + datum[14:], SCHEMA)
    assert (stop.path, stop.offset) == ("points[0].kind", 13)
    assert stop.problem == "symbol 4 of an enum of 2"
    stop = locate(b"\xff" * 12, SCHEMA)
    assert (stop.path, stop.offset) == ("id", 0)


def test_damage_is_found_wherever_the_decoder_finds_it():
    rng = random.Random(5)
    agreed = 0
    for _ in range(500):
        datum = bytearray(encoded())
        datum[rng.randrange(len(datum))] ^= 1 << rng.randrange(8)
        datum = bytes(datum[:rng.randrange(len(datum))] if rng.random() < 0.3 else datum)
        agreed += (locate(datum, SCHEMA) is None) == (read(datum) is None)
    assert agreed == 500


def test_real_packets(real_messages, surveys, books):
    for message in real_messages[::20]:
        packet = wire.split(message.value, surveys[message.survey].wire, books[message.survey])
        assert locate(packet.datum, packet.schema.avro) is None
        cut = len(packet.datum) * 2 // 3
        assert 0 < locate(packet.datum[:cut], packet.schema.avro).offset <= cut
