"""A real Kafka server in a folder: what is sent survives, others' ports and processes are safe."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from fink_like import kafka_server, ports
from fink_like.errors import SetupError
from fink_like.kafka_server import KafkaServer, Running

MAX_MESSAGE = 10 * 1024 * 1024  # bytes, what the server promises to take
QUIET = {"log_level": 0}  # librdkafka's own lines about a server that is being stopped


def create(servers, topic):
    admin = AdminClient({"bootstrap.servers": servers, **QUIET})
    admin.create_topics([NewTopic(topic, 2, 1)])[topic].result(20)


def send(servers, topic, messages):
    producer = Producer({"bootstrap.servers": servers, "compression.type": "zstd",
                         "message.max.bytes": MAX_MESSAGE,
                         "topic.metadata.propagation.max.ms": 3000, **QUIET})
    for message in messages:
        producer.produce(topic, message, on_delivery=raise_error)
    assert producer.flush(30) == 0


def raise_error(error, message):
    if error is not None:
        raise KafkaException(error)


def receive(servers, topic, count, seconds=30):
    consumer = Consumer({"bootstrap.servers": servers, "group.id": f"test-{time.time_ns()}",
                         "auto.offset.reset": "earliest", **QUIET})
    consumer.subscribe([topic])
    found, until = [], time.monotonic() + seconds
    while len(found) < count and time.monotonic() < until:
        found += [message.value() for message in consumer.consume(count - len(found), 0.2)]
    consumer.close()
    return found


@pytest.mark.kafka
def test_messages_survive_a_stop_and_the_folder_keeps_its_port(tmp_path):
    folder = tmp_path / "a folder, with späce"
    large = os.urandom(MAX_MESSAGE - 10_000)
    server = KafkaServer(folder)
    try:
        first = server.start()
        create(first.servers, "night")
        send(first.servers, "night", [b"one", large])
        assert KafkaServer(folder).status() == first  # as another process would find it
        with pytest.raises(SetupError, match=f"runs already.*process {first.pid}"):
            KafkaServer(folder).start()
        with pytest.raises(KafkaException, match="UNKNOWN_TOPIC_OR_PART"):
            send(first.servers, "nihgt", [b"a misspelt topic is an error, not a new topic"])
        assert KafkaServer(folder).stop() and server.status() is None
        second = server.start()
        assert (second.port, second.cluster_id) == (first.port, first.cluster_id)
        assert sorted(receive(second.servers, "night", 2), key=len) == [b"one", large]
    finally:
        server.stop()
    assert not ports.answers(second.port)


@pytest.mark.kafka
def test_ctrl_c_and_kill_of_the_parent_leave_a_server_that_others_can_stop(tmp_path):
    script = ("import sys, time; from fink_like.kafka_server import KafkaServer; "
              "KafkaServer(sys.argv[1]).start(); print('up', flush=True); time.sleep(60)")
    parent = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], text=True,
                              stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert parent.stdout.readline() == "up\n"
        os.killpg(parent.pid, signal.SIGINT)  # a terminal sends it to the whole group
        parent.wait(20)
        server = KafkaServer(tmp_path)
        assert AdminClient({"bootstrap.servers": server.servers, **QUIET}).list_topics(timeout=10)
    finally:
        parent.stdout.close()
        assert KafkaServer(tmp_path).stop()


@pytest.mark.kafka
def test_a_server_that_cannot_start_shows_the_end_of_its_log(tmp_path):
    server = KafkaServer(tmp_path, settings={"log.retention.hours": "soon"})
    with pytest.raises(SetupError, match=r"(?s)server\.log.*log\.retention\.hours"):
        server.start()
    assert server.status() is None


def test_a_taken_port_names_its_owner(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SetupError) as refusal:
            KafkaServer(tmp_path, port=port).start()
    assert f"port {port}" in str(refusal.value)
    if sys.platform == "linux":
        assert f"process {os.getpid()} (" in str(refusal.value)


def test_a_stale_state_file_never_stops_another_process(tmp_path):
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        stale = Running(bystander.pid, 9092, "Fstale")
        (tmp_path / kafka_server.STATE).write_text(json.dumps(vars(stale)))
        server = KafkaServer(tmp_path)
        assert server.status() is None and server.stop() is False
        with pytest.raises(SetupError, match="no Kafka server runs in"):
            assert server.servers
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_what_the_user_sets_overrules_but_never_leaves_loopback(tmp_path):
    server = KafkaServer(tmp_path, settings={"log.retention.hours": "1", "listeners": "X://:1"})
    lines = server._properties(9092).splitlines()
    assert [line for line in lines if line.startswith("log.retention")][-1].endswith("=1")
    assert [line for line in lines if line.startswith("listeners=")][-1].startswith(
        "listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:")
