"""The Java libraries: a lock file of coordinates and hashes, fetched into a per-user cache.

`spark.jars.packages` would resolve them at each start, unverified, and probes with HEAD, which
some mirrors refuse; so we keep a lock file and fetch with plain GET. ``FINK_LIKE_MAVEN`` names
another repository than Maven Central. A maintainer adds a library as a line
``group:artifact:version - 0 set`` and runs ``python -m fink_like.jars lock``.
"""

import hashlib
import os
import sys
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path

from fink_like import cache, download
from fink_like.errors import SetupError
from fink_like.steps import Steps

LOCK = Path(__file__).with_name("jars.lock")
MAVEN = "https://repo1.maven.org/maven2"
SETS = ("spark", "kafka")
ROOM = 400_000_000  # bytes to be free in the cache: both sets and their half-made copies


@dataclass(frozen=True)
class Jar:
    """One line of the lock file."""

    group: str
    artifact: str
    version: str
    sha256: str
    size: int  # bytes
    set: str

    @property
    def name(self):
        """File name, as in every Maven repository."""
        return f"{self.artifact}-{self.version}.jar"

    @property
    def path(self):
        """Path below a Maven repository's base URL."""
        return f"{self.group.replace('.', '/')}/{self.artifact}/{self.version}/{self.name}"

    def __str__(self):
        coordinates = f"{self.group}:{self.artifact}:{self.version}"
        return f"{coordinates} {self.sha256} {self.size} {self.set}"


def read_lock(text, where="jars.lock"):
    """Parse lock lines ``group:artifact:version sha256 bytes set``; ``#`` begins a comment.

    Returns
    -------
    list of Jar

    Raises
    ------
    SetupError
        A line of another form, an unknown set, or one file name twice.
    """
    jars = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.partition("#")[0].strip()
        if not line:
            continue
        try:
            coordinates, sha256, size, name_of_set = line.split()
            jar = Jar(*coordinates.split(":"), sha256, int(size), name_of_set)
        except (TypeError, ValueError) as error:
            raise SetupError(f"{where}, line {number}: should read `group:artifact:version sha256 "
                             f"bytes set`, found {line!r}") from error
        if jar.set not in SETS:
            raise SetupError(f"{where}, line {number}: no set called {jar.set!r}, only {SETS}")
        if any(jar.name == other.name for other in jars):
            raise SetupError(f"{where}, line {number}: {jar.name} is there twice")
        jars.append(jar)
    return jars


def locked(*sets):
    """Jars of these sets (of all, if none is named)."""
    return [jar for jar in read_lock(LOCK.read_text(), LOCK) if not sets or jar.set in sets]


def folder():
    """Where the jars are kept: ``jars`` in the per-user cache."""
    return cache.folder() / "jars"


def missing(jars=None):
    """Jars of the lock file that the cache lacks or holds with another size."""
    here = folder()
    return [jar for jar in (locked() if jars is None else jars)
            if not (here / jar.name).exists() or (here / jar.name).stat().st_size != jar.size]


def paths(name_of_set):
    """Paths of one set's jars, for a class path.

    Parameters
    ----------
    name_of_set : str
        ``spark`` (connectors and Delta, for ``spark.jars``) or ``kafka`` (the server's own; the
        two hold different Kafka clients and must not meet on one class path).

    Returns
    -------
    list of pathlib.Path

    Raises
    ------
    SetupError
        Some are not there.
    """
    jars = locked(name_of_set)
    if lacking := missing(jars):
        raise SetupError(f"{len(lacking)} of the {len(jars)} {name_of_set} jars are not in "
                         f"{folder()} ({lacking[0].name}, ...): run `fink-like setup`")
    here = folder()
    return [here / jar.name for jar in jars]


def fetch(steps, maven=None):
    """Bring what is missing into the cache, verified; nothing happens if all is there.

    Parameters
    ----------
    steps : fink_like.steps.Steps
    maven : str, optional
        Base URL of the repository; ``FINK_LIKE_MAVEN``, else Maven Central.

    Returns
    -------
    int
        Bytes that were fetched.

    Raises
    ------
    SetupError
        Repository out of reach, wrong bytes, no room, a cache that cannot be written.
    """
    if not missing():
        return 0
    here, maven = folder(), (maven or os.environ.get("FINK_LIKE_MAVEN") or MAVEN).rstrip("/")
    cache.make_folder(here, "set XDG_CACHE_HOME to a folder that you may write")
    cache.need_space(here, ROOM, "set XDG_CACHE_HOME to a folder on another disk")
    with cache.one_at_a_time(here / ".lock", steps.say, "fetching the same jars"):
        wanted = missing()
        downloads = [download.Download(f"{maven}/{jar.path}", here / jar.name, jar.sha256, jar.size)
                     for jar in wanted]
        download.fetch(downloads, steps, "look at the network and the proxy settings, or set "
                       "FINK_LIKE_MAVEN to the base URL of a Maven repository that is in reach; "
                       "what has arrived is kept, run the same command again")
    return sum(jar.size for jar in wanted)


def relock(lock=LOCK, maven=MAVEN):
    """Write the lock file anew: same coordinates, sizes and hashes as the repository has them."""
    lines = []
    for line in lock.read_text().splitlines():
        for jar in read_lock(line, lock):
            with urllib.request.urlopen(f"{maven}/{jar.path}", timeout=download.TIMEOUT) as answer:
                content = answer.read()
            sha256 = hashlib.sha256(content).hexdigest()
            line = str(replace(jar, sha256=sha256, size=len(content)))
        lines.append(line)
    lock.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    if sys.argv[1:] == ["lock"]:
        relock(maven=os.environ.get("FINK_LIKE_MAVEN") or MAVEN)
    else:
        print(f"{fetch(Steps()) / 1e6:.1f} MB fetched into {folder()}")
