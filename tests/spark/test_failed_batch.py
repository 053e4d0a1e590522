"""What a batch that fails leaves: its cause in a line, and a thread that ended as it should."""

import threading
import time

import pytest

from fink_like import config
from fink_like.errors import BatchFailed, NotNow
from fink_like.spark.checkpoint import Checkpoint
from fink_like.spark.failure import LONGEST, in_one_line, reason

LONG = "x" * 100


@pytest.fixture
def query(spark, project, tmp_path):
    """Starter of a query with one batch after the other."""
    def start(work):
        settings = config.load(project, environment={}, data=str(tmp_path / "data"))
        frame = spark.readStream.format("rate-micro-batch").option("rowsPerBatch", 1).load()
        checkpoint = Checkpoint(spark, settings, "ingest")
        return checkpoint.start(frame, lambda rows, batch_id: work(rows), "0 seconds")

    return start


def ended(query):
    with pytest.raises(Exception) as raised:
        query.awaitTermination()
    assert not query.isActive and query.exception() is not None
    return raised.value


def test_a_long_message_of_java_does_not_hide_the_cause(query, capfd):
    """10 kB of text, as a failing write has it."""
    def work(rows):
        rows.selectExpr(f"raise_error(concat('the cause', repeat('\n{LONG}', 100)))").collect()

    found = reason(ended(query(work)))
    assert "the cause" in found and len(found) <= 500
    assert capfd.readouterr().err.count(LONG) >= 100, "all of it stands in the log"


def test_a_mistake_in_python(query):
    def work(rows):
        raise ValueError(f"no such column\n{LONG}")

    assert "ValueError: no such column" in reason(ended(query(work)))


def test_java_without_a_cause_behind_it(query, spark):
    def work(rows):
        spark._jvm.java.nio.file.Files.readString(
            spark._jvm.java.io.File("/nowhere/at all").toPath())

    assert "NoSuchFileException: /nowhere/at all" in reason(ended(query(work)))


def test_one_that_must_wait_says_so_and_no_more(query, capfd):
    def work(rows):
        raise NotNow("ingest waits: the disk is full")

    assert reason(ended(query(work))) == "ingest waits: the disk is full"
    assert "NotNow" not in capfd.readouterr().err


def test_stopped_in_mid_batch_is_no_failure(query):
    """Spark's search for an interrupt in a long text overflowed its stack."""
    began, seen = threading.Event(), []

    def work(rows):
        began.set()
        for n in range(50):
            rows = rows.selectExpr("*", f"'{LONG}' AS c{n}")
        slow = rows.selectExpr("java_method('java.lang.Thread', 'sleep', 30000L)")

        def write(rows, batch_id):
            slow.write.format("noop").mode("append").save()

        try:
            in_one_line(write)(rows, 0)
        except BatchFailed as failed:
            seen.append(str(failed))
            raise

    running = query(work)
    assert began.wait(60)
    time.sleep(2)
    running.stop()
    assert not running.isActive and running.exception() is None
    assert "InterruptedException" in seen[0] and len(seen[0]) <= LONGEST
