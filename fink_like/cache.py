"""The per-user cache: where it is, whether there is room, one process at a time.

Standard library only: `fink_like.environment` uses it before anything is installed.
"""

import fcntl
import os
import shutil
import time
from contextlib import contextmanager
from pathlib import Path

from fink_like.errors import SetupError


def folder(environment=None):
    """Find this user's cache of ours, made if it is missing.

    Parameters
    ----------
    environment : mapping, optional
        In place of ``os.environ``: ``XDG_CACHE_HOME``, else ``HOME``, says where.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    SetupError
        It cannot be written.
    """
    environment = os.environ if environment is None else environment
    home = environment.get("HOME") or os.path.expanduser("~")
    top = Path(environment.get("XDG_CACHE_HOME") or Path(home) / ".cache") / "fink_like"
    make_folder(top, "set XDG_CACHE_HOME to a folder that you may write")
    return top


def make_folder(path, cure):
    """Make a folder and see that it can be written; else SetupError that ends with ``cure``."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(f"cannot make the folder {path} ({error.strerror}): {cure}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise SetupError(f"cannot write in the folder {path}: {cure}")


def need_space(path, bytes_needed, cure):
    """Raise SetupError, ending with ``cure``, if the disk of ``path`` has less room than that."""
    existing = next(p for p in (path, *path.parents) if p.exists())
    free = shutil.disk_usage(existing).free
    if free < bytes_needed:
        raise SetupError(f"{existing} has {free / 1e9:.1f} GB free and set-up needs "
                         f"{bytes_needed / 1e9:.1f} GB there: free some, or {cure}")


@contextmanager
def one_at_a_time(lock, say, what):
    """Hold the file ``lock`` for a while; a second process waits and says so.

    The system lets go of the lock when a process dies, so an interrupted set-up blocks nobody.

    Parameters
    ----------
    lock : pathlib.Path
        Made if it is missing, and left behind: removing it would let two processes in.
    say : callable
        Takes one line of text.
    what : str
        What the other process is doing, for that line.
    """
    with lock.open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another set-up is {what}: waiting for it to end")
            began = time.monotonic()
            fcntl.flock(held, fcntl.LOCK_EX)
            say(f"waited {time.monotonic() - began:.1f} s")
        yield
