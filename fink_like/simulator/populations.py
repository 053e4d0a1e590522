"""The kinds of objects of `conf/populations/`, and how objects of each are drawn."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from fink_like.errors import ConfigError
from fink_like.simulator import fast_transients, transients, variables
from fink_like.simulator.expressions import Expression

MODELS = {model.__name__: model for model in (
    transients.supernova, transients.bazin_supernova, transients.tidal_disruption,
    transients.dwarf_nova, transients.nova, transients.microlensing,
    fast_transients.kilonova, fast_transients.afterglow, fast_transients.flare_star,
    variables.rr_lyrae, variables.pulsator, variables.eclipsing_binary, variables.long_period,
    variables.active_nucleus, variables.irregular, variables.residual)}
"""Light curves of objects that stay where they are."""

STATIC, MOVING, ARTEFACT = "static", "moving", "artefact"


@dataclass(frozen=True)
class SourceClass:
    """One class of the population file.

    Parameters
    ----------
    name : str
    share : float
        Of the alerts of a visit, 0 to 1.
    kind : str
        ``static``, ``moving`` or ``artefact``.
    model : callable or None
        One of `MODELS`; only static classes have one.
    parameters : dict of str to Expression
    bogus : bool
        Nothing is there: artefacts, and static classes that say so.
    """

    name: str
    share: float
    kind: str
    model: object
    parameters: dict
    bogus: bool = False


def load(path):
    """Read a population file.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    tuple of SourceClass
        Shares sum to 1.

    Raises
    ------
    ConfigError
        A class without a rate, or with an unknown kind or model.
    """
    entries = yaml.safe_load(Path(path).read_text())["classes"]
    try:
        total = sum(float(entry["per_visit"]) for entry in entries.values())
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}: each class needs a number `per_visit`: {error!r}") from error
    return tuple(_source_class(name, entry, total, path) for name, entry in entries.items())


def _source_class(name, entry, total, path):
    kind, model = entry.get("kind", STATIC), entry.get("model")
    if kind not in (STATIC, MOVING, ARTEFACT):
        raise ConfigError(f"{path}: {name}: kind {kind!r} is not static, moving or artefact")
    if kind == STATIC and model not in MODELS:
        raise ConfigError(f"{path}: {name}: model {model!r} is not one of {sorted(MODELS)}")
    drawn = {**entry["parameters"], **entry.get("host", {})}
    parameters = {parameter: Expression(source, f"{path}: {name}.{parameter}")
                  for parameter, source in drawn.items()}
    bogus = kind == ARTEFACT or bool(entry.get("bogus", False))
    return SourceClass(name, entry["per_visit"] / total, kind, MODELS.get(model), parameters, bogus)


def draw(expressions, keys, scope):
    """Parameters of objects.

    Parameters
    ----------
    expressions : dict of str to Expression
        In the order in which they are drawn; later ones may use earlier ones.
    keys : numpy.ndarray of uint64, shape (n,)
    scope : dict
        ``depth`` (mag), ``start`` and ``end`` (MJD).

    Returns
    -------
    dict of numpy.ndarray, shape (n,)
    """
    drawn = {}
    for name, expression in expressions.items():
        value = expression({**scope, **drawn}, keys, name)
        drawn[name] = np.broadcast_to(np.asarray(value, dtype=np.float64), keys.shape)
    return drawn


def light_curve(source_class, keys, parameters, mjd, wavelength):
    """Flux of static objects at epochs, and what their template holds.

    Parameters
    ----------
    source_class : SourceClass
    keys : numpy.ndarray of uint64, shape (n,)
    parameters : dict of numpy.ndarray, shape (n,)
        With ``reference_offset`` the template was made when the object was so many magnitudes
        fainter than in the mean.
    mjd, wavelength : numpy.ndarray, shape (epochs,) or (n, epochs)
        MJD TAI, ascending; Angstrom.

    Returns
    -------
    tuple of numpy.ndarray, shape (n, epochs)
        Difference flux and template flux of the point source itself, nJy.
    """
    columns = {name: values[:, None] for name, values in parameters.items()}
    flux, reference = source_class.model({**columns, "key": keys[:, None]}, mjd, wavelength)
    if "reference_offset" in columns:
        reference = reference * 10.0 ** (-0.4 * columns["reference_offset"])
    return flux - reference, reference
