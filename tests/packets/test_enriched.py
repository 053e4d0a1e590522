"""Our columns behind the survey's: one valid schema, also where the packet was ours before."""

import io

import fastavro

from fink_like.packets import enriched
from fink_like.vocabulary import Field, Struct

COLUMNS = (Field("cdsxmatch", "string"),
           Struct("broker", (Field("version", "string"), Field("n", "int"))))


def written(schema, record):
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, schema, record)
    return stream.getvalue()


def test_packets_that_come_back_are_extended_again_and_again(small):
    """Three times round: the bytes are the old ones with ours behind, and every name is there."""
    record = {"candid": 7, "name": "x", "flux": [1.5], "stamp": None}
    schema, datum = small, written(small, record)
    for turn in range(3):
        ours = {"cdsxmatch": f"turn {turn}", "broker": {"version": str(turn), "n": turn}}
        schema = enriched.extended_schema(schema, COLUMNS)
        datum += written(enriched.appended_schema(COLUMNS), ours)
    read = fastavro.schemaless_reader(io.BytesIO(datum), fastavro.parse_schema(schema))
    assert {name: read[name] for name in record} == record
    assert [read[f"{'received_' * n}cdsxmatch"] for n in range(3)] == ["turn 2", "turn 1", "turn 0"]
    assert [read[f"{'received_' * n}broker"]["n"] for n in range(3)] == [2, 1, 0]
    assert len(read) == len(record) + 6
