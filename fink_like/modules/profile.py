"""Where a science module spends its time."""

import cProfile
import pstats
import time
from pathlib import Path

import numpy as np

RUNS = 7
SHOWN = 12  # functions


def profile(trial, columns):
    """Time a module on alerts.

    Parameters
    ----------
    trial : fink_like.modules.trial.Trial
    columns : dict of str to pyarrow.Array

    Returns
    -------
    dict
        ``micros`` of CPU time an alert: median of `RUNS` runs after a first one that compiles and
        loads, ``least`` and ``most`` of them; ``first`` of that first one; ``alerts``;
        ``functions``: (name, file:line, calls, microseconds an alert in it alone, and with those
        that it calls), the dearest first, of one run more under Python's profiler.
    """
    alerts = len(next(iter(columns.values())))
    times = []
    for _ in range(RUNS + 1):
        began = time.process_time()
        trial.score(columns)
        times.append(1e6 * (time.process_time() - began) / alerts)
    profiler = cProfile.Profile()
    profiler.runcall(trial.score, columns)
    return {"micros": float(np.median(times[1:])), "least": min(times[1:]), "most": max(times[1:]),
            "first": times[0], "alerts": alerts, "functions": _functions(profiler, alerts)}


def _functions(profiler, alerts):
    found = [(name, f"{Path(file).parent.name}/{Path(file).name}:{line}" if line else file,
              calls, 1e6 * own / alerts, 1e6 * total / alerts)
             for (file, line, name), (_, calls, own, total, _)
             in pstats.Stats(profiler).stats.items()]
    return sorted(found, key=lambda one: -one[3])[:SHOWN]
