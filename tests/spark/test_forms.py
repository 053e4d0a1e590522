"""Messages of every wire form through ingest's plan: both lanes agree, and nothing gets lost."""

import base64
import collections
import dataclasses
import io
import json
import math
import random

import fastavro
import pytest

from fink_like import config
from fink_like.packets import inputs, schemas, survey, wire
from fink_like.spark import avro, bronze, slow_lane
from fink_like.vocabulary import DEAD_LETTER_REASONS, KEYS

MB = 1_000_000


@pytest.fixture(scope="module")
def known_everywhere(known, carried):
    """The project's schemas and all that the packets bring, by header or key."""
    met = {name: {s.key: s for s in found} for name, found in known.items()}
    for one in carried:
        form = one.topic.partition("_")[0]
        if form in ("container", "fink"):
            schema = one.packet.schema if form == "container" else wire.read_header(one.key)
            met[one.survey][schema.key] = schema
    return {name: list(found.values()) for name, found in met.items()}


@pytest.fixture(scope="module")
def run(messages, form_surveys):
    """Maker of bronze rows, collected, by offset."""
    plain = config.load(environment={})

    def make(triples, schemas_known):
        frame = bronze.rows(messages(triples), plain, form_surveys, schemas_known, 0)
        return sorted(frame.collect(), key=lambda row: row.offset)

    return make


def rebuilt(row, known):
    if row.value is not None or row.bytes == 0:
        return None if row.value is None else bytes(row.value)
    schema = next((s for s in known[row.survey] if s.key == row.schema_key), None)
    return wire.join(schema, bytes(row.datum), None if row.sync is None else bytes(row.sync))


def same(one, other):
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-6) or (math.isnan(one) and math.isnan(other))
    return one == other


def some_of_each_form(carried, most):
    by_form = collections.defaultdict(list)
    for one in random.Random(4).sample(carried, len(carried)):
        by_form[one.topic.partition("_")[0]].append(one)
    return [one for ones in by_form.values() for one in ones[:most]]


def test_both_lanes_read_every_form_alike(carried, form_surveys, known_everywhere, run):
    """Key columns, schema, datum, sync; and the message itself."""
    some = some_of_each_form(carried, 30)
    rows = run([(one.topic, one.value, one.key) for one in some], known_everywhere)
    books = {n: schemas.SchemaBook(None, found) for n, found in known_everywhere.items()}
    lanes = collections.Counter()
    for row, one in zip(rows, some, strict=True):
        assert row.state == "ok", (one.file, one.topic, row.reason, row.detail)
        form = one.topic.partition("_")[0]
        lanes[form, row.lane] += 1
        declared = form_surveys[one.survey]
        slow = slow_lane.read_one((one.value, one.key), declared, declared.input_of(one.topic),
                                  books[one.survey])
        for name in ("schema_key", "datum", "sync", *(f.name for f in KEYS)):
            assert same(getattr(row, name), slow[name]), (one.file, one.topic, name)
        assert slow["exact"] == (form != "json")
        assert rebuilt(row, known_everywhere) == one.value
        brought = form == "fink"
        assert (row.key is None) == (brought or one.key is None)
        if brought:  # the key can be had again, too
            schema = next(s for s in known_everywhere[one.survey] if s.key == row.schema_key)
            assert schema.header == one.key
    assert lanes == {("container", "fast"): 30, ("framed", "fast"): 30, ("bare", "fast"): 30,
                     ("fink", "fast"): 30, ("json", "slow"): 30}


def test_auto_takes_the_same_lanes(carried, known_everywhere, run):
    some = some_of_each_form([one for one in carried if one.survey == "ztf"], 20)
    rows = run([("auto_ztf", one.value, one.key) for one in some], known_everywhere)
    for row, one in zip(rows, some, strict=True):
        form = one.topic.partition("_")[0]
        assert (row.state, row.lane) == ("ok", "slow" if form == "json" else "fast"), one
        assert rebuilt(row, known_everywhere) == one.value


def test_schemas_met_for_the_first_time_go_slowly_and_right(carried, known, run):
    """Before a key or header is known: the row holds it, once a row, for the driver to keep."""
    some = [one for one in carried if one.topic.startswith("fink_")][::12]
    for row, one in zip(run([(o.topic, o.value, o.key) for o in some], known), some, strict=True):
        assert (row.state, row.lane, row.key) == ("ok", "slow", None)
        assert bytes(row.header) == one.key and bytes(row.datum) == one.value


def test_sql_and_python_give_a_topic_to_the_same_input(messages, form_surveys):
    """The first survey by name, and of it the first input; here both claim ``both_.*``."""
    both = [dataclasses.replace(one, inputs=(*one.inputs, inputs.Input("auto", "both_.*"),
                                             inputs.Input("json", "both_x")),
                                topics=f"{one.topics}|both_.*") for one in form_surveys.values()]
    surveys = {one.name: one for one in both}
    topics = [*(i.topics for _, i in survey.every_input(form_surveys)), "both_x", "both_y", "none",
              "ztf_20250101_programid1", "lsst-alerts-v11", "xfink_ztf", "fink_ztfx"]
    frame = messages([(topic, b"x") for topic in topics]).withColumn(
        "survey", avro.name_survey(surveys))
    sources = survey.every_input(surveys)
    found = frame.withColumn("input", avro.number_input(sources)).orderBy("offset").collect()
    for row, topic in zip(found, topics, strict=True):
        mine = survey.of_topic(surveys, topic)
        assert row.survey == (mine and mine.name), topic
        assert (None if row.input is None else sources[row.input]) == (
            mine and (mine, mine.input_of(topic))), topic


def damaged(one, rng, other):
    """A message's ways to be wrong: (value, key)."""
    value, key = one.value, one.key
    flipped = bytearray(value)
    for _ in range(40):
        flipped[rng.randrange(len(value))] ^= 1 << rng.randrange(8)
    yield from ((value[:cut], key) for cut in (1, 4, 5, 6, len(value) // 2, len(value) - 1))
    yield from (((bytes(flipped)), key), (b"", key), (None, key), (value + value, key),
                (value + b"\x00", key), (b"\x00" + value, key), (other.value, other.key),
                (value, None), (value, b""), (value, b"{"), (value, b'{"fields"'),
                (value, (key or b"")[:-1]), (b"\x00\x7f\xff\xff\xff" + value, key),
                (rng.randbytes(len(value)), rng.randbytes(200)))


def test_damage_of_every_form_is_accounted_for(carried, form_surveys, known_everywhere, run):
    """Each message is one row: read and rebuilt, or dead with a listed reason and its bytes."""
    rng = random.Random(17)
    by_topic = {one.topic: one for one in rng.sample(carried, len(carried))}
    cases = [(one.topic, *pair) for one in by_topic.values()
             for pair in damaged(one, rng, rng.choice(carried))]
    cases += [(f"auto_{one.survey}", *pair) for one in by_topic.values()
              for pair in list(damaged(one, rng, rng.choice(carried)))[::3]]
    rows, states = run(cases, known_everywhere), collections.Counter()
    assert len(rows) == len(cases) > 300
    for row, (topic, value, key) in zip(rows, cases, strict=True):
        states[row.state, row.reason] += 1
        assert rebuilt(row, known_everywhere) == value
        assert row.state == "ok" or row.reason in DEAD_LETTER_REASONS
        assert row.state == "ok" or row.reason == "empty" or row.detail
    assert {"empty", "truncated", "not_this_wire_form", "undecodable", "surplus_bytes",
            "unknown_schema", "schema_invalid"} <= {reason for _, reason in states}, states
    assert "waiting" not in {state for state, _ in states}  # there is no registry


def larger(one, size):
    """A bare or fink packet whose last cutout is so large that it has this many bytes."""
    record = wire.decode(one.packet.datum, one.packet.schema)
    name = "cutoutTemplate"
    if isinstance(record[name], dict):
        record[name]["stampData"] += bytes(size - len(one.packet.datum))
    else:
        record[name] = (record[name] or b"") + bytes(size - len(one.packet.datum))
    return record


@pytest.mark.parametrize("size", [9 * MB // 10, pytest.param(9 * MB, marks=pytest.mark.slow)])
def test_large_messages_of_every_form(size, carried, known_everywhere, run):
    """Rubin's worst case is 0.9 MB; 9 MB is near the limit of a message."""
    def avro(schema, record):
        stream = io.BytesIO()
        fastavro.schemaless_writer(stream, schema, record)
        return stream.getvalue()

    triples = []
    for topic in ("bare_11.0_lsst", "fink_lsst", "framed_lsst", "json_lsst", "container_ztf"):
        one = next(o for o in carried if o.topic == topic and
                   o.packet.schema.name in ("11.0", ""))
        schema, record = one.packet.schema, larger(one, size)
        datum = avro(schema.avro, record)
        value = {"framed": one.value[:5] + datum, "container": None, "json": None}.get(
            topic.partition("_")[0], datum)
        if topic == "json_lsst":
            plain = json.loads(one.value)
            plain["cutoutTemplate"] = base64.b64encode(record["cutoutTemplate"]).decode()
            value = json.dumps(plain).encode()
        if topic == "container_ztf":
            value = wire.join(schema, datum, one.packet.sync)
        triples.append((topic, value, one.key))
    rows = run(triples, known_everywhere)
    for row, (topic, value, _) in zip(rows, triples, strict=True):
        assert (row.state, row.bytes) == ("ok", len(value)), (topic, row.reason, row.detail)
        assert row.lane == ("slow" if topic == "json_lsst" else "fast")
        assert len(value) >= size and rebuilt(row, known_everywhere) == value
