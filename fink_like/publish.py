"""Packets from files to a Kafka topic, byte for byte."""

import itertools

from fink_like.outbox import send
from fink_like.packet_files import PacketFiles, files_of  # noqa: F401

TOGETHER = 20  # messages between two looks at the progress


def publish(files, kafka, topic, rate=None, progress=None, reader=None):
    """Publish each packet of files as one message and wait for the acknowledgements.

    Parameters
    ----------
    files : list of Path
        From `files_of`.
    kafka : dict
        Client options, ``bootstrap.servers`` among them.
    topic : str
    rate : float, optional
        Messages a second; as fast as possible if not given.
    progress : callable, optional
        Called with the `Summary` so far, now and then.
    reader : PacketFiles, optional
        How to read the files; counts what is damaged.

    Returns
    -------
    Summary
    """
    messages = (reader or PacketFiles()).messages(files)
    groups = iter(lambda: list(itertools.islice(messages, TOGETHER)), [])
    return send(groups, kafka, topic, rate, progress)
