"""An alert as one picture: its light curve, and its cutouts beside it."""

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import AsinhNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from fink_like.client.archive import LIMIT_SIGMAS, light_curve
from fink_like.client.received import brightness, moment, position
from fink_like.client.stored_packets import cutouts
from fink_like.packets.survey import STAMPS
from fink_like.vocabulary import BANDS, DETECTION, FORCED, LIMIT, Status

# Told apart by the colour blind too: Rubin's plotting guidelines, https://rtn-045.lsst.io
COLOURS = {"u": "#0c71ff", "g": "#49be61", "r": "#c61c00", "i": "#ffc200", "z": "#f341a2",
           "y": "#5d0000"}
NO_BAND = "#777777"
INK, GRID, EMPTY = "#222222", "#dddddd", "#c8d4e3"
SIZE_INCHES, DPI = (11.0, 6.0), 120
LIGHT_CURVE_PLACE = (0.1, 0.09, 0.735, 0.75)
Y_MARGIN = 0.12
FLUX_UNITS = ((1e8, 1e6, "mJy"), (1e6, 1e3, "\N{MICRO SIGN}Jy"), (0, 1, "nJy"))
"""From which flux in nJy on, size of the unit in nJy, and its name."""

MARKERS = {DETECTION: "o", FORCED: "s", LIMIT: "v"}
PAIRED_ALPHA = 0.35  # the exposure's detection is drawn already
SOFTENING = 3.0  # linear up to so many sigmas of the noise, logarithmic above
SIGMA_OF_MAD = 1.4826  # standard deviation over median absolute deviation, normal noise
TOP_PERCENTILE = 99.7
SCORES_SHOWN = (("quality.is_clean", "clean {}"), ("rates.slope", "{:+.2f} mag/d"),
                ("rates.flux_slope", "{:+,.0f} nJy/d"))


def plot_alert(data, row, path=None):
    """Draw a row of silver, with cutouts from bronze.

    Parameters
    ----------
    data : str or Path
        The broker's data folder.
    row : mapping
        A line of silver.
    path : str or Path, optional
        Where to save it; its suffix chooses the format.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    BrokerError
        The row lacks columns, or bronze its packet.
    """
    return draw(row, cutouts(data, row), path)


def draw(row, stamps, path=None):
    """Draw a row and cutouts: ``draw(alert.row, alert.cutouts)`` for a received alert.

    Parameters
    ----------
    row : mapping
        A line of silver, or `Alert.row`.
    stamps : dict of str to numpy.ndarray
        As `cutouts` gives them; one that is missing leaves its place empty.
    path : str or Path, optional

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = Figure(figsize=SIZE_INCHES, dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    _title(figure, row)
    _light_curve(figure.add_axes(LIGHT_CURVE_PLACE), row)
    column = figure.add_gridspec(3, 1, left=0.85, right=0.985, top=0.84, bottom=0.09, hspace=0.08)
    for place, name in enumerate(STAMPS):
        _stamp(figure.add_subplot(column[place]), name, stamps.get(name))
    if path is not None:
        figure.savefig(path)
    return figure


def _title(figure, row):
    who = f"{row['survey']}   {row['objectId'] or 'no object'}   alert {row['diaSourceId']}"
    flux = brightness(row).replace("+-", "\N{PLUS-MINUS SIGN}")
    figure.text(0.1, 0.95, who, fontsize=13, fontweight="bold", color=INK)
    figure.text(0.1, 0.907, "     ".join([moment(row), position(row), flux]), fontsize=9.5,
                color=INK)
    figure.text(0.985, 0.95, "     ".join(_scores(row)), fontsize=9.5, color=INK, ha="right")


def _scores(row):
    for name, pattern in SCORES_SHOWN:
        value, status = row.get(name), row.get(f"{name.split('.')[0]}.status")
        if status == Status.OK and not pd.isna(value):
            yield pattern.format(("no", "yes")[int(value)] if pattern.endswith("{}") else value)


def _light_curve(axes, row):
    points = light_curve(row)
    for (band, kind, paired), some in points.groupby(["band", "kind", "paired"], dropna=False):
        _points(axes, some, COLOURS.get(band, NO_BAND), kind, PAIRED_ALPHA if paired else 1.0)
    axes.axhline(0, color="#999999", lw=0.8, zorder=0)
    if not pd.isna(row["midpointMjdTai"]):
        axes.axvline(row["midpointMjdTai"], color=INK, lw=0.8, ls=(0, (2, 3)), zorder=0)
        axes.plot(row["midpointMjdTai"], row["psfFlux"], "o", ms=14, mfc="none", mec=INK,
                  mew=1.3, zorder=5)
    _frame(axes, points)
    axes.set_xlabel("MJD (TAI)", color=INK)
    _name_fluxes(axes)
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.grid(color=GRID, lw=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9, colors=INK)
    marks = _legend(points)
    axes.legend(handles=marks, loc="lower left", bbox_to_anchor=(-0.012, 1.0), ncols=len(marks),
                fontsize=9, frameon=False, handletextpad=0.4, columnspacing=1.4)


def _frame(axes, points):
    """Room for every detection and nearly every other point; say how many are left outside."""
    axes.margins(x=0.04)
    if points.empty:
        return
    if np.ptp(points["mjd"]) == 0:
        axes.set_xlim(points["mjd"].iloc[0] - 1, points["mjd"].iloc[0] + 1)
    level = points["psfFlux"].fillna(LIMIT_SIGMAS * points["psfFluxErr"])
    detected, usual = level[points["kind"] == DETECTION], level.quantile([0.03, 0.97])
    low, high = min(0, detected.min(), usual.min()), max(0, detected.max(), usual.max())
    room = Y_MARGIN * (high - low) or 1.0
    axes.set_ylim(low - room, high + room)
    outside = int(((level < low - room) | (level > high + room)).sum())
    if outside:
        axes.text(0.99, 0.01, f"{outside} of {len(points)} points outside",
                  transform=axes.transAxes, ha="right", fontsize=8.5, color=INK)


def _name_fluxes(axes):
    """Numbers of at most six digits on the flux axis."""
    largest = max(map(abs, axes.get_ylim()))
    size, unit = next((size, unit) for least, size, unit in FLUX_UNITS if largest >= least)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda flux, _: f"{flux / size:,.6g}"))
    axes.set_ylabel(f"difference flux ({unit})", color=INK)


def _points(axes, points, colour, kind, alpha):
    if kind == LIMIT:
        axes.plot(points["mjd"], LIMIT_SIGMAS * points["psfFluxErr"], MARKERS[kind], ms=5,
                  mfc="none", mec=colour, alpha=0.7, zorder=1)
        return
    solid = kind == DETECTION
    axes.errorbar(points["mjd"], points["psfFlux"], yerr=points["psfFluxErr"],
                  fmt=MARKERS[kind], ms=6 if solid else 4, color=colour, alpha=alpha,
                  mfc=colour if solid else "white", mec=INK if solid else colour,
                  mew=0.5 if solid else 1.0, elinewidth=0.9, zorder=3 if solid else 2)


def _legend(points):
    bands = [b for b in BANDS if b in set(points["band"])]
    kinds = [k for k in MARKERS if k in set(points["kind"])]
    names = {LIMIT: "5-sigma limit"}
    marks = [Line2D([], [], ls="", marker=MARKERS[k], color=INK, label=names.get(k, k),
                    mfc=INK if k == DETECTION else "none") for k in kinds]
    this = Line2D([], [], ls="", marker="o", ms=10, mfc="none", mec=INK, label="this alert")
    colours = [Line2D([], [], lw=4, color=COLOURS[b], label=b) for b in bands]
    return [*marks, this, *colours]


def _stamp(axes, name, image):
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color("#888888")
    axes.set_facecolor(EMPTY)  # also shows through where an image has no data
    axes.text(0.04, 0.95, name, transform=axes.transAxes, va="top", fontsize=8.5, color="white",
              bbox={"facecolor": INK, "alpha": 0.65, "edgecolor": "none", "pad": 2}, zorder=3)
    if image is None or not np.isfinite(image).any():
        axes.text(0.5, 0.45, "none in the packet", transform=axes.transAxes, ha="center",
                  fontsize=8.5, color=INK)
        axes.set_box_aspect(1)
        return
    pixels, greys = _stretch(image)
    axes.imshow(pixels, origin="lower", cmap="gray", norm=greys, interpolation="nearest")
    _cross(axes, image.shape)


def _stretch(image):
    """The image in units of its noise above the sky, and greys that do not burn out its peak."""
    finite = image[np.isfinite(image)]
    sky = np.median(finite)
    noise = SIGMA_OF_MAD * np.median(np.abs(finite - sky)) or 1.0
    low, high = (np.percentile(finite, [100 - TOP_PERCENTILE, TOP_PERCENTILE]) - sky) / noise
    top = max(high, 5.0)
    return (image - sky) / noise, AsinhNorm(SOFTENING, vmin=max(min(low, -3.0), -top), vmax=top)


def _cross(axes, shape):
    """Two ticks that leave the alert's pixel free."""
    y, x = (np.array(shape) - 1) / 2
    near, far = 0.07 * shape[1], 0.17 * shape[1]
    axes.plot([x + near, x + far], [y, y], color="#ff5f40", lw=1.3)
    axes.plot([x, x], [y + near, y + far], color="#ff5f40", lw=1.3)
