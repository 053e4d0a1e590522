"""Jobs under their supervisor: what they do besides their batches, and when they start anew."""

import time

import pytest

from fink_like.jobs import ingest, supervisor
from fink_like.jobs.care import Care
from fink_like.spark import lease
from fink_like.spark.checkpoint import Checkpoint
from fink_like.spark.control import ControlFolder

ZTF = "ztf_20250101_programid1"
PATIENCE_S = 180


class Story:
    """Steps that a supervisor is watched through: each waits for the one before."""

    def __init__(self, *steps):
        self.steps, self.end = list(steps), time.monotonic() + PATIENCE_S

    def __call__(self):
        assert time.monotonic() < self.end, f"{len(self.steps)} steps were left"
        while self.steps and self.steps[0]():
            self.steps.pop(0)
        return not self.steps


@pytest.fixture
def files(street):
    return ControlFolder(street.spark, street.settings.path("jobs", "ingest"))


def test_batches_are_cut_by_the_size_of_packets(make_street):
    street = make_street(**{"jobs.ingest_messages": 5000, "jobs.ingest_bytes": "300m"})
    files = Checkpoint(street.spark, street.settings, "ingest").files
    care = Care(street.settings, files)
    assert not care.is_off() and care.start() == 300 * 2**20 // 150_000
    files.write("size.json", {"bytes_p95": 200_000})
    assert not care.is_off()
    files.write("size.json", {"bytes_p95": 600_000})
    assert care.is_off() and care.start() == 300 * 2**20 // 600_000 and not care.is_off()
    files.write("size.json", {"bytes_p95": 1_000})
    assert care.is_off() and care.start() == 5000


@pytest.mark.slow
def test_requests_are_answered_while_ingest_waits(make_street):
    """A flood has stopped it; its dead letters can be looked after all the same."""
    street = make_street(**{"jobs.flood_action": "pause", "jobs.flood_least": 10})
    files = ControlFolder(street.spark, street.settings.path("jobs", "ingest"))
    requests = ControlFolder(street.spark, f"{files.path}/requests")
    answers = ControlFolder(street.spark, f"{files.path}/answers")
    street.publish(street.topic(ZTF, partitions=1), [b"not a packet"] * 12)

    def ask():
        if files.exists("flood.json"):
            requests.write("1.json", {"do": "redrive", "condition": "true"})
            return True

    story = Story(ask, lambda: answers.exists("1.json"),
                  lambda: street.spark.read.format("delta").load(
                      street.settings.path("ledger", "ingest")).count() > 0)
    assert supervisor.supervise([ingest], street.settings, street.spark, watch=story) == 0
    assert answers.read("1.json")["tried"] == 12
    assert not files.exists(lease.FILE)


@pytest.mark.slow
def test_a_query_starts_anew_when_packets_have_grown(street, files, monkeypatch):
    monkeypatch.setattr(supervisor, "BEAT_S", 0.5)
    topic = street.topic(ZTF, partitions=1)
    street.publish(topic, [b"small"] * 5)

    def rows(count):
        return lambda: street.table("bronze").count() == count

    def limit(test):
        return lambda: test((files.read("limit.json") or {"messages": 0})["messages"])

    story = Story(limit(lambda n: n == 200), lambda: files.exists("size.json"), rows(5),
                  lambda: files.write("size.json", {"bytes_p95": 2**24}) or True,
                  limit(lambda n: 0 < n < 100), lambda: street.publish(topic, [b"more"] * 3),
                  rows(8))
    assert supervisor.supervise([ingest], street.settings, street.spark, watch=story) == 0
