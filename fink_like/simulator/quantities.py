"""The simulator's own quantities of an object in an exposure, each made from the others.

A function of `columns.Columns`, by the name that a recipe may use.
"""

from collections import ChainMap

import numpy as np

from fink_like.simulator import cadence, dice, frames, light
from fink_like.simulator.photometry import magnitude

DAY_ZERO = np.datetime64("1858-11-17")
"""MJD 0."""

NUMBERS = 26**7
"""Runs start to number their objects anywhere below this: the names that seven letters give."""

def absent(model):
    """What a recipe may ask for though these objects have none of it: names, all NaN."""
    drawn = [name for source_class in model.classes for name in source_class.parameters]
    return dict.fromkeys((*light.UNDER, *light.GEOMETRY, *OF_HOST, *drawn), np.nan)


OF_HOST = ("host_size", "host_offset")


def _exposure_seconds(c):
    return c.run.model.recipe["cadence"]["exposure_seconds"]


def _utc(c):
    """MJD UTC of the start of the exposure."""
    seconds = c["exposure_seconds"] / 2.0 + cadence.TAI_MINUS_UTC
    return c["mjd"] - seconds / cadence.DAY


def _sequence(c):
    since = np.mod(c["mjd_utc_start"] - 0.5, 1.0)
    step = c.run.model.recipe["cadence"]["step_seconds"]
    return (since * cadence.DAY / step).astype(np.int64)


def _dates(mjd):
    """Dates as numbers, YYYYMMDD."""
    day = (DAY_ZERO + np.floor(mjd).astype("timedelta64[D]")).astype("datetime64[D]")
    month = day.astype("datetime64[M]")
    year, month_of_year = np.divmod(month.astype(np.int64) + 12 * 1970, 12)
    return year * 10000 + (month_of_year + 1) * 100 + (day - month).astype(np.int64) + 1


def _band(c, values):
    """Something that each of the recipe's bands has."""
    return np.array(values)[c.of_exposure("band")]


def _codes(c):
    return [band["code"] for band in c.run.model.recipe["bands"].values()]


def _channels(c):
    return c.run.model.recipe["site"]["channels"]


def _is(c, kind):
    kinds = np.array([source_class.kind == kind for source_class in c.run.model.classes])
    return kinds[c.sources.source_class[c.objects]]


def _is_artefact(c):
    bogus = np.array([source_class.bogus for source_class in c.run.model.classes])
    return bogus[c.sources.source_class[c.objects]]


def _is_galaxy(c):
    has_host = "host_magnitude" in c.sources.details
    return np.isfinite(c["host_magnitude"]) if has_host else False


def _number(c):
    """Number of the object in the run; what moves or is no object gets another each time."""
    last = c.sources.epochs.in_run[..., -1].astype(np.int64)
    epoch = np.where(_is(c, "static"), 0, c.of_field(last) + 1)
    block = epoch * c.run.fields + c["field"]
    return int(c.run.key) % NUMBERS + block * c.run.rows_per_field + c["row"]


def _measured_template(c):
    noise = dice.normal(c["object_key"], "template")
    return c["true_template_flux"] + c["template_flux_err"] * noise


def _first_alert_id(c):
    then = ChainMap({"tick": c.at_first("tick")}, c)
    return c.run.model.ids["alert_id"](then, c.key, "alert_id")


SIMULATED = {
    # the exposure and the detector in it
    "mjd": lambda c: c.of_exposure("mjd"), "tick": lambda c: c.of_exposure("tick"),
    "wavelength": lambda c: c.of_exposure("wavelength"),
    "limit_flux": lambda c: c.of_exposure("limit_flux"),
    "limit_magnitude": lambda c: magnitude(c["limit_flux"]),
    "mjd_utc_start": _utc, "exposure_seconds": _exposure_seconds, "sequence": _sequence,
    "day": lambda c: _dates(c["mjd_utc_start"] - 0.5),
    "date": lambda c: _dates(c["mjd_utc_start"]).astype("S8"),
    "band": lambda c: _band(c, [name.encode() for name in c.run.model.recipe["bands"]]),
    "band_code": lambda c: _band(c, _codes(c)),
    "channel": lambda c: c["row"] % _channels(c), "count": lambda c: c["row"] // _channels(c),
    "field": lambda c: c.of_field(c.sources.epochs.field),
    "field_ra": lambda c: c.of_field(c.sources.epochs.ra),
    "field_dec": lambda c: c.of_field(c.sources.epochs.dec),
    "seed": lambda c: c.run.seed,
    # the object, as known at the exposure
    "row": lambda c: c.of_object("row"), "object_key": lambda c: c.of_object("key"),
    "object_ra": lambda c: c.of_object("ra"), "object_dec": lambda c: c.of_object("dec"),
    "is_moving": lambda c: _is(c, "moving"), "is_artefact": _is_artefact,
    "is_galaxy": _is_galaxy, "is_detected": lambda c: c.of_point("detected"),
    "ecliptic_lon": lambda c: frames.ecliptic(c["object_ra"], c["object_dec"])[0],
    "ecliptic_lat": lambda c: frames.ecliptic(c["object_ra"], c["object_dec"])[1],
    "galactic_lon": lambda c: frames.galactic(c["object_ra"], c["object_dec"])[0],
    "galactic_lat": lambda c: frames.galactic(c["object_ra"], c["object_dec"])[1],
    "number": _number, "first_alert_id": _first_alert_id,
    "first_mjd": lambda c: c.at_first("mjd"), "first_tick": lambda c: c.at_first("tick"),
    "n_det": lambda c: c.counted("detected"), "n_seen": lambda c: c.counted("produced"),
    # fluxes in nJy; template and total are measured too
    "true_flux": lambda c: c.of_point("true_flux"),
    "true_template_flux": lambda c: c.of_point("template_flux"),
    "flux": lambda c: c.of_point("flux"), "flux_err": lambda c: c.of_point("flux_err"),
    "snr": lambda c: np.abs(c["flux"]) / c["flux_err"], "is_negative": lambda c: c["flux"] < 0,
    "template_flux": _measured_template, "template_flux_err": lambda c: 0.2 * c["flux_err"],
    "total_flux": lambda c: c["template_flux"] + c["flux"],
    "total_flux_err": lambda c: np.hypot(c["flux_err"], c["template_flux_err"]),
}
"""The simulator's own columns: what makes each from the others."""
