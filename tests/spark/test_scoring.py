"""What a worker watches, what can be sent to it, what makes a batch bad, what is sent again."""

import functools
import threading
import time
from dataclasses import replace

import pytest

from fink_like.errors import TimedOut
from fink_like.kit import Field, science_module
from fink_like.spark import breakers, module_watch, substreams
from fink_like.spark.udfs import Tally, sendable

COUNTS = {"rows": 20, "failed": 0, "timed_out": 0, "nulls": 0, "seconds": 0, "message": "no",
          "kept": 0}


@science_module(version="1", inputs=("ra",), outputs=(Field("x", "float"),), budget=1.0)
def plain(ra):
    """As it came."""
    return {"x": ra}


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """What does not stop at its alarm would end the process that the tests run in."""
    monkeypatch.setattr(module_watch, "DEAF", 100.0)


def test_a_module_that_cannot_be_sent_is_left_out_alone():
    lock = threading.Lock()

    @functools.lru_cache
    def model():
        return lock

    holds = replace(plain, name="holds", compute=lambda ra: {"x": ra if lock else model()})
    kept, why = sendable([plain, holds])
    assert [spec.name for spec in kept] == ["plain", "holds"] and kept[0] is plain
    assert kept[1].compute is None and set(why) == {"holds"}
    assert "cannot be sent to workers" in why["holds"]


def test_the_alarm_rings_and_time_is_told():
    watch = module_watch.Watch(0.3, 2**30)
    with pytest.raises(TimedOut, match=r"stopped after 0\.3 s, at .*test_scoring\.py:\d+"):
        with watch(plain, 10):
            while True:
                pass
    assert 0.2 < watch.seconds["plain"] < 0.6
    with pytest.raises(TimedOut, match="stopped before"):
        with watch(plain, 10):
            raise AssertionError("not run again in this batch")


def test_an_alarm_that_is_swallowed_is_told_all_the_same():
    watch = module_watch.Watch(1.0, 2**30)
    with pytest.raises(TimedOut, match="it caught the alarm"):
        with watch(plain, 10):
            try:
                time.sleep(1.5)
            except:  # noqa: E722  what a contributor may write
                time.sleep(0.1)


def test_memory_is_blamed_on_who_keeps_it(monkeypatch):
    worker = module_watch._Worker()
    worker.warm, worker.growth = 0, {"small": 4096, "large": 600}
    monkeypatch.setattr(module_watch._Worker, "resident", staticmethod(lambda: 2000))
    assert worker.leaking(1000) == ("small", 2000)
    worker.warm, worker.growth = 0, {"innocent": 400}
    assert worker.leaking(1000) is None


@pytest.mark.parametrize("changed, bad", [
    ({}, False), ({"failed": 11}, True), ({"failed": 9}, False), ({"timed_out": 1}, True),
    ({"kept": 1}, True), ({"rows": 1, "failed": 1}, False)])
def test_what_makes_a_batch_bad(changed, bad):
    assert breakers._is_bad(COUNTS | changed) is bad


def test_tallies_add_up():
    tally = Tally()
    sums = tally.addInPlace(tally.zero(None), {"a": COUNTS})
    sums = tally.addInPlace(sums, {"a": COUNTS | {"kept": 7, "message": "later"}, "b": COUNTS})
    assert sums["a"]["rows"] == 40 and sums["a"]["kept"] == 7 and sums["a"]["message"] == "no"
    assert sums["b"]["rows"] == 20


def test_of_revisions_the_newest_is_sent_unless_one_was(spark):
    matched = spark.createDataFrame(
        [(1, "s", alert, revision, "f", "t") for alert, revision in (
            (1, 0), (2, 0), (2, 1), (3, 1), (3, 2), (4, 1), (5, 0), (6, 0), (6, 0))],
        "night int, survey string, diaSourceId bigint, revision int, filter string, topic string")
    deliveries = spark.createDataFrame(
        [(1, "s", 4, 0, "f", "sent"), (1, "s", 5, 1, "f", "sent"), (1, "s", 1, 0, "f", "too_large"),
         (1, "s", 3, 0, "other", "sent")],
        "night int, survey string, diaSourceId bigint, revision int, filter string, outcome string")
    found = substreams.not_sent_before(matched, deliveries)
    assert found.columns == matched.columns
    # 2 and 3: the newest; 4: sent before; 5: its later revision was; 6: the survey sent it twice.
    assert sorted((r.diaSourceId, r.revision) for r in found.collect()) == [
        (1, 0), (2, 1), (3, 2), (6, 0), (6, 0)]
