"""Settings: the only reader of the settings file and of the environment.

Defaults are overruled by ``conf/site.yaml``, that by environment variables, those by flags. A
variable is the setting's path in capitals: ``FINK_LIKE__KAFKA__SERVERS=broker1:9092`` sets
``kafka.servers``. Secrets (``kafka.options`` with passwords) belong in the environment, as JSON:
``FINK_LIKE__KAFKA__OPTIONS='{"sasl.username": "...", "sasl.password": "...", ...}'``.
"""

import dataclasses
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from fink_like.effects import (
    NEW_CHECKPOINT, NEXT_BATCH, ONLY_NEW_CHECKPOINT, ONLY_NEW_TOPICS, RESTART, flat, plain, setting)
from fink_like.errors import ConfigError

PREFIX = "FINK_LIKE__"
SOURCE_OPTIONS = "FINK_LIKE_SOURCE_OPTIONS"  # of the servers that a mirror reads from, as JSON
UNITS = {"k": 2**10, "m": 2**20, "g": 2**30}
BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class KafkaSettings:
    """Where packets come from and substreams go to."""

    servers: str = setting(  # host:port,host:port the surveys' topics are on
        "127.0.0.1:9092", "another address of the same cluster needs a restart only. On another "
        "cluster the offsets of the old checkpoint are wrong: ingest refuses to start, for its "
        "topics are not there, or have other ids", ingest=NEW_CHECKPOINT,
        distribute=RESTART)
    out_servers: str = setting(  # where substreams go; empty: the same servers
        "", "the substreams' topics are made there; what has been sent is not sent again",
        distribute=RESTART)
    options: dict = setting(  # security, in librdkafka's names, for both
        {}, ingest=RESTART, distribute=RESTART)
    starting_offsets: str = setting(  # earliest | latest
        "earliest", "Spark goes on with the checkpoint's offsets; partitions that appear later are "
        "read from their beginning in any case", ingest=ONLY_NEW_CHECKPOINT)
    substream_partitions: int = setting(
        4, "a topic that exists keeps its partitions", distribute=ONLY_NEW_TOPICS)
    max_message_bytes: int = setting(  # of a substream's topic and of our clients
        10 * 1024 * 1024, "our clients take it at their start; max.message.bytes of a topic that "
        "exists stays as it is: change it with kafka-configs, before it is raised here",
        ingest=RESTART, distribute=RESTART)
    retention_hours: int = setting(  # of a substream's topic
        168, "a topic that exists keeps its retention", distribute=ONLY_NEW_TOPICS)


@dataclass(frozen=True)
class JobSettings:
    """How the three jobs cut the stream into batches."""

    trigger: str = setting("1 second", every=RESTART)  # shortest time between two batches
    ingest_messages: int = setting(  # most messages in one ingest batch; a batch costs 1 s beside
        20_000, "a batch that was planned before is finished as planned", ingest=RESTART)
    ingest_bytes: str = setting(  # and most bytes, by the size of the packets of late
        "1g", "a batch that was planned before is finished as planned", ingest=RESTART)
    flood_share: float = setting(0.5, ingest=RESTART)  # alarm when so much is unreadable
    flood_least: int = setting(100, ingest=RESTART)  # messages a batch must have for that
    flood_action: str = setting(  # alarm | pause: wait for `fink-like resume`
        "alarm", ingest=RESTART)
    disk_warn: float = setting(0.8, ingest=RESTART)  # share of the disk that is full
    disk_pause: float = setting(0.95, ingest=RESTART)  # ingest waits from there on
    science_bytes: str = setting("256m", science=RESTART)  # bronze read by one science batch
    module_patience: float = setting(  # seconds a module may take beyond ten times its budget
        20.0, science=RESTART)
    module_memory: str = setting(  # a module may have at once, and a worker may grow by
        "1g", science=RESTART)
    distribute_bytes: str = setting("64m", distribute=RESTART)  # silver read by one batch
    closed_after_hours: float = setting(  # without a batch, a past night is closed
        6.0, ingest=NEXT_BATCH)


@dataclass(frozen=True)
class SparkSettings:
    """The session, for a laptop; under spark-submit its own flags win."""

    # Two threads, a task may fail four times (local[2] allows none).
    master: str = setting("local[2,4]", "under spark-submit its own flag wins", every=RESTART)
    driver_memory: str = setting("1500m", "under spark-submit its own flag wins", every=RESTART)
    options: dict = setting({}, every=RESTART)  # any spark.* setting
    quick_start: bool = setting(  # compile quickly instead of well: for runs of a few minutes
        False, every=RESTART)


@dataclass(frozen=True)
class Settings:
    """All that doors hand to jobs."""

    # Folder that holds conf/, schemas/ and science_modules/; empty: found.
    root: str = setting("", every=RESTART)
    data: str = setting(  # folder or URL of the tables and checkpoints; empty: var/data in root
        "", "the folder was moved, as one; all is in it", every=RESTART)
    registry: str = setting(  # URL of a schema registry; empty: only the schemas/ folder
        "", "schemas that were fetched are kept", ingest=RESTART, science=RESTART)
    surveys: tuple = setting(  # surveys whose topics ingest reads; empty: all
        (), "one more needs a restart only, and is read from the beginning of its topics. With one "
        "less ingest refuses to start: see the runbook, \"A survey was left out\"",
        ingest=RESTART)
    kafka: KafkaSettings = field(default_factory=KafkaSettings)
    jobs: JobSettings = field(default_factory=JobSettings)
    spark: SparkSettings = field(default_factory=SparkSettings)

    @property
    def conf(self):
        """Folder with surveys/, filters/, simulator/, populations/, worlds/ and modules.yaml."""
        return Path(self.root) / "conf"

    @property
    def schemas(self):
        """Folder with one folder of packet schemas a survey."""
        return Path(self.root) / "schemas"

    @property
    def modules(self):
        """Folder with one folder a science module."""
        return Path(self.root) / "science_modules"

    def path(self, *parts):
        """Location below ``data``, as text that Spark and pathlib both take."""
        return "/".join((self.data.rstrip("/"), *parts))


def load(root=None, environment=None, **flags):
    """Read the settings.

    Parameters
    ----------
    root : str or Path, optional
        Folder that holds ``conf/``; found beside the package or here if not given.
    environment : mapping, optional
        In place of ``os.environ``.
    **flags
        Top-level settings that overrule everything; None means "not given". A dotted name
        (``{"kafka.servers": ...}``) reaches inside.

    Returns
    -------
    Settings

    Raises
    ------
    ConfigError
        A name that does not exist, a value of the wrong type, or a file that is not YAML.
    """
    environment = os.environ if environment is None else environment
    root = Path(root or environment.get(PREFIX + "ROOT") or _find_root())
    given = _read_yaml(root / "conf" / "site.yaml")
    for name, text in environment.items():
        if name.startswith(PREFIX) and name != PREFIX + "ROOT":
            _put(given, name[len(PREFIX):].lower().split("__"), text, f"environment {name}")
    for name, value in flags.items():
        if value is not None:
            _put(given, name.split("."), value, f"flag {name}")
    given["root"] = str(root)
    given.setdefault("data", str(root / "var" / "data"))
    return _build(Settings, given, "settings")


def explain(root=None, environment=None, **flags):
    """Where each setting comes from; parameters and errors as `load`.

    Returns
    -------
    list of tuple
        Dotted name, value (secrets masked), and ``default``, ``conf/site.yaml``,
        ``environment NAME`` or ``flag``.
    """
    environment = os.environ if environment is None else environment
    settings = load(root, environment, **flags)
    site = dict(flat(_read_yaml(Path(settings.root) / "conf" / "site.yaml")))
    return [(name, value, _origin(name, site, environment, flags))
            for name, value in plain(settings).items()]


def in_bytes(text):
    """Bytes of a size as Spark writes it: ``256m``, ``1g``, ``4096``."""
    number, unit = (text[:-1], UNITS[text[-1].lower()]) if text[-1].isalpha() else (text, 1)
    return int(float(number) * unit)


def _origin(name, site, environment, flags):
    """The last of the places that give a setting, or the group of options it is in."""
    parts = name.split(".")
    for path in (parts[:n] for n in range(len(parts), 0, -1)):
        variable = PREFIX + "__".join(path).upper()
        if flags.get(".".join(path)) is not None:
            return "flag"
        if variable in environment:
            return f"environment {variable}"
    return "conf/site.yaml" if name in site else "default"


def source_options(path=None, environment=None):
    """Client options of the servers that a mirror reads from: security, in librdkafka's names.

    Parameters
    ----------
    path : str or Path, optional
        YAML or JSON file of ``name: value``.
    environment : mapping, optional
        In place of ``os.environ``; its `SOURCE_OPTIONS`, JSON, overrules the file.

    Returns
    -------
    dict

    Raises
    ------
    ConfigError
        The file is not there, or one of them is not in that form.
    """
    if path is not None and not Path(path).is_file():
        raise ConfigError(f"{path}: no such file of options")
    given = (os.environ if environment is None else environment).get(SOURCE_OPTIONS, "{}")
    return {**(_read_yaml(Path(path)) if path else {}),
            **_convert(dict, given, f"environment {SOURCE_OPTIONS}")}


def _find_root():
    beside = Path(__file__).resolve().parent.parent
    return beside if (beside / "conf" / "surveys").is_dir() else Path.cwd()


def _read_yaml(path):
    if not path.exists():
        return {}
    try:
        content = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    if content is not None and not isinstance(content, dict):
        raise ConfigError(f"{path}: should hold `name: value` lines, found a "
                          f"{type(content).__name__}")
    return content or {}


def _put(tree, path, value, where):
    *groups, name = path
    for group in groups:
        tree = tree.setdefault(group, {})
        if not isinstance(tree, dict):
            raise ConfigError(f"{where}: {group} is not a group of settings")
    tree[name] = value


def _build(kind, given, where):
    known = {f.name: f for f in dataclasses.fields(kind)}
    unknown = set(given) - set(known)
    if unknown:
        raise ConfigError(f"{where}: no setting called {sorted(unknown)}; there are "
                          f"{sorted(known)}")
    values = {name: _convert(known[name].type, value, f"{where}.{name}")
              for name, value in given.items()}
    return kind(**values)


def _convert(kind, value, where):
    if dataclasses.is_dataclass(kind):
        return _build(kind, value or {}, where)
    try:
        if kind is dict:
            return json.loads(value) if isinstance(value, str) else dict(value)
        if kind is bool:
            return value if isinstance(value, bool) else BOOLEANS[value.lower()]
        if kind is tuple:
            parts = value.split(",") if isinstance(value, str) else value
            return tuple(part.strip() for part in parts if part.strip())
        return kind(value)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise ConfigError(f"{where}: {value!r} is not {kind.__name__}: {error}") from error
