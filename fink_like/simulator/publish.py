"""Simulated batches to a Kafka topic or to files, and their truth to Parquet."""

import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from confluent_kafka import KafkaException, Producer

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


def to_kafka(batches, servers, topic, rate=None, options=None, progress=None):
    """Publish batches and wait until every message is acknowledged or has failed.

    Parameters
    ----------
    batches : iterable of Batch
    servers : str
        ``host:port,host:port``.
    topic : str
        Exists, or the server creates topics.
    rate : float, optional
        Messages a second; as fast as possible if not given.
    options : dict, optional
        Kafka client options, above `PRODUCER`.
    progress : callable, optional
        Called with the `Summary` so far after each batch.

    Returns
    -------
    Summary

    Raises
    ------
    SetupError
        The options are wrong, or no server answers.
    """
    groups = (_messages(batch) for batch in batches)
    return send(groups, {**(options or {}), "bootstrap.servers": servers}, topic, rate, progress)


def _messages(batch):
    """Messages of a batch, as `send` takes them; the headers say when each is sent."""
    def headers():
        now = str(time.time_ns() // 1_000_000).encode()
        return [(name, now) for name in batch.header_names]

    return ((value, key, headers) for value, key in zip(batch.values, batch.keys, strict=True))


def send(groups, kafka, topic, rate=None, progress=None):
    """Send groups of messages and wait until every one is acknowledged or has failed.

    Parameters
    ----------
    groups : iterable of iterables
        Of ``(value, key, headers)``, the headers a function that is called when it is sent.
    kafka : dict
        Client options, ``bootstrap.servers`` among them, above `PRODUCER`.
    topic : str
    rate, progress : optional
        See `to_kafka`; progress is called after each group.

    Returns
    -------
    Summary

    Raises
    ------
    SetupError
        The options are wrong, or no server answers.
    """
    producer = _producer(kafka, topic)
    summary, started = Summary(), time.monotonic()

    def count(error, message):
        if error is None:
            summary.acknowledged += 1
        else:
            summary.failed += 1
            summary.error = summary.error or str(error)

    for group in groups:
        for value, key, headers in group:
            if rate:
                _wait(producer, started + summary.sent / rate)
            _send(producer, topic, (value, key, headers()), count)
            summary.sent += 1
            summary.bytes += len(value)
        summary.seconds = time.monotonic() - started
        if progress:
            progress(summary)
    producer.flush(FLUSH_SECONDS)
    summary.seconds = time.monotonic() - started
    if progress:
        progress(summary)
    return summary


def _producer(kafka, topic):
    try:
        producer = Producer({**PRODUCER, **kafka})
        producer.list_topics(topic, timeout=10.0)
    except KafkaException as error:
        raise SetupError(f"cannot publish to {topic} at {kafka['bootstrap.servers']}: {error}; is "
                         "the server running, and are the options right?") from error
    return producer


def _wait(producer, moment):
    """Serve acknowledgements until a moment."""
    while (left := moment - time.monotonic()) > 0:
        producer.poll(min(left, 0.1))


def _send(producer, topic, message, count):
    value, key, headers = message
    while True:
        try:
            producer.produce(topic, value, key, headers=headers, on_delivery=count)
            producer.poll(0)
            return
        except BufferError:  # the queue is full: wait for acknowledgements
            producer.poll(0.1)
        except KafkaException as error:  # refused at once: too large for message.max.bytes
            count(error, None)
            return


def to_files(batches, folder, suffix):
    """Write each message to a file of its own, named by its number and alert id.

    Parameters
    ----------
    batches : iterable of Batch
    folder : str or Path
        Made if it does not exist.
    suffix : str
        ``.avro`` for containers, ``.msg`` for frames.

    Returns
    -------
    Summary
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    summary, started = Summary(), time.monotonic()
    for batch in batches:
        for value, alert in zip(batch.values, batch.truth["diaSourceId"], strict=True):
            (folder / f"{summary.sent:08d}_{alert}{suffix}").write_bytes(value)
            summary.sent += 1
            summary.acknowledged += 1
            summary.bytes += len(value)
    summary.seconds = time.monotonic() - started
    return summary


def keep_truth(batches, path):
    """Pass batches on, and write their truth to one Parquet file.

    Parameters
    ----------
    batches : iterable of Batch
    path : str or Path
        Replaced if it exists; complete when the batches are used up.

    Yields
    ------
    Batch
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    writer = None
    try:
        for batch in batches:
            table = pa.Table.from_pandas(batch.truth, preserve_index=False)
            writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table)
            yield batch
    finally:
        if writer:
            writer.close()
