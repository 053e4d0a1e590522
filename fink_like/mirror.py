"""Another broker's or survey's Kafka topics copied into ours, byte for byte, as they come."""

import collections
import re
import signal
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from fink_like.errors import ConfigError, SetupError
from fink_like.outbox import (
    ANY_PARTITION, FLUSH_SECONDS, LARGEST_MESSAGE, NOW, ORIGIN, Message, Outbox)
from fink_like.spark import kafka

CONSUMER = {
    "enable.auto.commit": False, "enable.auto.offset.store": False, "log_level": 3,
    "enable.partition.eof": True, "fetch.message.max.bytes": LARGEST_MESSAGE,
    "queued.max.messages.kbytes": 32 * 1024, "topic.metadata.refresh.interval.ms": 30_000,
}
AT_ONCE = 200  # messages taken from the source before acknowledgements are looked at
WAIT_S = 0.2
COMMIT_EVERY_S = 1.0
ANSWER_S = 20
NO_TIMESTAMP = 0


@dataclass(frozen=True)
class Source:
    """Where messages come from.

    Parameters
    ----------
    servers : str
    topics : str
        Names with commas, or a regular expression that begins with ``^``.
    group : str
        Consumer group; many brokers demand that it begins with the user's name. Empty: ``group.id``
        of the options, else ``fink_like_mirror``.
    options : dict
        Client options, such as security; not those of our own servers.
    start : str
        ``earliest`` or ``latest``, for partitions of which the group has read nothing yet.
    """

    servers: str
    topics: str
    group: str = ""
    options: dict = field(default_factory=dict)
    start: str = "earliest"

    def names(self):
        """What the consumer subscribes to."""
        return ([self.topics] if self.topics.startswith("^")
                else [name.strip() for name in self.topics.split(",") if name.strip()])

    def takes(self, topic):
        """Whether a topic of that name would be read."""
        return any(re.search(name, topic) if name.startswith("^") else name == topic
                   for name in self.names())

    def settings(self):
        """What the consumer is made with."""
        group = self.group or self.options.get("group.id", "fink_like_mirror")
        return {**CONSUMER, "auto.offset.reset": self.start, **self.options, "group.id": group,
                "bootstrap.servers": self.servers}


@dataclass(frozen=True)
class Names:
    """What a source's topics are called here: all ``topic``, or ``prefix`` before their own."""

    topic: str | None = None
    prefix: str | None = None

    def __post_init__(self):
        if (self.topic is None) == (self.prefix is None):
            raise ConfigError("a mirror needs either one topic (--to) or a prefix (--to-prefix)")

    def of(self, topic):
        """Our name of a source's topic."""
        return self.topic if self.topic is not None else self.prefix + topic


def mirror(settings, source, names, until_caught_up=False, progress=None):
    """Copy messages until SIGINT or SIGTERM, or all that was there is here.

    At least once: what is delivered is committed to the source's group each second and at the end,
    so a repeat needs a crash. Value, key, headers and timestamp are the source's.

    Parameters
    ----------
    settings : Settings
        Of our own servers: ``kafka.servers``, ``kafka.options``.
    source : Source
    names : Names
    until_caught_up : bool
        End when all that is there has been copied.
    progress : callable, optional
        Called with the `Summary` so far and the lag: messages of the source that are not here
        yet, None while no partition is assigned.

    Returns
    -------
    fink_like.outbox.Summary

    Raises
    ------
    SetupError
        One of the servers does not answer, a topic is not there, or messages were not taken.
    ConfigError
        The mirror would read what it has written.
    """
    copier = _Copier(settings, source, names)
    with _stopping() as stop, copier:
        while not stop.is_set():
            copier.take()
            if progress:
                progress(copier.outbox.summary, copier.lag())
            if until_caught_up and copier.is_at_end():
                break
    return copier.outbox.summary


@contextmanager
def _stopping():
    """An event that SIGINT and SIGTERM set: a message in hand is not cut in two."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set())
              for number in (signal.SIGINT, signal.SIGTERM)
              if threading.current_thread() is threading.main_thread()}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Copier:
    """Consumer, outbox, and what lies between them; a context manager."""

    def __init__(self, settings, source, names):
        self.settings, self.source, self.names = settings, source, names
        self.on_the_way = collections.deque()  # (topic, partition, offset behind it), as sent
        self.arrived = {}  # (topic, partition) -> offset to go on with, not committed yet
        self.assigned, self.positions, self.ends, self.partitions = None, {}, {}, {}
        self.committed = time.monotonic()
        self.consumer, cluster = _consumer(source)
        self.outbox = Outbox({**settings.kafka.options, "bootstrap.servers":
                              settings.kafka.servers}, names.topic, True, _say)
        self.is_one_cluster = self.outbox.cluster == cluster

    def __enter__(self):
        self.consumer.subscribe(self.source.names(), on_assign=self._on_assign,
                                on_revoke=self._on_revoke, on_lost=self._on_lost)
        return self

    def __exit__(self, *failure):
        try:
            self.outbox.drain(ANSWER_S if failure[0] else FLUSH_SECONDS)
            self._commit(wait=True)
        finally:
            self.consumer.close()
        if not failure[0]:
            self.outbox.flush()

    def take(self):
        """Pass on what has come."""
        try:
            messages = self.consumer.consume(AT_ONCE, WAIT_S)
        except KafkaException as error:
            raise self._unreadable(error) from error
        for message in messages:
            self._pass_on(message)
        self.outbox.poll(0)
        if time.monotonic() - self.committed > COMMIT_EVERY_S:
            self._commit()

    def _unreadable(self, error):
        return SetupError(f"cannot read {self.source.topics} at {self.source.servers}: {error}")

    def _pass_on(self, message):
        place, offset = (message.topic(), message.partition()), message.offset()
        error = message.error()
        if error and error.code() == KafkaError._PARTITION_EOF:
            self.positions[place] = self.ends[place] = offset
        elif error and not error.retriable():
            raise self._unreadable(error)
        elif not error:
            ours = self.names.of(place[0])
            room = self._room(place[0], ours)
            self.outbox.send(ours, _copy(message, self.source.servers, room))
            self.positions[place] = offset + 1
            self.on_the_way.append((*place, offset + 1))

    def _room(self, topic, ours):
        """Partitions of our topic, which is made like the source's if it is missing."""
        if ours not in self.partitions:
            if self.is_one_cluster and self.source.takes(ours):
                raise ConfigError(f"the mirror writes {topic} to {ours} of the same cluster, which "
                                  f"{self.source.topics} takes in: it would copy its own copies")
            theirs = self.consumer.list_topics(topic, timeout=ANSWER_S).topics[topic].partitions
            servers = self.settings.kafka.servers
            kafka.ensure_topics(self.settings, [ours], len(theirs), servers)
            self.partitions[ours] = kafka.topics(self.settings, servers)[ours]
        return self.partitions[ours]

    def _commit(self, wait=False):
        """Commit, of each partition, what has arrived in front of the first that has not."""
        self.committed = time.monotonic()
        settled = self.outbox.done - (self.outbox.summary.sent - len(self.on_the_way))
        for _ in range(settled):
            topic, partition, offset = self.on_the_way.popleft()
            self.arrived[topic, partition] = offset
        done = [TopicPartition(*place, offset) for place, offset in self.arrived.items()
                if place in (self.assigned or ())]  # what is another member's now, it commits
        self.arrived = {}
        if done:
            try:
                self.consumer.commit(offsets=done, asynchronous=not wait)
            except KafkaException as error:
                raise SetupError(f"{self.source.servers} did not take the group's offsets: {error};"
                                 " the last messages will be repeated") from error

    def lag(self):
        """Messages of the source that are not here yet; None: nothing is assigned yet."""
        if self.assigned is None:
            return None
        latest = {place: self.consumer.get_watermark_offsets(TopicPartition(*place), cached=True)[1]
                  for place in self.assigned}
        behind = sum(max(latest[place], self.ends[place]) - self.positions[place]
                     for place in self.assigned)
        return behind + len(self.on_the_way)

    def is_at_end(self):
        """Whether all that was there when it was looked at last has been passed on."""
        return self.assigned is not None and all(
            self.positions[place] >= self.ends[place] for place in self.assigned)

    def _on_assign(self, consumer, assigned):
        for place in consumer.committed(assigned, timeout=ANSWER_S):
            low, high = consumer.get_watermark_offsets(place, timeout=ANSWER_S)
            if 0 <= place.offset < low:
                _say(f"{place.topic}:{place.partition}: {low - place.offset} messages from "
                     f"{place.offset} on were removed at the source before they were read")
            first = low if self.source.start == "earliest" else high
            begin = max(place.offset if place.offset >= 0 else first, low)
            self.positions[place.topic, place.partition] = begin
            self.ends[place.topic, place.partition] = high
        self.assigned = {(p.topic, p.partition) for p in assigned}
        consumer.assign([TopicPartition(*place, self.positions[place]) for place in self.assigned])

    def _on_revoke(self, consumer, revoked):
        """Another member takes over: it should begin behind what has arrived."""
        self.outbox.drain(ANSWER_S)
        self._commit(wait=True)
        self.assigned = None

    def _on_lost(self, consumer, lost):
        """The group went on without us: what we have sent may come again from another member."""
        self.assigned = None


def _say(text):
    print(text, file=sys.stderr, flush=True)


def _consumer(source):
    """Consumer, and the id of the cluster it reads from."""
    try:
        consumer = Consumer(source.settings())
        found = consumer.list_topics(timeout=ANSWER_S)
    except KafkaException as error:
        raise SetupError(f"cannot read from {source.servers}: {error}; is the server running, and "
                         "are the source's options right?") from error
    missing = [n for n in source.names() if not n.startswith("^") and n not in found.topics]
    if missing:
        raise SetupError(f"{source.servers} has no topic {', '.join(missing)}, or does not show it "
                         f"to this user; it shows {', '.join(sorted(found.topics)[:20]) or 'none'}")
    return consumer, found.cluster_id


def _copy(message, servers, partitions):
    origin = f"{servers}/{message.topic()}:{message.partition()}:{message.offset()}".encode()
    partition = message.partition() if message.partition() < partitions else ANY_PARTITION
    kind, milliseconds = message.timestamp()
    return Message(message.value(), message.key(), [*(message.headers() or ()), (ORIGIN, origin)],
                   partition, NOW if kind == NO_TIMESTAMP else milliseconds)
