"""A street of one's own: topics and tables that no other test touches, the jobs, and counting."""

import contextlib
import shutil
import time
import uuid
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from fink_like import cli, config, simulator
from fink_like.jobs import distribute, ingest, science
from fink_like.spark import kafka as kafka_tables
from fink_like.spark import tables
from fink_like.spark.control import ControlFolder
from fink_like.spark.lease import release

COORDINATES = ("topic", "partition", "offset")


def pytest_collection_modifyitems(items):
    """All that stands here needs Spark and Kafka."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.spark)
            item.add_marker(pytest.mark.kafka)


EVERY_ALERT = """
name: every_alert
owner: tests
topic: fink_every_alert_{survey}
surveys: [ztf, lsst]
says: All that has an error.
where: psfFluxErr > 0
payload: full
quota: 500 MB/night
expires: 2099-12-31
examples:
  - {say: has one, expect: pass, row: {psfFluxErr: 5.0}}
  - {say: has none, expect: reject, row: {psfFluxErr: null}}
"""


class Street:
    """One project, its topics on the tests' Kafka server, its tables, its jobs.

    Topics carry a prefix of this street, on both ends, because all tests share the server.
    """

    def __init__(self, project, servers, spark, folder, **flags):
        self.project, self.spark = project, spark
        self.prefix = f"t{uuid.uuid4().hex[:8]}_"
        for path in [*(project / "conf" / "surveys").glob("*.yaml")]:
            self._replace(path, "topics: ", f"topics: {self.prefix}(", ")")
        (project / "conf" / "filters" / "every_alert.yaml").write_text(EVERY_ALERT)
        for path in (project / "conf" / "filters").glob("*.yaml"):
            self._replace(path, "topic: fink_", f"topic: fink_{self.prefix}", "")
        flags = {"jobs.ingest_messages": 200, **flags}
        self.settings = config.load(project, environment={}, data=str(folder / "data"),
                                    **{"kafka.servers": servers, **flags})

    @staticmethod
    def _replace(path, before, after, behind):
        lines = path.read_text().splitlines()
        path.write_text("\n".join(
            after + line[len(before):].split(" #")[0].strip() + behind
            if line.startswith(before) else line for line in lines) + "\n")

    def topic(self, name, partitions=2):
        """Make an input topic of this street; its name with the prefix."""
        full = self.prefix + name
        kafka_tables.ensure_topics(self.settings, [full], partitions, self.settings.kafka.servers)
        return full

    def publish(self, topic, values):
        """Send values, None being a tombstone; how many were acknowledged."""
        acknowledged = []
        producer = Producer({"bootstrap.servers": self.settings.kafka.servers, "linger.ms": 5,
                             "message.max.bytes": 10 * 1024 * 1024})
        for value in values:
            producer.produce(topic, value, key=b"key", headers=[("origin", b"test")],
                             on_delivery=lambda e, m: acknowledged.append(m) if not e else None)
            producer.poll(0)
        assert producer.flush(60) == 0 and len(acknowledged) == len(values)
        return len(values)

    def run(self, *jobs):
        """Run jobs until each has caught up; all three if none is named. Their progress."""
        progress = {}
        for job in jobs or (ingest, science, distribute):
            query = job.run(self.settings, self.spark, until_caught_up=True)
            query.awaitTermination()
            assert query.exception() is None
            job.errands(self.settings, self.spark).run()
            progress[job.JOB] = [p for p in query.recentProgress if p["numInputRows"]]
        return progress

    def table(self, name):
        return tables.read(self.spark, self.settings.path(name))

    def rows(self, name, *columns):
        frame = self.table(name)
        return (frame.select(*columns) if columns else frame).collect()

    def check_exactly_once(self, produced):
        """Each message is one row of bronze; each readable row is one row of silver."""
        bronze = self.rows("bronze", *COORDINATES, "state")
        assert len(bronze) == len({row[:3] for row in bronze}) == produced
        readable = {row[:3] for row in bronze if row.state == "ok"}
        silver = self.rows("silver", *(f"packet.{name}" for name in COORDINATES))
        assert len(silver) == len(readable) and {tuple(row) for row in silver} == readable

    def received(self):
        """Messages on the substreams: list of (topic, headers, key, value)."""
        names = [name for name in kafka_tables.topics(self.settings)
                 if name.startswith(f"fink_{self.prefix}")]
        consumer = Consumer({"bootstrap.servers": self.settings.kafka.servers,
                             "group.id": uuid.uuid4().hex})
        places = [TopicPartition(name, partition, 0) for name in names
                  for partition in range(self.settings.kafka.substream_partitions)]
        ends = [consumer.get_watermark_offsets(place, timeout=10)[1] for place in places]
        # All at once: one after the other, each costs a second.
        consumer.assign([place for place, end in zip(places, ends) if end])
        found, until = [], time.monotonic() + 30
        while len(found) < sum(ends):
            found += consumer.consume(sum(ends) - len(found), timeout=1)
            assert time.monotonic() < until, f"{len(found)} of {sum(ends)} messages came"
        consumer.close()
        found.sort(key=lambda m: (names.index(m.topic()), m.partition(), m.offset()))
        return [(m.topic(), dict(m.headers()), m.key(), m.value()) for m in found]


@pytest.fixture
def street(project, kafka, spark, tmp_path):
    """A street with the project's own surveys."""
    return Street(project, kafka.servers, spark, tmp_path)


@pytest.fixture
def make_street(project, kafka, spark, tmp_path):
    """Maker of a street after the project was changed, with other settings."""
    return lambda folder=tmp_path, **flags: Street(project, kafka.servers, spark, folder, **flags)


@pytest.fixture(scope="session")
def repository():
    return Path(__file__).resolve().parents[2]


# One night for all tests that only look, or break a copy: two parts, damage of every kind.

FAULTS = {"truncated": 0.1, "flipped": 0.05, "unknown_schema": 0.1, "empty": 0.05,
          "duplicate": 0.1}
LATE_ID = 1199  # a schema that comes after its packets


@pytest.fixture(scope="session")
def worn_street(kafka, spark, tmp_path_factory, repository):
    """A street that has run on damaged packets of both surveys; not to be changed."""
    folder = tmp_path_factory.mktemp("worn")
    for name in ("conf", "schemas", "science_modules"):
        shutil.copytree(repository / name, folder / "project" / name,
                        ignore=shutil.ignore_patterns("__pycache__"))
    street = Street(folder / "project", kafka.servers, spark, folder)
    topics = {"ztf": "ztf_20250101_programid1", "lsst": "lsst-alerts-v11.0"}
    for seed in (3, 4):
        for survey, name in topics.items():
            model = simulator.open_survey(street.project, survey)
            made = simulator.night(model, 30, seed=seed, faults=FAULTS, cutouts=False)
            values = [value for batch in made for value in batch.values]
            street.publish(street.topic(name), [*values, None])
        model = simulator.open_survey(street.project, "lsst")
        late = [value[:1] + LATE_ID.to_bytes(4, "big") + value[5:] for batch in
                simulator.night(model, 20, seed=seed + 50, cutouts=False) for value in batch.values]
        street.publish(street.topic(topics["lsst"]), late[:2])
        street.run()
    for job in ("ingest", "science", "distribute"):  # nobody runs them any more
        release(ControlFolder(spark, street.settings.path("jobs", job)))
    return street


@pytest.fixture
def worn(worn_street, tmp_path):
    """Settings of a copy of `worn_street`'s project and tables, to be broken."""
    project = shutil.copytree(worn_street.project, tmp_path / "worn")
    data = shutil.copytree(worn_street.settings.data, tmp_path / "data")
    return config.load(project, environment={}, data=str(data),
                       **{"kafka.servers": worn_street.settings.kafka.servers})


@pytest.fixture
def at_home(monkeypatch, spark):
    """The command line in a project of the test's, its Spark session being the tests'."""
    @contextlib.contextmanager
    def ours(settings):
        yield spark

    def go(settings, *words):
        monkeypatch.setenv("FINK_LIKE__ROOT", settings.root)
        monkeypatch.setenv("FINK_LIKE__KAFKA__SERVERS", settings.kafka.servers)
        monkeypatch.setattr("fink_like.cli.jobs.spark_session", ours)
        return cli.main([*words, "--data", settings.data])

    return go
