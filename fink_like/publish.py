"""Packets from files to a Kafka topic, byte for byte."""

import time
from pathlib import Path

from confluent_kafka import KafkaException, Producer

from fink_like.errors import SetupError
from fink_like.simulator.publish import FLUSH_SECONDS, PRODUCER, Summary


def files_of(paths):
    """Files named, and all files in folders named, sorted within each.

    Raises
    ------
    SetupError
        A path does not exist, or there is no file at all.
    """
    found = []
    for path in map(Path, paths):
        if not path.exists():
            raise SetupError(f"{path} does not exist")
        found += sorted(f for f in path.rglob("*") if f.is_file()) if path.is_dir() else [path]
    if not found:
        raise SetupError(f"no files in {', '.join(map(str, paths))}")
    return found


def publish(files, kafka, topic, rate=None, progress=None):
    """Publish each file as one message and wait for the acknowledgements.

    Parameters
    ----------
    files : list of Path
    kafka : dict
        Client options, ``bootstrap.servers`` among them.
    topic : str
    rate : float, optional
        Messages a second; as fast as possible if not given.
    progress : callable, optional
        Called with the `Summary` so far after each file.

    Returns
    -------
    Summary
    """
    producer, summary = Producer({**PRODUCER, **kafka}), Summary()
    began = time.monotonic()

    def count(error, message):
        summary.acknowledged += error is None
        summary.failed += error is not None
        summary.error = summary.error or (str(error) if error else "")

    for file in files:
        value = file.read_bytes()
        while rate and (left := began + summary.sent / rate - time.monotonic()) > 0:
            producer.poll(min(left, 0.1))
        _send(producer, topic, file, value, count)
        summary.sent, summary.bytes = summary.sent + 1, summary.bytes + len(value)
        summary.seconds = time.monotonic() - began
        if progress:
            progress(summary)
    producer.flush(FLUSH_SECONDS)
    summary.seconds = time.monotonic() - began
    return summary


def _send(producer, topic, file, value, count):
    while True:
        try:
            producer.produce(topic, value, headers=[("file", file.name.encode())],
                             on_delivery=count)
            producer.poll(0)
            return
        except BufferError:  # the queue is full: wait for acknowledgements
            producer.poll(0.1)
        except KafkaException as error:  # refused at once: too large
            count(error, None)
            return
