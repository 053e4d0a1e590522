"""Fixtures for all tests: pure ones need nothing, Spark and Kafka start when first asked for."""

import base64
import dataclasses
import io
import json
import os
import shutil
from pathlib import Path
from typing import NamedTuple

import fastavro
import hypothesis
import pytest

from fink_like import config, jars, java, kafka_server
from fink_like.packets import inputs, schemas, survey, wire

hypothesis.settings.register_profile("the same each time", derandomize=True)
hypothesis.settings.load_profile("the same each time")

ROOT = Path(__file__).resolve().parent.parent
LONGEST = ("jobs/test_torture.py", "jobs/test_nightly.py", "jobs/test_rescored.py",
           "cluster/test_standalone.py", "jobs/test_bad_modules.py", "doors/test_demo.py")
FIXTURES = Path(os.environ.get("FINK_LIKE_FIXTURES", ROOT.parent / "shared" / "data"))


def pytest_collection_modifyitems(items):
    """The longest files first, then the streets: none is left to one process alone at the end."""
    def rank(item):
        file = item.path.relative_to(ROOT / "tests").as_posix() if (
            ROOT / "tests" in item.path.parents) else ""
        return LONGEST.index(file) if file in LONGEST else (
            len(LONGEST) + (not file.startswith("jobs/")))

    items.sort(key=rank)


@pytest.fixture(scope="session")
def fixtures():
    """Folder of real packets; they are not part of the project."""
    if not (FIXTURES / "MANIFEST.csv").exists():
        pytest.skip(f"no real packets in {FIXTURES}; set FINK_LIKE_FIXTURES to their folder")
    return FIXTURES


class Message(NamedTuple):
    """A packet as it was on the wire."""

    file: str
    survey: str
    value: bytes


@pytest.fixture(scope="session")
def real_messages(fixtures):
    """All real packets of the two surveys, genuine and re-encoded, oldest schema first."""
    paths = [*sorted(fixtures.glob("ztf/wire*/*/*.avro")),
             *sorted(fixtures.glob("lsst/wire*/*/*.msg"))]
    return [Message(str(path.relative_to(fixtures)), path.relative_to(fixtures).parts[0],
                    path.read_bytes()) for path in paths]


VERSIONS = {"3.3": "3.3", "4.01": "4.02", "4.02": "4.02"}  # of a bare ZTF packet: file
ALIAS = 9000  # added to an id


class Carried(NamedTuple):
    """A real packet in one of the wire forms."""

    file: str
    survey: str
    topic: str
    value: bytes
    key: bytes | None
    packet: wire.Packet  # as it came from the survey


@pytest.fixture(scope="session")
def form_surveys():
    """The two surveys with a topic of each wire form: ``fink_lsst``, ``bare_11.0_lsst``, ..."""
    made = survey.load_all(ROOT / "conf" / "surveys")
    for name, one in made.items():
        files = [path.stem for path in (ROOT / "schemas" / name).glob("*.yaml")]
        table = {"topics": f"bare_{name}", "wire": "bare", "schema": VERSIONS}
        bare = ([table] if name == "ztf" else
                [{"topics": f"bare_{file}_{name}", "wire": "bare", "schema": file}
                 for file in files])
        book = schemas.SchemaBook(ROOT / "schemas" / name)
        aliases = {ALIAS + int(key): int(key) for key in book.known if key.isdigit()}
        auto = {"topics": f"auto_{name}", "wire": "auto"}
        found = inputs.read({
            "topics": one.topics, "wire": one.wire, "inputs": [
                {"topics": f"container_{name}", "wire": "container"}, *bare,
                {"topics": f"framed_{name}", "wire": "framed", "aliases": aliases},
                {"topics": f"fink_{name}", "wire": "fink"},
                {"topics": f"json_{name}", "wire": "json"},
                auto | ({"schema": VERSIONS} if name == "ztf" else {})]})
        made[name] = dataclasses.replace(one, inputs=found, topics=inputs.joined(found))
    return made


@pytest.fixture(scope="session")
def carried(real_messages, container):
    """Every real packet in every wire form that can carry it: list of `Carried`."""
    books = {name: schemas.SchemaBook(ROOT / "schemas" / name) for name in ("ztf", "lsst")}
    found = []
    for file, name, value in real_messages:
        form = "framed" if name == "lsst" else "container"
        packet = wire.split(value, form, books[name])
        forms = {f"container_{name}": (None, value)} if packet.sync else {
            f"framed_{name}": (b"any", b"\x00" + (ALIAS + int(packet.schema.key)).to_bytes(4, "big")
                               + packet.datum)}
        record = wire.decode(packet.datum, packet.schema)
        forms[f"fink_{name}"] = schemas.text(packet.schema.avro).encode(), packet.datum
        if record.get("schemavsn") in VERSIONS or packet.schema.name == "11.0":
            forms[f"json_{name}"] = None, as_json(record)  # older ones lack required fields
        if name == "lsst":
            forms[f"bare_{packet.schema.name}_{name}"] = b"123", packet.datum
        elif record.get("schemavsn") in VERSIONS and is_usual(packet):
            forms[f"bare_{name}"] = None, packet.datum
        found += [Carried(file, name, topic, carried_value, key, packet)
                  for topic, (key, carried_value) in forms.items()]
    return found


def is_usual(packet):
    """Not the one 3.3 packet of 60 that has the null of its unions first."""
    return not ('["null","float"]' in schemas.text(packet.schema.avro)
                and '"fp_hists"' not in schemas.text(packet.schema.avro))


def as_json(record):
    """A record as JSON: bytes in base64, NaN as it stands, integers beyond 2**53 as text."""
    def plain(value):
        if isinstance(value, dict):
            return {name: plain(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [plain(inner) for inner in value]
        if isinstance(value, bytes):
            return base64.b64encode(value).decode()
        return str(value) if type(value) is int and abs(value) > 2**53 else value

    return json.dumps(plain(record)).encode()


@pytest.fixture(scope="session")
def container():
    """Maker of Avro containers: ``container(schema, records, codec=, sync=)``."""
    def make(schema, records, codec="null", sync=b"0123456789abcdef", **more):
        stream = io.BytesIO()
        fastavro.writer(stream, schema, records, codec, sync_marker=sync, **more)
        return stream.getvalue()

    return make


@pytest.fixture(scope="session")
def spark():
    """One session for all tests that need Spark."""
    from fink_like.spark import session

    java.use(java.find_java())
    quick = config.load(ROOT, environment={}, **{
        "spark.quick_start": True,
        "spark.driver_memory": "2g"})  # 0.5 GB of it are what hundreds of queries leave behind
    started = session.build(quick, "tests", jars.paths("spark"))
    yield started
    started.stop()


@pytest.fixture(scope="session")
def kafka(tmp_path_factory):
    """One real Kafka server for all tests that need it; use topic names of your own."""
    java.use(java.find_java())
    with kafka_server.KafkaServer(tmp_path_factory.mktemp("kafka")) as server:
        yield server


@pytest.fixture
def settings(tmp_path):
    """Settings with tables in a folder of the test's own."""
    return config.load(ROOT, environment={}, data=str(tmp_path / "data"))


@pytest.fixture
def project(tmp_path):
    """A copy of conf/, schemas/ and science_modules/ that a test may change."""
    for name in ("conf", "schemas", "science_modules"):
        shutil.copytree(ROOT / name, tmp_path / "project" / name,
                        ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "project"
