"""An unmodified fink-client 12.3.0 receives our substreams: what Fink's users have installed.

It lives in an environment of its own (its pins clash with ours), made once in
``$XDG_CACHE_HOME/fink_like`` or ``~/.cache/fink_like``; the first run needs a package index.

Quirks of the client, seen in these runs:

- ``topic list -survey lsst`` asks a fixed host of Fink's on the internet, not the Kafka server:
  only ``-survey ztf`` lists our topics, those of both surveys.
- ``stream -limit N`` waits for ever if fewer than N come, so a quiet stream is ended by SIGINT.
- "No alerts the last N seconds" is printed only with ``--display``.
- ``--display`` reads ``cdsxmatch`` of every ZTF alert: our messages carry it as null.
- A user name without a password connects without authentication; there is no way to give one.
- It decodes with the schema in each message's key, so alerts of old and new schemas mix.
"""

import io
import json
import os
import signal
import subprocess
import time
import venv
from pathlib import Path

import fastavro
import pytest
from confluent_kafka import Consumer

from fink_like import config, java, simulator
from fink_like.jobs import distribute, ingest, science
from fink_like.kafka_server import KafkaServer
from fink_like.packets import survey as survey_declarations
from fink_like.simulator import publish
from fink_like.spark import kafka as kafka_topics

pytestmark = [pytest.mark.slow, pytest.mark.spark, pytest.mark.kafka]
VERSION = "12.3.0"
ROOT = Path(__file__).resolve().parents[2]
SURVEY_TOPICS = {"ztf": "ztf_20261120_programid1", "lsst": "lsst-alerts-v11.0"}
ALERTS = 400  # of each survey: some tens pass a filter
FEW_S, PATIENCE_S = 2, 120


@pytest.fixture(scope="module")
def kafka(tmp_path_factory):
    """A server without other tests' topics: every one of them is listed and streamed here."""
    java.use(java.find_java())
    with KafkaServer(tmp_path_factory.mktemp("kafka")) as server:
        yield server


@pytest.fixture(scope="session")
def finkctl():
    """Path of the client's command."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fink_like"
    folder = cache / f"venv-fink-client-{VERSION}"
    command = folder / "bin" / "finkctl"
    if not command.exists():
        venv.create(folder, with_pip=True, clear=True)
        installed = subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-q",
                                    f"fink-client=={VERSION}"], capture_output=True, text=True)
        if installed.returncode:
            pytest.skip(f"fink-client {VERSION} cannot be installed: {installed.stderr[-300:]}")
    return command


@pytest.fixture
def client(finkctl, kafka, tmp_path):
    """Runs the client in a home of its own, registered for both surveys."""
    (tmp_path / "home").mkdir()
    environment = {**os.environ, "HOME": str(tmp_path / "home"), "PYTHONUNBUFFERED": "1"}
    environment.pop("PYTHONPATH", None)

    def run(*arguments, timeout=PATIENCE_S):
        return subprocess.run([finkctl, *map(str, arguments)], env=environment, timeout=timeout,
                              cwd=tmp_path, capture_output=True, text=True)

    for survey in SURVEY_TOPICS:
        done = run("auth", "register", "-survey", survey, "-username", "me", "-groupid",
                   f"group-{time.time_ns()}", "-servers", kafka.servers, "-maxtimeout", FEW_S)
        assert done.returncode == 0, done.stderr
    run.environment, run.command, run.folder = environment, finkctl, tmp_path
    return run


@pytest.fixture(scope="module")
def street(kafka, spark, tmp_path_factory):
    """Simulated alerts through all three jobs; settings of the run."""
    settings = config.load(ROOT, environment={}, data=str(tmp_path_factory.mktemp("street")),
                           **{"kafka.servers": kafka.servers})
    kafka_topics.ensure_topics(settings, SURVEY_TOPICS.values(), 2, kafka.servers)
    for survey, topic in SURVEY_TOPICS.items():
        batches = simulator.night(simulator.open_survey(ROOT, survey), ALERTS, seed=12)
        assert publish.to_kafka(batches, kafka.servers, topic).failed == 0
    for job in (ingest, science, distribute):
        job.run(settings, spark, until_caught_up=True).awaitTermination()
    return settings


def sent(kafka, topics):
    """Topic -> {alert id: decoded message}, read with nothing of the client's or ours."""
    consumer = Consumer({"bootstrap.servers": kafka.servers, "group.id": f"n-{time.time_ns()}",
                         "auto.offset.reset": "earliest", "enable.partition.eof": True})
    consumer.subscribe(topics)
    partitions, ended, found = None, set(), {topic: {} for topic in topics}
    while partitions is None or len(ended) < partitions:
        message = consumer.poll(PATIENCE_S)
        partitions = len(consumer.assignment())
        if message.error():
            ended.add((message.topic(), message.partition()))
            continue
        schema = fastavro.parse_schema(json.loads(message.key()))
        record = fastavro.schemaless_reader(io.BytesIO(message.value()), schema)
        found[message.topic()][int(dict(message.headers())["alert_id"])] = record
    consumer.close()
    return found


def advertised(kafka):
    listed = kafka_topics.topics(config.load(ROOT, environment={},
                                             **{"kafka.servers": kafka.servers}))
    return sorted(topic for topic in listed if topic.startswith("fink_"))


def test_both_surveys_are_listed_streamed_shown_and_saved(client, street, kafka):
    """Acceptance A1 of the interoperability contract."""
    listed = client("topic", "list", "-survey", "ztf")
    assert listed.returncode == 0
    assert all(topic in listed.stdout for topic in advertised(kafka))
    for survey in SURVEY_TOPICS:
        topics = [topic for topic in advertised(kafka) if topic.endswith(f"_{survey}")]
        by_topic = sent(kafka, topics)
        alerts = {alert_id: record for found in by_topic.values()
                  for alert_id, record in found.items()}
        assert len(alerts) >= 5
        saved = stream(client, survey, topics, sum(map(len, by_topic.values())))
        assert set(saved) == set(alerts)
        for alert_id, record in saved.items():
            assert record["quality"] == alerts[alert_id]["quality"]
            assert record["delivery"]["filter"] in " ".join(topics)


def stream(client, survey, topics, count):
    """Subscribe and stream; saved alerts by id, as the files name them."""
    for topic in topics:
        assert client("topic", "subscribe", "-survey", survey, "-name", topic).returncode == 0
    folder = client.folder / survey
    done = client("stream", "-survey", survey, "-limit", count, "-outdir", folder, "--display",
                  "--save")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Traceback" not in done.stderr + done.stdout
    assert done.stdout.count("Received at (UTC)") == count
    saved = {}
    for path in folder.glob("*.avro"):
        with path.open("rb") as file:
            saved[int(path.stem.split("_")[-1])] = next(fastavro.reader(file))
    return saved


def test_the_lsst_stream_holds_an_alert_without_diaobject(street, kafka):
    """Asteroids have no diaObject: the client then shows their designation (A1)."""
    (found,) = sent(kafka, ["fink_solar_system_lsst"]).values()
    moving = [record for record in found.values() if record["diaObject"] is None]
    assert moving and all(record["mpc_orbits"]["designation"] for record in moving)


def test_empty_topics_are_quiet(client, kafka):
    """Acceptance A2: every advertised topic exists, is empty, and gives no traceback."""
    surveys = survey_declarations.load_all(ROOT / "conf" / "surveys")
    settings = config.load(ROOT, environment={}, **{"kafka.servers": kafka.servers})
    for survey in surveys:
        topics = [f"fink_quiet_{number}_{survey}" for number in range(3)]
        kafka_topics.ensure_topics(settings, topics)
        for topic in topics:
            assert client("topic", "subscribe", "-survey", survey, "-name", topic).returncode == 0
        output = watch(client, "stream", "-survey", survey, "--display",
                       until=f"No alerts the last {FEW_S} seconds")
        assert "Traceback" not in output, output


def watch(client, *arguments, until):
    """Run the client until it says something, then end it as Ctrl-C does."""
    process = subprocess.Popen([client.command, *arguments], env=client.environment, text=True,
                               cwd=client.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            if until in line:
                break
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    output = "".join(lines) + rest
    assert until in output, output
    assert process.returncode == 0, output
    return output
