"""What a survey detects: objects of a field, seen in its exposures with noise and limits."""

import json
from dataclasses import dataclass

import numpy as np

from fink_like.errors import ConfigError
from fink_like.simulator import asteroids, cadence, dice, frames, populations
from fink_like.simulator.photometry import blackbody_ratio, flux_error, nanojansky
from fink_like.simulator.transients import OPTICAL

THRESHOLD = 5.0
"""Signal to noise of a detection, of either sign (both surveys' rule)."""

BLOCK = 4096
"""Objects whose light curves are made at a time; bounds the memory."""

TRIALS = (3000, 24)
"""Objects, and visits of the run, from which a class's chance of detection is estimated."""

HOST_TEMPERATURE = 5500.0
"""K, colour of a host galaxy."""

VECTORS = ("helio", "topo", "helio_velocity", "topo_velocity")


@dataclass(frozen=True)
class Sources:
    """Objects detected in a visit, and all their earlier exposures.

    Arrays are (n,) or (n, epochs); the visit is the last epoch. Fluxes in nJy.
    """

    epochs: cadence.Epochs
    key: np.ndarray
    row: np.ndarray  # number of the object in its field
    source_class: np.ndarray  # index in the model's classes
    ra: np.ndarray
    dec: np.ndarray
    true_flux: np.ndarray
    template_flux: np.ndarray
    flux: np.ndarray
    flux_err: np.ndarray
    produced: np.ndarray  # was there a difference image
    details: dict  # parameters and geometry by name, NaN where a class has none
    truth: np.ndarray  # parameters as JSON

    @property
    def detected(self):
        """Where the measured flux passes the threshold, in a difference image."""
        return self.produced & (np.abs(self.flux) >= THRESHOLD * self.flux_err)

    def take(self, rows):
        """Some of the objects."""
        picked = {name: value[rows] for name, value in vars(self).items()
                  if isinstance(value, np.ndarray)}
        details = {name: value[rows] for name, value in self.details.items()}
        return Sources(epochs=self.epochs, details=details, **picked)


def efficiencies(run):
    """Chance that an object is detected in an exposure of a run, for each class.

    Parameters
    ----------
    run : cadence.Run

    Returns
    -------
    tuple of float

    Raises
    ------
    ConfigError
        None of a class's trial objects was detected.
    """
    epochs = _trial_epochs(run)
    return tuple(_efficiency(run, source_class, epochs) for source_class in run.model.classes)


def _efficiency(run, source_class, epochs):
    if source_class.kind == populations.ARTEFACT:
        return 1.0
    keys = dice.combine(run.key, np.arange(TRIALS[0]))
    parameters = populations.draw(source_class, keys, _scope(run))
    if source_class.kind == populations.MOVING:
        difference = _sunlight(parameters["magnitude"][:, None], parameters, epochs.wavelength)
        template = np.zeros_like(difference)
    else:
        difference, template = _static(source_class, keys, parameters, epochs)
    error = noise(run.model, difference + template, epochs.limit_flux)
    flux = difference + error * dice.normal(dice.combine(keys[:, None], epochs.tick), "noise")
    share = float(np.mean(np.abs(flux) >= THRESHOLD * error))
    if share == 0.0:
        raise ConfigError(f"{source_class.name}: nothing of it is detected by {run.model.survey} "
                          f"(depth {run.model.depth:.1f}); make it brighter in the population file")
    return share


def _trial_epochs(run):
    """Some of the run's own visits, evenly chosen, as if they were of one field."""
    total = run.visits * run.nights
    numbers = np.unique(np.linspace(0, total - 1, TRIALS[1]).astype(int))
    chosen = [cadence.epochs(run, run.visit(number)) for number in numbers.tolist()]
    order = np.argsort([epochs.mjd[-1] for epochs in chosen])
    columns = {name: np.array([getattr(chosen[i], name)[-1] for i in order])
               for name in ("mjd", "band", "limit_flux", "wavelength", "tick", "in_run")}
    return cadence.Epochs(-1, 0.0, 0.0, **columns)


def _scope(run):
    """What the parameters of a population may use besides each other."""
    return {"depth": run.model.depth, "start": run.start, "end": run.end}


def noise(model, total_flux, limit_flux):
    """1-sigma error in nJy of fluxes in exposures with a 5-sigma limit."""
    rules = model.recipe["noise"]
    photons = flux_error(total_flux, limit_flux, rules["gamma"])
    return np.hypot(photons, rules["calibration"] * np.maximum(total_flux, 0.0))


def detect(run, visit):
    """Everything one visit detects.

    Parameters
    ----------
    run : cadence.Run
    visit : cadence.Visit

    Returns
    -------
    Sources
        In random order.
    """
    epochs = cadence.epochs(run, visit)
    parts, first = [], 0
    for index, source_class in enumerate(run.model.classes):
        number = _how_many(run, visit, index)
        if source_class.kind == populations.ARTEFACT:
            keys = dice.combine(run.key, visit.field, index, epochs.tick[-1], np.arange(number))
        else:
            keys = dice.combine(run.key, visit.field, index, np.arange(number))
        for low in range(0, number or 1, BLOCK):  # a class without objects still names its columns
            rows = np.arange(low, min(low + BLOCK, number))
            part = _observe(run, epochs, index, keys[rows], first + rows)
            parts.append(part.take(np.flatnonzero(part.detected[:, -1])))
        first += number
    found = _join(parts)
    return found.take(np.argsort(dice.uniform(found.key, "order"), kind="stable"))


def _how_many(run, visit, index):
    """Objects of a class in a field, Poisson distributed; artefacts: in this visit."""
    source_class = run.model.classes[index]
    expected = run.alerts_per_visit * source_class.share / run.efficiencies[index]
    moment = (visit.night, visit.turn) if source_class.kind == populations.ARTEFACT else (0, 0)
    seed = [int(run.key), visit.field, index, *moment]
    return int(np.random.default_rng(seed).poisson(expected))


def _observe(run, epochs, index, keys, rows):
    """One block of objects of one class, in all exposures."""
    source_class = run.model.classes[index]
    parameters = populations.draw(source_class, keys, _scope(run))
    ra, dec = _positions(run, epochs, keys)
    geometry = {}
    shape = (len(keys), len(epochs.mjd))
    if source_class.kind == populations.STATIC:
        true, template = _static(source_class, keys, parameters, epochs)
    else:
        true, template = np.zeros(shape), np.zeros(shape)
    if source_class.kind == populations.MOVING:
        geometry = _move(run, epochs, parameters, ra, dec)
        ra, dec = geometry.pop("ra"), geometry.pop("dec")
        true[:, -1:] = _sunlight(geometry.pop("apparent")[:, None], parameters,
                                 epochs.wavelength[-1:])
    error = noise(run.model, true + template, epochs.limit_flux)
    flux = true + error * dice.normal(dice.combine(keys[:, None], epochs.tick), "noise")
    if source_class.kind == populations.ARTEFACT:
        flux[:, -1] = parameters["sign"] * parameters["snr"] * error[:, -1]
    return Sources(epochs, keys, rows, np.full(len(keys), index), ra, dec, true, template, flux,
                   error, _produced(run, epochs, rows), {**parameters, **geometry},
                   np.zeros(len(keys), dtype=object))


def _positions(run, epochs, keys):
    """Uniform in the field's disc."""
    radius = run.model.recipe["site"]["field_radius"] * np.sqrt(dice.uniform(keys, "radius"))
    angle = 2.0 * np.pi * dice.uniform(keys, "angle")
    return frames.offset(epochs.ra, epochs.dec, radius * np.sin(angle), radius * np.cos(angle))


def _static(source_class, keys, parameters, epochs):
    """Difference and template flux of objects that stay, with their host below."""
    difference, template = populations.light_curve(source_class, keys, parameters, epochs.mjd,
                                                   epochs.wavelength)
    if "host_magnitude" in parameters:
        colour = blackbody_ratio(epochs.wavelength, OPTICAL, HOST_TEMPERATURE)
        template = template + nanojansky(parameters["host_magnitude"])[:, None] * colour
    return difference, template


def _sunlight(magnitude, parameters, wavelength):
    return (nanojansky(magnitude)
            * blackbody_ratio(wavelength, OPTICAL, parameters["temperature"][:, None]))


def _move(run, epochs, parameters, ra, dec):
    """Where moving objects are at the last epoch; they are spread over the field at the first."""
    mjd = epochs.mjd[-1]
    state = asteroids.place(ra, dec, run.start, parameters)
    before = asteroids.observe(*state, 0.0, run.start)
    now = asteroids.observe(*state, mjd - run.start, mjd)
    absolute = parameters["magnitude"] - asteroids.dimming(before, parameters["slope"])
    turn = 2.0 * np.pi * (mjd - run.start) / parameters["rotation_period"]
    spin = 0.5 * parameters["rotation_amplitude"] * np.sin(turn)
    apparent = absolute + asteroids.dimming(now, parameters["slope"]) + spin
    for name in VECTORS:
        for axis, letter in enumerate("xyz"):
            now[f"{name}_{letter}"] = now[name][:, axis]
    plain = {name: value for name, value in now.items() if name not in VECTORS}
    return {**plain, "apparent": apparent, "absolute_magnitude": absolute,
            "epoch": np.full(len(absolute), run.start), **asteroids.elements(*state, run.start)}


def _produced(run, epochs, rows):
    """Difference images exist from when a detector's sky got its template."""
    rules = run.model.recipe["cadence"]["production"]
    keys = dice.combine(run.key, epochs.field, rows % run.model.recipe["site"]["channels"])
    days = rules["days"] * 10.0 ** (rules["dex"] * dice.normal(keys, "production"))
    days = np.where(dice.uniform(keys, "new sky") < rules["new"], 0.0, days)
    return (epochs.mjd >= run.start - days[:, None]) | (epochs.in_run >= 0)


def _join(parts):
    """Put blocks of different classes together; parameters become columns and JSON."""
    names = dict.fromkeys(name for part in parts for name in part.details)
    joined = {name: np.concatenate([vars(part)[name] for part in parts])
              for name, value in vars(parts[0]).items() if isinstance(value, np.ndarray)}
    joined["truth"] = np.concatenate([_texts(part) for part in parts])
    details = {name: np.concatenate([part.details.get(name, np.full(len(part.key), np.nan))
                                     for part in parts]) for name in names}
    return Sources(epochs=parts[0].epochs, details=details, **joined)


def _texts(part):
    columns = {name: np.round(values, 6).tolist() for name, values in part.details.items()}
    rows = zip(*columns.values(), strict=True)
    texts = [json.dumps(dict(zip(columns, row, strict=True))) for row in rows]
    return np.array(texts, dtype=object)
