"""``training.png``: what a model takes simulated alerts for, and whether its probabilities hold."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

FILE = "training.png"
DPI = 110
TITLES = {"in_sample": "in-sample simulation", "independent": "independent simulation"}


def draw(path, card):
    """Draw the two confusion tables and the reliability of both simulations."""
    judged = card["simulated"]
    rows = max(len(one["confusion"]) for one in judged.values())
    columns = len(card["model"]["classes"])
    figure = Figure(figsize=(5 + 1.3 * columns, 1.8 + 0.24 * rows), dpi=DPI, layout="constrained")
    *tables, last = figure.subplots(1, len(judged) + 1)
    order = [name for names in card["declared"]["classes"].values() for name in names]
    for axes, (share, one) in zip(tables, judged.items()):
        _confusion(axes, {name: one["confusion"][name] for name in order
                          if name in one["confusion"]})
        axes.set_title(f"{TITLES[share]}\n{one['n']:,} alerts", fontsize=9)
    for share, one in judged.items():
        _reliability(last, one, TITLES[share])
    last.plot([0, 1], [0, 1], color="#bbbbbb", zorder=0)
    last.set(xlabel="probability of the likeliest class", ylabel="share that is of it",
             xlim=(0, 1), ylim=(0, 1))
    last.set_title("calibration", fontsize=9)
    last.legend(fontsize=7, frameon=False)
    FigureCanvasAgg(figure).print_png(path)


def _confusion(axes, confusion):
    """Share of each simulated class (row) that is taken for each class of the model."""
    counts = np.array([list(line.values()) for line in confusion.values()], float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = list(next(iter(confusion.values())))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=7)
    axes.set_yticks(range(len(confusion)), confusion, fontsize=7)
    for (y, x), value in np.ndenumerate(shares):
        axes.text(x, y, f"{100 * value:.0f}", ha="center", va="center", fontsize=6,
                  color="white" if value > 0.6 else "black")


def _reliability(axes, one, title):
    bins = np.array([line for line in one["reliability"] if line[0]], float)
    n, said, so, low, high = bins.T
    axes.errorbar(said, so, np.clip([so - low, high - so], 0, None), fmt="o-", markersize=3,
                  linewidth=0.8, label=f"{title.split()[0]}: error {one['ece']:.3f}")
