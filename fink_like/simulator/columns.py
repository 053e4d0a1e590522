"""Simulated quantities as columns, for any pairs of an object and an exposure.

The alert of an object and the row of it in a later packet's history come from the same function and
the same keys, so they agree in every field.
"""

import numpy as np

from fink_like.simulator import cadence, dice, frames
from fink_like.simulator.photometry import magnitude

DAY_ZERO = np.datetime64("1858-11-17")
"""MJD 0."""

NUMBERS = 26**7
"""Runs start to number their objects anywhere below this: the names that seven letters give."""


def select(sources, rules):
    """Pairs of object and exposure that a packet's history or forced photometry shows.

    Parameters
    ----------
    sources : Sources
    rules : dict
        ``days``; ``limits``: exposures without a detection too; ``since_first``: none before the
        first detection; ``current``: the alert's own exposure too, if it is not the first.

    Returns
    -------
    tuple of numpy.ndarray of int
        Object and epoch, ascending.
    """
    mjd, detected = sources.epochs.mjd, sources.detected
    shown = sources.produced & (mjd[-1] - mjd <= rules["days"])
    if not rules.get("limits"):
        shown = shown & detected
    if rules.get("since_first"):
        shown = shown & (np.cumsum(detected, axis=1) > 0)
    last = rules.get("current", False) & (np.sum(detected, axis=1) > 1)
    shown[:, -1] &= last
    return np.nonzero(shown)


def columns(run, sources, objects, epochs):
    """Columns of the pairs (objects[k], epochs[k]).

    Parameters
    ----------
    run : cadence.Run
    sources : Sources
    objects, epochs : numpy.ndarray of int, shape (rows,)

    Returns
    -------
    tuple of (dict of numpy.ndarray, numpy.ndarray of uint64)
        Columns by the names that a survey's recipe may use, and a key for each row.
    """
    found = _exposure(run, sources, objects, epochs)
    found.update(_object(run, sources, objects, epochs))
    found.update(_measured(sources, objects, epochs))
    key = dice.combine(sources.key[objects], sources.epochs.tick[epochs])
    exposure_key = dice.combine(run.key, found["tick"], found["channel"])
    for name, expression in run.model.exposure.items():
        found[name] = expression(found, exposure_key, name)
    found.update(_ids(run, found, key))
    for name, expression in run.model.source.items():
        found[name] = expression(found, key, name)
    return found, key


def _exposure(run, sources, objects, epochs):
    """Of the exposure and the detector in it."""
    site, cadence_rules = run.model.recipe["site"], run.model.recipe["cadence"]
    now = sources.epochs
    bands = run.model.recipe["bands"]
    mjd = now.mjd[epochs]
    utc = mjd - (cadence_rules["exposure_seconds"] / 2.0 + cadence.TAI_MINUS_UTC) / cadence.DAY
    since = np.mod(utc - 0.5, 1.0)
    names, codes = list(bands), [band["code"] for band in bands.values()]
    return {
        "mjd": mjd, "mjd_utc_start": utc, "tick": now.tick[epochs], "seed": run.seed,
        "exposure_seconds": cadence_rules["exposure_seconds"],
        "sequence": (since * cadence.DAY / cadence_rules["step_seconds"]).astype(np.int64),
        "day": _dates(utc - 0.5), "date": _dates(utc).astype("S8"), "field": now.field,
        "band": np.array(names, dtype="S")[now.band[epochs]],
        "band_code": np.array(codes)[now.band[epochs]],
        "wavelength": now.wavelength[epochs], "limit_flux": now.limit_flux[epochs],
        "limit_magnitude": magnitude(now.limit_flux[epochs]),
        "channel": sources.row[objects] % site["channels"],
        "count": sources.row[objects] // site["channels"],
        "row": sources.row[objects], "field_ra": now.ra, "field_dec": now.dec,
    }


def _dates(mjd):
    """Dates as numbers, YYYYMMDD."""
    day = (DAY_ZERO + np.floor(mjd).astype("timedelta64[D]")).astype("datetime64[D]")
    month = day.astype("datetime64[M]")
    year, month_of_year = np.divmod(month.astype(np.int64) + 12 * 1970, 12)
    return year * 10000 + (month_of_year + 1) * 100 + (day - month).astype(np.int64) + 1


def _object(run, sources, objects, epochs):
    """Of the object, as known at the exposure."""
    detected = sources.detected
    first = np.argmax(detected, axis=1)
    kinds = np.array([source_class.kind for source_class in run.model.classes])
    kind = kinds[sources.source_class[objects]]
    ra, dec = sources.ra[objects], sources.dec[objects]
    ecliptic, galactic = frames.ecliptic(ra, dec), frames.galactic(ra, dec)
    details = {name: values[objects] for name, values in sources.details.items()}
    known = {"host_magnitude": np.nan, "host_size": np.nan, "host_offset": np.nan}
    return {
        **known, **details,
        "is_moving": kind == "moving", "is_artefact": kind == "artefact",
        "is_detected": detected[objects, epochs], "is_galaxy": _has(details, "host_magnitude"),
        "object_ra": ra, "object_dec": dec, "object_key": sources.key[objects],
        "ecliptic_lon": ecliptic[0], "ecliptic_lat": ecliptic[1],
        "galactic_lon": galactic[0], "galactic_lat": galactic[1],
        "number": _number(run, sources, objects, kind),
        "n_det": np.cumsum(detected, axis=1)[objects, epochs],
        "n_seen": np.cumsum(sources.produced, axis=1)[objects, epochs],
        "first_mjd": sources.epochs.mjd[first[objects]],
        "first_tick": sources.epochs.tick[first[objects]],
    }


def _has(details, name):
    return np.isfinite(details[name]) if name in details else False


def _number(run, sources, objects, kind):
    """Number of the object in the run; what moves or is no object gets another each time."""
    epoch = np.where(kind == "static", 0, sources.epochs.in_run[-1] + 1)
    block = epoch * run.fields + sources.epochs.field
    return int(run.key) % NUMBERS + block * run.rows_per_field + sources.row[objects]


def _measured(sources, objects, epochs):
    """Fluxes in nJy; template and total are measured too."""
    true, template = sources.true_flux[objects, epochs], sources.template_flux[objects, epochs]
    flux, error = sources.flux[objects, epochs], sources.flux_err[objects, epochs]
    template_err = 0.2 * error
    measured = template + template_err * dice.normal(sources.key[objects], "template")
    return {"true_flux": true, "true_template_flux": template, "flux": flux, "flux_err": error,
            "snr": np.abs(flux) / error, "is_negative": flux < 0,
            "template_flux": measured, "template_flux_err": template_err,
            "total_flux": measured + flux, "total_flux_err": np.hypot(error, template_err)}


def _ids(run, found, key):
    """Ids by the recipe's rules, and the id of the object's first alert."""
    ids = {name: rule(found, key, name) for name, rule in run.model.ids.items()}
    at_first = {**found, "tick": found["first_tick"]}
    ids["first_alert_id"] = run.model.ids["alert_id"](at_first, key, "alert_id")
    return ids
