"""What Kafka no longer has stops ingest, unless it had been read, or somebody accepted the gap."""

import time

import pytest
from confluent_kafka import TopicPartition

from fink_like import simulator
from fink_like.errors import RefusedStart
from fink_like.jobs import ingest
from fink_like.spark import guard, kafka
from fink_like.spark.control import ControlFolder

NIGHTS = "ztf_20250101_programid1", "ztf_20250102_programid1"
LEDGER = ("topic", "partition", "start_offset", "end_offset", "rows", "gap", "cause")


def packets(street, count, seed):
    model = simulator.open_survey(street.project, "ztf")
    return [v for b in simulator.night(model, count, seed=seed, cutouts=False) for v in b.values]


@pytest.fixture
def admin(street):
    return kafka.admin(street.settings)


@pytest.fixture
def night(street):
    """A topic of one partition, half of it read."""
    topic = street.topic(NIGHTS[0], partitions=1)
    street.publish(topic, packets(street, 10, seed=1))
    street.run(ingest)
    return topic


def delete(admin, topic):
    admin.delete_topics([topic])[topic].result(20)
    end = time.monotonic() + 20
    while topic in admin.list_topics(timeout=10).topics and time.monotonic() < end:
        time.sleep(0.1)


def expire(admin, topic, offset):
    """As retention does it: messages below the offset are gone."""
    place = TopicPartition(topic, 0, offset)
    admin.delete_records([place])[place].result(20)


def files(street):
    return ControlFolder(street.spark, street.settings.path("jobs", "ingest"))


def ledger(street):
    rows = street.spark.read.format("delta").load(street.settings.path("ledger", "ingest"))
    return sorted(tuple(row) for row in rows.select(*LEDGER).collect())


@pytest.mark.slow
def test_a_past_nights_topic_may_be_deleted_once_it_is_read(street, admin, night):
    delete(admin, night)
    tonight = street.topic(NIGHTS[1], partitions=1)
    street.publish(tonight, packets(street, 5, seed=2))
    street.run(ingest)
    street.run(ingest)
    assert street.table("bronze").count() == 15
    assert ledger(street) == [(night, 0, 0, 10, 10, 0, None), (tonight, 0, 0, 5, 5, 0, None)]


def test_expired_messages_stop_ingest_until_the_gap_is_accepted(street, admin, night):
    street.publish(night, packets(street, 10, seed=2))
    expire(admin, night, 14)
    with pytest.raises(RefusedStart, match=rf"{night}:0: messages 10 to 13 are gone.*accept-gap"):
        street.run(ingest)
    assert guard.accept(files(street), "the disk was full") and not guard.accept(files(street), "")
    street.run(ingest)
    assert street.table("bronze").count() == 16
    *_, (topic, _, start, end, rows, gap, cause) = ledger(street)
    assert (topic, start, end, rows, gap) == (night, 10, 20, 6, 4)
    assert cause.startswith("expired; accepted by") and cause.endswith("the disk was full")
    street.publish(night, packets(street, 2, seed=3))
    street.run(ingest)
    assert street.table("bronze").count() == 18
    expire(admin, night, 22)  # read before it went: nobody minds
    street.run(ingest)


@pytest.mark.slow
def test_a_topic_deleted_before_it_was_read_stops_ingest(street, admin, night):
    street.publish(night, packets(street, 3, seed=2))
    guard.Guard(street.spark, street.settings, files(street).path).check({(night, 0): 10})
    delete(admin, night)
    with pytest.raises(RefusedStart, match=rf"{night}:0: messages 10 to 12 are gone .topic delet"):
        street.run(ingest)
    guard.accept(files(street), "sent again under another name")
    again = street.topic(NIGHTS[1], partitions=1)
    street.publish(again, packets(street, 3, seed=2))
    street.run(ingest)
    assert street.table("bronze").count() == 13


@pytest.mark.slow
@pytest.mark.parametrize("messages", [4, 15])
def test_a_topic_made_anew_stops_ingest(street, admin, night, messages):
    """Also when it has grown past the old offset, where Spark itself would say nothing."""
    delete(admin, night)
    street.topic(NIGHTS[0], partitions=1)
    street.publish(night, packets(street, messages, seed=2))
    with pytest.raises(RefusedStart, match=f"{night}:0 was deleted and made anew"):
        street.run(ingest)
    guard.accept(files(street), "a mistake of ours")
    other = street.topic(NIGHTS[1], partitions=1)
    street.publish(other, packets(street, 3, seed=3))
    street.run(ingest)
    topics = [row.topic for row in street.rows("bronze", "topic")]
    assert topics.count(night) == 10 and topics.count(other) == 3


@pytest.mark.slow
def test_a_batch_that_was_planned_meets_the_guard_too(street, admin, night, monkeypatch):
    """Killed behind the planning; while it was down, the messages expired."""
    street.publish(night, packets(street, 10, seed=2))

    def killed(self, before, after=None):
        if after:
            raise RuntimeError("killed")
        return real(self, before)

    real = guard.Guard.check
    monkeypatch.setattr(guard.Guard, "check", killed)
    with pytest.raises(Exception, match="killed"):
        street.run(ingest)
    monkeypatch.undo()
    expire(admin, night, 15)
    with pytest.raises(RefusedStart, match="messages 10 to 14 are gone"):
        street.run(ingest)
    guard.accept(files(street), "tried")
    street.run(ingest)
    assert street.table("bronze").count() == 15


@pytest.mark.slow
def test_a_topic_that_is_not_read_any_more_stops_ingest_before_spark_forgets_it(street, night):
    """Taken in again later, it would be read from its beginning, and be in bronze twice."""
    declared = street.project / "conf" / "surveys" / "ztf.yaml"
    before = declared.read_text()
    declared.write_text(before.replace("ztf_.*", "ztf_2026.*", 1))
    with pytest.raises(RefusedStart, match=rf"{night}:0 was read to 10, and .* not take it in"):
        street.run(ingest)
    declared.write_text(before)
    street.publish(night, packets(street, 2, seed=2))
    street.run(ingest)
    assert street.table("bronze").count() == 12
    declared.write_text(before.replace("ztf_.*", "ztf_2026.*", 1))
    with pytest.raises(RefusedStart):
        street.run(ingest)
    guard.accept(files(street), "those nights are done with")
    street.run(ingest)
    declared.write_text(before)
    street.run(ingest)
    assert street.table("bronze").count() == 12
