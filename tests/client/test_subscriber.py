"""Substreams as a scientist receives them: each alert once, ids exact, errors that help."""

import pytest
from confluent_kafka import Consumer, TopicPartition

from fink_like import client
from fink_like.client.seen import SeenAlerts
from fink_like.errors import SetupError

pytestmark = pytest.mark.kafka
WAIT_S = 15.0  # for what must come; ends early once it has
QUIET_S = 2.0  # for what must not come


def receive(kafka, topic, group, limit=None, timeout=QUIET_S, **options):
    with client.Subscriber(kafka.servers, topic, group, **options) as subscriber:
        return list(subscriber.alerts(limit=limit, timeout=timeout)), subscriber


@pytest.fixture(scope="module")
def topic(send, broker, as_message):
    """All alerts of both surveys in one topic."""
    send("fink_all", [as_message(alert_id) for alert_id in broker.packets])
    return "fink_all"


def test_all_alerts_come_with_exact_ids_and_scores(kafka, topic, broker):
    alerts, _ = receive(kafka, topic, "all", limit=len(broker.packets), timeout=WAIT_S)
    silver = {row["diaSourceId"]: row for row in broker.silver}
    assert {int(alert.alert_id) for alert in alerts} == set(broker.packets)
    for alert in alerts:
        row = silver[int(alert.alert_id)]
        assert alert.row["diaSourceId"] == row["diaSourceId"]  # from the packet's own 64 bits
        assert alert.survey == row["survey"] and alert.topic == topic
        assert alert.row["lc.psfFlux"] == row["lc"]["psfFlux"]
        assert set(alert.scores) == {spec.name for spec in broker.specs}
        assert alert.scores["quality"] == row["quality"]


def test_a_description_tells_what_people_ask_first(kafka, topic, broker):
    (alert,), _ = receive(kafka, topic, "describe", limit=1, timeout=WAIT_S)
    text = client.describe(alert)
    assert str(alert.row["diaSourceId"]) in text and topic in text and alert.survey in text
    assert f"RA {alert.row['ra']:.5f}" in text and "UTC" in text and "nJy" in text
    assert "is_clean" in text and "None" not in text and "nan" not in text
    row = client.open_table(broker.data, "silver").set_index("diaSourceId", drop=False)
    stored = client.describe(row.loc[int(alert.alert_id)])
    assert stored.replace("\n", f"  from {topic}\n", 1) == text


def test_a_received_alert_draws_itself(kafka, topic, tmp_path):
    (alert,), _ = receive(kafka, topic, "draw", limit=1, timeout=WAIT_S)
    figure = client.draw(alert.row, alert.cutouts, tmp_path / "alert.png")
    assert len(figure.axes) == 4 and (tmp_path / "alert.png").stat().st_size > 10_000


def test_repetitions_are_passed_over_revisions_are_not(kafka, send, broker, as_message):
    one, other = list(broker.packets)[:2]
    send("fink_repeated", [as_message(one), as_message(one), as_message(other),
                           as_message(one, revision=1), as_message(one)])
    alerts, subscriber = receive(kafka, "fink_repeated", "repeated", timeout=QUIET_S)
    assert sorted((int(a.alert_id), a.revision) for a in alerts) == sorted(
        [(one, 0), (other, 0), (one, 1)])
    assert subscriber.repeated == 2


def test_a_restart_goes_on_and_repeats_nothing(kafka, send, broker, as_message, tmp_path):
    ids = list(broker.packets)[:20]
    send("fink_restart", [as_message(alert_id) for alert_id in ids])
    first, _ = receive(kafka, "fink_restart", "r", limit=7, timeout=WAIT_S, state=tmp_path)
    send("fink_restart", [as_message(alert_id) for alert_id in ids])  # the broker crashed, say
    second, subscriber = receive(kafka, "fink_restart", "r", limit=13, timeout=WAIT_S,
                                 state=tmp_path)
    third, _ = receive(kafka, "fink_restart", "r", state=tmp_path)
    assert (len(first), len(second), len(third)) == (7, 13, 0)
    assert sorted(int(a.alert_id) for a in first + second) == sorted(ids)


def test_memory_holds_where_kafka_has_forgotten(kafka, send, broker, as_message, tmp_path):
    """A subscriber killed before Kafka knew its offsets: the topic is read again from the start."""
    ids = list(broker.packets)[:6]
    send("fink_rewound", [as_message(alert_id) for alert_id in ids], partitions=1)
    first, _ = receive(kafka, "fink_rewound", "w", limit=4, timeout=WAIT_S, state=tmp_path)
    rewind(kafka, "fink_rewound", "w")
    second, subscriber = receive(kafka, "fink_rewound", "w", limit=2, timeout=WAIT_S,
                                 state=tmp_path)
    assert sorted(int(a.alert_id) for a in first + second) == sorted(ids)
    assert subscriber.repeated == 4


def rewind(kafka, topic, group):
    consumer = Consumer({"bootstrap.servers": kafka.servers, "group.id": group})
    consumer.commit(offsets=[TopicPartition(topic, 0, 0)], asynchronous=False)
    consumer.close()


def test_an_alert_whose_handling_fails_comes_again(kafka, send, broker, as_message, tmp_path):
    ids = list(broker.packets)[:3]
    send("fink_failing", [as_message(alert_id) for alert_id in ids], partitions=1)
    with pytest.raises(ZeroDivisionError):
        with client.Subscriber(kafka.servers, "fink_failing", "f", state=tmp_path) as subscriber:
            for place, _ in enumerate(subscriber.alerts(timeout=WAIT_S)):
                place / (1 - place)  # fails on the second alert
    after, _ = receive(kafka, "fink_failing", "f", limit=2, timeout=WAIT_S, state=tmp_path)
    assert [int(a.alert_id) for a in after] == ids[1:]


def test_a_loop_left_by_break_does_not_repeat_its_last_alert(kafka, send, broker, as_message,
                                                             tmp_path):
    ids = list(broker.packets)[:3]
    send("fink_break", [as_message(alert_id) for alert_id in ids], partitions=1)
    with client.Subscriber(kafka.servers, "fink_break", "b", state=tmp_path) as subscriber:
        for alert in subscriber:
            break
    after, _ = receive(kafka, "fink_break", "b", limit=2, timeout=WAIT_S, state=tmp_path)
    assert [int(alert.alert_id)] + [int(a.alert_id) for a in after] == ids


def test_latest_starts_at_the_end(kafka, topic):
    alerts, _ = receive(kafka, topic, "late", start="latest")
    assert alerts == []


def test_a_message_that_cannot_be_read_is_passed_over(kafka, send, broker, as_message, caplog):
    good, second = (as_message(alert_id) for alert_id in list(broker.packets)[:2])
    send("fink_damaged", [{**good, "value": good["value"][:300]}, {**good, "key": b"no schema"},
                          {**good, "key": None}, second], partitions=1)
    alerts, subscriber = receive(kafka, "fink_damaged", "d", limit=1, timeout=WAIT_S)
    assert len(alerts) == 1 and subscriber.unreadable == 3
    assert "passed over fink_damaged:0:0" in caplog.text


def test_an_empty_topic_is_no_error(kafka, send):
    send("fink_empty", [])
    alerts, _ = receive(kafka, "fink_empty", "e")
    assert alerts == []


def test_a_missing_topic_is_named_beside_those_there(kafka, topic):
    with pytest.raises(SetupError, match="no topic fink_no_such .*fink_all"):
        client.Subscriber(kafka.servers, ["fink_no_such", topic], "m")


def test_no_kafka_is_said_so(monkeypatch):
    monkeypatch.setattr("fink_like.client.subscriber.ANSWER_S", 1.0)
    with pytest.raises(SetupError, match="no Kafka answers at 127.0.0.1:1"):
        client.Subscriber("127.0.0.1:1", "fink_all", "n")


def test_a_wrong_option_is_said_so():
    with pytest.raises(SetupError, match="options are wrong.*sasl.mechanisem"):
        client.Subscriber({"sasl.mechanisem": "PLAIN"}, "fink_all", "o")


def test_the_memory_is_bounded_and_kept(tmp_path):
    seen = SeenAlerts(tmp_path, "a/group", remembered=50)
    for number in range(200):
        seen.add(("fink_all", str(number), 0))
    seen.close()
    again = SeenAlerts(tmp_path, "a/group", remembered=50)
    assert len(again) == 50 and ("fink_all", "199", 0) in again
    assert ("fink_all", "100", 0) not in again and ("fink_all", "199", 1) not in again
    again.close()


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SetupError, match="cannot remember alerts"):
        SeenAlerts(tmp_path / "file", "g")
