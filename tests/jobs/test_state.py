"""How the broker fares, and what an operator can do about it, by the command line alone."""

import json
import re
import shutil

import pytest
from confluent_kafka import TopicPartition

from fink_like import books, client, metrics, simulator, state
from fink_like.errors import RefusedStart
from fink_like.jobs import ingest
from fink_like.reports import SmallFiles
from fink_like.spark import kafka
from fink_like.spark.checkpoint import Checkpoint
from fink_like.spark.lease import release

pytestmark = pytest.mark.slow  # its street alone takes half a minute


def files(settings):
    return SmallFiles(settings.data, "jobs", "ingest")


def samples(text):
    """Prometheus' text as {name{labels}: value}; every line is a comment or a sample."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("# "):
            name, value = re.fullmatch(r"(fink_like_\w+(?:\{.*\})?) (\S+)", line).groups()
            found[name] = float(value)
    return found


def test_what_ran(worn_street, at_home, capsys):
    settings = worn_street.settings
    assert at_home(settings, "status", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    letters = worn_street.table("bronze").where("state != 'ok'").count()
    assert found["dead_letters_open"] == letters and 0 < found["disk_used"] < 1
    assert found["flood"] is None and found["gaps"] == []
    assert {sum(partitions.values()) for partitions in found["lag"].values()} == {0}
    ledger = client.open_table(settings.data, "ledger")
    for job, fares in found["jobs"].items():
        lines = ledger[(ledger["job"] == job) & (ledger["batch"] == 1)]
        assert fares["last"]["rows"] == lines["rows"].sum() and fares["last"]["batch"] == 1
        assert fares["last"]["latency_s"]["1"] == lines["latency_max"].max()
        assert fares["age_s"] > 0 and fares["last"]["ledger_age_s"] > 0 and fares["lease"] is None
    assert at_home(settings, "status") == 0
    said = capsys.readouterr().out
    assert f"{letters} dead letters are open" in said and "2 topics are read to their end" in said
    assert json.loads(said[said.index("\n{"):])["bronze"]["dead"] == letters


def test_what_is_wrong_is_said(worn, at_home, capsys, spark):
    names = sorted({n for n in client.open_table(worn.data, "bronze", columns=["topic"])["topic"]})
    files(worn).write("lag.json", {names[0]: {"0": 5, "1": 70, "2": 0}, names[1]: {"0": 0}})
    files(worn).write("flood.json", {"said": "90 of 100 messages", "paused": True})
    files(worn).write("refused.json", {"gaps": [
        {"topic": names[0], "partition": 1, "start": 3, "end": 9, "cause": "expired"}]})
    breakers = SmallFiles(worn.data, "jobs", "science", "modules")
    breakers.write("rates.json", {"bad": [1, 2, 3], "off": True, "at": 0, "batch": 3,
                                  "message": "KeyError: 'it'"})
    Checkpoint(spark, worn, "ingest").lease.take()
    assert at_home(worn, "status") == 0
    said = capsys.readouterr().out
    assert "MODULE     rates is off" in said and "KeyError: 'it'" in said
    assert f"{names[0]}: 75 messages (partition 1: 70, partition 0: 5)" in said
    assert "1 topics are read to their end" in said
    assert "ALARM      90 of 100 messages; ingest waits for `fink-like resume`" in said
    assert f"GAP        {names[0]}:1 from 3 to 9: expired" in said and "runs as process" in said
    assert at_home(worn, "status", "--prometheus") == 0
    found = samples(capsys.readouterr().out)
    assert found[f'fink_like_lag_messages{{topic="{names[0]}",partition="1"}}'] == 70
    assert [found[f"fink_like_{n}"] for n in ("flood_alarm", "paused", "gaps_not_accepted")] == [
        1, 1, 1]
    assert found['fink_like_module_off{module="rates"}'] == 1
    assert found['fink_like_job_running{job="ingest"}'] == 1
    assert found['fink_like_job_running{job="science"}'] == 0
    assert {name.split("{")[0].removeprefix("fink_like_") for name in found} == set(
        metrics.METRICS)
    release(Checkpoint(spark, worn, "ingest").files)


def test_where_nothing_has_run(settings):
    found = state.state(settings)
    assert found["dead_letters_open"] is None and found["lag"] == {}
    assert [line.split()[1] for line in state.lines(found)[:3]] == ["no", "no", "no"]
    assert samples(state.prometheus(found))["fink_like_flood_alarm"] == 0


def test_metrics_are_a_closed_list():
    with pytest.raises(KeyError):
        metrics.render([("made_up", {}, 1)])
    with pytest.raises(KeyError, match="paused has the labels"):
        metrics.render([("paused", {"job": "x"}, 1)])
    text = metrics.render([("job_running", {"job": 'a"b\\c\nd'}, 1), ("paused", {}, None)])
    assert text.endswith('fink_like_job_running{job="a\\"b\\\\c\\nd"} 1\n') and "paused" not in text


def test_resume(worn, at_home, capsys):
    assert at_home(worn, "resume") == 0 and "no alarm" in capsys.readouterr().out
    files(worn).write("flood.json", {"said": "90 of 100 messages", "paused": True})
    assert at_home(worn, "resume") == 0
    assert capsys.readouterr().out == "cleared: 90 of 100 messages; ingest goes on\n"
    assert files(worn).read("flood.json") is None


@pytest.mark.slow
def test_rebuild(worn, at_home, spark, capsys):
    """The checkpoint is lost; made anew, ingest goes on where the table ends."""
    count = len(client.open_table(worn.data, "bronze", columns=["offset"]))
    shutil.rmtree(worn.path("jobs", "ingest", "checkpoint"))
    with pytest.raises(RefusedStart, match="checkpoint rebuild ingest"):
        ingest.run(worn, spark, until_caught_up=True)
    release(Checkpoint(spark, worn, "ingest").files)
    assert at_home(worn, "checkpoint", "rebuild", "ingest") == 0
    said = capsys.readouterr().out
    assert "had finished batch -1" in said and "ends with batch 1" in said
    ingest.run(worn, spark, until_caught_up=True).awaitTermination()
    release(Checkpoint(spark, worn, "ingest").files)
    assert len(client.open_table(worn.data, "bronze", columns=["offset"])) == count
    assert books.balance(books.read(worn.data))["balances"]


@pytest.mark.slow
def test_a_gap_from_its_refusal_to_the_books(street, at_home, capsys):
    """Messages expire unread; ingest stops; somebody accepts it; the ledger tells and balances."""
    settings, topic = street.settings, street.topic("ztf_20250101_programid1", partitions=1)
    model = simulator.open_survey(street.project, "ztf")
    values = [v for b in simulator.night(model, 20, seed=1, cutouts=False) for v in b.values]
    street.publish(topic, values[:10])
    street.run(ingest)
    street.publish(topic, values[10:])
    place = TopicPartition(topic, 0, 14)
    admin = kafka.admin(settings)  # a future does not keep its client alive
    admin.delete_records([place])[place].result(20)
    assert at_home(settings, "checkpoint", "accept-gap", "--reason", "none yet") == 1
    with pytest.raises(RefusedStart):
        street.run(ingest)
    assert at_home(settings, "status") == 0
    assert f"GAP        {topic}:0 from 10 to 14: expired" in capsys.readouterr().out
    assert at_home(settings, "checkpoint", "accept-gap", "--reason", "disk full on 3 May") == 0
    assert f"accepted: {topic}:0 from 10 to 14 (expired)" in capsys.readouterr().out
    street.run(ingest)
    assert at_home(settings, "ledger") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"gap, explained: 4 of {topic}:0:10-19 (batch 1): expired; accepted by" in said
    assert "disk full on 3 May" in said and "The night balances." in said
