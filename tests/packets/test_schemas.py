"""Packet schemas: our notation, what is stripped, and where a book looks."""

import hashlib
import io
import json
import random
from pathlib import Path

import fastavro
import pytest
from fastavro.utils import generate_one

from fink_like.errors import ConfigError, SchemaError
from fink_like.packets import schemas
from fink_like.packets.schemas import PacketSchema, SchemaBook

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "schemas").glob("*/*.yaml"))

NOTATION = """
id: 7
name: x.alert
namespace: x
records:
  alert:
    candid: long
    band: string?
    now: source
    before: source[]?
    dots: float[]
  source:
    ra: double
    stamp: bytes?
"""


def written(schema, record):
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, schema, record)
    return stream.getvalue()


def read(schema, datum):
    return fastavro.schemaless_reader(io.BytesIO(datum), schema)


def test_the_notation_says(tmp_path):
    (tmp_path / "7.yaml").write_text(NOTATION)
    source = {"type": "record", "name": "x.source", "fields": [
        {"name": "ra", "type": "double"}, {"name": "stamp", "type": ["null", "bytes"]}]}
    assert schemas.load_notation(tmp_path / "7.yaml") == {
        "type": "record", "name": "x.alert", "fields": [
            {"name": "candid", "type": "long"},
            {"name": "band", "type": ["null", "string"]},
            {"name": "now", "type": source},
            {"name": "before", "type": ["null", {"type": "array", "items": "x.source"}]},
            {"name": "dots", "type": {"type": "array", "items": "float"}}]}


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_our_schemas_carry_records_there_and_back(path):
    schema = schemas.load_notation(path)
    random.seed(1)
    record = generate_one(fastavro.parse_schema(schema))
    datum = written(schema, record)
    assert written(schema, read(schema, datum)) == datum
    assert schemas.names_and_types(schema) == schema  # nothing left to strip


def test_our_schemas_are_the_surveys_own(real_messages, books, fixtures):
    """The registry's schema and ours read the same bytes to the same record, fields in order."""
    served = sorted((fixtures / "lsst" / "registry" / "schemas" / "ids").glob("*.json"))
    known = books["lsst"].known
    compared = 0
    for path in served:
        if path.stem in known:
            official = schemas.names_and_types(json.loads(json.loads(path.read_text())["schema"]))
            assert shape(official) == shape(known[path.stem].avro), path.stem
            compared += 1
    assert compared == len(known)


def shape(schema, names=None):
    """A schema without names of records, which are not on the wire."""
    names = {} if names is None else names
    if isinstance(schema, list):
        return [shape(branch, names) for branch in schema]
    if isinstance(schema, str):
        return names.get(schema, schema)
    if schema["type"] == "array":
        return ["array", shape(schema["items"], names)]
    found = [(f["name"], shape(f["type"], names)) for f in schema["fields"]]
    names[schema["name"]] = found
    return found


def test_stripped_headers_decode_the_same_bytes(real_messages, surveys):
    """The real schemas with docs, defaults and namespaces, against what we keep of them."""
    seen = set()
    for message in real_messages:
        if message.value[:4] != b"Obj\x01":
            continue
        reader = fastavro.reader(io.BytesIO(message.value))
        full = reader.writer_schema
        text = reader.metadata["avro.schema"]
        if text in seen:
            continue
        seen.add(text)
        stripped = schemas.names_and_types(json.loads(text))
        kept = json.dumps(stripped)
        assert not any(f'"{word}"' in kept for word in ("doc", "default", "logicalType"))
        datum = written(full, next(reader))
        assert read(stripped, datum) == read(full, datum)
    assert len(seen) >= 9


def test_names_are_made_full():
    nested = {"type": "record", "name": "a", "namespace": "deep.space", "fields": [
        {"name": "one", "type": {"type": "record", "name": "b", "fields": [
            {"name": "t", "type": {"type": "long", "logicalType": "timestamp-micros"},
             "doc": "when", "default": 0}]}},
        {"name": "two", "type": ["null", "b"], "default": None},
        {"name": "kind", "type": {"type": "enum", "name": "k", "symbols": ["X", "Y"]}},
        {"name": "hash", "type": {"type": "fixed", "name": "other.h", "size": 4}},
        {"name": "map", "type": {"type": "map", "values": "deep.space.b"}}]}
    stripped = schemas.names_and_types(nested)
    assert stripped == {"type": "record", "name": "deep.space.a", "fields": [
        {"name": "one", "type": {"type": "record", "name": "deep.space.b", "fields": [
            {"name": "t", "type": "long"}]}},
        {"name": "two", "type": ["null", "deep.space.b"]},
        {"name": "kind", "type": {"type": "enum", "name": "deep.space.k", "symbols": ["X", "Y"]}},
        {"name": "hash", "type": {"type": "fixed", "name": "other.h", "size": 4}},
        {"name": "map", "type": {"type": "map", "values": "deep.space.b"}}]}
    record = {"one": {"t": 5}, "two": {"t": 6}, "kind": "Y", "hash": b"abcd",
              "map": {"m": {"t": 7}}}
    assert read(stripped, written(stripped, record)) == record


def test_a_field_that_stands_twice_is_numbered():
    """As in WINTER's packets; fastavro takes such a schema, Java does not."""
    twice = {"type": "record", "name": "a", "fields": [{"name": "x", "type": "int"},
                                                       {"name": "x", "type": "string"}]}
    stripped = schemas.names_and_types(twice)
    assert [f["name"] for f in stripped["fields"]] == ["x", "x_2"]
    assert read(stripped, b"\x02\x04hi") == {"x": 1, "x_2": "hi"}


@pytest.mark.parametrize("wrong", [{"type": "record"}, {"type": "nothing"}, 7, ["null", "x.y"],
                                   {"type": "record", "name": "x"}])
def test_what_is_no_schema_is_refused(wrong):
    with pytest.raises(SchemaError, match="not a valid Avro schema"):
        schemas.names_and_types(wrong)


@pytest.mark.parametrize("text", ["records: {}", "records: 7", "a: [", "- 1",
                                  NOTATION.replace("source[]?", "sauce[]?")])
def test_a_broken_file_is_named(tmp_path, text):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(ConfigError, match="bad.yaml"):
        schemas.load_notation(tmp_path / "bad.yaml")
    if "id: 7" not in text:
        with pytest.raises(ConfigError, match="bad.yaml"):
            SchemaBook(tmp_path)


def test_a_book_holds_the_folder(tmp_path):
    (tmp_path / "7.yaml").write_text(NOTATION)
    (tmp_path / "9.2.yaml").write_text(NOTATION.replace("id: 7", ""))
    (tmp_path / "10.1.yaml").write_text(NOTATION.replace("id: 7", "id: 1001"))
    book = SchemaBook(tmp_path, registry="http://registry")
    assert {key: schema.name for key, schema in book.known.items()} == {
        "7": "7", "v9.2": "9.2", "1001": "10.1"}
    assert book.by_id(7).avro["name"] == "x.alert"
    assert book.by_name("9.2").key == "v9.2" and book.newest().name == "10.1"
    with pytest.raises(SchemaError, match="no file 8.yaml .* there are .*9.2"):
        book.by_name("8")


def test_what_was_met_before_wins(tmp_path):
    (tmp_path / "7.yaml").write_text(NOTATION)
    met = PacketSchema("7", {"type": "record", "name": "met", "fields": []})
    assert SchemaBook(tmp_path, [met]).by_id(7) is met


def test_an_unknown_id_waits_for_the_registry_unless_it_has_said_no():
    with pytest.raises(SchemaError, match="no registry is configured") as none:
        SchemaBook(None).by_id(9)
    with pytest.raises(SchemaError, match="http://registry is asked") as open_question:
        SchemaBook(None, registry="http://registry").by_id(9)
    with pytest.raises(SchemaError, match="nor in the registry http://registry") as answered:
        SchemaBook(None, registry="http://registry", absent=["9"]).by_id(9)
    assert [e.value.waits for e in (none, open_question, answered)] == [False, True, False]


def test_the_fingerprint_is_that_of_the_canonical_form():
    """Docs, defaults, order of keys and short names do not count; names, types and order do."""
    long = {"doc": "prose", "namespace": "a", "name": "b", "type": "record",
            "fields": [{"default": 0, "type": {"type": "long"}, "name": "x"}]}
    same = {"type": "record", "name": "a.b", "fields": [{"name": "x", "type": "long"}]}
    canonical = '{"name":"a.b","type":"record","fields":[{"name":"x","type":"long"}]}'
    expected = hashlib.sha256(canonical.encode()).hexdigest()
    assert schemas.fingerprint(long) == schemas.fingerprint(same) == expected
    assert schemas.fingerprint(schemas.names_and_types(long)) == expected


@pytest.mark.parametrize("schema", ["string", ["null", "long"], {"type": "array", "items": "int"}])
def test_a_packet_is_a_record(schema):
    with pytest.raises(SchemaError, match="must be a record"):
        schemas.names_and_types(schema)
