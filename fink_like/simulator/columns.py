"""Simulated quantities as columns, for any pairs of an object and an exposure.

::

    shown = Columns(run, sources, objects, epochs)
    shown["flux"], shown["fwhm"]         # made when first asked for, then kept

The alert of an object and the row of it in a later packet's history come from the same functions
and the same keys, so they agree in every field.
"""

from collections import ChainMap
from collections.abc import Mapping
from functools import cached_property

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
    shown = sources.produced & (mjd[..., -1:] - mjd <= rules["days"])
    if not rules.get("limits"):
        shown = shown & detected
    if rules.get("since_first"):
        shown = shown & (np.cumsum(detected, axis=1) > 0)
    last = rules.get("current", False) & (np.sum(detected, axis=1) > 1)
    shown[:, -1] &= last
    return np.nonzero(shown)


class Columns(Mapping):
    """Columns of the pairs (objects[k], epochs[k]), by the names that a recipe may use.

    Those of the recipe hide the simulator's own (`SIMULATED`), and these the drawn parameters.

    Parameters
    ----------
    run : cadence.Run
    sources : Sources
    objects, epochs : numpy.ndarray of int, shape (rows,)
    """

    def __init__(self, run, sources, objects, epochs):
        self.run, self.sources, self.objects, self.epochs = run, sources, objects, epochs
        self._found = {}

    def __getitem__(self, name):
        if name not in self._found:
            self._found[name] = self._made(name)
        return self._found[name]

    def __iter__(self):
        model = self.run.model
        return iter({**self._found, **model.source, **model.ids, **model.exposure, **SIMULATED,
                     **self.sources.details, **ABSENT})

    def __contains__(self, name):
        model = self.run.model
        return any(name in names for names in (self._found, model.source, model.ids, model.exposure,
                                               SIMULATED, self.sources.details, ABSENT))

    def __len__(self):
        return len(list(iter(self)))

    def update(self, more):
        """Add columns that are made elsewhere."""
        self._found.update(more)

    def rows(self, kept):
        """The same columns for the pairs of a mask."""
        fewer = Columns(self.run, self.sources, self.objects[kept], self.epochs[kept])
        fewer.update({name: value[kept] if np.shape(value)[:1] == kept.shape else value
                      for name, value in self._found.items()})
        return fewer

    @cached_property
    def key(self):
        """Key of each row: of the object in the exposure."""
        return dice.combine(self.sources.key[self.objects], self["tick"])

    @cached_property
    def exposure_key(self):
        """Key of each row's detector image, which other objects share."""
        return dice.combine(self.run.key, self["tick"], self["channel"])

    def _made(self, name):
        model = self.run.model
        if name in model.source:
            return model.source[name](self, self.key, name)
        if name in model.ids:
            return model.ids[name](self, self.key, name)
        if name in model.exposure:
            return model.exposure[name](self, self.exposure_key, name)
        if name in SIMULATED:
            return SIMULATED[name](self)
        if name in self.sources.details:
            return self.sources.details[name][self.objects]
        return ABSENT[name]

    def of_exposure(self, name):
        """A quantity of the exposures."""
        known = getattr(self.sources.epochs, name)
        return np.broadcast_to(known, self.sources.flux.shape)[self.objects, self.epochs]

    def of_field(self, known):
        """A quantity of the field, given as one for all or one an object."""
        return known if np.ndim(known) == 0 else known[self.objects]

    def of_point(self, name):
        """A quantity of the object in the exposure."""
        return getattr(self.sources, name)[self.objects, self.epochs]

    def of_object(self, name):
        """A quantity of the object."""
        return getattr(self.sources, name)[self.objects]

    def counted(self, name):
        """True ones up to the exposure."""
        return np.cumsum(getattr(self.sources, name), axis=1)[self.objects, self.epochs]

    def at_first(self, name):
        """A quantity of the exposure in which the object was first detected."""
        first = np.argmax(self.sources.detected, axis=1)[self.objects]
        known = getattr(self.sources.epochs, name)
        return np.broadcast_to(known, self.sources.flux.shape)[self.objects, first]


ABSENT = {"host_magnitude": np.nan, "host_size": np.nan, "host_offset": np.nan}
"""Parameters that a recipe may ask for though no class has them."""


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


def _is_galaxy(c):
    has_host = "host_magnitude" in c.sources.details
    return np.isfinite(c["host_magnitude"]) if has_host else False


def _number(c):
    """Number of the object in the run; what moves or is no object gets another each time."""
    epoch = np.where(_is(c, "static"), 0, c.of_field(c.sources.epochs.in_run[..., -1]) + 1)
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
    "is_moving": lambda c: _is(c, "moving"), "is_artefact": lambda c: _is(c, "artefact"),
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
