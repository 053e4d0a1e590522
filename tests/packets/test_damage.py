"""Whatever the bytes are, reading them gives a packet or a PacketError with a listed reason."""

import random

import pytest

from fink_like.errors import PacketError
from fink_like.packets import schemas, wire
from fink_like.packets.schemas import PacketSchema
from fink_like.vocabulary import DEAD_LETTER_REASONS

RECORD = {"candid": 7, "name": "seven", "flux": [1.0, 2.0], "stamp": b"\x1f\x8b" * 20}


def reason_of(value, form=wire.CONTAINER, book=None):
    """Reason of the PacketError, "ok" without one; any other exception fails the test."""
    try:
        packet = wire.split(value, form, book)
        wire.decode(packet.datum, packet.schema)
    except PacketError as error:
        assert error.reason in DEAD_LETTER_REASONS and error.detail
        return error.reason
    return "ok"


@pytest.fixture
def value(container, small):
    return container(small, [RECORD])


@pytest.fixture
def frames(small):
    return schemas.SchemaBook(None, [PacketSchema("704", small)])


@pytest.fixture
def frame(value):
    return b"\x00\x00\x00\x02\xc0" + wire.split(value, wire.CONTAINER, None).datum


def test_whole_messages_are_fine(value, frame, frames):
    assert (reason_of(value), reason_of(frame, wire.FRAMED, frames)) == ("ok", "ok")


@pytest.mark.parametrize("nothing", [b"", None])
@pytest.mark.parametrize("form", [wire.CONTAINER, wire.FRAMED])
def test_no_bytes(nothing, form):
    assert reason_of(nothing, form) == "empty"


def test_the_other_form(value, frame, frames):
    assert reason_of(value, wire.FRAMED, frames) == "not_this_wire_form"
    assert reason_of(frame) == "not_this_wire_form"
    assert reason_of(b'{"alertId": 7}') == "not_this_wire_form"


def test_a_container_cut_anywhere(value):
    """Each length short of the whole; the first four bytes are what makes it a container."""
    found = {reason_of(value[:n]) for n in range(4)[1:]}
    assert found == {"not_this_wire_form"}
    header = len(wire.split(value, wire.CONTAINER, None).schema.header)
    assert {reason_of(value[:n]) for n in range(4, header + 16)} == {"truncated"}
    block = {n: reason_of(value[:n]) for n in range(header + 16, len(value))}
    assert set(block.values()) == {"truncated", "bad_container"}
    assert block[len(value) - 1] == "bad_container"  # the second sync marker is not whole


def test_a_frame_cut_anywhere(frame, frames):
    found = {n: reason_of(frame[:n], wire.FRAMED, frames) for n in range(1, len(frame))}
    assert set(found.values()) == {"truncated"}


def test_bytes_left_over(frame, frames, value):
    assert reason_of(frame + b"\x00", wire.FRAMED, frames) == "surplus_bytes"
    assert reason_of(value + b"\x00") == "record_count"


def test_not_exactly_one_record(container, small, value):
    assert reason_of(container(small, [RECORD, RECORD])) == "record_count"
    assert reason_of(value + value) == "record_count"
    two_blocks = container(small, [RECORD, RECORD], sync_interval=1)
    assert reason_of(two_blocks) == "record_count"


def test_a_container_without_records(container, small):
    assert reason_of(container(small, [])) == "truncated"


def test_codecs(container, small, value):
    assert reason_of(value.replace(b"\x08null", b"\x08nul!")) == "unknown_codec"
    squeezed = bytearray(container(small, [RECORD], "deflate"))
    squeezed[-20] ^= 0xFF
    assert reason_of(bytes(squeezed)) in ("bad_container", "undecodable", "truncated")


def test_schemas_that_are_none(value):
    assert reason_of(value.replace(b'"long"', b'"lang"')) == "schema_invalid"
    assert reason_of(value.replace(b'"fields"', b'"fie{ds"')) == "schema_invalid"
    assert reason_of(value.replace(b"avro.schema", b"avro.schemo")) == "bad_container"
    assert reason_of(value.replace(b"small.alert", b"\xff\xfeall.alert")) == "schema_invalid"


def test_a_schema_that_is_no_record(container):
    """Valid Avro, but nothing a survey's YAML could name a field of."""
    assert reason_of(container("string", ["hello"])) == "schema_invalid"


def test_unknown_and_unreachable_schemas(frame, frames):
    unknown = b"\x00\x99\x99\x99\x99" + frame[5:]
    assert reason_of(unknown, wire.FRAMED, frames) == "unknown_schema"

    waiting = schemas.SchemaBook(None, registry="http://registry")
    assert reason_of(frame, wire.FRAMED, waiting) == "schema_unreachable"
    refused = schemas.SchemaBook(None, registry="http://registry", absent=["704"])
    assert reason_of(frame, wire.FRAMED, refused) == "unknown_schema"


def test_the_wrong_schema_is_noticed(real_messages, books):
    """A packet of each Rubin version, named as the next version: an error, or surplus bytes."""
    newest = {m.file.split("/")[2]: m for m in real_messages if m.value[:1] == b"\x00"}
    numbers = sorted(books[next(iter(newest.values())).survey].known, key=int)
    outcomes = {}
    for version, message in newest.items():
        number = numbers.index(str(int.from_bytes(message.value[1:5], "big")))
        if number + 1 < len(numbers):
            other = b"\x00" + int(numbers[number + 1]).to_bytes(4, "big") + message.value[5:]
            outcomes[version] = reason_of(other, wire.FRAMED, books[message.survey])
    assert outcomes.pop("v9_0") == "ok"  # decodes wholly, and wrongly: why "never latest" is a rule
    assert "ok" not in {o for v, o in outcomes.items() if v != "v10_0"}, outcomes


def flipped(value, rng, bits):
    damaged = bytearray(value)
    for _ in range(bits):
        bit = rng.randrange(8 * len(value))
        damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def test_flipped_bits_in_small_messages(value, frame, frames):
    """5,000 messages with 1 to 4 wrong bits each: a reason each, never another exception."""
    rng, seen = random.Random(11), set()
    for turn in range(2500):
        seen.add(reason_of(flipped(value, rng, 1 + turn % 4)))
        seen.add(reason_of(flipped(frame, rng, 1 + turn % 4), wire.FRAMED, frames))
    assert seen >= {"ok", "truncated", "bad_container", "undecodable", "schema_invalid",
                    "unknown_schema", "surplus_bytes", "not_this_wire_form"}


def test_flipped_bits_in_real_messages(real_messages, surveys, books):
    rng = random.Random(12)
    for message in real_messages[::18]:
        form, book = surveys[message.survey].wire, books[message.survey]
        for turn in range(25):
            reason_of(flipped(message.value, rng, 1 + 8 * (turn % 3)), form, book)
            reason_of(message.value[:rng.randrange(len(message.value))], form, book)


def test_the_edge_files(fixtures, books):
    """Odd files found in the wild end as their MANIFEST note says."""
    expected = {"turbo_null_default_invalid.avro": "schema_invalid",
                "ztf_v1.8_crlf_damaged.avro": "bad_container",
                "ztf_v3.3_three_records_one_container.avro": "record_count"}
    found = {path.name: reason_of(path.read_bytes()) for path in (fixtures / "edge").iterdir()}
    assert found == expected
