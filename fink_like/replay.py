"""Messages of bronze to a Kafka topic again: value, key and headers as they were received."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from fink_like import bronze_index
from fink_like.client.archive import open_delta, open_dataset
from fink_like.client.stored_packets import as_received, key_as_received
from fink_like.errors import ConfigError
from fink_like.outbox import ANY_PARTITION, ORIGIN, Message, Outbox
from fink_like.spark import kafka

ON_THE_WAY = 500  # messages that wait for their acknowledgement: what a kill may repeat
SHOW_EVERY = 20  # messages
INTERRUPTED_S = 5.0  # what is on its way when Ctrl-C is pressed may still arrive


@dataclass(frozen=True)
class Pace:
    """When each message is sent.

    Parameters
    ----------
    rate : float, optional
        Messages a second; None: as fast as it goes.
    original : bool
        In the intervals in which Kafka first received them.
    speed : float
        So many times faster than the original.
    """

    rate: float | None = None
    original: bool = False
    speed: float = 1.0

    @classmethod
    def read(cls, text, speed=1.0):
        """Pace of ``--rate`` (a number, ``original``, None) and ``--speed``.

        Raises
        ------
        ConfigError
            It is neither, or not above zero.
        """
        try:
            rate = None if text in (None, "original") else float(text)
        except ValueError:
            raise ConfigError(f"--rate {text}: a number of messages a second, or `original`"
                              ) from None
        if not (speed > 0 and (rate is None or rate > 0)):
            raise ConfigError(f"--rate {text} --speed {speed}: both must be above zero")
        return cls(rate, text == "original", speed)

    def moments(self, kafka_times):
        """Seconds after the first message at which each is due; None: at once.

        Parameters
        ----------
        kafka_times : numpy.ndarray of int64
            Microseconds since 1970, in the order of sending. A message that Kafka received before
            one of an earlier event is due with that one.
        """
        if self.original:
            latest = np.maximum.accumulate(kafka_times) if len(kafka_times) else kafka_times
            return (latest - latest[:1]) / 1e6 / self.speed
        return np.arange(len(kafka_times)) / self.rate if self.rate else None


class Replay:
    """A replay, new or begun by an earlier process.

    Parameters
    ----------
    settings : Settings
    selection : bronze_index.Selection
    topic : str
        Made if it is missing, with as many partitions as the messages came from.
    state : str or Path, optional
        File that remembers how far it is; in ``var/replay`` under the topic's name by default. It
        is gone when all is sent.

    Raises
    ------
    ConfigError
        The state file is of another replay, or its version of bronze is gone.
    """

    def __init__(self, settings, selection, topic, state=None):
        self.settings, self.topic = settings, topic
        path = state or Path(settings.root) / "var" / "replay" / f"{topic}.json"
        identity = {**asdict(selection), "topic": topic, "servers": settings.kafka.servers,
                    "data": settings.data}
        self.bookmark = Bookmark(path, json.loads(json.dumps(identity)),
                                 open_delta(settings.data, "bronze").version())
        self.dataset = open_dataset(settings.data, "bronze", self.bookmark.version)
        self.rows = bronze_index.index(self.dataset, selection)

    @property
    def done(self):
        """Messages that an earlier process has sent."""
        return self.bookmark.done

    @property
    def left(self):
        """Messages to send."""
        return len(self.rows) - self.done

    def run(self, pace=Pace(), progress=None):
        """Send what is left, and wait until every message is acknowledged.

        At least once: after a kill the same command goes on behind the last message before which
        all were acknowledged; at most `ON_THE_WAY` are repeated.

        Parameters
        ----------
        pace : Pace
        progress : callable, optional
            Called with the `fink_like.outbox.Summary` so far.

        Returns
        -------
        Summary

        Raises
        ------
        SetupError
            The server did not take a message; what had arrived is remembered.
        """
        rows = self.rows.iloc[self.done:]
        partitions = self._partitions()
        outbox = Outbox({**self.settings.kafka.options, "queue.buffering.max.messages": ON_THE_WAY,
                         "bootstrap.servers": self.settings.kafka.servers}, self.topic, True)
        moments, before = pace.moments(rows["kafka_time"].to_numpy()), self.done
        try:
            for message in self._messages(rows, partitions):
                if moments is not None:
                    outbox.wait_until(moments[outbox.summary.sent])
                outbox.send(self.topic, message)
                self.bookmark.keep(before + outbox.done)
                if progress and outbox.summary.sent % SHOW_EVERY == 0:
                    progress(outbox.summary)
            outbox.flush()
        finally:
            outbox.drain(INTERRUPTED_S)
            self.bookmark.keep(before + outbox.done)
        self.bookmark.close(len(self.rows))
        return outbox.summary

    def _partitions(self):
        """Number of partitions of the topic, which is made if it is missing."""
        most = int(self.rows["partition"].max()) + 1 if len(self.rows) else 1
        kafka.ensure_topics(self.settings, [self.topic], most, self.settings.kafka.servers)
        return kafka.topics(self.settings)[self.topic]

    def _messages(self, rows, partitions):
        for chunk in bronze_index.chunks(rows):
            for row in bronze_index.fetch(self.dataset, chunk):
                yield _message(self.settings.data, row, partitions)


def _message(data, row, partitions):
    headers = [(header["key"], header["value"]) for header in row["headers"] or ()]
    origin = f"{row['topic']}:{row['partition']}:{row['offset']}".encode()
    partition = row["partition"] if row["partition"] < partitions else ANY_PARTITION
    return Message(as_received(data, row), key_as_received(data, row),
                   [*headers, (ORIGIN, origin)], partition)


class Bookmark:
    """How far a replay is, in a file that outlives a kill.

    Parameters
    ----------
    path : str or Path
    identity : dict
        What is replayed, and where to.
    version : int
        Of bronze, for a new one; later processes go on with the version of the first.

    Raises
    ------
    ConfigError
        The file is of another replay.
    """

    def __init__(self, path, identity, version):
        self.path, self.identity = Path(path), identity
        kept = json.loads(self.path.read_text()) if self.path.exists() else {}
        if kept and kept["identity"] != identity:
            differing = [n for n in identity if kept["identity"].get(n) != identity[n]]
            raise ConfigError(f"{self.path} is of a replay with another {', '.join(differing)}, "
                              f"{kept['done']} messages of which are sent: finish that one, "
                              "remove the file, or give --state another one")
        self.version, self.done = kept.get("version", version), kept.get("done", 0)

    def keep(self, done):
        """Remember that so many messages have arrived."""
        if done == self.done and self.path.exists():
            return
        self.done = done
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_name(f".{self.path.name}.part")
        part.write_text(json.dumps({"identity": self.identity, "version": self.version,
                                    "done": done}))
        os.replace(part, self.path)  # all of it, or what was there before

    def close(self, total):
        """All is sent: the next replay begins anew."""
        if self.done == total:
            self.path.unlink(missing_ok=True)
