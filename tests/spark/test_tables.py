"""Tables: a batch is appended once; widened, never narrowed; read by other libraries."""

import json

import deltalake
import pytest

from fink_like import config
from fink_like.spark import commits, tables
from fink_like.vocabulary import NEUTRAL, Field, Struct

SMALL = (Field("night", "int"), Field("n", "bigint"), Field("lane", "string"))


@pytest.fixture
def path(spark, tmp_path):
    return tables._create(spark, str(tmp_path / "small"), SMALL, ("night",))


def frame(spark, *rows):
    return spark.createDataFrame(rows, tables.schema(SMALL))


def test_a_repeated_batch_writes_nothing(spark, path):
    for batch in (0, 0, 1, 1, 0):
        tables.append(frame(spark, (20260101, batch, None)), path, "job-a", batch, {"batch": batch})
    assert sorted(row.n for row in tables.read(spark, path).collect()) == [0, 1]
    assert commits.last_batch(spark, path, "job-a") == 1
    assert commits.last_batch(spark, path, "job-b") == -1


def test_identities_count_apart(spark, path):
    for job in ("job-a", "job-b"):
        for batch in (0, 1):
            tables.append(frame(spark, (20260101, 7, None)), path, job, batch,
                          {"job": job, "batch": batch})
    assert tables.read(spark, path).count() == 4
    assert [n["batch"] for n in commits.last_notes(spark, path, "job-a", 5)] == [1, 0]


def test_what_is_not_there_says_so(spark, tmp_path, path):
    assert not commits.exists(spark, str(tmp_path / "none"))
    assert commits.last_batch(spark, str(tmp_path / "none"), "job") == -1
    assert commits.last_notes(spark, path, "job", 1) == []


def files(spark, path, batch):
    return commits.files_of(commits.commit_of(spark, path, "job", batch))


def test_a_commit_tells_its_lane_and_rows(spark, path):
    batches = [[(20260101, 1, "fast"), (20260102, 2, "slow"), (20260102, 3, None)],
               [(20260101, 4, "fast")], [(20260101, 4, None)], []]
    for number, rows in enumerate(batches):
        tables.append(frame(spark, *rows), path, "job", number, {"app_id": "job", "batch": number})
    found = [files(spark, path, number) for number in range(4)]
    assert [commits.largest(each, "lane") for each in found] == ["slow", "fast", None, None]
    assert commits.largest(found[0], "n") == 3
    assert commits.count_rows(found[0], "night") == {"20260101": 1, "20260102": 2}
    assert files(spark, path, 9) == []


def test_nights_are_folders(spark, path, tmp_path):
    rows = [(20260101, 1, "fast"), (20260102, 2, "slow")]
    tables.append(frame(spark, *rows), path, "job", 0, {})
    assert {p.name for p in (tmp_path / "small").glob("night=*")} == {
        "night=20260101", "night=20260102"}


def test_silver_grows_by_columns_and_struct_fields(spark, tmp_path):
    settings = config.load(environment={}, data=str(tmp_path))
    one = Struct("rates", (Field("slope", "float"),))
    two = Struct("rates", (Field("slope", "float"), Field("error", "float")))
    new = Struct("fresh", (Field("x", "int"),))
    silver, rescores = tables.create_silver(spark, settings, (*NEUTRAL, one))
    tables.create_silver(spark, settings, (*NEUTRAL, one))
    before = len(tables.DeltaTable.forPath(spark, silver).history().collect())
    tables.create_silver(spark, settings, (*NEUTRAL, two, new))
    tables.create_silver(spark, settings, (*NEUTRAL, one))  # an old reader narrows nothing
    for table in (silver, rescores):
        schema = tables.read(spark, table).schema
        assert schema["rates"].dataType.names == ["slope", "error"] and "fresh" in schema.names
    assert len(tables.DeltaTable.forPath(spark, silver).history().collect()) == before + 1


def test_other_libraries_read_the_tables(spark, path):
    tables.append(frame(spark, (20260101, 1, "fast")), path, "job", 0, {"batch": 0})
    table = deltalake.DeltaTable(path)
    assert table.to_pandas().to_dict("records") == [{"night": 20260101, "n": 1, "lane": "fast"}]
    assert json.loads(table.history(1)[0]["userMetadata"]) == {"batch": 0}


def test_bronze_may_be_made_twice(spark, tmp_path):
    settings = config.load(environment={}, data=str(tmp_path))
    assert tables.create_bronze(spark, settings) == tables.create_bronze(spark, settings)
    assert tables.read(spark, settings.path("bronze")).count() == 0


def test_a_table_whose_making_was_killed_is_made(spark, tmp_path):
    """Folders and no commit: Delta's own test takes that for a table, found by `bin/torture`."""
    settings = config.load(environment={}, data=str(tmp_path))
    log = tmp_path / "bronze" / "_delta_log"
    (log / "_staged_commits").mkdir(parents=True)
    (log / ".00000000000000000000.json.0e9c.tmp").write_text("half")
    path = settings.path("bronze")
    assert not commits.exists(spark, path) and commits.last_batch(spark, path, "me") == -1
    assert tables.read(spark, tables.create_bronze(spark, settings)).count() == 0
    assert commits.exists(spark, path) and not commits.exists(spark, settings.path("silver"))


def test_the_last_batch_is_told_without_reading_the_log(spark, tmp_path):
    """Delta's checksum beside the newest commit tells it; without one, the log itself does."""
    path = str(tmp_path / "table")
    for batch in range(3):
        tables.append(spark.range(1), path, "job", batch, {})
    forget = spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache
    forget()
    found = commits.snapshot(spark, path)
    assert found.setTransactionsIfKnown().isDefined()  # though nothing was computed
    assert commits.last_in(found, path, "job") == 2
    for checksum in (tmp_path / "table" / "_delta_log").glob("*.crc"):
        checksum.unlink()
    forget()
    assert commits.last_batch(spark, path, "job") == 2
    assert commits.last_batch(spark, path, "other") == -1
