"""Mirror: every message of the source arrives, as it was, whatever happens in between."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from confluent_kafka import Producer

from fink_like import config, mirror
from fink_like.errors import ConfigError, SetupError

pytestmark = pytest.mark.kafka
LONG_AGO = 1_500_000_000_000  # ms; 2017


class Source:
    """Topics that are filled, and what is in them."""

    def __init__(self, topics):
        self.topics = topics
        self.producer = Producer({"bootstrap.servers": topics.servers, "linger.ms": 5})

    def fill(self, topic, count, begin=0, **more):
        for n in range(begin, begin + count):
            self.producer.produce(topic, b"value %d" % n, b"key %d" % n,
                                  **{"timestamp": LONG_AGO + n, **more})
        assert self.producer.flush(30) == 0


@pytest.fixture
def source(topics):
    return Source(topics)


@pytest.fixture
def copy(topics):
    """Mirror, until it has caught up."""
    settings = config.load(environment={}, **{"kafka.servers": topics.servers,
                                              "kafka.retention_hours": 24 * 365 * 100})

    def run(which, names, **more):
        where = mirror.Source(topics.servers, which, group=topics.name("group"), **more)
        return mirror.mirror(settings, where, names, until_caught_up=True)

    return run


def compare(topics, ours, theirs):
    """Everything but Kafka's offset is the same."""
    got, was = topics.read(ours), topics.read(theirs)
    origins = [dict(m.headers())["origin"].decode() for m in got]
    by_origin = {f"{topics.servers}/{m.topic()}:{m.partition()}:{m.offset()}": m for m in was}
    assert sorted(origins) == sorted(by_origin)
    for message, origin in zip(got, origins):
        one = by_origin[origin]
        assert (message.value(), message.key()) == (one.value(), one.key())
        assert message.timestamp() == one.timestamp()
        assert message.headers() == [*(one.headers() or ()), ("origin", origin.encode())]
    return got, was


def test_value_key_headers_timestamp_and_partition_are_the_sources(topics, source, copy):
    theirs = topics.make("in", partitions=3)
    source.fill(theirs, 300, headers=[("a", b"1"), ("a", None), ("origin", b"elsewhere")])
    for value, key in ((None, b"tombstone"), (b"no key", None), (b"", b""),
                       (os.urandom(900_000), None)):
        source.producer.produce(theirs, value, key, partition=2)
    assert source.producer.flush(30) == 0
    summary = copy(theirs, mirror.Names(prefix="of_"))
    assert (summary.acknowledged, summary.failed) == (304, 0)
    got, was = compare(topics, f"of_{theirs}", theirs)
    assert [(m.partition(), m.offset()) for m in got] == [(m.partition(), m.offset()) for m in was]


def test_it_goes_on_where_it_ended(topics, source, copy):
    theirs, ours = topics.make("in", partitions=2), topics.name("out")
    source.fill(theirs, 100)
    assert copy(theirs, mirror.Names(topic=ours)).sent == 100
    assert copy(theirs, mirror.Names(topic=ours)).sent == 0
    source.fill(theirs, 50, begin=100)
    assert copy(theirs, mirror.Names(topic=ours)).sent == 50
    compare(topics, ours, theirs)


def test_a_pattern_into_a_topic_with_fewer_partitions(topics, source, copy):
    names = [topics.make(f"night{n}", partitions=2) for n in range(3)]
    for name in names:
        source.fill(name, 20)
    ours = topics.make("all", partitions=1)
    assert copy(f"^{topics.prefix}night.*", mirror.Names(topic=ours)).acknowledged == 60
    origins = {dict(m.headers())["origin"].decode().split("/")[1].split(":")[0]
               for m in topics.read(ours)}
    assert origins == set(names)


def test_what_it_cannot_do_is_said(topics, source, copy):
    theirs = topics.make("in")
    source.fill(theirs, 3)
    with pytest.raises(SetupError, match="has no topic nowhere, or does not show it"):
        copy("nowhere", mirror.Names(prefix="of_"))
    with pytest.raises(ConfigError, match="copy its own copies"):
        copy(f"^{topics.prefix}.*", mirror.Names(topic=topics.name("out")))
    with pytest.raises(SetupError, match="source's options"):
        copy(theirs, mirror.Names(prefix="of_"), options={"no.such.option": 1})
    with pytest.raises(ConfigError, match="either one topic"):
        mirror.Names("a", "b")


def test_what_the_server_refuses_costs_its_neighbours_nothing(topics, source, copy, capfd):
    """A batch is refused as a whole, for one message that is too large or of the future."""
    theirs = topics.make("in", **{"message.timestamp.after.max.ms": str(10**13)})
    ours = topics.make("small", **{"max.message.bytes": "4000",
                                  "message.timestamp.after.max.ms": "3600000"})
    source.fill(theirs, 100)
    source.producer.produce(theirs, os.urandom(5000))
    source.producer.produce(theirs, b"tomorrow", timestamp=int(time.time() + 86400) * 1000)
    source.fill(theirs, 100, begin=102)
    summary = copy(theirs, mirror.Names(topic=ours))
    assert (summary.sent, summary.acknowledged, summary.failed) == (202, 200, 2)
    said = capfd.readouterr().err
    for offset in (100, 101):
        assert f"not taken: message {topics.servers}/{theirs}:0:{offset}: " in said
    assert {m.value() for m in topics.read(ours)} == {
        b"value %d" % n for n in range(202) if n not in (100, 101)}
    assert copy(theirs, mirror.Names(topic=ours)).sent == 0


def test_what_was_removed_before_it_was_read_is_said(topics, source, copy, capfd):
    from confluent_kafka import TopicPartition
    theirs = topics.make("in")
    source.fill(theirs, 10)
    copy(theirs, mirror.Names(prefix="of_"))
    source.fill(theirs, 10, begin=10)
    [done] = topics.admin.delete_records([TopicPartition(theirs, 0, 15)]).values()
    done.result(20)
    assert copy(theirs, mirror.Names(prefix="of_")).sent == 5
    assert f"{theirs}:0: 5 messages from 10 on were removed" in capfd.readouterr().err


def test_source_options_from_file_and_environment(tmp_path):
    path = tmp_path / "theirs.yaml"
    path.write_text("security.protocol: SASL_PLAINTEXT\nsasl.username: me\n")
    given = {config.SOURCE_OPTIONS: '{"sasl.password": "secret"}'}
    assert config.source_options(path, given) == {
        "security.protocol": "SASL_PLAINTEXT", "sasl.username": "me", "sasl.password": "secret"}
    with pytest.raises(ConfigError, match="no such file"):
        config.source_options(tmp_path / "none.json", {})
    with pytest.raises(ConfigError, match=config.SOURCE_OPTIONS):
        config.source_options(None, {config.SOURCE_OPTIONS: "not JSON"})


ONE_MIRROR = """
    import sys, time
    from fink_like import config, mirror
    servers, theirs, ours, group, caught_up = sys.argv[1:]
    # Delivered late and committed often: what is committed before it is delivered would be lost.
    mirror.COMMIT_EVERY_S = 0.05
    settings = config.load(environment={}, **{"kafka.servers": servers,
                                              "kafka.options": {"linger.ms": 400}})
    source = mirror.Source(servers, theirs, group,
                           {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500})
    def say(summary, lag):
        print(summary.acknowledged, lag, flush=True)
        time.sleep(0.0 if caught_up == "yes" else 0.02)  # 200 messages in each
    summary = mirror.mirror(settings, source, mirror.Names(topic=ours), caught_up == "yes", say)
    print("ended", summary.acknowledged, flush=True)
"""


def launch(topics, theirs, ours, caught_up="no"):
    command = [sys.executable, "-c", textwrap.dedent(ONE_MIRROR), topics.servers, theirs, ours,
               topics.name("group"), caught_up]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def acknowledged(process, least):
    """Read what it says until so many messages have arrived."""
    for line, _ in zip(process.stdout, range(2000)):
        if int(line.split()[0]) >= least:
            return
    raise AssertionError(f"{least} messages have not arrived")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_end_it_repeats_nothing(topics, source, how):
    theirs = topics.make("in", partitions=2)
    ours = topics.make("out", partitions=2)
    source.fill(theirs, 20_000)
    process = launch(topics, theirs, ours)
    acknowledged(process, 500)
    process.send_signal(how)
    rest = process.communicate(timeout=60)[0].splitlines()
    assert process.returncode == 0 and rest[-1].startswith("ended")
    first = int(rest[-1].split()[1])
    process = launch(topics, theirs, ours, "yes")
    ended = process.communicate(timeout=60)[0].splitlines()[-1]
    assert 500 <= first < 20_000 and int(ended.split()[1]) == 20_000 - first
    compare(topics, ours, theirs)


@pytest.mark.slow
def test_killed_at_any_moment_every_message_arrives(topics, source):
    theirs = topics.make("in", partitions=2)
    ours = topics.make("out", partitions=2)
    source.fill(theirs, 40_000)
    for least in (300, 4000, 1):
        process = launch(topics, theirs, ours)
        acknowledged(process, least)
        time.sleep(0.3)  # in the middle between two deliveries
        process.kill()
        process.wait()
    source.fill(theirs, 1000, begin=40_000)
    process = launch(topics, theirs, ours, "yes")
    assert process.communicate(timeout=120)[0].splitlines()[-1].startswith("ended")
    values = [m.value() for m in topics.read(ours)]
    assert set(values) == {b"value %d" % n for n in range(41_000)}
    for partition in (0, 1):
        got = [int(m.value().split()[1]) for m in topics.read(ours) if m.partition() == partition]
        assert list(dict.fromkeys(got)) == sorted(set(got))  # a repeat goes back, never forward
