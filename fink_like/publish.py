"""Packets from files to a Kafka topic, byte for byte."""

from pathlib import Path

from fink_like.errors import SetupError
from fink_like.simulator.publish import send


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
    groups = ([_message(file)] for file in files)
    return send(groups, kafka, topic, rate, progress)


def _message(file):
    return file.read_bytes(), None, lambda: [("file", file.name.encode())]
