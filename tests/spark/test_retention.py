"""What may be deleted: nothing that a consumer has yet to read."""

import time
from pathlib import Path

import pytest

from fink_like import client
from fink_like.errors import ConfigError
from fink_like.jobs.upkeep import Upkeep
from fink_like.reports import SmallFiles
from fink_like.spark import commits, packing, retention, tables
from fink_like.bookkeeping import LEDGER
from fink_like.vocabulary import NEUTRAL

NIGHT = 20260101  # of the fixture `bronze`
POLICY = retention.Policy(files_days=7, readers_days=14, keep_days={"bronze": 30})


@pytest.fixture
def consumer(spark, settings, bronze):
    """Reads bronze as science does, with its checkpoint; the ids of the new rows."""
    def read():
        seen = []
        query = (tables.stream(spark, bronze.path, "1g").writeStream.trigger(availableNow=True)
                 .foreachBatch(lambda frame, _: seen.extend(
                     row.diaSourceId for row in frame.select("diaSourceId").collect()))
                 .option("checkpointLocation", settings.path("jobs", "science", "checkpoint"))
                 .start())
        query.awaitTermination()
        return seen

    return read


@pytest.fixture
def no_waiting(spark):
    """VACUUM of what was replaced a moment ago, which Delta refuses otherwise."""
    spark.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")
    yield
    spark.conf.unset("spark.databricks.delta.retentionDurationCheck.enabled")


def files_there(bronze):
    return len([*Path(bronze.path).rglob("*.parquet")])


def readers_of(spark, settings, table="bronze"):
    return retention.consumers(spark, settings, table, POLICY.readers_days)


def test_a_consumer_that_stands_keeps_the_files(spark, settings, bronze, consumer, no_waiting):
    assert len(consumer()) == 480
    bronze(6)
    packing.pack(spark, bronze.path, NIGHT)
    readers = readers_of(spark, settings)
    assert readers == {"science": 7}  # version 0 made the table, 7 is the batch it has not read
    hours = retention.hours_to_keep(spark, bronze.path, readers, files_days=0)
    assert hours == retention.MARGIN_HOURS + 1
    retention.vacuum(spark, bronze.path, hours)
    assert files_there(bronze) == 24 + 4 + 1
    assert len(consumer()) == 80  # from files that the table does not have any more
    hours = retention.hours_to_keep(spark, bronze.path, readers_of(spark, settings), files_days=0)
    assert hours == 0
    retention.vacuum(spark, bronze.path, hours)
    assert files_there(bronze) == 1 and tables.read(spark, bronze.path).count() == 560
    assert consumer() == []


@pytest.mark.slow
def test_without_that_rule_it_could_not_go_on(spark, bronze, consumer, no_waiting):
    consumer()
    bronze(6)
    packing.pack(spark, bronze.path, NIGHT)
    retention.vacuum(spark, bronze.path, 0)
    with pytest.raises(Exception, match="not exist|FILE_NOT_EXIST"):
        consumer()


def test_who_has_read_nothing_keeps_everything(spark, settings, bronze):
    assert readers_of(spark, settings) == {"science": 0}
    made = time.time() - next(a["commitInfo"]["timestamp"] for a in
                              commits.actions(spark, bronze.path, 0) if "commitInfo" in a) / 1000
    hours = retention.hours_to_keep(spark, bronze.path, {"science": 0}, files_days=7)
    assert hours == 7 * 24 >= made / 3600
    assert readers_of(spark, settings, "deliveries") == {}


@pytest.mark.slow
def test_commits_without_rows_are_nothing_to_wait_for(spark, settings, bronze, consumer):
    """A consumer of a quiet table notes no progress at a compaction, and does not stand for it."""
    consumer()
    packing.pack(spark, bronze.path, NIGHT)
    spark.sql(f"DELETE FROM delta.`{bronze.path}` WHERE night = {NIGHT}")
    newest = commits.version_of(spark, bronze.path)
    assert readers_of(spark, settings) == {"science": newest + 1}


def test_a_version_that_has_left_the_log_stops_vacuum(spark, settings, bronze):
    commits.delta_log(spark, bronze.path).checkpoint()  # as Delta does before it cleans the log
    for version in range(4):
        (Path(bronze.path) / "_delta_log" / f"{version:020d}.json").unlink()
    assert retention.hours_to_keep(spark, bronze.path, {"science": 3}, 7) is None


def test_registered_readers_count_until_they_are_silent_for_long(spark, settings, bronze):
    client.register_reader(settings.data, "ann", "bronze", 2)
    client.register_reader(settings.data, "cid", "silver", 1)
    SmallFiles(settings.data, retention.READERS).write(
        "bob.json", {"table": "bronze", "version": 1, "at": time.time() - 15 * 86400})
    assert readers_of(spark, settings) == {"science": 0, "reader ann": 2}
    assert readers_of(spark, settings, "silver") == {"distribute": 0, "reader cid": 1}
    client.forget_reader(settings.data, "ann")
    assert readers_of(spark, settings) == {"science": 0}
    with pytest.raises(ConfigError, match="'../x'"):
        client.register_reader(settings.data, "../x", "bronze", 1)


def write_ledger(spark, settings, version):
    line = {"job": "ingest", "kind": "batch", "table_version": version, "nights": [NIGHT]}
    frame = spark.createDataFrame([tuple(line.get(f.name) for f in LEDGER)], tables.schema(LEDGER))
    tables.append(frame, tables.create_ledger(spark, settings, "ingest"), "t", version, {})


def test_nights_go_when_they_are_old_and_read(spark, settings, bronze, consumer):
    def old(before=NIGHT + 1):
        return retention.nights_to_expire(spark, settings, "bronze", POLICY, before)

    tables.create_silver(spark, settings, NEUTRAL)
    bronze(6, night=NIGHT + 5)
    assert old() == []  # not in the ledger: nobody knows how far it must have been read
    write_ledger(spark, settings, 6)
    assert old() == []  # science has read nothing
    consumer()
    assert old() == [NIGHT] and old(before=NIGHT) == []
    retention.expire(spark, bronze.path, old())
    assert retention.nights(spark, bronze.path) == [NIGHT + 5]
    assert consumer() == []  # a delete does not disturb it
    bronze(7, night=NIGHT + 5)
    assert len(consumer()) == 80


def test_upkeep_of_tables_that_are_not_there(spark, settings):
    upkeep = Upkeep(spark, settings, "science")
    assert upkeep.compact(NIGHT) == {"tables": {}, "left": 0}
    assert upkeep.vacuum() == {"tables": {}} and upkeep.expire() == {"nights": {}, "kept": {}}


@pytest.mark.parametrize("text, said", [
    ("files_days: 3\nreaders_days: 14\nkeep_days:", "less than 7"),
    ("files_days: 7\nreaders_days: 14\nkeep_days: {ledger: 30}", "ledger is kept"),
    ("files_days: 7\nreaders_days: 14\nkeep_days: {bronze: 0}", "whole days"),
    ("files_days: 7\nkeep: {}", "readers_days")])
def test_a_policy_that_cannot_be_is_refused(tmp_path, text, said):
    (tmp_path / "retention.yaml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        retention.load(tmp_path / "retention.yaml")


def test_the_projects_own_policy(settings):
    assert retention.load(settings.conf / "retention.yaml").keep_days == {}
