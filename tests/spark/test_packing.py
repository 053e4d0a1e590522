"""Compaction of packets: neighbours become one file, in order; the packets stay as they were."""

import json
import random
import threading

import pytest
from deltalake import DeltaTable as Outside

from fink_like.errors import BrokerError
from fink_like.spark import commits, packing, tables

LONG = "a_topic_whose_name_is_longer_than_delta_keeps_in_its_statistics"
NIGHT = 20260101  # of the fixture `bronze`


def file(topic, partition, first, last=None, size=10, **more):
    last = first + 9 if last is None else last
    return {"path": f"{topic}{partition}-{first}", "size": size, "packed": False, "rows": 10,
            "first": (topic, partition, first), "last": (topic, partition, last), **more}


def paths(groups):
    return [[f["path"] for f in group] for group in groups]


def test_bins_are_neighbours_whatever_their_sizes():
    files = [file("a", 0, 10 * n, size=20 + 7 * (n % 3)) for n in range(9)]
    mixed = random.Random(1).sample(files, len(files))
    groups = packing.bins(mixed, target=100)
    assert [f for group in groups for f in group] == files
    assert all(sum(f["size"] for f in group) <= 100 for group in groups)
    assert len(groups) == 3


def test_bins_end_with_the_partition_where_that_fills_a_quarter():
    files = [file("a", p, 10 * n, size=20) for p in (0, 1) for n in range(2)]
    assert paths(packing.bins(files, target=100)) == [["a0-0", "a0-10"], ["a1-0", "a1-10"]]
    assert len(packing.bins(files, target=1000)) == 1  # else a file for each of 40 partitions


def test_what_spans_partitions_and_what_is_packed_stays_apart():
    wide = {**file("a", 0, 5, 95), "path": "wide", "last": ("a", 3, 95)}
    done = file("a", 0, 20, packed=True)
    files = [file("a", 0, 0), wide, done, file("a", 0, 10)]
    assert paths(packing.bins(files, target=100)) == [["a0-0", "a0-10"], ["wide"]]


def test_a_long_topic_is_one_place_though_its_statistics_are_cut():
    cut = file(LONG[:32], 0, 0, last=9)
    cut["last"] = (LONG[:32] + "\U0010ffff", 0, 9)
    assert packing._is_one_place(cut)


@pytest.fixture
def three_a_file(spark, bronze, monkeypatch):
    """A target that three files of a batch fill."""
    monkeypatch.setattr(packing, "TARGET", int(3.5 * of_night(spark, bronze.path)[0]["size"]))


def content(spark, path):
    return spark.read.format("delta").load(path).selectExpr(
        "topic", "partition", "offset", "state", "diaSourceId", "xxhash64(datum) AS hash").collect()


def of_night(spark, path):
    return packing.night_files(spark, commits.snapshot(spark, path), NIGHT)


def test_packets_stay_and_offsets_are_narrow(spark, bronze, three_a_file):
    before = sorted(content(spark, bronze.path))
    made = packing.pack(spark, bronze.path, NIGHT)
    assert made["left"] == 0 and made["before"]["files"] == 24
    files = of_night(spark, bronze.path)
    assert made["after"] == packing.size(files) and len(files) == 8
    assert sorted(content(spark, bronze.path)) == before
    for partition in range(4):
        mine = sorted((f["first"][2], f["last"][2]) for f in files if f["first"][1] == partition)
        assert all(a[1] < b[0] for a, b in zip(mine, mine[1:])) and len(mine) == 2
    assert all(f["first"][1] == f["last"][1] and f["packed"] for f in files)
    outside = Outside(bronze.path).to_pyarrow_table(columns=["offset", "partition"])
    assert outside.num_rows == 480


def test_a_file_is_as_ingest_writes_them(spark, bronze):
    """In order, in the codec for packets; one row's coordinates open one file."""
    import pyarrow.parquet as pq

    packing.pack(spark, bronze.path, NIGHT)
    found, = of_night(spark, bronze.path)
    with pq.ParquetFile(f"{bronze.path}/{found['path']}") as opened:
        places = opened.read(["partition", "offset"]).to_pandas()
        column = next(c for c in map(opened.metadata.row_group(0).column, range(99))
                      if c.path_in_schema == "datum")
    assert places.equals(places.sort_values(["partition", "offset"], kind="stable"))
    assert column.compression == "LZ4" and not column.has_dictionary_page


def test_a_second_time_changes_nothing(spark, bronze, three_a_file):
    packing.pack(spark, bronze.path, NIGHT)
    version = commits.version_of(spark, bronze.path)
    again = packing.pack(spark, bronze.path, NIGHT)
    assert again["before"] == again["after"] and commits.version_of(spark, bronze.path) == version
    bronze(6)  # what comes later is packed by itself
    packing.pack(spark, bronze.path, NIGHT)
    assert len(of_night(spark, bronze.path)) == 8 + 4
    assert packing.pack(spark, bronze.path, NIGHT)["left"] == 0


@pytest.mark.slow
def test_it_stops_in_time_and_goes_on(spark, bronze, three_a_file):
    left = []
    while not left or left[-1]:
        left.append(packing.pack(spark, bronze.path, NIGHT, seconds=0)["left"])
    assert left == list(range(7, -1, -1))
    assert len(of_night(spark, bronze.path)) == 8


@pytest.mark.slow
def test_other_nights_and_states_are_apart(spark, bronze):
    bronze(6, night=NIGHT + 1)
    bronze(7, state="dead")
    packing.pack(spark, bronze.path, NIGHT)
    files = packing.night_files(spark, commits.snapshot(spark, bronze.path), NIGHT + 1)
    assert len(files) == 4 and not any(f["packed"] for f in files)
    assert sorted(f["state"] for f in of_night(spark, bronze.path)) == ["dead", "ok"]


def test_appends_in_the_meantime_stay(spark, bronze, monkeypatch):
    """Batches are committed between reading, writing and committing a packed file."""
    appended = iter(range(6, 100))
    real = {name: getattr(packing, name) for name in ("_transaction", "_commit")}

    def disturbed(name):
        def call(*given):
            bronze(next(appended))
            return real[name](*given)
        return call

    for name in real:
        monkeypatch.setattr(packing, name, disturbed(name))
    packing.pack(spark, bronze.path, NIGHT)
    rows = content(spark, bronze.path)
    assert len(rows) == len({row[:3] for row in rows}) == 80 * next(appended)
    assert len(of_night(spark, bronze.path)) == 1 + 2 * 4


@pytest.mark.slow
def test_a_file_removed_in_the_meantime_stops_it(spark, bronze, monkeypatch):
    real = packing._commit

    def late(*given):
        spark.sql(f"DELETE FROM delta.`{bronze.path}` WHERE night = {NIGHT}")
        return real(*given)

    monkeypatch.setattr(packing, "_commit", late)
    with pytest.raises(Exception, match="ConcurrentDelete|DELTA_CONCURRENT"):
        packing.pack(spark, bronze.path, NIGHT)
    assert content(spark, bronze.path) == []


def test_a_row_too_few_changes_nothing(spark, bronze, monkeypatch):
    real = packing._file
    monkeypatch.setattr(packing, "_file", lambda add: {**real(add), "rows": 7})
    before = commits.version_of(spark, bronze.path)
    with pytest.raises(BrokerError, match="nothing was changed"):
        packing.pack(spark, bronze.path, NIGHT)
    assert commits.version_of(spark, bronze.path) == before


def test_a_stream_is_not_disturbed(spark, bronze, tmp_path):
    """A consumer reads on, before, during and behind a compaction, each row once."""
    seen, lock = [], threading.Lock()

    def collect(frame, _):
        with lock:
            seen.extend(row.diaSourceId for row in frame.select("diaSourceId").collect())

    query = (tables.stream(spark, bronze.path, "100k").writeStream.foreachBatch(collect)
             .option("checkpointLocation", str(tmp_path / "cp")).start())
    try:
        for batch in range(6, 9):
            bronze(batch)
            packing.pack(spark, bronze.path, NIGHT, seconds=0)
        query.processAllAvailable()
        assert query.exception() is None
    finally:
        query.stop()
    assert sorted(seen) == sorted(row.diaSourceId for row in content(spark, bronze.path))
    assert len(seen) == 720


def test_the_commit_says_what_it_is(spark, bronze):
    packing.pack(spark, bronze.path, NIGHT)
    commit = commits.actions(spark, bronze.path, commits.version_of(spark, bronze.path))
    assert {json.dumps(a.get("add", a.get("remove", {})).get("dataChange")) for a in commit
            if "commitInfo" not in a} == {"false"}
    assert next(a["commitInfo"]["operation"] for a in commit if "commitInfo" in a) == "OPTIMIZE"
    assert commits.note_of(commit) is None  # the ledger passes over it
