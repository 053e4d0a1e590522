"""Every message becomes one row of bronze, from which its bytes can be had again."""

import pytest

from fink_like.packets import wire
from fink_like.spark import avro
from fink_like.vocabulary import DEAD_LETTER_REASONS

CANDID = {"type": "record", "name": "c.candidate", "fields": [
    {"name": "jd", "type": "double"}, {"name": "magpsf", "type": "float"}]}


def alert(size="bytes", **more):
    """A schema of our own with the fields that matter here."""
    fields = {"objectId": "string", "candid": "long", "candidate": CANDID, "stamp": size, **more}
    return {"type": "record", "name": "c.alert",
            "fields": [{"name": n, "type": t} for n, t in fields.items() if t]}


def record(**more):
    return {"objectId": "ZTF18aaaaaab", "candid": 7,
            "candidate": {"jd": 2459000.5, "magpsf": 20.0}, "stamp": b"", **more}


def rebuilt(row, surveys, known):
    """The message, out of its row and the schemas."""
    if row.value is not None or row.bytes == 0:
        return None if row.value is None else bytes(row.value)
    by_key = {s.key: s for s in known[row.survey]}
    schema = by_key.get(row.schema_key) or wire.read_header(bytes(row.header))
    return wire.join(schema, bytes(row.datum), None if row.sync is None else bytes(row.sync))


def test_every_real_message_can_be_rebuilt(real_messages, surveys, known, known_all, topics,
                                           to_bronze):
    """All that are genuine, by both lanes, with the edge cases among them."""
    pairs = [(topics[m.survey], m.value) for m in real_messages[::2]]
    rows = to_bronze(pairs)
    assert len(rows) == len(pairs) and {row.state for row in rows} == {"ok"}
    assert {row.lane for row in rows} == {"fast", "slow"}
    for row, (topic, value) in zip(rows, pairs, strict=True):
        assert rebuilt(row, surveys, known_all) == value
        assert (row.topic, row.bytes) == (topic, len(value))
        assert row.header is None or row.lane == "slow"


def test_dead_letters_keep_their_bytes(real_messages, fixtures, topics, to_bronze, surveys, known,
                                       container):
    whole = next(m.value for m in real_messages if m.survey == "ztf")
    frame = next(m.value for m in real_messages if m.survey == "lsst")
    edge = {path.name: path.read_bytes() for path in sorted((fixtures / "edge").iterdir())}
    cases = [
        ("ztf", None, "empty"), ("ztf", b"", "empty"), ("lsst", b"", "empty"),
        ("ztf", frame, "not_this_wire_form"), ("lsst", whole, "not_this_wire_form"),
        ("ztf", whole[:2000], "truncated"), ("lsst", frame[:900], "truncated"),
        ("lsst", b"\x00\x00\x00", "truncated"), ("ztf", whole[:-1], "bad_container"),
        ("ztf", whole + b"x", "record_count"), ("ztf", whole + whole, "record_count"),
        ("lsst", frame + b"x", "surplus_bytes"),
        ("lsst", b"\x00\x00\x00\x99\x99" + frame[5:], "unknown_schema"),
        ("ztf", container(alert(), [record()]).replace(b"null", b"nulL", 1), "unknown_codec"),
        ("ztf", container({"type": "record", "name": "x", "fields": []}, [{}]), "keys_missing"),
        ("ztf", edge["turbo_null_default_invalid.avro"], "schema_invalid"),
        ("ztf", edge["ztf_v1.8_crlf_damaged.avro"], "bad_container"),
        ("ztf", edge["ztf_v3.3_three_records_one_container.avro"], "record_count")]
    rows = to_bronze([(topics[survey], value) for survey, value, _ in cases])
    assert [row.reason for row in rows] == [reason for *_, reason in cases]
    assert {row.state for row in rows} == {"dead"}
    for row, (survey, value, reason) in zip(rows, cases, strict=True):
        assert reason in DEAD_LETTER_REASONS and row.survey == survey
        assert rebuilt(row, surveys, known) == value
        assert row.detail or reason == "empty"
        assert row.night_assumed and row.night == 20261121 and row.lane is None


def test_a_topic_nobody_claims(to_bronze):
    (row,) = to_bronze([("weather", b"\x00rain")])
    assert (row.survey, row.reason, bytes(row.value)) == (None, "unknown_topic", b"\x00rain")


STRANGE = [
    (alert(candid="string"), record(candid="seven")),
    (alert(candid="bytes"), record(candid=b"\xff\xfe")),
    (alert(objectId="long"), record(objectId=7)),
    (alert(candidate="string"), record(candidate="none")),
    (alert(candidate={"type": "array", "items": CANDID}), record(candidate=[])),
    (alert(candid={"type": "array", "items": "long"}), record(candid=[7])),
    (alert(candid="double"), record(candid=float("inf"))),
    (alert(candid=None), record()),
]


def test_strange_schemas_are_one_dead_letter_each(container, to_bronze, topics, real_messages):
    """Nothing in a packet may stop the batch, or the packets beside it."""
    good = next(m.value for m in real_messages if m.survey == "ztf")
    values = [*(container(schema, [content]) for schema, content in STRANGE), good]
    *strange, fine = to_bronze([(topics["ztf"], value) for value in values])
    assert {(row.state, row.reason) for row in strange} == {("dead", "keys_missing")}
    assert fine.state == "ok"


def test_containers_of_any_size_take_the_fast_lane(container, surveys, messages, topics):
    """The block's size is a varint of 1 to 4 bytes; all lengths near its steps in one plan."""
    values = [container(alert(), [record(stamp=bytes(n))]) for n in sizes()]
    schema = wire.split(values[0], wire.CONTAINER, None).schema
    frame = messages([(topics["ztf"], value) for value in values])
    frame = frame.withColumn("survey", avro.name_survey(surveys))
    taken = avro.take_apart(frame, surveys, {"ztf": [schema], "lsst": []})
    rows = sorted(taken.select("offset", "schema_key", "datum", "sync").collect())
    for (_, key, datum, sync), value in zip(rows, values, strict=True):
        expected = wire.split(value, wire.CONTAINER, None)
        assert (key, bytes(datum), bytes(sync)) == (schema.key, expected.datum, expected.sync)


def sizes():
    """Of the stamp; the other fields take up to 30 bytes of the datum."""
    steps = [n for edge in (1 << 6, 1 << 13) for n in range(edge - 30, edge + 2)]
    return [0, *steps, *range((1 << 20) - 30, (1 << 20) + 2, 3)]


HUGE = avro.zigzag(1_900_000_000)


@pytest.mark.parametrize("head", [HUGE, avro.zigzag(-5), avro.zigzag(2**62)])
def test_a_length_beyond_all_memory_is_one_dead_letter(container, to_bronze, topics, head):
    """A flipped bit in a text's length must not make the JVM ask for 1.9 GB."""
    whole = container(alert(), [record()])
    packet = wire.split(whole, wire.CONTAINER, None)
    text = avro.zigzag(12) + b"ZTF18aaaaaab"
    assert packet.datum.startswith(text)
    damaged = wire.join(packet.schema, head + packet.datum[1:], packet.sync)
    known = {"ztf": [packet.schema], "lsst": []}
    bad, good = to_bronze([(topics["ztf"], damaged), (topics["ztf"], whole)], known)
    assert (bad.state, good.state, good.lane) == ("dead", "ok", "fast")
