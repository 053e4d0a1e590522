"""Simulated batches to a Kafka topic or to files, and their truth to Parquet."""

import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from fink_like.outbox import Message, Summary, send


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
        Kafka client options, above `fink_like.outbox.PRODUCER`.
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
    """Messages of a batch; the headers say when each is sent."""
    def headers():
        now = str(time.time_ns() // 1_000_000).encode()
        return [(name, now) for name in batch.header_names]

    return (Message(value, key, headers)
            for value, key in zip(batch.values, batch.keys, strict=True))


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
