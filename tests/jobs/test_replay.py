"""Replay of what ingest has kept: the packets that Kafka received, byte for byte."""

import pytest
from confluent_kafka import Consumer, TopicPartition

from fink_like import replay, simulator
from fink_like.bronze_index import Selection
from fink_like.jobs import ingest

TOPICS = {"ztf": "ztf_20250101_programid1", "lsst": "lsst-alerts-v11.0"}
DAMAGED = [None, b"", b"\x00\x00\x00\x99\x99abc", b"Obj\x01 and no more"]


def simulated(street):
    for survey in TOPICS:
        night = simulator.night(simulator.open_survey(street.project, survey), 20, seed=4)
        yield survey, [value for batch in night for value in batch.values]


def everything(street, topic):
    """(partition, offset) -> message, of a topic of any number of partitions."""
    consumer = Consumer({"bootstrap.servers": street.settings.kafka.servers, "group.id": "replay"})
    found = {}
    for partition in consumer.list_topics(topic, timeout=20).topics[topic].partitions:
        _, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=20)
        consumer.assign([TopicPartition(topic, partition, 0)])
        got = consumer.consume(end, timeout=30) if end else []
        assert len(got) == end
        found |= {(m.partition(), m.offset()): m for m in got}
    consumer.close()
    return found


def check(street, values, tmp_path):
    """Send values, let ingest keep them, replay them all, and compare with what was received."""
    received = {}
    for survey, packets in values:
        topic = street.topic(TOPICS[survey])
        street.publish(topic, [*packets, *DAMAGED])
        received |= {f"{topic}:{p}:{o}": m for (p, o), m in everything(street, topic).items()}
    street.run(ingest)
    kept = street.rows("bronze", "night", "topic", "partition", "offset", "midpointMjdTai")
    nights = tuple(sorted({row.night for row in kept}))
    target = street.prefix + "replayed"
    job = replay.Replay(street.settings, Selection(nights, dead_letters=True), target,
                        tmp_path / "state.json")
    assert job.run().acknowledged == len(received) == len(kept)
    again = everything(street, target)
    origins = {dict(m.headers())["origin"].decode(): m for m in again.values()}
    assert set(origins) == set(received)
    for origin, message in origins.items():
        was = received[origin]
        assert (message.value(), message.key()) == (was.value(), was.key())
        assert message.headers() == [*was.headers(), ("origin", origin.encode())]
        assert message.partition() == was.partition()
    return kept, again


@pytest.mark.slow
def test_what_came_goes_out_again_in_the_order_of_events(street, tmp_path):
    kept, again = check(street, simulated(street), tmp_path)
    times = {f"{r.topic}:{r.partition}:{r.offset}": r.midpointMjdTai for r in kept}
    for partition in {place[0] for place in again}:
        sent = [dict(again[place].headers())["origin"].decode() for place in sorted(again)
                if place[0] == partition]
        known = [times[origin] for origin in sent if times[origin] is not None]
        assert len(known) > 10 and known == sorted(known)


@pytest.mark.slow
def test_every_real_packet(street, real_messages, fixtures, tmp_path):
    edge = [path.read_bytes() for path in sorted((fixtures / "edge").iterdir())]
    by_survey = {survey: [m.value for m in real_messages if m.survey == survey]
                 for survey in TOPICS}
    kept, _ = check(street, [(s, [*values, *edge]) for s, values in by_survey.items()], tmp_path)
    assert len(kept) > 400
