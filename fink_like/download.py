"""Files from the network, whole and verified: resumed where broken off, four at a time."""

import hashlib
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from fink_like import __version__
from fink_like.errors import SetupError

CHUNK = 1 << 18  # bytes: a stop is noticed within one chunk
TIMEOUT = 30.0  # seconds without a byte before a connection counts as broken
ATTEMPTS = 4  # broken connections a file, each resumed where the one before ended
TRY_AGAIN = (408, 425, 429, 500, 502, 503, 504)  # HTTP states that pass by themselves


@dataclass(frozen=True)
class Download:
    """One file: where from, where to, and what it must be."""

    url: str
    target: Path
    sha256: str
    size: int  # bytes


class _Stopped(Exception):
    """Another download has failed, or the user has had enough."""


def fetch(downloads, steps, cure, workers=4):
    """Bring all files; each appears under its name only when whole and verified.

    Parameters
    ----------
    downloads : list of Download
    steps : fink_like.steps.Steps
        Is shown files, megabytes, rate and time left.
    cure : str
        Ends the message of a failure: what to do when the server is out of reach.
    workers : int
        Downloads at a time.

    Raises
    ------
    SetupError
        A server out of reach, a file that is not there, or other bytes than expected (twice).
    """
    stop, arrived = threading.Event(), {d.target: 0 for d in downloads}
    began, resumed = time.monotonic(), sum(_size(_part(d)) for d in downloads)
    with ThreadPoolExecutor(workers) as pool:
        jobs = [pool.submit(_bring, d, arrived, stop) for d in downloads]
        try:
            left = set(jobs)
            while left:
                done, left = wait(left, timeout=0.3)
                for job in done:
                    job.result()
                steps.progress(_state(downloads, arrived, resumed, time.monotonic() - began))
        except (OSError, HTTPException) as error:
            raise SetupError(f"{error}: {cure}") from error
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def _state(downloads, arrived, resumed, seconds):
    """Say how far all files together have come."""
    whole = sum(d.target.exists() for d in downloads)
    total, have = sum(d.size for d in downloads), sum(arrived.values())
    rate = max(have - resumed, 0) / max(seconds, 1e-3)
    to_go = f", {(total - have) / rate:.0f} s to go" if rate and have < total else ""
    return (f"{whole} of {len(downloads)} files, {have / 1e6:.1f} of {total / 1e6:.1f} MB, "
            f"{rate / 1e6:.1f} MB/s{to_go}")


def _bring(download, arrived, stop):
    """Fetch one file and verify it; wrong bytes are thrown away and asked for once more."""
    part = _part(download)
    for _ in range(2):
        _transfer_with_patience(download, part, arrived, stop)
        found = hashlib.sha256(part.read_bytes()).hexdigest()
        if found == download.sha256:
            part.replace(download.target)
            return
        part.unlink()
    raise SetupError(f"{download.url} came twice with other bytes than the lock file says: sha256 "
                     f"{found} in place of {download.sha256}. A proxy or mirror may be changing "
                     "files; do not use them, try another network or mirror")


def _transfer_with_patience(download, part, arrived, stop):
    """Transfer until all bytes are there, over a few broken connections if need be."""
    for attempt in range(ATTEMPTS):
        try:
            _transfer(download, part, arrived, stop)
            if _size(part) >= download.size:
                return
            error = OSError(f"{download.url} broke off after {_size(part)} of "
                            f"{download.size} bytes")
        except urllib.error.HTTPError as refusal:
            error = OSError(f"{download.url} answers {refusal.code} {refusal.reason}")
            if refusal.code == 416:  # our half file is none of theirs: begin again
                part.unlink(missing_ok=True)
            elif refusal.code not in TRY_AGAIN:
                raise error from refusal
        except (OSError, HTTPException) as broken:
            error = OSError(f"{download.url} cannot be fetched ({broken})")
        if stop.wait(2.0 ** attempt if attempt < ATTEMPTS - 1 else 0):
            raise _Stopped
    raise error


def _transfer(download, part, arrived, stop):
    """Ask for the bytes that are missing and append them; a plain GET, never a HEAD."""
    have = _size(part)
    if have >= download.size:
        arrived[download.target] = download.size
        return
    request = urllib.request.Request(download.url)
    request.add_header("User-Agent", f"fink_like/{__version__}")
    if have:
        request.add_header("Range", f"bytes={have}-")
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        goes_on = answer.status == 206
        arrived[download.target] = have if goes_on else 0
        with part.open("ab" if goes_on else "wb") as out:
            while chunk := answer.read(CHUNK):
                if stop.is_set():
                    raise _Stopped
                out.write(chunk)
                arrived[download.target] += len(chunk)


def _part(download):
    return download.target.with_name(download.target.name + ".part")


def _size(path):
    return path.stat().st_size if path.exists() else 0
