"""Messages out to Kafka: sent at a rate, counted when acknowledged, in order up to a mark.

All that sends messages without Spark (simulate, publish, replay, mirror) sends them here.
"""

import time
from dataclasses import dataclass
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, Producer

from fink_like.errors import SetupError

LARGEST_MESSAGE = 10 * 1024 * 1024
"""Bytes; the worst LSST packet is about 0.9 MB, the broker's topics take 10 MiB."""

QUEUE_KILOBYTES = 128 * 1024
"""Of messages that wait for their acknowledgement."""

PRODUCER = {
    "compression.type": "lz4", "linger.ms": 5, "batch.size": 1_000_000,
    "enable.idempotence": True, "message.max.bytes": LARGEST_MESSAGE,
    "queue.buffering.max.kbytes": QUEUE_KILOBYTES, "delivery.timeout.ms": 60_000,
    "log_level": 3,  # errors; a server that is still starting is asked again, and that is all
}
FLUSH_SECONDS = 90.0
"""Longer than a delivery may take, so that a message is either acknowledged or failed."""

ANY_PARTITION, NOW = -1, 0

ORIGIN = "origin"  # header: where a message was before it was sent here

NEVER_ACCEPTED = {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG_SIZE,
                  KafkaError.INVALID_MSG, KafkaError.INVALID_RECORD, KafkaError.INVALID_TIMESTAMP}
"""A message's own fault. The server refuses the whole batch, so each is sent again, alone."""

NEIGHBOUR = {KafkaError._INVALID_DIFFERENT_RECORD}  # another message of the batch is at fault
ALONE = {"batch.num.messages": 1, "linger.ms": 0}


@dataclass
class Summary:
    """What became of the messages.

    Parameters
    ----------
    sent, acknowledged, failed : int
        Messages; `sent` is the sum of the others when all is done.
    bytes : int
        Of Kafka values, before compression.
    seconds : float
        From the first message to the last acknowledgement.
    error : str
        The first failure; empty: none.
    """

    sent: int = 0
    acknowledged: int = 0
    failed: int = 0
    bytes: int = 0
    seconds: float = 0.0
    error: str = ""


class Message(NamedTuple):
    """One message to send; `partition` and `timestamp` (ms since 1970) as Kafka's client has them.

    ``headers`` is a list of (name, bytes), or a function that gives it at the moment of sending.
    """

    value: bytes | None
    key: bytes | None = None
    headers: object = ()
    partition: int = ANY_PARTITION
    timestamp: int = NOW


def send(groups, kafka, topic, rate=None, progress=None):
    """Send groups of messages and wait until every one is acknowledged or has failed.

    Parameters
    ----------
    groups : iterable of iterables of Message
    kafka : dict
        Client options, ``bootstrap.servers`` among them, above `PRODUCER`.
    topic : str
    rate : float, optional
        Messages a second; as fast as possible if not given.
    progress : callable, optional
        Called with the `Summary` so far after each group.

    Returns
    -------
    Summary

    Raises
    ------
    SetupError
        The options are wrong, or no server answers.
    """
    outbox = Outbox(kafka, topic)
    for group in groups:
        for message in group:
            if rate:
                outbox.wait_until(outbox.summary.sent / rate)
            outbox.send(topic, message)
        if progress:
            progress(outbox.summary)
    outbox.flush()
    if progress:
        progress(outbox.summary)
    return outbox.summary


class Outbox:
    """A producer that knows what has arrived.

    Parameters
    ----------
    kafka : dict
        Client options, ``bootstrap.servers`` among them, above `PRODUCER`.
    topic : str or None
        Asked for at once, so that a server that does not answer is named here; None: any.
    must_arrive : bool
        A message that the server did not take, and might take later, raises `SetupError` at the
        next call. One that it will never take (too large) is counted only.
    report : callable, optional
        Called with one line for each message that was not taken.

    Raises
    ------
    SetupError
        The options are wrong, or no server answers.
    """

    def __init__(self, kafka, topic, must_arrive=False, report=None):
        try:
            self.producer = Producer({**PRODUCER, **kafka})
            self.cluster = self.producer.list_topics(topic, timeout=10.0).cluster_id
        except KafkaException as error:
            raise SetupError(f"cannot publish to {topic or 'topics'} at "
                             f"{kafka['bootstrap.servers']}: {error}; is the server running, and "
                             "are the options right?") from error
        self._kafka, self._alone = kafka, None
        self.must_arrive, self.report, self.summary = must_arrive, report, Summary()
        self.done = 0  # the first so many messages are all settled: acknowledged, or never accepted
        self._settled, self._lost = set(), ""
        self._began = time.monotonic()

    def send(self, topic, message):
        """Hand a message to the producer; waits while its queue is full."""
        number, summary = self.summary.sent, self.summary
        summary.sent += 1
        summary.bytes += len(message.value or b"")
        headers = message.headers() if callable(message.headers) else message.headers
        # Not the value: the producer has its own copy, and there may be 128 MB of them on the way.
        bare = message._replace(value=None, key=None, headers=list(headers or ()))
        while True:
            self._raise_if_lost()
            try:
                self.producer.produce(
                    topic, message.value, message.key, message.partition,
                    on_delivery=lambda error, sent: self._settle(number, bare, error, sent),
                    timestamp=bare.timestamp, headers=bare.headers)
                break
            except BufferError:  # the queue is full: wait for acknowledgements
                self.producer.poll(0.1)
            except KafkaException as error:  # refused at once: too large for message.max.bytes
                self._settle(number, bare, error.args[0])
                break
        self.poll(0)

    def poll(self, seconds):
        """Serve acknowledgements, for at most some seconds."""
        self.producer.poll(seconds)
        if self._alone:
            self._alone.poll(0)
        self.summary.seconds = time.monotonic() - self._began

    def wait_until(self, seconds):
        """Serve acknowledgements until so many seconds have passed since the beginning."""
        while (left := self._began + seconds - time.monotonic()) > 0:
            self.poll(min(left, 0.1))

    def flush(self):
        """Wait until every message is acknowledged or has failed."""
        self.drain(FLUSH_SECONDS)
        self._raise_if_lost()

    def drain(self, seconds):
        """Wait for acknowledgements, but no longer than this."""
        self.producer.flush(seconds)
        if self._alone:
            self._alone.flush(seconds)
        self.poll(0)

    def _settle(self, number, bare, error, sent=None):
        if error is None:
            self.summary.acknowledged += 1
        elif sent is not None and error.code() in NEVER_ACCEPTED | NEIGHBOUR:
            self._send_alone(number, bare, sent)
            return
        else:
            self._complain(error, dict(bare.headers).get(ORIGIN, b"").decode() or number)
            if error.code() not in NEVER_ACCEPTED:
                self._lost = self._lost or str(error)
                return
        self._settled.add(number)
        while self.done in self._settled:  # acknowledgements of several partitions overtake
            self._settled.remove(self.done)
            self.done += 1

    def _send_alone(self, number, bare, sent):
        """Send a message of a refused batch in a batch of its own."""
        self._alone = self._alone or Producer({**PRODUCER, **self._kafka, **ALONE})
        while True:
            try:
                self._alone.produce(
                    sent.topic(), sent.value(), sent.key(), sent.partition(),
                    on_delivery=lambda error, _: self._settle(number, bare, error),
                    timestamp=bare.timestamp, headers=bare.headers)
                return
            except BufferError:
                self._alone.poll(0.1)

    def _complain(self, error, origin):
        text = f"message {origin}: {error}"
        self.summary.failed += 1
        self.summary.error = self.summary.error or text
        if self.report:
            self.report(f"not taken: {text}")

    def _raise_if_lost(self):
        if self.must_arrive and self._lost:
            raise SetupError(f"the server did not take a message: {self._lost}. "
                             f"{self.summary.acknowledged} have arrived, and the same command goes "
                             "on behind them")
