"""What one `conf/surveys/<name>.yaml` declares: everything that makes a survey different."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from fink_like.errors import ConfigError
from fink_like.packets import inputs
from fink_like.packets.expressions import Sentinels, parse, references
from fink_like.vocabulary import DETAILS, DETECTION, FORCED, KEYS, LIMIT, Field, Struct

STAMPS = ("science", "template", "difference")
POINT = ("midpointMjdTai", "band", "psfFlux", "psfFluxErr", "visit")


@dataclass(frozen=True)
class History:
    """One array of the packet that gives points of the light curve."""

    array: str
    kind: str
    where: object
    columns: dict = field(hash=False)
    not_own: str = ""


@dataclass(frozen=True)
class Survey:
    """A survey, as declared.

    Parameters
    ----------
    name : str
        Of the YAML file, the folder in `schemas/` and the struct with its own columns.
    wire : str
        Wire form of most of its topics, see `fink_like.packets.wire`.
    topics : str
        Regular expression of all its topics, matched whole.
    inputs : tuple of Input
        Topics and wire form each, see `fink_like.packets.inputs`.
    utc_offset_hours : float
        Of the site's noon, where its nights change.
    first_light_mjd : float
        Earlier times are damage.
    public : str
        Filter text that is true for alerts that may leave on open topics.
    sentinels : Sentinels
    columns : dict
        Neutral name -> expression.
    light_curve : tuple of History
    stamps_form : str
        ``fits`` or ``fits.gz``.
    stamps : dict
        science, template, difference -> path in the packet.
    own : Struct
        The survey's own columns, beside the neutral ones.
    own_columns : dict
        Their name -> expression.
    stands_for : str
        Of an archive: whose alerts modules take these for. Else its own name.
    """

    name: str
    wire: str
    topics: str
    inputs: tuple
    utc_offset_hours: float
    first_light_mjd: float
    public: str
    sentinels: Sentinels
    columns: dict = field(hash=False)
    light_curve: tuple
    stamps_form: str
    stamps: dict = field(hash=False)
    own: Struct
    own_columns: dict = field(hash=False)
    stands_for: str = ""

    def claims(self, topic):
        """Whether a topic carries this survey's packets."""
        return self.input_of(topic) is not None

    def input_of(self, topic):
        """The first `Input` that a topic matches, or None."""
        return next((i for i in self.inputs if re.fullmatch(i.topics, topic)), None)


def load(path):
    """Read one survey.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Survey

    Raises
    ------
    ConfigError
        With the file and the key that is wrong.
    """
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text())
        return _survey(path.stem, content)
    except KeyError as error:
        raise ConfigError(f"{path}: key {error} is missing") from error
    except (yaml.YAMLError, ConfigError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"{path}: {error}") from error


def load_all(folder, names=()):
    """Read all surveys of a folder, or those named.

    Returns
    -------
    dict
        Name -> Survey.

    Raises
    ------
    ConfigError
        Also if a named survey has no file or none is there at all, or two claim the same topics.
    """
    found = {path.stem: path for path in sorted(Path(folder).glob("*.yaml"))}
    absent = sorted(set(names) - set(found))
    if absent or not found:
        raise ConfigError(f"{folder}: no file for {absent or 'any survey'}; there are "
                          f"{list(found)}")
    surveys = {name: load(path) for name, path in found.items() if not names or name in names}
    _refuse_shared_topics(surveys, folder)
    return surveys


def _refuse_shared_topics(surveys, folder):
    """Two patterns that overlap are seen only when a topic comes: the first by name has it."""
    claims = {}
    for survey in surveys.values():
        for source in survey.inputs:
            other = claims.setdefault(source.topics, survey)
            if other is not survey:
                raise ConfigError(f"{folder}: {other.name}.yaml and {survey.name}.yaml both claim "
                                  f"the topics {source.topics!r}; give them to one")


def every_input(surveys):
    """(survey, Input) pairs in the order in which they are tried; a row of a batch counts them."""
    return [(survey, source) for survey in surveys.values() for source in survey.inputs]


def of_topic(surveys, topic):
    """The survey that claims a topic, the first by name, or None."""
    return next((s for s in surveys.values() if s.claims(topic)), None)


def _survey(name, content):
    sources = inputs.read(content)
    missing = content.get("missing", {})
    stamps = content.get("cutouts", {})
    columns = _columns(content["columns"])
    own = {n: _own(n, spec, columns) for n, spec in content.get("own", {}).items()}
    return Survey(
        name=name, wire=sources[0].wire, topics=inputs.joined(sources), inputs=sources,
        utc_offset_hours=float(content["site"]["utc_offset_hours"]),
        first_light_mjd=float(content["first_light_mjd"]), public=content["public"],
        sentinels=Sentinels(tuple(missing.get("numbers", ())), tuple(missing.get("texts", ()))),
        columns=columns,
        light_curve=tuple(_history(h) for h in content.get("light_curve", ())),
        stamps_form=stamps.get("form", ""),
        stamps={s: _expression(stamps[s], f"cutouts.{s}") for s in STAMPS if s in stamps},
        own_columns={n: expression for n, (_, expression) in own.items()},
        own=Struct(name, tuple(column for column, _ in own.values()), f"What only {name} says."),
        stands_for=content.get("stands_for", name))


def _expression(spec, key, columns=()):
    """Parse an expression; what is wrong is said with the key it stands under."""
    try:
        node = parse(spec)
    except ConfigError as error:
        raise ConfigError(f"{key}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"{key}: {spec!r} is not an expression: {error!r}") from error
    absent = sorted(references(node) - set(columns))
    if absent:
        raise ConfigError(f"{key}: no column {', '.join(absent)}; there are {sorted(columns)}")
    return node


def _columns(specs):
    known = {f.name for f in (*KEYS, *DETAILS)}
    unknown = sorted(set(specs) - known)
    absent = sorted({f.name for f in KEYS} - set(specs))
    if unknown or absent:
        raise ConfigError(f"columns: not in the vocabulary: {unknown}; keys not given: {absent}")
    columns = {name: _expression(spec, f"columns.{name}", specs) for name, spec in specs.items()}
    for name in columns:
        _refuse_circle(name, columns)
    return columns


def _refuse_circle(name, columns, passed=()):
    if name in passed:
        raise ConfigError(f"columns.{name}: needs itself, by way of {', '.join(passed)}")
    for other in references(columns[name]):
        _refuse_circle(other, columns, (*passed, name))


def _own(name, spec, columns):
    """Field and expression of one of the survey's own columns."""
    key = f"own.{name}"
    if not isinstance(spec, dict) or "from" not in spec:
        raise ConfigError(f"{key}: needs a type and `from`")
    try:
        column = Field(name, **{k: v for k, v in spec.items() if k != "from"})
    except TypeError as error:
        raise ConfigError(f"{key}: {error}; there are type, unit, ucd, doc and from") from error
    return column, _expression(spec["from"], key, columns)


def _history(spec):
    key = f"light_curve from {spec['from']}"
    if spec["kind"] not in (DETECTION, FORCED, LIMIT):
        raise ConfigError(f"{key}: kind {spec['kind']} is not detection, forced or limit")
    if sorted(spec["columns"]) != sorted(POINT):
        raise ConfigError(f"{key}: columns must be {POINT}")
    return History(spec["from"], spec["kind"], _expression(spec["where"], key),
                   {name: _expression(e, key) for name, e in spec["columns"].items()},
                   spec.get("not_own", ""))
