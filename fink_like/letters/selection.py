"""Which dead letters: by night, survey, reason or place; as a condition for Arrow and for Spark."""

import functools
import operator
import re
from dataclasses import dataclass

import pyarrow.compute as pc

from fink_like.errors import ConfigError
from fink_like.vocabulary import DEAD_LETTER_REASONS

NO_SURVEY = "none"  # topics that no survey claims
PLACE = re.compile(r"([A-Za-z0-9._-]{1,249}):(\d{1,9}):(\d{1,18})")  # what Kafka allows as a topic


def place(text):
    """Kafka coordinates as people write them.

    Parameters
    ----------
    text : str
        ``TOPIC:PARTITION:OFFSET``.

    Returns
    -------
    dict
        topic, partition, offset.

    Raises
    ------
    ConfigError
        It is something else.
    """
    found = PLACE.fullmatch(text)
    if not found:
        raise ConfigError(f"{text!r} is not TOPIC:PARTITION:OFFSET, such as survey_20260311:0:17")
    return {"topic": found[1], "partition": int(found[2]), "offset": int(found[3])}


@dataclass(frozen=True)
class Selection:
    """Which dead letters; what is None does not matter. Values are checked when it is made.

    Parameters
    ----------
    surveys : iterable of str
        All that are declared.
    night : int, optional
    survey : str, optional
        ``none``: of topics that no survey claims.
    reason : str, optional
    place : str, optional
        ``TOPIC:PARTITION:OFFSET``.
    """

    surveys: tuple
    night: int | None = None
    survey: str | None = None
    reason: str | None = None
    place: str | None = None

    def __post_init__(self):
        for name, value, known in (("survey", self.survey, (*self.surveys, NO_SURVEY)),
                                   ("reason", self.reason, DEAD_LETTER_REASONS)):
            if value is not None and value not in known:
                raise ConfigError(f"no {name} {value!r}; there are {', '.join(sorted(known))}")
        self._values()

    def _values(self):
        """Column -> value; all of them checked, numbers as numbers."""
        chosen = {"night": self.night and int(self.night), "survey": self.survey,
                  "reason": self.reason, **(place(self.place) if self.place else {})}
        return {name: value for name, value in chosen.items() if value is not None}

    def is_all(self):
        """Whether it selects every letter."""
        return not self._values()

    def expression(self):
        """As a `pyarrow.compute.Expression` on bronze; None for all."""
        terms = [pc.field(name).is_null() if self._is_null(name, value) else pc.field(name) == value
                 for name, value in self._values().items()]
        return functools.reduce(operator.and_, terms) if terms else None

    def sql(self):
        """As a Spark SQL condition on bronze."""
        terms = [f"`{name}` IS NULL" if self._is_null(name, value) else f"`{name}` = {value!r}"
                 for name, value in self._values().items()]
        return " AND ".join(terms) or "true"

    @staticmethod
    def _is_null(name, value):
        return name == "survey" and value == NO_SURVEY
