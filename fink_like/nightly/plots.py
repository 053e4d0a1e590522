"""The pictures of a night's report."""

import datetime

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

COLOURS = {"ingest": "#0c71ff", "science": "#49be61", "distribute": "#c61c00"}
DONE = {"ingest": "received", "science": "scored", "distribute": "sent"}
SIZE_INCHES, DPI = (10.0, 4.0), 110
MOST_BINS, LEAST_BIN_S = 200, 10.0  # of time: as many, but none shorter
LEAST_DELAY_S = 0.01  # drawn at it, on a logarithmic axis


def edges(moments):
    """Edges of the bins of time that all pictures share, seconds since 1970."""
    all_of = [each for found in moments.values() for each in (found.arrived, found.done)
              if len(each)]
    if not all_of:
        return np.array([0.0, LEAST_BIN_S])
    first, last = min(each.min() for each in all_of), max(each.max() for each in all_of)
    width = max(LEAST_BIN_S, (last - first) / MOST_BINS)
    return first + width * np.arange(int((last - first) / width) + 2)


def rate(moments, path):
    """Alerts a second that arrived, and that each station has done with."""
    bins = edges(moments)
    axes = _axes("alerts a second", "Rate")
    arrived = np.histogram(moments["ingest"].arrived, bins)[0]
    axes.stairs(arrived / np.diff(bins), _dates(bins), color="#bbbbbb", fill=True, label="arrived")
    for job, found in moments.items():
        axes.stairs(np.histogram(found.done, bins)[0] / np.diff(bins), _dates(bins),
                    color=COLOURS[job], label=DONE[job])
    return _save(axes, path)


def latency(moments, path):
    """Median and 95 % of the seconds since the survey's topic, by the time of arrival."""
    bins = edges(moments)
    axes = _axes("seconds since the survey's topic", "Latency: median, and 95 % (dashed)")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    for job, found in moments.items():
        middle, high = _quantiles(found, bins)
        axes.plot(_dates(bins[:-1]), middle, color=COLOURS[job], label=DONE[job], marker=".")
        axes.plot(_dates(bins[:-1]), high, color=COLOURS[job], linestyle="--",
                  marker="_")
    return _save(axes, path)


def _quantiles(found, bins):
    """Median and 95 % of the delays in each bin of arrival; NaN in empty ones."""
    order = np.argsort(found.arrived, kind="stable")
    delays = np.maximum(found.delay[order], LEAST_DELAY_S)
    parts = np.split(delays, np.searchsorted(found.arrived[order], bins[1:-1]))
    return np.array([np.percentile(p, (50, 95)) if len(p) else (np.nan, np.nan) for p in parts]).T


def lag(moments, path):
    """Alerts that wait for ingest and for science: arrived by then, and not done by then."""
    bins = edges(moments)
    axes = _axes("alerts", "Waiting")
    before = np.searchsorted(np.sort(moments["ingest"].arrived), bins, side="right")
    for job, what in (("ingest", "in Kafka"), ("science", "in bronze")):
        done = np.searchsorted(np.sort(moments[job].done), bins, side="right")
        axes.plot(_dates(bins), np.maximum(before - done, 0), color=COLOURS[job], label=what)
        before = done
    return _save(axes, path)


def dead_letters(reasons, path):
    """Unreadable messages by reason."""
    return _save(_bars(reasons, "messages", "Dead letters"), path)


def sizes(found, path):
    """Files of the night before and behind compaction.

    Parameters
    ----------
    found : dict
        Table -> ``before`` and ``after`` {files, bytes}.
    path : file
    """
    bars = {f"{table} {when}": found[table][when]["files"] for table in found
            for when in ("before", "after")}
    axes = _bars(bars, "files", "Files of the night")
    amounts = [found[table][when]["bytes"] for table in found for when in ("before", "after")]
    axes.bar_label(axes.containers[0], [f"{n / 1e6:,.1f} MB" for n in amounts], padding=3)
    return _save(axes, path)


def _bars(values, unit, title):
    axes = _axes(unit, title, of_time=False)
    axes.barh([*values], [*values.values()], color="#0c71ff")
    axes.set_xlabel(unit)
    axes.set_ylabel("")
    axes.invert_yaxis()
    axes.margins(x=0.15)
    if not values:
        axes.set(xticks=[], yticks=[])
        axes.text(0.5, 0.5, "none", ha="center", transform=axes.transAxes)
    return axes


def _axes(unit, title, of_time=True):
    figure = Figure(SIZE_INCHES, DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title, loc="left")
    axes.set_ylabel(unit)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    if of_time:
        axes.set_xlabel("UTC")
        axes.xaxis.set_major_locator(AutoDateLocator())
        axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))
    return axes


def _dates(seconds):
    return date2num([datetime.datetime.fromtimestamp(s, datetime.timezone.utc) for s in seconds])


def _save(axes, path):
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc="upper right", frameon=False)
    axes.figure.savefig(path, format="png")
