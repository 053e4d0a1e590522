"""Worlds to train in: a population, and how what is seen of it varies; `conf/worlds/<name>.yaml`.

A classifier that knows one cadence, one depth and errors that are always right knows our simulator,
not the sky. So a world says what changes from field to field and from object to object, and what
it lays over a survey's recipe. Another world, made of other numbers, tells how much was learnt.
"""

from dataclasses import dataclass
from pathlib import Path

import yaml

from fink_like.errors import ConfigError
from fink_like.simulator.expressions import expressions

SECTIONS = ("population", "recipe", "recipes", "field", "object")

FIELD_RULES = ("revisit_nights", "clear", "pairs", "gap_days", "depth", "depth_scatter")
"""What a world may say of a field: see `calendars.calendar`."""

VARIATIONS = ("ebv", "error_scale", "outlier_share", "outlier_size", "reference_shift",
              "reference_depth")
"""What a world may say of an object: dust, see `dust`; errors, see `measuring.measured`."""


@dataclass(frozen=True)
class World:
    """A world, as declared.

    Parameters
    ----------
    population : str
        Name of a file in ``conf/populations/``.
    recipe : dict
        Laid over every survey's recipe.
    recipes : dict of str to dict
        Laid over one survey's recipe.
    field_rules, variations : dict of str to Expression
    """

    population: str
    recipe: dict
    recipes: dict
    field_rules: dict
    variations: dict

    def overlay(self, survey):
        """What it lays over a survey's recipe."""
        return merge(self.recipe, self.recipes.get(survey, {}))


def load(path):
    """Read a world.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    World

    Raises
    ------
    ConfigError
        No such file, or something in it that no world has.
    """
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        known = sorted(entry.stem for entry in path.parent.glob("*.yaml"))
        raise ConfigError(f"no readable world {path}: {error}; there are {known}") from error
    _refuse(path, "", content, SECTIONS)
    rules, variations = content.get("field", {}), content.get("object", {})
    _refuse(path, "field: ", rules, FIELD_RULES)
    _refuse(path, "object: ", variations, VARIATIONS)
    if "population" not in content:
        raise ConfigError(f"{path}: names no population, a file of conf/populations")
    return World(content["population"], content.get("recipe", {}), content.get("recipes", {}),
                 expressions(rules, f"{path}: field"), expressions(variations, f"{path}: object"))


def _refuse(path, where, names, known):
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ConfigError(f"{path}: {where}{', '.join(unknown)}: not one of {', '.join(known)}")


def merge(below, above):
    """A nested mapping laid over another."""
    merged = dict(below)
    for name, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = merge(merged[name], value) if both else value
    return merged
