"""What the Kafka server says of topics: their identity, their first and their end offsets."""

import time
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import OffsetSpec

from fink_like.errors import SetupError
from fink_like.spark.kafka import ANSWER_S

GONE = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION)
UNSETTLED = (KafkaError.UNKNOWN_LEADER_EPOCH, KafkaError.FENCED_LEADER_EPOCH,
             KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION,
             KafkaError.REPLICA_NOT_AVAILABLE, KafkaError.OFFSET_NOT_AVAILABLE)
"""A server answers so, for moments, after it or another one was started again."""

SETTLED_S, AGAIN_S = 30.0, 0.5


@dataclass(frozen=True)
class Topic:
    """A topic as it is now.

    Parameters
    ----------
    id : str
        Another one after it was deleted and made again under its name.
    first, end : dict
        Partition -> offset of the first message there is, and behind the last one.
    """

    id: str
    first: dict = field(hash=False)
    end: dict = field(hash=False)


def look(client, names):
    """Look at topics.

    Parameters
    ----------
    client : AdminClient
    names : iterable of str

    Returns
    -------
    dict
        Name -> Topic; one that does not exist is absent.

    Raises
    ------
    SetupError
        The server does not answer, or does not know its partitions within half a minute.
    """
    end = time.monotonic() + SETTLED_S
    while True:
        try:
            return _look(client, names)
        except KafkaException as error:
            cause = error.args[0]
            if cause.code() not in UNSETTLED or time.monotonic() > end:
                raise SetupError("Kafka does not say which offsets its topics have: "
                                 f"{cause.str()}") from error
        time.sleep(AGAIN_S)


def _look(client, names):
    found = _describe(client, sorted(names)) if names else {}
    places = [TopicPartition(name, p) for name, (_, count) in found.items()
              for p in range(count)]
    first = _offsets(client, places, OffsetSpec.earliest())
    end = _offsets(client, places, OffsetSpec.latest())
    return {name: Topic(identity, *({p: o for (t, p), o in offsets.items() if t == name}
                                    for offsets in (first, end)))
            for name, (identity, _) in found.items()}


def _describe(client, names):
    answers = client.describe_topics(TopicCollection(names), request_timeout=ANSWER_S)
    found = {}
    for name, answer in answers.items():
        try:
            topic = answer.result(ANSWER_S)
        except KafkaException as error:
            if error.args[0].code() not in GONE:
                raise
        else:
            found[name] = (str(topic.topic_id), len(topic.partitions))
    return found


def _offsets(client, places, which):
    answers = (client.list_offsets({place: which for place in places}, request_timeout=ANSWER_S)
               if places else {})
    found = {}
    for place, answer in answers.items():
        try:
            found[place.topic, place.partition] = answer.result(ANSWER_S).offset
        except KafkaException as error:
            if error.args[0].code() not in GONE:  # deleted between the two questions
                raise
    return found
