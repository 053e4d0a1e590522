"""``conf/filters/*.yaml`` → `FilterSpec`, each with its examples run, and a list of problems.

A file that is wrong is reported with its line and left out; the others go on. A filter whose
``expires`` is past is in the list, off, with the reason. Each survey's public condition is ANDed
to every filter: what may not leave the broker leaves by no topic.
"""

import datetime
import hashlib
import re
import reprlib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fink_like.errors import ConfigError, FilterError
from fink_like.filters.check import KINDS
from fink_like.filters.compile import Condition, condition, from_tree
from fink_like.filters.declaration import Problem, read
from fink_like.filters.language import nearest
from fink_like.filters.tokens import LARGEST_INTEGER
from fink_like.filters.tree import Call, Kind, Literal, Name

TOPIC = re.compile(r"fink_[a-zA-Z0-9._-]+")  # the prefix keeps substreams apart from input topics
MAX_TOPIC = 249  # characters, Kafka's limit

PYTHON_TYPES = {Kind.INTEGER: (int,), Kind.REAL: (int, float), Kind.TEXT: (str,),
                Kind.BOOLEAN: (bool,)}


@dataclass(frozen=True)
class Route:
    """Alerts of one survey that pass one filter, to one topic."""

    topic: str
    survey: str
    condition: Condition  # the filter's, that it is this survey, and the survey's public one


@dataclass(frozen=True)
class FilterSpec:
    """One filter, checked.

    Parameters
    ----------
    name, owner, says, where : str
        As written in the file.
    topic : str
        With ``{survey}`` where the survey's name goes, see `topics`.
    profile, payload : str
        Form and content of a message, from `fink_like.filters.declaration`.
    surveys : tuple of str
    quota : int
        Bytes a night.
    expires : datetime.date
        The last day it is live.
    condition : Condition
        Of ``where`` alone.
    routes : tuple of Route
        What distribute carries out, one a survey.
    off : str
        Why it is not live; empty: it is.
    """

    name: str
    owner: str
    says: str
    where: str
    topic: str
    profile: str
    payload: str
    surveys: tuple
    quota: int
    expires: datetime.date
    examples: tuple
    condition: Condition
    routes: tuple
    off: str = ""

    def topics(self, survey):
        """Name of the topic for one survey."""
        return self.topic.replace("{survey}", survey)


def load(folder, columns, today, public):
    """Every filter of a folder.

    Parameters
    ----------
    folder : str or Path
    columns : mapping of str to fink_like.vocabulary.Field
        Every column a filter may use, by dotted name; among them ``survey``.
    today : datetime.date
    public : mapping of str to str
        Survey → condition of what may leave the broker, ``true`` for all. A filter may name only
        surveys that are here.

    Returns
    -------
    (list of FilterSpec, list of Problem)
        Both in the order of file names.

    Raises
    ------
    ConfigError
        The folder does not exist, or a public condition is wrong: then nothing may leave.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder of filters")
    gates = {survey: _gate(survey, text, columns) for survey, text in public.items()}
    specs, problems = [], []
    for path in _files(folder):
        try:
            spec = _spec(read(path), columns, gates, today, specs)
        except Problem as problem:
            problems.append(problem)
        else:
            specs.append(spec)
    return specs, problems


def fingerprint(folder):
    """Text that changes when any file of `load`'s folder does; 500 files take about 10 ms.

    A file takes `load` 10 to 20 ms, so a job that runs every second loads when this has changed,
    or the day has.
    """
    digest = hashlib.sha256()
    for path in _files(Path(folder)):
        content = path.read_bytes() if path.is_file() else b""
        digest.update(f"{path.name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _files(folder):
    return sorted(folder.glob("[!.]*.y*ml"))


def _gate(survey, text, columns):
    """Trees of the two conditions every alert of a survey must meet."""
    is_survey = Call("=", (Name("survey"), Literal(survey, Kind.TEXT)))
    try:
        gate = (is_survey, condition(text, columns).tree)
        from_tree(is_survey, columns)
    except FilterError as error:
        raise ConfigError(f"public condition of survey {survey}: {error}") from error
    return gate


def _spec(declared, columns, gates, today, earlier):
    values = declared.values
    if declared.path.name != values["name"] + ".yaml":
        raise declared.problem("name", f"the name is {values['name']}, so the file must be called "
                                       f"{values['name']}.yaml")
    _check_surveys(declared, gates)
    _check_topics(declared, earlier)
    try:
        compiled = condition(values["where"], columns)
    except FilterError as error:
        raise declared.problem_in_text("where", error) from error
    _check_examples(declared, compiled, columns)
    routes = tuple(
        Route(values["topic"].replace("{survey}", survey), survey,
              from_tree(Call("and", (*gates[survey], compiled.tree)), columns))
        for survey in values["surveys"])
    off = f"expired on {values['expires']}" if today > values["expires"] else ""
    return FilterSpec(**values, condition=compiled, routes=routes, off=off)


def _check_surveys(declared, gates):
    for survey in declared.values["surveys"]:
        if survey not in gates:
            raise declared.problem("surveys", f"no survey `{survey}`{nearest(survey, gates)}; "
                                              f"there are {', '.join(gates)}")


def _check_topics(declared, earlier):
    template, surveys = declared.values["topic"], declared.values["surveys"]
    topics = [template.replace("{survey}", survey) for survey in surveys]
    for topic in topics:
        if not TOPIC.fullmatch(topic) or len(topic) > MAX_TOPIC:
            raise declared.problem("topic", f"`{topic[:60]}` cannot be a topic: fink_ and letters, "
                                            f"digits, . _ or -, {MAX_TOPIC} characters at most")
    if len(set(topics)) < len(topics):
        raise declared.problem("topic", "one topic holds one survey: put {survey} into its name")
    taken = {_as_kafka_compares(route.topic): spec for spec in earlier for route in spec.routes}
    for topic in topics:
        if _as_kafka_compares(topic) in taken:
            other = taken[_as_kafka_compares(topic)].name
            raise declared.problem("topic", f"`{topic}` is the topic of filter {other} already")


def _as_kafka_compares(topic):
    """Kafka refuses a topic that differs from another only in ``.`` and ``_``."""
    return topic.replace(".", "_")


def _check_examples(declared, compiled, columns):
    examples = declared.values["examples"]
    for position, example in enumerate(examples):
        for name, value in example["row"].items():
            wrong = _wrong_cell(name, value, columns)
            if wrong:
                raise declared.problem("examples", f"example {position + 1}: {wrong}", position)
    rows = {name: pd.Series([example["row"].get(name) for example in examples], dtype=object)
            for name in compiled.columns}  # a column that an example leaves out is missing
    found = compiled.mask(pd.DataFrame(rows, index=range(len(examples))))
    for position, (example, passes) in enumerate(zip(examples, found)):
        if passes != (example["expect"] == "pass"):
            raise declared.problem(
                "examples", f"example {position + 1} ({example['say']}) expects "
                            f"{example['expect']}, but the filter says "
                            f"{'pass' if passes else 'reject'}", position)


def _wrong_cell(name, value, columns):
    if name not in columns:
        return f"no column `{name}`{nearest(str(name), columns)}"
    kind = KINDS.get(columns[name].type)
    if kind is None:
        return f"`{name}` is of type {columns[name].type}, which no filter uses; leave it out"
    is_fit = value is None or type(value) in PYTHON_TYPES[kind]
    if type(value) is int and abs(value) > LARGEST_INTEGER:
        is_fit = False
    return "" if is_fit else f"`{name}` is {reprlib.repr(value)}; it should be {kind.value}"
