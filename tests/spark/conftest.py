"""Messages as Spark frames, bronze and silver rows of them without Kafka."""

import shutil
from functools import partial
from pathlib import Path

import pytest
from pyspark.sql import functions as F

from fink_like import config
from fink_like.jobs import science
from fink_like.packets import schemas, survey, wire
from fink_like.spark import bronze as bronze_rows
from fink_like.spark import tables
from fink_like.vocabulary import BRONZE

ROOT = Path(__file__).resolve().parents[2]
ARRIVED = "2026-11-21 22:00:00"  # afternoon at both sites
KAFKA_ROW = ("topic string, partition int, offset bigint, timestamp timestamp, key binary, "
             "value binary, headers array<struct<key:string,value:binary>>")
LONG_TOPIC = "a_topic_whose_name_is_longer_than_delta_keeps_in_its_statistics"
TOPICS = {"ztf": "ztf_20250101_programid1", "lsst": "lsst-alerts-v11.0"}


def pytest_collection_modifyitems(items):
    """All that stands here needs Spark."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.spark)


@pytest.fixture(scope="session")
def surveys():
    return survey.load_all(ROOT / "conf" / "surveys")


@pytest.fixture(scope="session")
def known(surveys):
    """Survey name -> list of PacketSchema of the project's own folder; containers have none."""
    return {name: list(schemas.SchemaBook(ROOT / "schemas" / name).known.values())
            for name in surveys}


@pytest.fixture(scope="session")
def known_all(known, surveys, real_messages):
    """As `known`, with every schema that came with a real packet."""
    met = {name: {s.key: s for s in found} for name, found in known.items()}
    for message in real_messages:
        if surveys[message.survey].wire == wire.CONTAINER:
            schema = wire.split(message.value, wire.CONTAINER, None).schema
            met[message.survey][schema.key] = schema
    return {name: list(found.values()) for name, found in met.items()}


@pytest.fixture(scope="session")
def messages(spark):
    """Maker of a frame like Kafka's: ``messages([(topic, value), ...])``; offsets count from 0.

    A third member of a message is its key.
    """
    def make(pairs, arrived=ARRIVED):
        rows = [(topic, 0, offset, bytearray(key[0]) if key and key[0] else None,
                 None if value is None else bytearray(value), [])
                for offset, (topic, value, *key) in enumerate(pairs)]
        flat = KAFKA_ROW.replace("timestamp timestamp, ", "")
        return (spark.createDataFrame(rows, flat)
                .withColumn("timestamp", F.lit(arrived).cast("timestamp")))

    return make


@pytest.fixture(scope="session")
def topics():
    return TOPICS


@pytest.fixture(scope="session")
def to_bronze(messages, surveys, known):
    """Maker of bronze rows: ``to_bronze([(topic, value), ...])``, collected, by offset."""
    plain = config.load(ROOT, environment={})

    def make(pairs, schemas_known=None, settings=plain, arrived=ARRIVED):
        frame = bronze_rows.rows(messages(pairs, arrived), settings, surveys, schemas_known or known, 0)
        return sorted(frame.collect(), key=lambda row: row.offset)

    return make


@pytest.fixture(scope="session")
def specs(surveys):
    return science.live_modules(config.load(ROOT, environment={}), surveys)


@pytest.fixture(scope="session")
def real_bronze(spark, messages, surveys, known_all, real_messages, topics, tmp_path_factory):
    """Bronze table of all real packets, all schemas known; offset = index in `real_messages`."""
    pairs = [(topics[m.survey], m.value) for m in real_messages]
    plain = config.load(ROOT, environment={}, data=str(tmp_path_factory.mktemp("bronze")))
    rows = bronze_rows.rows(messages(pairs), plain, surveys, known_all, 0)
    path = tables.create_bronze(spark, plain)
    tables.append(rows, path, "tests", 0, {}, compression="lz4_raw")
    return tables.read(spark, path)


def append(spark, path, batch, night=20260101, state="ok"):
    """One batch of 4 Kafka partitions with 20 rows each, a file each."""
    given = {"night": str(night), "state": f"'{state}'", "survey": "'s'", "topic": f"'{LONG_TOPIC}'",
             "partition": "CAST(id DIV 20 AS int)", "offset": f"{20 * batch} + id % 20",
             "diaSourceId": f"{1000 * batch} + id", "batch_id": str(batch), "attempt": "0",
             "datum": f"CAST(concat(id, '-{batch}-', repeat(uuid(), 50)) AS binary)"}
    rows = spark.range(0, 80, 1, 4).selectExpr(
        *(f"CAST({given.get(f.name, 'NULL')} AS {f.type}) AS `{f.name}`" for f in BRONZE))
    tables.append(rows, path, "tests", batch, {"batch": batch}, compression="lz4_raw")


@pytest.fixture(scope="session")
def six_batches(spark, tmp_path_factory):
    plain = config.load(ROOT, environment={}, data=str(tmp_path_factory.mktemp("six")))
    path = tables.create_bronze(spark, plain)
    for batch in range(6):
        append(spark, path, batch)
    return path


@pytest.fixture
def bronze(spark, six_batches, tmp_path):
    """A bronze of 24 files, at ``settings.path("bronze")``; ``bronze(batch)`` appends a batch."""
    write = partial(append, spark, shutil.copytree(six_batches, str(tmp_path / "data" / "bronze")))
    write.path = write.args[1]
    return write
