"""One reader schema for all writer schemas of a survey."""

import io

import fastavro
import pytest

from fink_like.errors import SchemaError
from fink_like.packets import normalise, projection
from fink_like.packets.projection import ITEMS


def record(name, **fields):
    return {"type": "record", "name": name,
            "fields": [{"name": n, "type": t} for n, t in fields.items()]}


POINT = record("x.point", t="double", f=["null", "float"])
OLD = record("x.alert", id="long", n="int", src=record("x.src", f="float", b="bytes"))
NEW = record("x.alert", n="long", id="long", src=["null", record("x.src", b="bytes", f="double")],
             before=["null", {"type": "array", "items": POINT}], now=["null", "x.point"])
WANTED = {("id",), ("n",), ("src", "f"), ("before", ITEMS, "t"), ("now", "f"), ("never",), ("src",)}


def test_types_are_wide_enough_for_all_schemas():
    assert projection.leaf_types([OLD, NEW], WANTED) == {
        ("id",): "long", ("n",): "long", ("src", "f"): "double",
        ("before", ITEMS, "t"): "double", ("now", "f"): "float"}


@pytest.mark.parametrize(("one", "other", "wide"), [
    ("int", "int", "int"), ("int", "long", "long"), ("int", "float", "float"),
    ("int", "double", "double"), ("long", "float", "float"), ("long", "double", "double"),
    ("float", "double", "double"), ("string", "string", "string")])
def test_widening_goes_both_ways(one, other, wide):
    schemas = [record("a", x=one), record("a", x=["null", other])]
    for order in (schemas, schemas[::-1]):
        assert projection.leaf_types(order, {("x",)}) == {("x",): wide}


@pytest.mark.parametrize(("one", "other"), [("string", "long"), ("bytes", "int"),
                                            ("boolean", "int"), ("string", "double")])
def test_types_that_do_not_go_together_are_named(one, other):
    with pytest.raises(SchemaError, match="field src.x is"):
        projection.leaf_types([record("a", src=record("s", x=one)),
                               record("a", src=record("s", x=other))], {("src", "x")})


def test_the_reader_schema_reads_both():
    """By Avro's own rules of resolution, as fastavro carries them out."""
    wanted = projection.leaf_types([OLD, NEW], WANTED)
    reader = projection.reader_schema(wanted)
    for schema, packet in ((OLD, {"id": 1, "n": 2, "src": {"f": 0.5, "b": b"xyz"}}),
                           (NEW, {"id": 1, "n": 2, "src": None, "now": {"t": 5.0, "f": 2.5},
                                  "before": [{"t": 1.0, "f": None}]})):
        stream = io.BytesIO()
        fastavro.schemaless_writer(stream, schema, packet)
        stream.seek(0)
        # fastavro matches records by name, Java's Avro does not ask for it in a union.
        read = fastavro.schemaless_reader(stream, schema, renamed(reader, schema))
        assert (read["id"], read["n"]) == (1, 2)
        assert set(read) == {"id", "n", "src", "before", "now"}
    assert read["before"] == [{"t": 1.0}] and read["now"] == {"f": 2.5} and read["src"] is None


def renamed(reader, writer):
    names = {"alert": "x.alert", "alert_src": "x.src", "alert_before": "x.point",
             "alert_now": "x.point2"}

    def walk(node):
        if isinstance(node, list):
            return [walk(n) for n in node]
        if isinstance(node, dict):
            more = {"aliases": ["x.point"]} if node.get("name") == "alert_now" else {}
            return {k: names.get(v, v) if k == "name" else walk(v)
                    for k, v in node.items()} | more
        return node
    return walk(reader)


def test_all_schemas_of_a_survey_go_together(real_messages, surveys, books):
    from fink_like.packets import wire

    known = {name: dict(book.known) for name, book in books.items()}
    for message in real_messages:
        packet = wire.split(message.value, surveys[message.survey].wire, books[message.survey])
        known[message.survey][packet.schema.key] = packet.schema
    for name, one in surveys.items():
        wanted = normalise.wanted_paths(one, stamps=True)
        types = projection.leaf_types((s.avro for s in known[name].values()), wanted)
        absent = {".".join(path) for path in wanted - set(types)}
        assert not absent, f"no schema of {name} has {absent}"
