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

from fink_like.errors import ConfigError

PREFIX = "FINK_LIKE__"
BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class KafkaSettings:
    """Where packets come from and substreams go to."""

    servers: str = "127.0.0.1:9092"  # host:port,host:port the surveys' topics are on
    out_servers: str = ""  # where substreams go; empty: the same servers
    options: dict = field(default_factory=dict)  # security, in librdkafka's names, for both
    starting_offsets: str = "earliest"  # earliest | latest, for a new checkpoint only
    substream_partitions: int = 4
    max_message_bytes: int = 10 * 1024 * 1024  # of a substream's topic and of our producer
    retention_hours: int = 168  # of a substream's topic


@dataclass(frozen=True)
class JobSettings:
    """How the three jobs cut the stream into batches."""

    trigger: str = "1 second"  # shortest time between two batches
    ingest_messages: int = 3000  # most messages in one ingest batch
    ingest_bytes: str = "512m"  # and most bytes, by the size of the packets of late
    flood_share: float = 0.5  # alarm when so much of a batch is unreadable
    flood_least: int = 100  # messages a batch must have for that
    flood_action: str = "alarm"  # alarm | pause: wait for `fink-like resume`
    disk_warn: float = 0.8  # share of the disk that is full
    disk_pause: float = 0.95  # ingest waits from there on
    science_bytes: str = "256m"  # bronze read by one science batch
    distribute_bytes: str = "64m"  # silver read by one distribute batch
    closed_after_hours: float = 6.0  # without a batch, a past night is closed (`fink-like nightly`)


@dataclass(frozen=True)
class SparkSettings:
    """The session, for a laptop; under spark-submit its own flags win."""

    master: str = "local[2,4]"  # two threads, a task may fail four times (local[2] allows none)
    driver_memory: str = "1500m"
    options: dict = field(default_factory=dict)  # any spark.* setting
    quick_start: bool = False  # compile quickly instead of well: for runs of a few minutes


@dataclass(frozen=True)
class Settings:
    """All that doors hand to jobs."""

    root: str = ""  # folder that holds conf/, schemas/ and science_modules/; empty: found
    data: str = ""  # folder or URL of the tables and checkpoints; empty: var/data in root
    registry: str = ""  # URL of a schema registry; empty: only the schemas/ folder
    surveys: tuple = ()  # surveys whose topics ingest reads; empty: all
    kafka: KafkaSettings = field(default_factory=KafkaSettings)
    jobs: JobSettings = field(default_factory=JobSettings)
    spark: SparkSettings = field(default_factory=SparkSettings)

    @property
    def conf(self):
        """Folder with surveys/, filters/, populations/ and modules.yaml."""
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
