"""Detected sources to packets: a recipe's expressions fill the records, the encoder writes them."""

import numpy as np

from fink_like.errors import ConfigError
from fink_like.simulator import columns as simulated
from fink_like.simulator import fits, stamps, wires
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
    tuple of (list of bytes, dict of numpy.ndarray)
        Kafka values, and the columns of the alerts.
    """
    model, n = run.model, len(sources.key)
    rows = _rows(run, sources)
    tables = _tables(run, sources, rows)
    alerts, keys = tables[ALERT]
    alerts.update(summaries(run, sources))
    alerts.update(_cutouts(model, alerts, keys) if cutouts else
                  {"has_cutouts": False, **dict.fromkeys(_names(), None)})
    nested = {name: _nested(model, name, rows[record.rows][0], tables[record.rows], alerts, n)
              for name, record in model.records.items() if name != ALERT}
    fields = {**_fields(model, ALERT, alerts, keys), **nested}
    return wires.wrap(model, encode(model.program, fields, n), keys), alerts


def _rows(run, sources):
    """Object and epoch of each row of each kind."""
    n, last = len(sources.key), len(sources.epochs.mjd) - 1
    rules = run.model.recipe
    return {ALERT: (np.arange(n), np.full(n, last)),
            HISTORY: simulated.select(sources, rules["history"]),
            FORCED: simulated.select(sources, rules["forced"])}


def _tables(run, sources, rows):
    """Columns of each kind of rows; history and forced photometry may share theirs."""
    tables = {kind: simulated.columns(run, sources, *rows[kind]) for kind in (ALERT, HISTORY)}
    same = np.array_equal(rows[HISTORY], rows[FORCED])
    tables[FORCED] = tables[HISTORY] if same else simulated.columns(run, sources, *rows[FORCED])
    return tables


def _fields(model, name, columns, keys):
    """Columns of one record, by field."""
    record = model.records[name]
    filled = {field: expression(columns, keys, field)
              for field, expression in record.fields.items()}
    absent = ~np.asarray(columns["is_detected"])
    for field in record.detected:
        filled[field] = np.ma.MaskedArray(
            np.broadcast_to(np.ma.getdata(filled[field]), absent.shape),
            mask=absent | np.ma.getmaskarray(filled[field]))
    return {field: _missing(model, value) for field, value in filled.items()}


def _missing(model, value):
    """NaN as the survey writes it: as NaN, or as null."""
    floating = isinstance(value, np.ndarray) and value.dtype.kind == "f"
    return np.ma.masked_invalid(value) if floating and model.recipe["nan_is_null"] else value


def _nested(model, name, parents, table, alerts, n):
    """Rows of a record inside the alert, and where it is null; made only where it is not."""
    columns, keys = table
    record, program = model.records[name], model.program.children()[name]
    there = np.ones(n, dtype=bool)
    if record.when is not None:
        counted = {**alerts, "count_rows": np.bincount(parents, minlength=n)}
        there &= record.when(counted, alerts["object_key"], name)
    if not there.any():
        return None
    kept = there[parents]
    if not kept.all():
        columns = {column: value[kept] if np.shape(value)[:1] == kept.shape else value
                   for column, value in columns.items()}
        keys, parents = keys[kept], parents[kept]
    blobs = encode(program, _fields(model, name, columns, keys), len(keys))
    if record.rows != ALERT:
        return blobs.group(parents, n), ~there
    start, length = np.zeros((2, n), dtype=np.int64)
    start[parents], length[parents] = blobs.start, blobs.length
    return Blobs(blobs.pool, start, length), ~there


def _names():
    return ("stamp_science", "stamp_template", "stamp_difference")


def _cutouts(model, alerts, keys):
    """FITS files of the three images."""
    form = model.recipe["stamps"]
    if form["form"] not in FORMS:
        raise ConfigError(f"{model.survey}: stamps form {form['form']!r}, not {sorted(FORMS)}")
    images, noise = stamps.draw(alerts, keys, form)
    files = FORMS[form["form"]](form, images, noise, alerts)
    return {"has_cutouts": True, **{f"stamp_{name}": files[name] for name in images}}


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
