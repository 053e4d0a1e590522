"""What the first look could not read is read by the second, in the same commit."""

from pathlib import Path

import pytest

from fink_like import config
from fink_like.spark import bronze, commits, tables, two_looks
from fink_like.vocabulary import BRONZE

ROOT = Path(__file__).resolve().parents[2]
NAMES = [field.name for field in BRONZE if field.name != "ingest_time"]
SWITCHED = tuple(two_looks.WRITING)


@pytest.fixture
def restored(spark):
    """The session's settings are those of all tests again; a job has a session of its own."""
    before = {name: spark.conf.get(name, None) for name in SWITCHED}
    yield
    for name, value in before.items():
        if value is None:
            spark.conf.unset(name)
        else:
            spark.conf.set(name, value)


@pytest.fixture
def written(spark, restored, messages, surveys, known, settings):
    """Writer of messages in two looks: ``written([(topic, value), ...], batch)``; the path."""
    path = tables.create_bronze(spark, settings)

    def write(pairs, batch=0, look_again=None):
        two_looks.append(
            bronze.first_look(messages(pairs), surveys, known, batch),
            look_again or (lambda unread: bronze.look_again(unread, settings, surveys, known,
                                                            batch)),
            path, "tests", batch, {"batch": batch})
        return path

    return write


def mixed(real_messages, topics):
    """Both surveys, good and bad: a frame known, containers unknown, damage, nothing."""
    frame = next(m.value for m in real_messages if m.survey == "lsst")
    whole = next(m.value for m in real_messages if m.survey == "ztf")
    return [(topics["lsst"], frame), (topics["ztf"], whole), (topics["lsst"], frame + b"x"),
            (topics["ztf"], whole[:2000]), (topics["ztf"], b""), (topics["ztf"], None),
            (topics["lsst"], b"\x00\x00\x00\x99\x99" + frame[5:]), ("weather", b"rain")]


def test_two_looks_write_what_one_plan_of_both_lanes_gives(
        spark, written, real_messages, topics, messages, surveys, known):
    pairs = mixed(real_messages, topics)
    path = written(pairs)
    plain = config.load(ROOT, environment={})
    expected = bronze.rows(messages(pairs), plain, surveys, known, 0)
    got = tables.read(spark, path)
    by_offset = [sorted(map(tuple, frame.select("offset", *NAMES).collect()))
                 for frame in (got, expected)]
    assert by_offset[0] == by_offset[1]
    assert {row.lane for row in got.select("lane").collect()} == {"fast", "slow", None}


def newest(spark, path):
    return commits.actions(spark, path, commits.version_of(spark, path))


def test_it_is_one_commit_with_a_note_and_leaves_no_file_behind(spark, written, real_messages,
                                                                 topics):
    path = written(mixed(real_messages, topics))
    written(mixed(real_messages, topics))  # the same batch again
    log = sorted(Path(path, "_delta_log").glob("*.json"))
    assert len(log) == 2  # the table's making, and the batch
    commit = newest(spark, path)
    assert commits.note_of(commit) == {"batch": 0}
    assert commits.last_batch(spark, path, "tests") == 0
    files = {add["path"] for add in commits.files_of(commit)}
    assert files == {str(p.relative_to(path)) for p in Path(path).rglob("*.parquet")}
    assert not any(two_looks.UNREAD in name for name in files)
    assert tables.read(spark, path).count() == len(mixed(real_messages, topics))


def test_a_second_look_that_fails_commits_nothing(spark, written, real_messages, topics):
    def fail(unread):
        raise OSError("no room")

    pairs = mixed(real_messages, topics)
    with pytest.raises(OSError, match="no room"):
        written(pairs, look_again=fail)
    path = written(pairs)
    assert tables.read(spark, path).count() == len(pairs)


def test_large_rows_come_in_small_row_groups(spark, written, real_messages, topics):
    """Else each open file would keep 128 MiB in the heap."""
    import pyarrow.parquet as pq

    frame = next(m.value for m in real_messages if m.survey == "lsst")
    path = written([(topics["lsst"], frame)] * 800)
    files = [pq.ParquetFile(Path(path) / add["path"]).metadata
             for add in commits.files_of(newest(spark, path))]
    assert sum(file.num_rows for file in files) == 800
    assert all(file.num_row_groups >= 2 for file in files)


def test_the_first_look_has_no_python(messages, topics, surveys, known):
    frame = bronze.first_look(messages([(topics["lsst"], b"\x00")]), surveys, known, 0)
    plan = frame._jdf.queryExecution().executedPlan().toString()
    assert "EvalPython" not in plan and "Exchange" not in plan


def test_the_code_of_one_batch_serves_the_next(spark, restored, messages, topics, surveys, known):
    """Batch number and time change; the code must not, or each batch would compile it anew."""
    for name, value in two_looks.WRITING.items():
        spark.conf.set(name, value)
    one = messages([(topics["lsst"], b"\x00")])
    first, second = (code(bronze.first_look(one, surveys, known, batch)) for batch in (1, 2))
    assert first == second


def code(frame):
    """What Spark generates for a frame, one text a stage."""
    found = frame._jdf.queryExecution().debug().codegenToSeq()
    assert found.size() >= 1
    return [found.apply(i)._2() for i in range(found.size())]
