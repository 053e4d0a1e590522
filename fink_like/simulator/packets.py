"""Detected sources to packets: a recipe's expressions fill the records, the encoder writes them."""

from collections import ChainMap

import numpy as np

from fink_like.errors import ConfigError
from fink_like.simulator import fits, stamps, wires
from fink_like.simulator.columns import Columns, select, select_before
from fink_like.simulator.encoder import Blobs, encode
from fink_like.simulator.recipe import ALERT, FORCED, HISTORY
from fink_like.simulator.summaries import summaries


def make(run, sources, cutouts=True):
    """Packets of the sources that a visit detects.

    Parameters
    ----------
    run : cadence.Run
    sources : Sources
    cutouts : bool, optional
        False: the packets have none.

    Returns
    -------
    tuple of (list of bytes, Columns)
        Kafka values, and the columns of the alerts.
    """
    model, n = run.model, len(sources.key)
    tables = rows(run, sources)
    alerts = tables[ALERT]
    alerts.update(summaries(run, sources))
    alerts.update(files(model, alerts) if cutouts else
                  {"has_cutouts": False, **dict.fromkeys(_names(), None)})
    nested = {name: _nested(model, name, tables[record.rows], alerts)
              for name, record in model.records.items() if name != ALERT}
    fields = {**_fields(model, ALERT, alerts), **nested}
    return wires.wrap(model, encode(model.program, fields, n), alerts.key), alerts


def rows(run, sources):
    """Rows of each kind that the packets have; history and forced photometry may share theirs.

    Parameters
    ----------
    run : cadence.Run
    sources : Sources

    Returns
    -------
    dict of str to Columns
        ``alert``, ``history`` and ``forced``.
    """
    n, last = sources.flux.shape
    recipe = run.model.recipe
    history, forced = (select(sources, recipe[kind]) for kind in (HISTORY, FORCED))
    tables = {ALERT: Columns(run, sources, np.arange(n), np.full(n, last - 1)),
              HISTORY: Columns(run, sources, *history)}
    same = np.array_equal(history, forced)
    return {**tables, FORCED: tables[HISTORY] if same else Columns(run, sources, *forced)}


def rows_before(run, sources):
    """Rows of history and forced photometry that packets of earlier nights had.

    Parameters and return value as `rows`, without ``alert``; an alert is in its own history.
    """
    return {kind: Columns(run, sources, *select_before(sources, run.model.recipe[kind],
                                                       kind == HISTORY))
            for kind in (HISTORY, FORCED)}


def field(model, name, field, columns):
    """What fills one field of a record, where NaN may still stand for null.

    Parameters
    ----------
    model : SurveyModel
    name : str
        Of the record, as the recipe has it.
    field : str
    columns : Columns

    Returns
    -------
    array, scalar, None or numpy.ma.MaskedArray
        Masked where a record of no detection has none.
    """
    record = model.records[name]
    value = record.fields[field](columns, columns.key, field)
    if field in record.detected:
        absent = ~np.asarray(columns["is_detected"])
        value = np.ma.MaskedArray(np.broadcast_to(np.ma.getdata(value), absent.shape),
                                  mask=absent | np.ma.getmaskarray(value))
    return value


def there(model, name, columns, alerts):
    """Which alerts have a record.

    Parameters
    ----------
    model : SurveyModel
    name : str
        Of the record.
    columns, alerts : Columns
        Its rows, and the alerts.

    Returns
    -------
    numpy.ndarray of bool
    """
    n = len(alerts.objects)
    when = model.records[name].when
    if when is None:
        return np.ones(n, dtype=bool)
    counted = ChainMap({"count_rows": np.bincount(columns.objects, minlength=n)}, alerts)
    return np.broadcast_to(when(counted, alerts["object_key"], name), n)


def _fields(model, name, columns):
    """Columns of one record, by field."""
    return {each: _missing(model, field(model, name, each, columns))
            for each in model.records[name].fields}


def _missing(model, value):
    """NaN as the survey writes it: as NaN, or as null."""
    floating = isinstance(value, np.ndarray) and value.dtype.kind == "f"
    return np.ma.masked_invalid(value) if floating and model.recipe["nan_is_null"] else value


def _nested(model, name, columns, alerts):
    """Rows of a record inside the alert, and where it is null; made only where it is not."""
    record, program, n = model.records[name], model.program.children()[name], len(alerts.objects)
    shown = there(model, name, columns, alerts)
    if not shown.any():
        return None
    kept = shown[columns.objects]
    if not kept.all():
        columns = columns.rows(kept)
    parents = columns.objects
    blobs = encode(program, _fields(model, name, columns), len(parents))
    if record.rows != ALERT:
        return blobs.group(parents, n), ~shown
    start, length = np.zeros((2, n), dtype=np.int64)
    start[parents], length[parents] = blobs.start, blobs.length
    return Blobs(blobs.pool, start, length), ~shown


def _names():
    return ("stamp_science", "stamp_template", "stamp_difference")


def files(model, alerts):
    """FITS files of the three images, as columns of alerts.

    Parameters
    ----------
    model : SurveyModel
    alerts : Columns

    Returns
    -------
    dict of str to Blobs
        ``stamp_science`` and so on; and ``has_cutouts``.

    Raises
    ------
    ConfigError
        The recipe names a form of stamps that there is not.
    """
    form = model.recipe["stamps"]
    if form["form"] not in FORMS:
        raise ConfigError(f"{model.survey}: stamps form {form['form']!r}, not {sorted(FORMS)}")
    images, noise = stamps.draw(alerts, alerts.key, form)
    made = FORMS[form["form"]](form, images, noise, alerts)
    return {"has_cutouts": True, **{f"stamp_{name}": made[name] for name in images}}


def _compressed(form, images, noise, alerts):
    scale = 10.0 ** (0.4 * (np.asarray(alerts["zero_point"]) - 31.4))
    scale = np.broadcast_to(scale, len(noise)).astype(np.float32)[:, None, None]
    return {name: fits.compress(fits.single(image * scale, form["unit"]))
            for name, image in images.items()}


def _with_uncertainty(form, images, noise, alerts):
    psf = stamps.point_spread(np.asarray(alerts["fwhm"]), form["psf_pixels"])
    half = form["pixels"] // 2
    scale = form["pixel_arcsec"] / 3600.0
    angle = np.radians(alerts["rotation"])
    world = {"CUTMINX": np.floor(alerts["x"]).astype(np.int64) - half,
             "CUTMINY": np.floor(alerts["y"]).astype(np.int64) - half,
             "ROTPA": alerts["rotation"], "CRPIX1": half + 0.5, "CRPIX2": half + 0.5,
             "PC1_1": -scale * np.cos(angle), "PC1_2": scale * np.sin(angle),
             "PC2_1": scale * np.sin(angle), "PC2_2": scale * np.cos(angle),
             "CRVAL1": alerts["ra"], "CRVAL2": alerts["dec"]}
    return {name: fits.plain(fits.with_uncertainty(image, noise**2, psf, world))
            for name, image in images.items()}


FORMS = {"gzip": _compressed, "uncertainty": _with_uncertainty}
"""How a survey packs its cutouts."""
