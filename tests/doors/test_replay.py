"""Replay, from a bronze made by hand: what is chosen, in which order, how fast, after a kill."""

import datetime
import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from fink_like import bronze_index, config, replay
from fink_like.bronze_index import Selection
from fink_like.client.archive import open_dataset
from fink_like.errors import ConfigError, FilterError, SetupError

NIGHT, LATER = 20260311, 20260312
BEGIN = datetime.datetime(2026, 3, 11, 3, 0, tzinfo=datetime.timezone.utc)
SCHEMA = pa.schema([
    ("night", pa.int32()), ("state", pa.string()), ("survey", pa.string()), ("topic", pa.string()),
    ("partition", pa.int32()), ("offset", pa.int64()), ("kafka_time", pa.timestamp("us", "UTC")),
    ("bytes", pa.int32()), ("schema_key", pa.string()), ("diaSourceId", pa.int64()),
    ("midpointMjdTai", pa.float64()), ("band", pa.string()), ("psfFlux", pa.float32()),
    ("key", pa.binary()),
    ("headers", pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())]))),
    ("sync", pa.binary()), ("header", pa.binary()), ("datum", pa.binary()), ("value", pa.binary()),
    ("attempt", pa.int32())])
BIG = 2**60  # ids that no float holds exactly


def row(number, **more):
    """The number-th message of a night: of partition 0 or 1, out of order by one in each pair."""
    value = f"packet {number}".encode() * 20
    return {"night": NIGHT, "state": "ok", "survey": "any", "topic": "in", "partition": number % 2,
            "offset": number // 2, "kafka_time": BEGIN + datetime.timedelta(seconds=number),
            "bytes": len(value), "diaSourceId": BIG + number, "midpointMjdTai": 61110 + number / 1e3,
            "band": "gr"[number % 3 == 0], "psfFlux": float(number), "key": b"k%d" % number,
            "headers": [{"key": "was", "value": b"%d" % number}], "value": value, **more}


def write(data, rows, schema=SCHEMA, **more):
    rows = pa.Table.from_pylist([{n: r.get(n) for n in schema.names} for r in rows], schema)
    write_deltalake(str(data / "bronze"), rows, mode="append", partition_by=["night", "state"],
                    **more)


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


def origins(messages):
    return [dict(m.headers())["origin"].decode() for m in messages]


def order_of(rows):
    by_time = sorted(rows, key=lambda r: (r["midpointMjdTai"], r["topic"], r["partition"],
                                          r["offset"]))
    return [f"{r['topic']}:{r['partition']}:{r['offset']}" for r in by_time]


@pytest.fixture
def settings(data, tmp_path, topics):
    return config.load(environment={"FINK_LIKE__ROOT": os.getcwd()}, data=str(data),
                       **{"kafka.servers": topics.servers})


@pytest.mark.kafka
def test_values_keys_and_headers_come_back_in_the_order_of_events(data, settings, topics, tmp_path):
    rows = [row(n, midpointMjdTai=61110 + (n * 7 % 50) / 1e3) for n in range(50)]
    rows += [row(60, key=None, headers=None, topic="in2"), row(61, night=LATER)]
    write(data, rows[:20])
    write(data, rows[20:])
    done = replay.Replay(settings, Selection((NIGHT,)), topics.make("out"), tmp_path / "state.json")
    assert done.left == 51
    shown = []
    summary = done.run(progress=lambda so_far: shown.append(so_far.sent))
    got = topics.read(topics.name("out"))
    assert (summary.sent, summary.acknowledged, summary.failed) == (51, 51, 0) and shown[0] == 20
    sent = {f"{r['topic']}:{r['partition']}:{r['offset']}": r for r in rows[:51]}
    assert origins(got) == order_of(rows[:51])
    for message, origin in zip(got, origins(got)):
        was = sent[origin]
        assert (message.value(), message.key()) == (was["value"], was["key"])
        assert message.headers()[:-1] == [(h["key"], h["value"]) for h in was["headers"] or ()]
    assert not (tmp_path / "state.json").exists()


@pytest.mark.kafka
def test_partitions_are_kept_where_the_topic_has_them(data, settings, topics, tmp_path):
    write(data, [row(n) for n in range(10)])
    replay.Replay(settings, Selection((NIGHT,)), topics.name("new"), tmp_path / "s").run()
    got = topics.read(topics.name("new"))  # made with as many as there were
    assert [m.partition() for m in got] == [int(o.split(":")[1]) for o in origins(got)]
    assert {m.partition() for m in got} == {0, 1}


def chosen(data, **more):
    dataset = open_dataset(data, "bronze")
    found = bronze_index.index(dataset, Selection(**more))
    return [bronze_index.fetch(dataset, c) for c in bronze_index.chunks(found)], found


def test_where_and_ids_choose(data):
    write(data, [row(n) for n in range(30)])
    _, found = chosen(data, where="band = 'r' and psfFlux > 10")
    assert found["offset"].tolist() == [n // 2 for n in range(30) if n % 3 == 0 and n > 10]
    _, found = chosen(data, ids=(BIG + 7, BIG + 3), nights=(NIGHT,))
    assert found["offset"].tolist() == [1, 3]
    assert chosen(data, where="diaSourceId = 1152921504606846983")[1]["offset"].tolist() == [3]
    with pytest.raises(FilterError, match="no column `broker.kafka_time`.*`kafka_time`.*bronze"):
        chosen(data, where="broker.kafka_time > 3")
    with pytest.raises(FilterError, match="line 1, column 1: no column `psfFlx`.*`psfFlux`"):
        chosen(data, where="psfFlx > 3")
    with pytest.raises(ConfigError, match="replay what"):
        chosen(data)


def test_dead_letters_come_by_kafkas_time_if_wanted(data):
    when = BEGIN.timestamp() / 86400 + 40587 + 37 / 86400
    rows = [row(n, midpointMjdTai=when + n / 86400) for n in range(4)]
    rows += [row(4, state="dead", midpointMjdTai=None, diaSourceId=None, datum=None,
                 kafka_time=BEGIN + datetime.timedelta(seconds=1.5)),
             row(5, state="dead", midpointMjdTai=None, value=None, bytes=0)]
    write(data, rows)
    assert chosen(data, nights=(NIGHT,))[1]["offset"].tolist() == [0, 0, 1, 1]
    [got], found = chosen(data, nights=(NIGHT,), dead_letters=True)
    assert list(zip(found["partition"], found["offset"])) == [(0, 0), (1, 0), (0, 2), (0, 1),
                                                              (1, 1), (1, 2)]
    assert got[2]["value"] == rows[4]["value"] and got[5]["value"] is None


def test_the_last_attempt_counts_whatever_its_night(data):
    """A message that was dead, of Kafka's night, and was read again in its own night."""
    write(data, [row(0), row(1, state="dead", night=LATER, midpointMjdTai=None, diaSourceId=None)],
          pa.schema([f for f in SCHEMA if f.name != "attempt"]))
    assert len(chosen(data, nights=(NIGHT,))[1]) == 1  # a table that has no such column
    write(data, [row(1, attempt=1, value=b"mended once"), row(1, attempt=2, value=b"mended"),
                 row(2, attempt=0)], schema_mode="merge")
    [got], found = chosen(data, nights=(NIGHT, LATER), dead_letters=True)
    assert found["attempt"].tolist() == [0, 2, 0]
    assert [r["value"] for r in got] == [row(0)["value"], b"mended", row(2)["value"]]
    assert chosen(data, nights=(LATER,), dead_letters=True)[1].empty


def test_chunks_are_small_and_nothing_is_between_them(data, monkeypatch):
    monkeypatch.setattr(bronze_index, "CHUNK_BYTES", 1000)
    write(data, [row(n, bytes=5000 if n == 17 else 180) for n in range(40)])
    got, found = chosen(data, nights=(NIGHT,))
    assert [len(rows) for rows in got] == [5, 5, 5, 2, 1, 5, 5, 5, 5, 2]
    assert [(r["partition"], r["offset"]) for rows in got for r in rows] == list(
        zip(found["partition"], found["offset"]))


def test_ids_from_a_list_and_a_file(tmp_path):
    assert bronze_index.read_ids("12,-3 9223372036854775807") == (12, -3, 2**63 - 1)
    path = tmp_path / "ids.txt"
    path.write_text("# mine\n12, 13\n\n14 # that one\n")
    assert bronze_index.read_ids(str(path)) == (12, 13, 14)
    path.write_text("12\nSN2026a\n")
    with pytest.raises(ConfigError, match=r"ids.txt:2: 'SN2026a' is neither"):
        bronze_index.read_ids(str(path))


def test_moments():
    kafka_times = np.array([5, 7, 6, 10]) * 1_000_000
    original = replay.Pace.read("original", 2.0).moments(kafka_times)
    assert original.tolist() == [0.0, 1.0, 1.0, 2.5]
    assert replay.Pace.read("4").moments(kafka_times).tolist() == [0.0, 0.25, 0.5, 0.75]
    assert replay.Pace.read(None).moments(kafka_times) is None
    for text, speed in (("fast", 1.0), ("-1", 1.0), ("original", 0.0)):
        with pytest.raises(ConfigError, match="--rate"):
            replay.Pace.read(text, speed)


@pytest.mark.kafka
def test_a_rate_and_the_original_pace_are_kept(data, settings, topics, tmp_path):
    write(data, [row(n) for n in range(40)])
    for pace, least in ((replay.Pace(rate=40), 39 / 40),
                        (replay.Pace(original=True, speed=30), 39 / 30)):
        summary = replay.Replay(settings, Selection((NIGHT,)), topics.name("paced"),
                                tmp_path / "s").run(pace)
        assert least <= summary.seconds < least + 2 and summary.acknowledged == 40


@pytest.mark.kafka
def test_another_replay_is_not_taken_for_this_one(data, settings, topics, tmp_path):
    write(data, [row(n) for n in range(4)])
    state, topic = tmp_path / "s.json", topics.name("out")
    begun = replay.Replay(settings, Selection((NIGHT,)), topic, state)
    begun.bookmark.keep(2)
    write(data, [row(n) for n in range(4, 8)])  # arrives meanwhile: not part of what was begun
    again = replay.Replay(settings, Selection((NIGHT,)), topic, state)
    assert (again.done, again.left) == (2, 2)
    with pytest.raises(ConfigError, match="another nights.*2 messages of which are sent"):
        replay.Replay(settings, Selection((LATER,)), topic, state)
    kept = json.loads(state.read_text())
    state.write_text(json.dumps({**kept, "version": 99}))
    with pytest.raises(SetupError, match="version 99"):
        replay.Replay(settings, Selection((NIGHT,)), topic, state)


ONE_REPLAY = """
    import sys
    from fink_like import config, replay
    from fink_like.bronze_index import Selection
    data, servers, topic, state, night, rate = sys.argv[1:]
    settings = config.load(environment={}, data=data, **{"kafka.servers": servers})
    print("started", flush=True)
    replay.Replay(settings, Selection((int(night),)), topic, state).run(replay.Pace.read(rate))
    print("done", flush=True)
"""


@pytest.mark.kafka
@pytest.mark.slow
def test_killed_and_started_again_nothing_is_left_out(data, topics, tmp_path):
    count = 3000
    write(data, [row(n, value=os.urandom(2000), bytes=2000) for n in range(count)])
    topic = topics.make("killed", partitions=2)
    command = [sys.executable, "-c", textwrap.dedent(ONE_REPLAY), str(data), topics.servers, topic,
               str(tmp_path / "state.json"), str(NIGHT), "400"]
    for seconds in (0.7, 2.0, 1.3):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "started\n"
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = json.loads((tmp_path / "state.json").read_text())["done"]
    assert 0 < done < count
    subprocess.run([*command[:-1], "100000"], check=True, stdout=subprocess.DEVNULL)
    got = topics.read(topic)
    found = origins(got)
    assert set(found) == {f"in:{n % 2}:{n // 2}" for n in range(count)}
    assert len(found) - count <= 3 * replay.ON_THE_WAY
    for partition in (0, 1):  # each goes on behind what had arrived
        first = list(dict.fromkeys(o for o in found if o.split(":")[1] == str(partition)))
        assert first == sorted(first, key=lambda o: int(o.split(":")[2]))
