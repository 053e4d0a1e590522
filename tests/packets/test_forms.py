"""The same packet in every wire form: taken apart, put together again, and told from the others."""

import collections
import io
import json
import math
import random

import fastavro
import pytest

from fink_like.errors import PacketError
from fink_like.packets import inputs, schemas, wire
from fink_like.packets.schemas import PacketSchema
from fink_like.vocabulary import DEAD_LETTER_REASONS

FORMS = {"container", "framed", "bare", "fink", "json"}


def form_of(one):
    return one.topic.partition("_")[0]


def split(one, surveys, books, topic=None):
    source = surveys[one.survey].input_of(topic or one.topic)
    return wire.split(one.value, source, books[one.survey], one.key)


def same(one, other):
    """Equal, NaN being equal to NaN and a float to the nearest of 32 bits."""
    if isinstance(one, dict):
        return all(same(value, other.get(name)) for name, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return (math.isnan(one) and math.isnan(other)) or math.isclose(one, other, rel_tol=1e-6)
    return one == other


def test_every_real_packet_in_every_form(carried, form_surveys, books):
    """The datum is the survey's own; the message comes back byte for byte, but JSON."""
    counted = collections.Counter()
    for one in carried:
        packet = split(one, form_surveys, books)
        back = wire.join(packet.schema, packet.datum, packet.sync)
        counted[form_of(one)] += 1
        if form_of(one) == "json":
            assert back != one.value
        else:
            assert (packet.datum, back) == (one.packet.datum, one.value), (one.file, one.topic)
    assert set(counted) == FORMS and min(counted.values()) > 100, counted


def test_json_says_what_the_packet_said(carried, form_surveys, books):
    """Of the newest version the bytes are the survey's; of others every field that both have."""
    exact = 0
    for one in carried:
        if form_of(one) != "json":
            continue
        packet = split(one, form_surveys, books)
        if packet.schema.name == one.packet.schema.name:
            assert packet.datum == one.packet.datum, one.file
            exact += 1
        read = wire.decode(packet.datum, packet.schema)
        before = wire.decode(one.packet.datum, one.packet.schema)
        shared = {name: value for name, value in before.items() if name in read}
        assert same(json_fields(shared, read), read), one.file
    assert exact >= 18


def json_fields(record, like):
    """A record cut to the fields of another; what only the other has is null or empty there."""
    if isinstance(like, dict) and isinstance(record, dict):
        return {name: json_fields(record[name], value) for name, value in like.items()
                if name in record}
    if isinstance(like, list) and isinstance(record, list):
        return [json_fields(one, other) for one, other in zip(record, like, strict=True)]
    return record


def test_auto_tells_the_forms_apart(carried, form_surveys, books):
    """All but a bare packet of a survey for which no schema is named; aliases are not auto's."""
    for one in carried[::3]:
        form = form_of(one)
        if form == "framed" or (form == "bare" and one.survey == "lsst"):
            continue
        source = form_surveys[one.survey].input_of(f"auto_{one.survey}")
        assert source.form_of(one.value, one.key) == form
        packet = split(one, form_surveys, books, f"auto_{one.survey}")
        assert form == "json" or packet.datum == one.packet.datum


def test_a_key_that_is_a_schema_counts_before_a_zero_byte():
    """Spark writes [string, null] as the first field's union: a zero byte, as a frame has."""
    auto = inputs.Input("auto")
    key = b'{"type": "record", "name": "r", "fields": []}'
    assert auto.form_of(b"\x00\x18ZTF18aaaaaab", key) == "fink"
    assert auto.form_of(b"\x00\x00\x00\x02\xc0...", b'{"id": 7}') == "framed"
    assert auto.form_of(b'{"candid": 7}', b"7") == "json"
    assert auto.form_of(b"\x063.3...", None) == "bare"


def test_every_form_meets_every_other(carried, form_surveys, books):
    """A message on a topic of another form is a packet or a PacketError, and mostly the latter."""
    rng, reasons = random.Random(3), collections.Counter()
    some = [one for one in carried if one.file.startswith(("ztf/wire/v4.02", "lsst/wire/v9_0"))]
    for one in rng.sample(some, 40):
        for source in form_surveys[one.survey].inputs:
            try:
                packet = wire.split(one.value, source, books[one.survey], one.key)
                wire.decode(packet.datum, packet.schema)
                reasons["ok"] += 1
            except PacketError as error:
                assert error.reason in DEAD_LETTER_REASONS and error.detail
                reasons[error.reason] += 1
    assert reasons["not_this_wire_form"] > reasons["ok"] > 40


def book_of(avro, number="400"):
    return schemas.SchemaBook(None, [PacketSchema(number, avro, name="4.0")])


def test_an_alias_is_noted_and_undone(small):
    """A simulator says 1; the row says 400, and the message can still be had with its 1."""
    record = {"candid": 7, "name": None, "flux": [], "stamp": None}
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, small, record)
    value = b"\x00\x00\x00\x00\x01" + stream.getvalue()
    source = inputs.Input("framed", aliases={"1": "400", "400": "400"})
    packet = wire.split(value, source, book_of(small))
    assert (packet.schema.key, packet.sync) == ("400", value[:5])
    assert wire.join(packet.schema, packet.datum, packet.sync) == value
    plain = b"\x00" + (400).to_bytes(4, "big") + stream.getvalue()
    assert wire.split(plain, source, book_of(small)).sync is None
    with pytest.raises(PacketError) as caught:
        wire.split(value, "framed", book_of(small))
    assert caught.value.reason == "unknown_schema" and caught.value.schema_key == "1"
    assert caught.value.detail.startswith("unknown schema id 1: ")


@pytest.mark.parametrize(("value", "key", "source", "reason", "said"), [
    (b"\x063.1x", None, inputs.Input("bare", versions={"3.3": "3.3"}), "unknown_schema",
     "unknown schema version: .*3.1.* has .'3.3'"),
    (b"\x063.3x", None, inputs.Input("bare", schema="5.0"), "unknown_schema", "no file 5.0.yaml"),
    (b"\x063.3x", None, inputs.Input("auto"), "not_this_wire_form", "no schema for a bare packet"),
    (b"x", None, inputs.Input("fink"), "not_this_wire_form", "key is b''"),
    (b"x", b"ZTF18aaaaaab", inputs.Input("fink"), "not_this_wire_form", "key is b'ZTF18"),
    (b"x", b"{not json", inputs.Input("fink"), "schema_invalid", "."),
    (b"x", b'{"a": 1}', inputs.Input("fink"), "schema_invalid", "not a valid Avro schema"),
    (b"x", b'{"a":' * 5000, inputs.Input("fink"), "schema_invalid", "."),
    (b"<xml/>", None, inputs.Input("json"), "not_this_wire_form", "starts with b'<xml"),
    (b"{", None, inputs.Input("json"), "undecodable", "not JSON"),
    (b'{"a":' * 100000, None, inputs.Input("json"), "undecodable", "not JSON"),
    (b'{"a": "\xff"}', None, inputs.Input("json"), "undecodable", "not JSON"),
])
def test_what_is_wrong_is_named(small, value, key, source, reason, said):
    with pytest.raises(PacketError, match=said) as caught:
        wire.split(value, source, book_of(small), key)
    assert caught.value.reason == reason


def read_json(small, **content):
    packet = wire.split(json.dumps(content).encode(), "json", book_of(small))
    return wire.decode(packet.datum, packet.schema)


def test_json_takes_ids_as_text_and_nan(small):
    assert read_json(small, candid="3549804165039131248", flux=[], more={"x": 1}) == {
        "candid": 3549804165039131248, "name": None, "flux": [], "stamp": None}
    found = read_json(small, candid=7.0, flux=[1, "NaN", math.nan, math.inf], stamp="AAH/")
    assert found["candid"] == 7 and found["stamp"] == b"\x00\x01\xff"
    assert str(found["flux"]) == "[1.0, nan, nan, inf]"


@pytest.mark.parametrize(("content", "said"), [
    ({"flux": []}, "field candid is missing"),
    ({"candid": None, "flux": []}, "candid should be an integer"),
    ({"candid": 3549804165039131248.0, "flux": []}, "candid should be an exact integer"),
    ({"candid": 2**63, "flux": []}, "candid should be an integer of 64 bits"),
    ({"candid": "seven", "flux": []}, "candid should be an integer, and is 'seven'"),
    ({"candid": True, "flux": []}, "candid should be an integer"),
    ({"candid": 7, "flux": 1.0}, "flux should be an array"),
    ({"candid": 7, "flux": [1, [2]]}, r"flux\[1\] should be a number"),
    ({"candid": 7, "flux": [], "stamp": "no base64!"}, "stamp should be base64 text"),
    ({"candid": 7, "flux": [], "name": 5}, "name should be text"),
    ({"candid": 7, "flux": [], "name": "\ud800"}, "JSON that Avro cannot hold"),
])
def test_json_that_does_not_fit_names_the_field(small, content, said):
    with pytest.raises(PacketError, match=said) as caught:
        read_json(small, **content)
    assert caught.value.reason == "undecodable"


def test_damaged_messages_of_every_form(carried, form_surveys, books):
    """Flipped bits and cuts: a packet or a listed reason, never another exception."""
    rng, seen = random.Random(5), collections.Counter()
    for one in rng.sample(carried, 60):
        for turn in range(12):
            damaged = bytearray(one.value[:rng.randrange(1, len(one.value))] if turn % 3 == 0
                                else one.value)
            for _ in range(turn):
                bit = rng.randrange(8 * len(damaged))
                damaged[bit // 8] ^= 1 << bit % 8
            key = one.key and one.key[:len(one.key) - turn // 6]
            try:
                packet = split(one._replace(value=bytes(damaged), key=key), form_surveys, books)
                wire.decode(packet.datum, packet.schema)
                seen["ok"] += 1
            except PacketError as error:
                assert error.reason in DEAD_LETTER_REASONS and error.detail
                seen[error.reason] += 1
    assert len(seen) >= 6

