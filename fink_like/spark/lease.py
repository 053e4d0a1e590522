"""One process a job: a lease beside the checkpoint, renewed while the job lives.

Two instances on one checkpoint would both write; Delta would skip one's rows as a repeated batch,
and lose them. A lease that nobody has renewed for a minute is free; so is one of a process of this
host that has ended. Clocks of hosts may differ by less than that minute.
"""

import os
import socket
import threading
import time
import uuid

import psutil
from py4j.protocol import Py4JError, Py4JNetworkError

from fink_like.errors import RefusedStart

VALID_S = 60.0
RENEW_S = 10.0
FILE = "lease.json"
OWNER = uuid.uuid4().hex  # of this process
KEPT = {}  # path of the job's folder -> Lease that this process renews


class Lease:
    """The right to run one job in one data folder.

    Parameters
    ----------
    files : ControlFolder
        Of the job.
    job : str
    """

    def __init__(self, files, job):
        self._files, self.job = files, job
        self._end = threading.Event()
        self._renewal = threading.Thread(target=self._renew, name=f"lease {job}", daemon=True)

    def take(self):
        """Take the lease, and renew it from now on.

        Raises
        ------
        RefusedStart
            Another process has it.
        """
        self.check()
        self._write()
        self.check()  # two that came at once: the one who wrote last has it
        if self._files.path not in KEPT:
            KEPT[self._files.path] = self
            self._renewal.start()

    def end(self):
        """Renew it no more; a renewal that has begun is waited for."""
        self._end.set()
        self._renewal.join(VALID_S)

    def check(self):
        """Refuse to go on if another living process has the lease."""
        held = self._files.read(FILE)
        if held and held["owner"] != OWNER and _lives(held):
            raise RefusedStart(
                f"{self.job}: another instance runs on {self._files.path}: process {held['pid']} "
                f"on {held['host']}, seen {time.time() - held['at']:.0f} s ago. Two on one "
                f"checkpoint would lose data. Stop it (fink-like stop {self.job}), or wait a "
                "minute if that host is gone.")

    def _write(self):
        me = psutil.Process()
        self._files.write(FILE, {"owner": OWNER, "host": socket.gethostname(), "pid": os.getpid(),
                                 "began": me.create_time(), "at": time.time()})

    def _renew(self):
        while not self._end.wait(RENEW_S):
            try:
                held = self._files.read(FILE)
                if not held or held["owner"] != OWNER:
                    break  # given back, or lost: the job notices before its next commit
                self._write()
            except (Py4JNetworkError, ConnectionError):
                break  # the session has ended, and the job with it
            except (Py4JError, OSError) as error:  # tried again; the lease lasts for six trials
                print(f"{self.job}: could not renew its lease: {error}"[:300], flush=True)
        KEPT.pop(self._files.path, None)


def release(files):
    """Give a lease of this process back."""
    lease = KEPT.pop(files.path, None)
    if lease is not None:
        lease.end()
    held = files.read(FILE)
    if held and held["owner"] == OWNER:
        files.delete(FILE)


def is_held(content):
    """Whether the content of a lease file is that of a living process."""
    return bool(content) and _lives(content)


def _lives(held):
    if held["host"] == socket.gethostname():
        try:
            return abs(psutil.Process(held["pid"]).create_time() - held["began"]) < 1
        except psutil.NoSuchProcess:
            return False
    return time.time() - held["at"] < VALID_S
