"""A science module in a process of its own, where it is watched.

``python -m fink_like.modules.alone``: standard input is JSON, ``path`` of the module.py, ``types``,
``surveys``, and the file for the ``answer``: JSON, rule -> what is wrong. Started by
`fink_like.modules.check`.
"""

import json
import pickle
import sys
import time
import tracemalloc

import psutil

from fink_like.errors import ModuleError
from fink_like.kit import contract, registry
from fink_like.spark.udfs import as_sent

TIMED_ALERTS = 1000  # as many as a worker sees at once, see fink_like.spark.silver
TIMED_RUNS = 7
GROWTH_RUNS = 30
MOST_GROWTH = 32 * 2**20  # bytes in these runs
MOST_PEAK = 200_000  # bytes an alert: 200 MB for those that a worker sees at once

FORBIDDEN = {
    "network": ("socket.connect", "socket.bind", "socket.getaddrinfo", "urllib.Request"),
    "processes": ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork"),
    "file writes": ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink",
                    "os.truncate", "shutil.rmtree", "shutil.copyfile"),
}
WRITING = "wax+"
CACHES = ("__pycache__", "numba_cache", ".pyc", ".nbi", ".nbc")  # Python's and numba's to write


class Guard:
    """Notes what a module does to the world, by Python's audit events (PEP 578)."""

    def __init__(self):
        self.found = dict.fromkeys(FORBIDDEN, "")
        sys.addaudithook(self)

    def __call__(self, event, arguments):
        path = str(arguments[0]) if arguments else ""
        if any(word in path for word in CACHES):
            return
        for rule, events in FORBIDDEN.items():
            if event in events:
                self._note(rule, event, arguments)
        if event == "open" and set(WRITING) & set(arguments[1] or ""):
            self._note("file writes", event, arguments)

    def _note(self, rule, event, arguments):
        self.found[rule] = self.found[rule] or f"{event}: {str(arguments[0])[:200]}"


def main():
    """Try a module; write what is wrong."""
    given = json.load(sys.stdin)
    with open(given["answer"], "w") as answer:  # opened before the guard looks
        json.dump(examine(given["path"], given["types"], tuple(given["surveys"])), answer)


def examine(path, types, surveys):
    """Every rule that is tried here -> what is wrong.

    Parameters
    ----------
    path : str
        Of the module.py.
    types : dict of str to str
    surveys : tuple of str

    Returns
    -------
    dict of str to str
    """
    guard = Guard()
    try:
        spec = registry.read_module(path)
        found = contract.breaches(spec, types, surveys)
        trial = contract.Trial(spec, types, surveys)
    except ModuleError as error:
        return {"declared": str(error), **guard.found}
    found |= {"state": _state(spec, trial), "time": _time(spec, trial),
              "memory": _memory(trial)}
    return {**found, **guard.found}


def _state(spec, trial):
    """Whether a run changes it; what it loads at the first one it may keep."""
    try:
        trial.answer(trial.some)
        before = as_sent(spec)
        trial.answer(trial.some)
        after = as_sent(spec)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        return f"it cannot be sent to a worker: {error}"
    return "" if before == after else "a run changes what it holds: keep nothing between batches"


def _time(spec, trial):
    columns = trial.alerts("plain", TIMED_ALERTS)
    rows = trial.answer(columns)[1].rows  # the first run compiles and loads
    if not rows:
        return "it applies to no alert of the trial, so nothing can be said of its speed"
    taken = []
    for _ in range(TIMED_RUNS):
        began = time.process_time()
        trial.answer(columns)
        taken.append(1e6 * (time.process_time() - began) / rows)
    best = min(taken)
    return "" if best <= spec.budget else (
        f"{best:.0f} us an alert, its budget is {spec.budget:.0f} (least of {TIMED_RUNS} runs of "
        f"{TIMED_ALERTS} alerts); see `fink-like module profile {spec.name}`")


def _memory(trial):
    columns = trial.alerts("plain", TIMED_ALERTS)
    process = psutil.Process()
    trial.answer(columns)
    before = process.memory_info().rss
    for _ in range(GROWTH_RUNS):
        trial.answer(columns)
    growth = process.memory_info().rss - before
    tracemalloc.start()
    trial.answer(columns)
    peak = tracemalloc.get_traced_memory()[1] / TIMED_ALERTS
    tracemalloc.stop()
    if growth > MOST_GROWTH:
        return f"{GROWTH_RUNS} equal batches made it grow by {growth / 2**20:.0f} MiB"
    return "" if peak <= MOST_PEAK else (f"{peak / 1000:.0f} kB an alert at its peak, "
                                         f"{MOST_PEAK / 1000:.0f} are allowed")


if __name__ == "__main__":
    main()
