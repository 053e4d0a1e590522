"""Wall and CPU time of a piece of work, and figures as tables and JSON."""

import contextlib
import json
import os
import platform
import statistics
import time

import psutil
from rich.table import Table

from fink_like import __version__


def timed(work):
    """Wall and CPU seconds of a piece of work, over all processes of this tree.

    Returns
    -------
    dict
        ``wall_s`` and ``cpu_s``.
    """
    wall, cpu = time.monotonic(), cpu_seconds()
    work()
    return {"wall_s": time.monotonic() - wall, "cpu_s": cpu_seconds() - cpu}


def cpu_seconds():
    """CPU seconds of this process and its living descendants, Java and Kafka among them."""
    me, total = psutil.Process(), 0.0
    for process in (me, *me.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):  # a Python worker that ended just now
            times = process.cpu_times()
            total += times.user + times.system
    return total


def keep_to_cores(count):
    """Keep this process and its descendants, those to come as well, to so many cores."""
    cores = sorted(os.sched_getaffinity(0))[:count]
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            for thread in process.threads():
                with contextlib.suppress(ProcessLookupError):  # it ended just now
                    os.sched_setaffinity(thread.id, cores)


def per_alert(measured, alerts):
    """Add ``alerts_per_s`` and ``cpu_ms_per_alert`` to what `timed` gave."""
    return {**measured, "alerts_per_s": alerts / measured["wall_s"],
            "cpu_ms_per_alert": 1000 * measured["cpu_s"] / alerts}


def spread(rows, what, form):
    """``median (least to most)`` of a figure over repeats."""
    values = [row[what] for row in rows]
    figures = (statistics.median(values), min(values), max(values))
    return "{} ({} to {})".format(*(form.format(figure) for figure in figures))


def speeds(rows, columns, title):
    """A table of alerts/s and CPU time an alert, over repeats.

    Parameters
    ----------
    rows : list of dict
        From `per_alert`, with `columns`.
    columns : dict of str to str
        What tells rows apart -> its heading.
    title : str

    Returns
    -------
    rich.table.Table
    """
    table = Table(*columns.values(), title=f"{title}: median (least to most)")
    table.add_column("alerts/s", justify="right")
    table.add_column("CPU ms/alert", justify="right")
    for kind in dict.fromkeys(tuple(row[name] for name in columns) for row in rows):
        same = [row for row in rows if tuple(row[name] for name in columns) == kind]
        table.add_row(*kind, spread(same, "alerts_per_s", "{:.0f}"),
                      spread(same, "cpu_ms_per_alert", "{:.2f}"))
    return table


def write(folder, kind, figures, peak):
    """Print where it ran, and write all figures to ``<kind>-<time>.json``."""
    print(f"{psutil.cpu_count()} cores, {platform.platform()}, Python {platform.python_version()}; "
          f"load {psutil.getloadavg()[0]:.1f}; peak memory {peak / 1e9:.1f} GB")
    name = folder / f"{kind}-{time.strftime('%Y%m%dT%H%M%S')}.json"
    name.write_text(json.dumps({
        "version": __version__, "kind": kind, **figures, "cores": psutil.cpu_count(),
        "platform": platform.platform(), "load": psutil.getloadavg(),
        "peak_memory_bytes": peak}, indent=1))
    print(f"all figures: {name}")
