"""What a survey detects: objects of a field, seen in its exposures with noise and limits."""

from dataclasses import replace

import numpy as np

from fink_like.errors import ConfigError
from fink_like.simulator import cadence, dice, frames, light, populations
from fink_like.simulator.measuring import measured, noise
from fink_like.simulator.sources import THRESHOLD, Sources, join

BLOCK = 4096
"""Objects whose light curves are made at a time; bounds the memory."""

TRIALS = (3000, 24)
"""Objects, and visits of the run, from which a class's chance of detection is estimated."""


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
    parameters = populations.draw(source_class.parameters, keys, _scope(run))
    if source_class.kind == populations.MOVING:
        difference = light.sunlight(parameters["magnitude"][:, None], parameters, epochs.wavelength)
        template = np.zeros_like(difference)
    else:
        difference, template = light.static(source_class, keys, parameters, epochs)
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
               for name in ("mjd", "band", "limit_flux", "tick", "in_run")}
    return cadence.Epochs(-1, 0.0, 0.0, **columns, passbands=chosen[0].passbands)


def _scope(run):
    """What the parameters of a population may use besides each other."""
    return {"depth": run.model.depth, "start": run.start - run.lead_days, "end": run.end}


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
            part = observe(run, epochs, index, keys[rows], first + rows)
            parts.append(part.take(np.flatnonzero(part.detected[:, -1])))
        first += number
    found = join(parts)
    return found.take(np.argsort(dice.uniform(found.key, "order"), kind="stable"))


def _how_many(run, visit, index):
    """Objects of a class in a field, Poisson distributed; artefacts: in this visit."""
    source_class = run.model.classes[index]
    expected = run.alerts_per_visit * source_class.share / run.efficiencies[index]
    moment = (visit.night, visit.turn) if source_class.kind == populations.ARTEFACT else (0, 0)
    seed = [int(run.key), visit.field, index, *moment]
    return int(np.random.default_rng(seed).poisson(expected))


def observe(run, epochs, index, keys, rows):
    """One block of objects of one class, in all exposures, detected or not.

    Parameters
    ----------
    run : cadence.Run
    epochs : Epochs
        Of their field, or of each.
    index : int
        Place of the class in the model's.
    keys : numpy.ndarray of uint64, shape (n,)
    rows : numpy.ndarray of int, shape (n,)
        Numbers of the objects in their field.

    Returns
    -------
    Sources
    """
    return measure(run, shine(run, epochs, index, keys, rows))


def shine(run, epochs, index, keys, rows):
    """Objects before they are measured, as `observe`: their flux is the true one."""
    source_class = run.model.classes[index]
    ra, dec = _positions(run, epochs, keys)
    parameters = _parameters(run, source_class, keys, ra, dec)
    shape = (len(keys), np.shape(epochs.mjd)[-1])
    if source_class.kind == populations.STATIC:
        true, template = light.static(source_class, keys, parameters, epochs)
        if np.isnan(true).any():
            raise ConfigError(f"{source_class.name}: parameters for which its model has no light; "
                              "bound them in the population file")
    else:
        true, template = np.zeros(shape), light.under(np.zeros(shape), parameters, epochs)
    if source_class.kind == populations.MOVING:
        start = run.start if np.ndim(epochs.mjd) == 1 else epochs.mjd[:, -1]
        geometry = light.moving(start, epochs, parameters, ra, dec)
        ra, dec = geometry.pop("ra"), geometry.pop("dec")
        true[:, -1:] = light.sunlight(geometry.pop("apparent")[:, None], parameters,
                                      epochs.wavelength[..., -1:])
        parameters = {**parameters, **geometry}
    error = noise(run.model, true + template, epochs.limit_flux)
    return Sources(epochs, keys, rows, np.full(len(keys), index), ra, dec, true, template, true,
                   error, _produced(run, epochs, rows), parameters,
                   np.zeros(len(keys), dtype=object))


def measure(run, sources):
    """The same objects with measured fluxes."""
    flux = measured(sources.true_flux, sources.flux_err, sources.epochs, sources.key,
                    sources.details)
    kinds = np.array([each.kind == populations.ARTEFACT for each in run.model.classes])
    false = np.flatnonzero(kinds[sources.source_class])
    if len(false):
        p = {name: sources.details[name][false] for name in ("sign", "snr")}
        flux[false, -1] = p["sign"] * p["snr"] * sources.flux_err[false, -1]
    return replace(sources, flux=flux)


def _parameters(run, source_class, keys, ra, dec):
    """Drawn parameters of the objects, and of how they are seen."""
    parameters = populations.draw(source_class.parameters, keys, _scope(run))
    if run.model.variations:
        scope = {**_scope(run), "galactic_lat": frames.galactic(ra, dec)[1], **parameters}
        parameters |= populations.draw(run.model.variations, keys, scope)
    return parameters


def _positions(run, epochs, keys):
    """Uniform in the field's disc."""
    radius = run.model.recipe["site"]["field_radius"] * np.sqrt(dice.uniform(keys, "radius"))
    angle = 2.0 * np.pi * dice.uniform(keys, "angle")
    return frames.offset(epochs.ra, epochs.dec, radius * np.sin(angle), radius * np.cos(angle))


def _produced(run, epochs, rows):
    """Difference images exist from when a detector's sky got its template."""
    rules = run.model.recipe["cadence"]["production"]
    keys = dice.combine(run.key, epochs.field, rows % run.model.recipe["site"]["channels"])
    days = rules["days"] * 10.0 ** (rules["dex"] * dice.normal(keys, "production"))
    days = np.where(dice.uniform(keys, "new sky") < rules["new"], 0.0, days)
    return epochs.taken & ((epochs.mjd >= run.start - days[:, None]) | (epochs.in_run >= 0))
