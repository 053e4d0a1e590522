"""A survey as the simulator sees it: `conf/simulator/<survey>.yaml`, read and checked once."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import yaml

from fink_like.errors import ConfigError
from fink_like.packets import survey as declared
from fink_like.packets.schemas import load_notation
from fink_like.simulator import encoder, populations, worlds
from fink_like.simulator.expressions import Expression, expressions
from fink_like.simulator.worlds import merge

SECTIONS = ("schema", "wire", "start_mjd", "alerts_per_visit", "site", "cadence", "noise", "bands",
            "history", "stamps", "ids", "exposure", "source", "records")
HISTORY, FORCED, ALERT = "history", "forced", "alert"


@dataclass(frozen=True)
class RecordRecipe:
    """What fills one record of the packet.

    Parameters
    ----------
    rows : str
        ``alert``, ``history`` or ``forced``: which rows it is made for.
    fields : dict of str to Expression
    detected : set of str
        Fields that are null where there was no detection.
    when : Expression or None
        Where it is false the record is null.
    """

    rows: str
    fields: dict
    detected: frozenset
    when: Expression | None


@dataclass(frozen=True)
class SurveyModel:
    """A survey to simulate; made by `open_survey`.

    Parameters
    ----------
    survey : str
        Its name, as in ``conf/surveys/``.
    recipe : dict
        Plain sections: site, cadence, noise, bands, history, stamps, wire, ...
    schema : dict
        Avro schema of its packets.
    program : encoder.Record
        The schema, ready to encode.
    ids, exposure, source : dict of str to Expression
        Ids; columns of an exposure; columns of a difference source.
    records : dict of str to RecordRecipe
        By the field of the alert that holds the record; ``alert`` is the alert itself.
    classes : tuple of SourceClass
    declared : callable
        Gives the survey as the broker reads it, `packets.survey.Survey`.
    field_rules, variations : dict of str to Expression
        Of its world, see `worlds`; empty without one.
    """

    survey: str
    recipe: dict
    schema: dict
    program: object
    ids: dict
    exposure: dict
    source: dict
    records: dict
    classes: tuple
    declared: Callable
    field_rules: dict = field(default_factory=dict)
    variations: dict = field(default_factory=dict)

    @property
    def depth(self):
        """Typical 5-sigma magnitude: the mean over bands, weighted as they are used."""
        bands = self.recipe["bands"].values()
        return (sum(band["depth"] * band["weight"] for band in bands)
                / sum(band["weight"] for band in bands))


def open_survey(settings_root, survey, population="stream", world=None):
    """Read what is needed to simulate a survey.

    Parameters
    ----------
    settings_root : str or Path
        Folder that holds ``conf/`` and ``schemas/``.
    survey : str
        Name of a file in ``conf/simulator/``.
    population : str, optional
        Name of a file in ``conf/populations/``.
    world : str, optional
        Name of a file in ``conf/worlds/``, for training; it names its own population.

    Returns
    -------
    SurveyModel

    Raises
    ------
    ConfigError
        A file is missing, or says what cannot be done.
    """
    root = Path(settings_root)
    path = root / "conf" / "simulator" / f"{survey}.yaml"
    recipe = _read(path)
    rules = {}
    if world is not None:
        found = worlds.load(root / "conf" / "worlds" / f"{world}.yaml")
        recipe = merge(recipe, found.overlay(recipe.get("survey", survey)))
        population = found.population
        rules = {"field_rules": found.field_rules, "variations": found.variations}
    missing = [section for section in SECTIONS if section not in recipe]
    if missing:
        raise ConfigError(f"{path}: sections {missing} are missing")
    schema = load_notation(root / "schemas" / recipe["schema"])
    program = encoder.compile_record(schema)
    groups = {name: expressions(recipe[name], f"{path}: {name}")
              for name in ("ids", "exposure", "source")}
    records = {name: _record(entry, f"{path}: {name}")
               for name, entry in recipe["records"].items()}
    _check(records, program, path)
    classes = populations.load(root / "conf" / "populations" / f"{population}.yaml")
    name = recipe.get("survey", survey)
    return SurveyModel(survey=name, recipe=recipe, schema=schema, program=program,
                       records=records, classes=classes, declared=_declared(root, name),
                       **groups, **rules)


def _declared(root, name):
    """What reads the survey's own YAML when it is first asked for: packets need it not."""
    return cache(lambda: declared.load(root / "conf" / "surveys" / f"{name}.yaml"))


def _read(path):
    try:
        recipe = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        known = sorted(entry.stem for entry in path.parent.glob("*.yaml"))
        raise ConfigError(f"no readable recipe {path}: {error}; there are {known}") from error
    if "extends" in recipe:
        recipe = merge(_read(path.with_name(f"{recipe.pop('extends')}.yaml")), recipe)
    return recipe


def _record(entry, where):
    if entry.get("rows") not in (ALERT, HISTORY, FORCED):
        raise ConfigError(f"{where}: rows is {entry.get('rows')!r}, "
                          "not alert, history or forced")
    detected = entry.get("detected") or {}
    fields = expressions({**(entry.get("fields") or {}), **detected}, where)
    when = Expression(entry["when"], f"{where}.when") if "when" in entry else None
    return RecordRecipe(entry["rows"], fields, frozenset(detected), when)


def _check(records, program, path):
    """Every field of the recipe is in the schema, and every field without a null is filled."""
    children = {ALERT: program, **program.children()}
    for name, record in records.items():
        if name not in children:
            raise ConfigError(f"{path}: {name}: the schema's alert has no such record")
        known = {field.name: field for field in children[name].fields}
        unknown = set(record.fields) - set(known)
        needed = {field.name for field in known.values() if not field.nullable and not field.child}
        if unknown or needed - set(record.fields):
            raise ConfigError(f"{path}: {name}: not in the schema: {sorted(unknown)}; "
                              f"not filled: {sorted(needed - set(record.fields))}")
