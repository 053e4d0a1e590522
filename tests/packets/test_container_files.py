"""Container files of many records: each its own message, its bytes unchanged; damage is local."""

import io

import fastavro
import pytest

from fink_like.packets import container_files, wire
from fink_like.packets.container_files import Damaged

SCHEMA = {"type": "record", "name": "alert", "fields": [
    {"name": "id", "type": "long"}, {"name": "text", "type": ["null", "string"]}]}
RECORDS = [{"id": 2**60 + n, "text": f"{n}" * (n % 7) or None} for n in range(100)]
LARGEST = 1 << 20


def messages(content, largest=LARGEST):
    return list(container_files.one_each(io.BytesIO(content), largest))


def records(found):
    return [record for _, value in found if isinstance(value, bytes)
            for record in fastavro.reader(io.BytesIO(value))]


@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_each_record_is_a_message(container, codec):
    content = container(SCHEMA, RECORDS, codec, sync_interval=300)
    found = messages(content)
    assert [number for number, _ in found] == list(range(100))
    assert records(found) == RECORDS
    packets = [wire.split(value, wire.CONTAINER, None) for _, value in found]
    assert {(p.schema.codec, p.schema.key) for p in packets} == {("null", packets[0].schema.key)}
    expected = io.BytesIO()
    fastavro.schemaless_writer(expected, SCHEMA, RECORDS[7])
    assert packets[7].datum == expected.getvalue()


def test_a_file_with_one_record_stays_as_it_is(container):
    content = container(SCHEMA, RECORDS[:1], "deflate")
    assert messages(content) == [(None, content)]


def test_two_containers_in_one_file_and_a_file_larger_than_a_message(container):
    first, second = (container(SCHEMA, RECORDS[n:n + 3], sync=bytes([n]) * 16) for n in (0, 3))
    assert records(messages(first + second)) == RECORDS[:6]
    one = container(SCHEMA, [{"id": 1, "text": "x" * 1000}])
    assert records(messages(one, largest=500)) == [{"id": 1, "text": "x" * 1000}]


def test_a_damaged_block_costs_itself_alone(container):
    content = container(SCHEMA, RECORDS, sync_interval=300)
    sync = b"0123456789abcdef"
    blocks = content.split(sync)  # header, blocks, nothing
    for change in (lambda b: b[:-20],  # bytes are lost
                   lambda b: b"\xff" * 12 + b[12:],  # count and size are no longer
                   lambda b: b[:3] + b"\xff" * 30 + b[33:]):  # the records are no longer
        broken = [*blocks[:2], change(blocks[2]), *blocks[3:]]
        found = messages(sync.join(broken))
        [damaged] = [value for _, value in found if isinstance(value, Damaged)]
        assert damaged.value == blocks[0] + sync + broken[2] + sync
        lost = [r for r in RECORDS if r not in records(found)]
        whole = [*fastavro.reader(io.BytesIO(sync.join([blocks[0], blocks[2], b""])))]
        assert 0 < len(lost) <= len(whole) and all(r in whole for r in lost)


def test_a_cut_off_file_gives_what_is_whole(container):
    content = container(SCHEMA, RECORDS, sync_interval=300)
    found = messages(content[:-50])
    assert isinstance(found[-1][1], Damaged) and found[-1][1].why.reason == "truncated"
    assert 0 < len(records(found)) < 100 and records(found) == RECORDS[:len(records(found))]
    [(number, value)] = messages(content[:40])
    assert number is None and value.value == content[:40] and value.why.reason == "truncated"


def test_real_files_of_several_records(fixtures):
    content = (fixtures / "edge" / "ztf_v3.3_three_records_one_container.avro").read_bytes()
    found = messages(content)
    assert len(found) == 3 and records(found) == [*fastavro.reader(io.BytesIO(content))]
    [(_, damaged)] = messages((fixtures / "edge" / "ztf_v1.8_crlf_damaged.avro").read_bytes())
    assert isinstance(damaged, Damaged)
