"""Fixtures for all tests: pure ones need nothing, Spark and Kafka start when first asked for."""

import io
import os
import shutil
from pathlib import Path
from typing import NamedTuple

import fastavro
import pytest

from fink_like import config, jars, java, kafka_server

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = Path(os.environ.get("FINK_LIKE_FIXTURES", ROOT.parent / "shared" / "data"))


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
    quick = config.load(ROOT, environment={}, **{"spark.quick_start": True})
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
