"""The proof that nothing is lost and nothing is there twice: Kafka's offsets against the tables."""

from dataclasses import dataclass, field

from confluent_kafka import Consumer, TopicPartition

from fink_like import books, client
from fink_like.client.archive import PLACE
from fink_like.spark import kafka


@dataclass(frozen=True)
class Proof:
    """What was found.

    Parameters
    ----------
    kills : list of str
    counts : dict
        What -> how many.
    problems : list of str
        Empty: all is accounted for.
    """

    kills: list
    counts: dict = field(default_factory=dict)
    problems: list = field(default_factory=list)


def make(settings, acknowledged, kills=(), counted=None):
    """Count what Kafka holds, what the tables hold, and what the substreams got.

    Parameters
    ----------
    settings : Settings
    acknowledged : dict
        Topic -> messages that Kafka acknowledged.
    kills : list of str
    counted : dict, optional
        What else was counted -> how many.

    Returns
    -------
    Proof
    """
    held = _in_kafka(settings, acknowledged)
    bronze = client.open_table(settings.data, "bronze", columns=[*PLACE, "state", "attempt"])
    silver = client.open_table(settings.data, "silver",
                               columns=[*(f"packet.{n}" for n in PLACE), "revision"])
    noted = client.open_table(settings.data, "deliveries",
                              columns=["topic", "survey", "diaSourceId", "revision", "outcome"])
    received = _substreams(settings)
    first = set(map(tuple, bronze.loc[bronze["attempt"] == 0, PLACE].to_numpy()))
    readable = set(map(tuple, bronze.loc[bronze["state"] == "ok", PLACE].to_numpy()))
    scored = list(map(tuple, silver[[f"packet.{n}" for n in PLACE]].to_numpy()))
    sent = set(map(tuple, noted.loc[noted["outcome"] == "sent"].iloc[:, :4].to_numpy()))
    problems = [
        *_unless(held >= sum(acknowledged.values()), f"Kafka holds {held} messages, "
                 f"{sum(acknowledged.values())} were acknowledged"),
        *_unless(len(first) == held, f"{held - len(first)} messages of Kafka are not in bronze"),
        *_unless(len(bronze) == len(bronze.drop_duplicates([*PLACE, "attempt"])),
                 "bronze has coordinates twice"),
        *_unless(len(scored) == len(set(scored)), "silver has coordinates twice"),
        *_unless(set(scored) == readable, f"{len(readable - set(scored))} readable rows are not in "
                 f"silver, {len(set(scored) - readable)} of silver are not in bronze"),
        *_unless(sent == received.keys(), f"{len(sent - received.keys())} deliveries are not on "
                 f"their topic, {len(received.keys() - sent)} messages were not noted"),
        *_books(settings)]
    counts = {"acknowledged by Kafka": sum(acknowledged.values()), "in Kafka": held,
              "bronze": len(first), "readable": len(readable), "silver": len(scored),
              "delivered": len(sent),
              "of these sent more than once": sum(n > 1 for n in received.values()),
              **(counted or {})}
    return Proof(list(kills), counts, problems)


def _books(settings):
    """What the ledger has to say against it, over all nights.

    Deliveries that are there twice, too: a packet that the survey sent twice is delivered twice.
    """
    nights = client.open_table(settings.data, "bronze", columns=["night"])["night"].unique()
    found = books.balance(books.read(settings.data, [int(night) for night in nights]))
    late = [f"the ledger of {job} lacks {n} batches" for job, n in found["behind"].items() if n]
    return late + [f"ledger: {discrepancy}" for discrepancy in found["discrepancies"]]


def _unless(fine, problem):
    return () if fine else (problem,)


def _in_kafka(settings, topics):
    consumer = _consumer(settings)
    counted = kafka.topics(settings)
    held = 0
    for topic in topics:
        for partition in range(counted[topic]):
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=20)
            held += high - low
    consumer.close()
    return held


def _substreams(settings):
    """(topic, survey, alert id, revision) -> times it is on that substream."""
    found, consumer = {}, _consumer(settings)
    topics = kafka.topics(settings, kafka.out_servers(settings))
    places = [TopicPartition(topic, partition, 0) for topic, partitions in topics.items()
              if topic.startswith("fink_") for partition in range(partitions)]
    ends = [consumer.get_watermark_offsets(place, timeout=20)[1] for place in places]
    for message in _all(consumer, [p for p, end in zip(places, ends) if end], sum(ends)):
        headers = dict(message.headers())
        key = (message.topic(), headers["survey"].decode(), int(headers["alert_id"]),
               int(headers["revision"]))
        found[key] = found.get(key, 0) + 1
    consumer.close()
    return found


def _all(consumer, places, left):
    """The messages of these partitions, so many in all; one by one each costs a second."""
    consumer.assign(places)
    while left:
        for message in consumer.consume(min(left, 500), timeout=20):
            left -= 1
            yield message


def _consumer(settings):
    return Consumer({**settings.kafka.options, "bootstrap.servers": settings.kafka.servers,
                     "group.id": "fink_like_proof", "enable.auto.commit": False})
