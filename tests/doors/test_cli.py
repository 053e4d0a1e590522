"""The command line: every command explains itself, and its example is a command that parses."""

import shlex

import pytest

from fink_like import cli
from fink_like.cli import COMMANDS


@pytest.mark.parametrize("each", COMMANDS, ids=lambda c: c.name)
def test_each_command_has_help_with_an_example_that_parses(each, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([*each.name.split(), "--help"])
    printed = capsys.readouterr().out
    assert ended.value.code == 0
    assert each.example in " ".join(printed.split())
    words = shlex.split(each.example)
    assert words[0] == "fink-like" and " ".join(words[1:]).startswith(each.name)
    assert cli.parser().parse_args(words[1:]).command is each.function


def test_a_wrong_setting_is_one_line_without_traceback(capsys, monkeypatch):
    monkeypatch.setenv("FINK_LIKE__KAFKA__SERVRES", "x:1")
    assert cli.main(["status"]) == 1
    error = capsys.readouterr().err
    assert "no setting called ['servres']" in error and "servers" in error
    assert "Traceback" not in error


def test_status_and_stop_without_any_job(tmp_path, capsys):
    data = str(tmp_path / "data")
    assert cli.main(["status", "--data", data]) == 0
    assert "no sign of life yet" in capsys.readouterr().out
    assert cli.main(["status", "ingest", "--data", data]) == 1
    assert cli.main(["stop", "ingest", "--data", data]) == 0
    assert (tmp_path / "data/jobs/ingest/stop.json").exists()


def test_simulate_writes_files_and_truth(tmp_path, capsys):
    import pyarrow.parquet as pq
    recipe = sorted(p.stem for p in _recipes())[-1]
    code = cli.main(["simulate", "--survey", recipe, "--alerts", "20", "--folder",
                     str(tmp_path / "packets"), "--truth", str(tmp_path / "truth.parquet")])
    assert code == 0
    assert "20 messages" in capsys.readouterr().out
    assert len(list((tmp_path / "packets").iterdir())) == 20
    truth = pq.read_table(tmp_path / "truth.parquet").to_pandas()
    assert truth["diaSourceId"].dtype == "int64" and truth["diaSourceId"].is_unique


def _recipes():
    from pathlib import Path
    return (Path(__file__).resolve().parents[2] / "conf" / "simulator").glob("*.yaml")


@pytest.mark.kafka
def test_publish_and_count(tmp_path, kafka, capsys):
    from confluent_kafka import Consumer, TopicPartition
    for number in range(3):
        (tmp_path / f"{number}.avro").write_bytes(bytes([number]) * 1000)
    topic = "published_by_the_command_line"
    assert cli.main(["publish", str(tmp_path), "--topic", topic, "--servers", kafka.servers]) == 0
    assert "3 messages" in capsys.readouterr().out
    reader = Consumer({"bootstrap.servers": kafka.servers, "group.id": "cli"})
    partitions = reader.list_topics(topic, timeout=10).topics[topic].partitions
    ends = [reader.get_watermark_offsets(TopicPartition(topic, p), timeout=10)[1]
            for p in partitions]
    reader.close()
    assert sum(ends) == 3


def test_publish_names_a_path_that_is_not_there(kafka_unused, capsys):
    assert cli.main(["publish", "/no/such/folder", "--topic", "t", "--servers",
                     kafka_unused]) == 1
    assert "no Kafka answers" in capsys.readouterr().err


@pytest.fixture
def kafka_unused(monkeypatch):
    """An address where nothing listens, and no patience."""
    from fink_like import ports
    from fink_like.spark import kafka as topics
    monkeypatch.setattr(topics, "ANSWER_S", 2)
    return f"127.0.0.1:{ports.free_port()}"
