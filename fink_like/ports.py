"""Ports of this machine: a free one, whether one is taken, and by which process."""

import os
import random
import re
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"
LISTENING = "0A"  # state in /proc/net/tcp


def free_port(other_than=None):
    """A loopback port that nobody listens on at this moment, and not the one given.

    Below the ports that the kernel gives to clients (32768 and up on Linux): there, a client that
    tries again and again to reach a server that is down may be given the server's own port, meets
    itself, and keeps the server from starting.
    """
    while True:
        port = random.randint(10_000, 32_767)
        if port != other_than and not is_taken(port):
            return port


def is_taken(port):
    """Tell whether somebody listens on this port, or it may not be used (below 1024)."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return True
    return False


def answers(port):
    """Tell whether a connection to this port is accepted."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == 0


def owner(port):
    """Name the process that listens on a port, as far as this user may see it.

    Returns
    -------
    str
        ``process 123 (java)``, or ``another process`` where it cannot be seen: another user's,
        or a system without /proc.
    """
    wanted = _sockets(port)
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            target = os.readlink(descriptor)
            if target in wanted:
                process = descriptor.parent.parent
                return f"process {process.name} ({(process / 'comm').read_text().strip()})"
        except OSError:  # another user's, or gone meanwhile
            continue
    return "another process"


def _sockets(port):
    """Socket links, ``socket:[inode]``, of the listeners on this port."""
    found = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if not table.exists():
            continue
        for line in table.read_text().splitlines()[1:]:
            columns = line.split()
            at = re.search(r":([0-9A-F]{4})$", columns[1])
            if at and int(at.group(1), 16) == port and columns[3] == LISTENING:
                found.add(f"socket:[{columns[9]}]")
    return found
