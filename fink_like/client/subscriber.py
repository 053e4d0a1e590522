"""A substream's subscriber: each alert once, across restarts."""

import itertools
import logging
import time

from confluent_kafka import Consumer, KafkaError, KafkaException

from fink_like.client.received import read
from fink_like.client.seen import SeenAlerts
from fink_like.errors import PacketError, SetupError

ANSWER_S = 10.0
POLL_S = 0.5  # how long Ctrl-C may have to wait
CONSUMER = {
    "enable.auto.commit": True,  # once a second, of offsets that `_confirm` has stored
    "enable.auto.offset.store": False,
    "auto.commit.interval.ms": 1000,
    "session.timeout.ms": 10_000,  # a killed subscriber's successor waits that long, not 45 s
    "fetch.message.max.bytes": 10 * 1024 * 1024,
    "queued.max.messages.kbytes": 64 * 1024,
    "log_level": 2,  # what concerns the user is raised; librdkafka's lines on reconnecting are not
}
log = logging.getLogger(__name__)


class Subscriber:
    """Hands out the alerts of substream topics, each once.

    The broker delivers at least once: after a crash it sends a batch again. Repetitions are told
    by (topic, alert id, revision) and passed over. An alert counts as handed out when the next one
    is asked for, or when the ``with`` block ends without an exception: one whose handling fails
    comes again after a restart.

    Parameters
    ----------
    servers : str or dict
        ``host:port,host:port``; or all Kafka client options, with security, as a dict.
    topics : str or iterable of str
    group : str
        Name of the reader; a later start with the same name goes on where this one ends, several
        at a time share the alerts.
    state : str or Path, optional
        Folder that remembers what was handed out, so that a restart repeats nothing. Without it
        repetitions are only told within one run.
    start : str
        Where a new group starts: ``earliest`` or ``latest``.

    Attributes
    ----------
    repeated, unreadable : int
        Messages passed over so far.

    Raises
    ------
    SetupError
        No Kafka answers, an option is wrong, or there is no such topic.

    Examples
    --------
    >>> with Subscriber("broker:9092", "fink_rising_transient_lsst", "me",
    ...                 state="~/alerts") as subscriber:                     # doctest: +SKIP
    ...     for alert in subscriber.alerts(limit=10, timeout=60):
    ...         print(alert.row["diaSourceId"], alert.scores["rates"]["slope"])
    """

    def __init__(self, servers, topics, group, state=None, start="earliest"):
        options = servers if isinstance(servers, dict) else {"bootstrap.servers": servers}
        self.topics = [topics] if isinstance(topics, str) else list(topics)
        self.repeated = self.unreadable = 0
        self._pending = None
        self._seen = SeenAlerts(state, group)
        self._consumer = _consumer({**CONSUMER, "group.id": group, "auto.offset.reset": start,
                                    **options})
        try:
            _require(self._consumer, self.topics, options.get("bootstrap.servers"))
            self._consumer.subscribe(self.topics)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        if failure is None:
            self._confirm()
        self.close()

    def __iter__(self):
        return self.alerts()

    def alerts(self, limit=None, timeout=None):
        """Iterate over alerts.

        Parameters
        ----------
        limit : int, optional
            End after so many.
        timeout : float, optional
            End when none has come for so many seconds. For ever if not given.

        Yields
        ------
        Alert
        """
        for _ in itertools.count() if limit is None else range(limit):
            self._confirm()
            alert = self._next(timeout)
            if alert is None:
                return
            yield alert
        self._confirm()

    def close(self):
        """Leave the group. What was handed out and not yet confirmed will come again."""
        self._pending = None
        self._consumer.close()
        self._seen.close()

    def _next(self, timeout):
        end = float("inf") if timeout is None else time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            message = self._consumer.poll(min(left, POLL_S))
            if message is None:
                continue
            _raise_failure(message)
            alert = self._read(message)
            if alert is not None:
                self._pending = message, (alert.topic, alert.alert_id, alert.revision)
                return alert
            self._store(message)
        return None

    def _read(self, message):
        """The alert of a message, or None if it is to be passed over."""
        try:
            alert = read(message)
        except PacketError as error:
            self.unreadable += 1
            log.warning("passed over %s:%d:%d: %s", message.topic(), message.partition(),
                        message.offset(), error)
            return None
        if (alert.topic, alert.alert_id, alert.revision) in self._seen:
            self.repeated += 1
            return None
        return alert

    def _confirm(self):
        """The alert given last is done with: remember it first, then let Kafka go on."""
        if self._pending is not None:
            message, identity = self._pending
            self._seen.add(identity)
            self._store(message)
            self._pending = None

    def _store(self, message):
        try:
            self._consumer.store_offsets(message)
        except KafkaException as error:
            # Kafka has given the partition to another of the group, who begins at what was
            # committed; what we have handed out since is in the memory they share.
            if error.args[0].code() != KafkaError._STATE:
                raise


def _consumer(options):
    try:
        return Consumer(options)
    except KafkaException as error:
        raise SetupError(f"the Kafka options are wrong: {error.args[0].str()}") from error


def _require(consumer, topics, servers):
    try:
        present = consumer.list_topics(timeout=ANSWER_S).topics
    except KafkaException as error:
        raise SetupError(f"no Kafka answers at {servers}: {error.args[0].str()}; is the address "
                         "right, and the broker running?") from error
    missing = [topic for topic in topics if topic not in present]
    if missing or not topics:
        shown = sorted(name for name in present if not name.startswith("_"))
        raise SetupError(f"no topic {', '.join(missing) or 'was given'} at {servers}; there are: "
                         f"{', '.join(shown) or 'none'}")


def _raise_failure(message):
    error = message.error()
    if error is not None and not error.retriable():
        raise SetupError(f"Kafka, topic {message.topic()}: {error.str()}")
