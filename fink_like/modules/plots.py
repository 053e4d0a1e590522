"""Pictures of two modules' outputs against each other."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

SIZE_INCHES, DPI = (5.0, 5.0), 110
NUMBERS = ("float", "double", "int", "bigint")
MOST_WORDS = 12  # of an output that are drawn


def compared(found, names, fields, folder):
    """Draw each output that both modules have.

    Parameters
    ----------
    found : pandas.DataFrame
        From `fink_like.modules.compare.alerts`.
    names : tuple of str
        The two modules.
    fields : iterable of Field
        Outputs of the first.
    folder : str or Path

    Yields
    ------
    Path
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for field in fields:
        columns = [f"{name}.{field.name}" for name in names]
        if not set(columns) <= set(found):
            continue
        known = found[columns].dropna()
        if field.type.startswith("array") or known.empty:
            continue
        figure = Figure(figsize=SIZE_INCHES, dpi=DPI, layout="constrained")
        axes = figure.add_subplot()
        (_numbers if field.type in NUMBERS else _words)(axes, known, columns)
        unit = f" ({field.unit})" if field.unit else ""
        axes.set(xlabel=f"{names[0]}{unit}", ylabel=f"{names[1]}{unit}",
                 title=f"{field.name}, {len(known)} alerts")
        path = folder / f"{field.name}.png"
        FigureCanvasAgg(figure).print_png(path)
        yield path


def _numbers(axes, known, columns):
    """Points, and the line on which both agree; the outer hundredth is left out of the frame."""
    one, two = (known[name].astype(float).to_numpy() for name in columns)
    low, high = np.percentile(np.concatenate([one, two]), [0.5, 99.5])
    margin = 0.05 * (high - low) or 1.0
    limits = low - margin, high + margin
    axes.plot(limits, limits, color="#bbbbbb", zorder=0)
    axes.plot(one, two, ".", markersize=3, color="#0c71ff", alpha=0.5)
    axes.set(xlim=limits, ylim=limits)


def _words(axes, known, columns):
    """How many alerts have each pair of words."""
    counts = pd.crosstab(known[columns[1]].astype(str), known[columns[0]].astype(str))
    counts = counts.iloc[:MOST_WORDS, :MOST_WORDS]
    axes.imshow(np.log1p(counts), cmap="Blues")
    axes.set_xticks(range(counts.shape[1]), counts.columns)
    axes.set_yticks(range(counts.shape[0]), counts.index)
    for (row, column), count in np.ndenumerate(counts.to_numpy()):
        axes.text(column, row, str(count), ha="center", va="center")
