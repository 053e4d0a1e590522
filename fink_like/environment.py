"""The Python environment of a clone: made, brought up to date, or made again if half made.

Run by ``bin/environment.sh`` with the system's Python, before anything is installed, so standard
library only. It lies in ``.venv`` of the repository, or where ``FINK_LIKE_VENV`` says.
"""

import hashlib
import importlib.util
import json
import os
import re
import shutil
import sys
import time
from pathlib import Path

from fink_like import apt, cache, logged
from fink_like.errors import SetupError
from fink_like.steps import Steps

STAMP = ".fink_like.json"  # in a finished environment: what it was made from
HALF_MADE = ".fink_like_half_made"  # in one of ours that is not finished
ROOM = 3_000_000_000  # bytes at the peak: Spark's archive, unpacked, as wheel, and installed
DOWNLOADING = re.compile(r"\s*(Collecting|Downloading|Obtaining|Looking in)")
TELLING = re.compile(r"\s*(Downloading|Building|Installing)\b")
NOT_INSIDE = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PYTHONPATH", "PYTHONHOME")


def place(root, environment=None):
    """Where the environment of the clone ``root`` lies.

    Spark's `find-spark-home` expands the interpreter's path without quotes (pyspark 4.1.1), so
    that `spark-submit` dies in a path with spaces, although a session inside Python works there
    (both tried). The environment of such a clone goes to the per-user cache.

    Parameters
    ----------
    root : pathlib.Path
    environment : mapping, optional
        In place of ``os.environ``.

    Returns
    -------
    pathlib.Path
    """
    environment = os.environ if environment is None else environment
    if given := environment.get("FINK_LIKE_VENV"):
        return Path(given).absolute()
    if re.search(r"\s", str(root)):
        return cache.folder(environment) / f"venv-{_digest(str(root).encode())[:12]}"
    return root / ".venv"


def ensure(root, extras, steps):
    """Bring the environment to what ``setup.py`` asks for; quick if it is there already.

    Parameters
    ----------
    root : pathlib.Path
        The clone.
    extras : set of str
        Extras of ``setup.py`` that must be in.
    steps : fink_like.steps.Steps

    Returns
    -------
    pathlib.Path
        The environment's Python.

    Raises
    ------
    SetupError
        No venv module, no room, a folder that cannot be written, an index out of reach, or an
        environment in the way that is not ours.
    """
    venv = place(root)
    if not _is_up_to_date(venv, root, extras):
        lock = cache.folder() / f"venv-{_digest(str(venv).encode())[:12]}.lock"
        with cache.one_at_a_time(lock, steps.say, "making the same environment"):
            if not _is_up_to_date(venv, root, extras):
                _bring_up_to_date(venv, root, extras, steps)
    return venv / "bin" / "python"


def _bring_up_to_date(venv, root, extras, steps):
    """Make it if it cannot be updated, install what is missing, and stamp it as finished."""
    cache.make_folder(root, "put the clone where you may write")
    cache.make_folder(venv.parent, "set FINK_LIKE_VENV to a folder that you may make")
    extras = extras | set(_stamp(venv).get("extras", ()))
    if not _can_be_updated(venv, root):
        _make(venv, steps)
    _install(venv, root, extras, steps)
    (venv / STAMP).write_text(json.dumps(_state(venv, root, extras)))
    (venv / HALF_MADE).unlink()


def _digest(content):
    return hashlib.sha256(content).hexdigest()


def _stamp(venv):
    path = venv / STAMP
    return json.loads(path.read_text()) if path.exists() else {}


def _state(venv, root, extras):
    """What a finished environment of this clone has in its stamp."""
    return {"root": str(root), "python": _interpreter(venv), "extras": sorted(extras),
            "setup": _digest((root / "setup.py").read_bytes())}


def _interpreter(venv):
    """Where the environment's Python leads; None if there is none or it has been removed.

    An upgrade of the system's Python shows here, another one that comes first on the path today
    does not matter.
    """
    python = venv / "bin" / "python"
    return str(python.resolve()) if python.exists() else None


def _is_up_to_date(venv, root, extras):
    stamp = _stamp(venv)
    has = set(stamp.get("extras", ()))
    return extras <= has and stamp == _state(venv, root, has)


def _can_be_updated(venv, root):
    """True: finished, of this clone and Python; only ``setup.py`` or the extras have changed."""
    stamp, now = _stamp(venv), _state(venv, root, ())
    return now["python"] and all(stamp.get(name) == now[name] for name in ("root", "python"))


def _make(venv, steps):
    """Make an empty environment; one of ours that is half made, or of another Python, goes."""
    if venv.exists() and any(venv.iterdir()):
        if not any((venv / mark).exists() for mark in (STAMP, HALF_MADE)):
            raise SetupError(f"{venv} is not an environment that this set-up has made: move it "
                             "away, or set FINK_LIKE_VENV to another folder")
        steps.say(f"· {venv} is half made, or its Python or its clone is gone: making it again")
        shutil.rmtree(venv)
    cache.need_space(venv, ROOM, "set FINK_LIKE_VENV to a folder on another disk")
    _need_venv_module(steps)
    with steps.step(f"make a Python {sys.version.split()[0]} environment in {venv}"):
        venv.mkdir(exist_ok=True)
        (venv / HALF_MADE).touch()
        _run([sys.executable, "-m", "venv", str(venv)], cache.folder() / "venv.log", steps.progress)


def _need_venv_module(steps):
    """See that Python can make environments; Debian has that part in a package of its own."""
    if all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
        return
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    packages = (f"python{version}-venv", "python3-venv")
    advice = (f"As root: `apt-get install {packages[0]}`" if apt.is_here()
              else "Install a complete Python, one with `venv` and `ensurepip`")
    advice = f"{advice}, then run the same command again."
    if not apt.may_install():
        raise SetupError(f"{sys.executable} cannot make environments (no venv or ensurepip "
                         f"module). {advice}")
    with steps.step(f"install {packages[0]}"):
        apt.install(packages, steps, advice)


def _install(venv, root, extras, steps):
    """Install the clone, editable, and all it depends on; the time of downloads is told apart."""
    (venv / HALF_MADE).touch()
    (venv / STAMP).unlink(missing_ok=True)
    target = f"{root}[{','.join(sorted(extras))}]" if extras else str(root)
    command = [str(venv / "bin" / "python"), "-m", "pip", "install", "--retries", "2",
               "--progress-bar", "off", "--editable", target]
    scratch = venv / "tmp"  # pip unpacks 1 GB: /tmp may be in memory
    scratch.mkdir(exist_ok=True)
    with steps.step("fetch and install the Python packages (Spark alone is 430 MB)"):
        clock = _PipClock(steps)
        _run(command, cache.folder() / "pip.log", clock, {"TMPDIR": str(scratch)})
        steps.say(f"  download {clock.seconds['download']:.1f} s, "
                  f"install {clock.seconds['install']:.1f} s")
    shutil.rmtree(scratch)


class _PipClock:
    """Called with pip's last line again and again: shows it, and sums up what it was doing."""

    def __init__(self, steps):
        self.steps, self.began = steps, time.monotonic()
        self.seconds, self.last = {"download": 0.0, "install": 0.0}, self.began

    def __call__(self, line):
        now = time.monotonic()
        self.seconds["download" if DOWNLOADING.match(line) else "install"] += now - self.last
        self.last = now
        if TELLING.match(line):
            doing = line.strip().partition(": ")[0][:70]
            self.steps.progress(f"{doing}  {now - self.began:.0f} s")


def _run(command, log, told, more=()):
    """Run a command into a new log, telling its last line; SetupError if it fails."""
    inherited = {name: text for name, text in os.environ.items() if name not in NOT_INSIDE}
    log.unlink(missing_ok=True)
    if logged.run(command, log, told, {**inherited, "PYTHONUNBUFFERED": "1", **dict(more)}):
        raise SetupError(_explain(command, log))


def _explain(command, log):
    """One message for what went wrong, from the words that pip and venv use."""
    text = log.read_text(errors="replace")
    cures = {
        r"No space left": "the disk is full: free 3 GB, or set FINK_LIKE_VENV to another disk",
        r"NewConnectionError|NameResolution|name resolution|ProxyError|ConnectTimeout|"
        r"Connection to .* timed out|SSLError|Max retries": "the package index is out of reach: "
        "look at the network, HTTPS_PROXY, or set PIP_INDEX_URL to one in reach",
        r"Permission denied": "a file could not be written: see which in the log",
    }
    cure = next((c for words, c in cures.items() if re.search(words, text)), "see the log")
    errors = [line for line in text.splitlines() if "ERROR" in line or "rror:" in line]
    said = (errors or text.splitlines() or ["nothing"])[-1].strip()
    return (f"`{' '.join(command[1:4])}` failed: {cure}. Its last error: {said[:200]} "
            f"(all of it: {log}). Run the same command again when that is cured.")


def main(arguments):
    """Print the path of the environment's Python, for the shell; progress goes to stderr."""
    root, *extras = arguments
    try:
        print(ensure(Path(root), set(extras), Steps()))
    except SetupError as error:
        return f"fink_like: {error}"
    except KeyboardInterrupt:
        return "fink_like: interrupted; the same command begins again where it can"
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
