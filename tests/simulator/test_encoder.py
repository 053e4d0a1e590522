"""The columnar Avro encoder against fastavro, for any values."""

import io

import fastavro
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from fink_like.errors import SchemaError
from fink_like.simulator.encoder import compile_record, encode

INNER = {"type": "record", "name": "inner", "fields": [
    {"name": "n", "type": "long"}, {"name": "s", "type": ["null", "string"]}]}
SCHEMA = {"type": "record", "name": "outer", "fields": [
    {"name": "long", "type": "long"}, {"name": "int", "type": ["null", "int"]},
    {"name": "double", "type": "double"}, {"name": "float", "type": ["null", "float"]},
    {"name": "flag", "type": ["null", "boolean"]}, {"name": "text", "type": "string"},
    {"name": "bytes", "type": ["null", "bytes"]},
    {"name": "rows", "type": ["null", {"type": "array", "items": INNER}]},
    {"name": "one", "type": "inner"}]}
LONGS = some.integers(-2**63, 2**63 - 1)
TEXTS = some.text(some.characters(min_codepoint=33, max_codepoint=126), max_size=80)
INNERS = some.fixed_dictionaries({"n": LONGS, "s": some.none() | TEXTS})
RECORDS = some.lists(some.fixed_dictionaries({
    "long": LONGS, "int": some.none() | some.integers(-2**31, 2**31 - 1),
    "double": some.floats(allow_nan=False), "flag": some.none() | some.booleans(),
    "float": some.none() | some.floats(width=32, allow_nan=False), "text": TEXTS,
    "bytes": some.none() | TEXTS.map(str.encode),
    "rows": some.none() | some.lists(INNERS, max_size=4), "one": INNERS}), min_size=1, max_size=6)


def column(values, kind, blank):
    """A masked array of Python values."""
    filled = [blank if value is None else value for value in values]
    return np.ma.MaskedArray(np.array(filled, dtype=kind), mask=[v is None for v in values])


def inner_columns(rows):
    return {"n": np.array([row["n"] for row in rows], dtype=np.int64),
            "s": column([row["s"] for row in rows], "U", "")}


def encoded(records):
    program = compile_record(SCHEMA)
    inner = program.children()["rows"]
    flat = [row for record in records for row in record["rows"] or []]
    parents = np.repeat(np.arange(len(records)), [len(r["rows"] or []) for r in records])
    rows = encode(inner, inner_columns(flat), len(flat)).group(parents, len(records))
    absent = np.array([record["rows"] is None for record in records])
    kinds = {"long": np.int64, "double": np.float64, "int": np.int64, "float": np.float32,
             "flag": bool, "text": "U", "bytes": "S"}
    blanks = {"text": "", "bytes": b""}
    columns = {name: column([r[name] for r in records], kind, blanks.get(name, 0))
               for name, kind in kinds.items()}
    one = encode(inner, inner_columns([r["one"] for r in records]), len(records))
    return encode(program, {**columns, "rows": (rows, absent), "one": one}, len(records))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RECORDS)
def test_fastavro_reads_what_was_put_in(records):
    blobs = encoded(records)
    schema = fastavro.parse_schema(SCHEMA)
    stream = io.BytesIO(blobs.pool.tobytes())
    assert [fastavro.schemaless_reader(stream, schema) for _ in records] == records
    assert stream.read() == b""
    for record, start, length in zip(records, blobs.start, blobs.length, strict=True):
        reference = io.BytesIO()
        fastavro.schemaless_writer(reference, schema, record)
        assert blobs.pool[start:start + length].tobytes() == reference.getvalue()


def test_a_missing_value_needs_a_null():
    program = compile_record(SCHEMA)
    with pytest.raises(SchemaError, match="outer.long"):
        encode(program, {}, 2)


@pytest.mark.parametrize("kind", [{"type": "map", "values": "int"}, ["int", "string"], "unknown",
                                  ["string", "null"]])
def test_types_outside_the_two_surveys_schemas_are_refused(kind):
    with pytest.raises(SchemaError):
        compile_record({"type": "record", "name": "r", "fields": [{"name": "f", "type": kind}]})
