"""Dead letters: counted, looked at, taken along, read again."""

import csv
import os
import subprocess
import sys
import time

import psutil
import pyarrow.parquet as pq
import pytest

from fink_like import books, cli, letters
from fink_like.ask import is_running
from fink_like.errors import BrokerError, ConfigError
from fink_like.letters import Selection
from fink_like.letters.advice import ADVICE
from fink_like.reports import SmallFiles
from fink_like.spark import redrive
from fink_like.vocabulary import DEAD_LETTER_REASONS

pytestmark = pytest.mark.slow  # its street alone takes half a minute

LATE_ID = 1199  # as in conftest.py
EVERY = Selection(("ztf", "lsst"))


def of_reason(reason):
    return Selection(("ztf", "lsst"), reason=reason)


def add_late_schema(settings):
    """The survey has told us the schema of the id that came before it."""
    folder = settings.schemas / "lsst"
    newest = max(folder.glob("*.yaml"), key=lambda path: "id: 1100" in path.read_text())
    (folder / "late.yaml").write_text(newest.read_text().replace("id: 1100", f"id: {LATE_ID}"))


def spot(row):
    return f"{row['topic']}:{row['partition']}:{row['offset']}"


def test_open_ones_are_those_that_a_redrive_would_read(worn_street):
    theirs = redrive.open_letters(worn_street.spark, worn_street.settings.path("bronze"))
    mine = letters.read(worn_street.settings.data, EVERY)
    assert sorted(tuple(row) for row in theirs.select(*redrive.PLACE).collect()) == [
        tuple(row) for row in mine[list(redrive.PLACE)].itertuples(index=False)]
    assert mine["open"].all() and len(mine) > 20
    assert letters.read(worn_street.settings.data, EVERY, "redriven").empty


def test_counts(worn_street, at_home, capsys):
    found = letters.read(worn_street.settings.data, EVERY)
    counts = letters.summary(found)
    rows = worn_street.table("bronze").where("state != 'ok'").groupBy("survey", "reason").count()
    assert counts.set_index(["survey", "reason"])["letters"].to_dict() == {
        row[:2]: row[2] for row in rows.collect()}
    assert (counts["first"] <= counts["last"]).all() and counts["open"].sum() == len(found)
    assert at_home(worn_street.settings, "dead-letters", "list", "--survey", "lsst",
                   "--limit", "3") == 0
    out = capsys.readouterr().out
    assert "unknown_schema" in out and "ztf" not in out.replace("fink_ztf", "")
    assert out.count(":1:") + out.count(":0:") >= 3 and "\n3 of " in out
    assert at_home(worn_street.settings, "dead-letters", "list", "--night", "19990101") == 0
    assert "no dead letters" in capsys.readouterr().out


def test_all_about_one_of_each_reason(worn_street):
    settings = worn_street.settings
    found = letters.read(settings.data, EVERY, columns=[*letters.counts.SMALL, "value"])
    assert {"empty", "truncated", "unknown_schema", "schema_invalid"} <= set(found["reason"])
    for _, row in found.drop_duplicates(["survey", "reason"]).iterrows():
        said = "\n".join(letters.describe(settings, spot(row)))
        assert DEAD_LETTER_REASONS[row["reason"]] in said and "origin=test" in said
        assert f"{row['kafka_time']:%F %T}" in said and "what to do" in said
        assert "cannot be read: " + row["reason"] in said
        if row["value"]:
            assert row["value"][:16].hex(" ") in said
        if row["survey"] == "ztf" and row["reason"] == "schema_invalid":
            assert "schema key c" in said and "codec null" in said and "avro.schema (" in said
        if row["survey"] == "lsst" and row["reason"] == "truncated":
            assert "a frame of schema id 1100" in said
    with pytest.raises(BrokerError, match="has no message a:0:1"):
        letters.describe(settings, "a:0:1")


def test_where_a_truncated_packet_stops(worn_street):
    found = letters.read(worn_street.settings.data, Selection(("lsst",), survey="lsst",
                                                              reason="truncated"),
                         columns=[*letters.counts.SMALL, "value"])
    long = found[found["value"].map(len) > 100].iloc[0]
    said = "\n".join(letters.describe(worn_street.settings, spot(long)))
    stop = next(line for line in said.splitlines() if "stops at" in line)
    assert f"of the datum's {len(long['value']) - 5}" in stop and "field " in stop


def test_a_schema_that_has_come_since(worn):
    late = letters.read(worn.data, of_reason("unknown_schema"))
    late = late[late["detail"].str.startswith(f"unknown schema id {LATE_ID}")]
    assert len(late) == 4
    said = "\n".join(letters.describe(worn, spot(late.iloc[0])))
    assert "cannot be read: unknown_schema" in said and "its bytes follow schema 1100" in said
    add_late_schema(worn)
    said = "\n".join(letters.describe(worn, spot(late.iloc[0])))
    assert "CAN BE READ NOW: alert " in said
    assert f"dead-letters replay --place {spot(late.iloc[0])}" in said


def test_export(worn_street, at_home, tmp_path, capsys):
    data, to = worn_street.settings.data, tmp_path / "for the survey"
    kept = letters.read(data, EVERY, columns=[*letters.counts.SMALL, "value"])
    assert at_home(worn_street.settings, "dead-letters", "export", "--to", str(to)) == 0
    assert f"{len(kept)} letters" in capsys.readouterr().out
    with open(to / "index.csv", encoding="utf-8") as file:
        index = list(csv.DictReader(file))
    assert len(index) == len(kept) and {line["reason"] for line in index} == set(kept["reason"])
    for _, row in kept.iterrows():
        path = to / f"{row['topic']}-{row['partition']}-{row['offset']}"
        assert (path.read_bytes() if path.exists() else None) == row["value"]
    assert {line["file"] for line in index if line["file"]} == {
        path.name for path in to.iterdir()} - {"index.csv"}
    assert index[0]["key"] == "key" and index[0]["headers"] == "origin=test"

    chosen = of_reason("truncated")
    done = letters.export(data, chosen, "open", tmp_path / "x" / "some.parquet")
    table = pq.read_table(tmp_path / "x" / "some.parquet")
    mine = kept[kept["reason"] == "truncated"]
    assert done["letters"] == len(table) == len(mine) > 0
    assert sorted(table["value"].to_pylist()) == sorted(mine["value"])
    assert done["bytes"] == sum(map(len, mine["value"]))


@pytest.mark.slow
def test_replay_where_ingest_does_not_run(worn, at_home, capsys, spark):
    """The rows that can be read now are there, once; the books balance before and after."""
    assert at_home(worn, "dead-letters", "replay", "--reason", "unknown_schema") == 1
    out = capsys.readouterr().out
    unknown = len(letters.read(worn.data, of_reason("unknown_schema")))
    assert f"tried {unknown}, read 0" in out and "still unreadable" in out
    add_late_schema(worn)
    assert at_home(worn, "dead-letters", "replay", "--reason", "unknown_schema") == 1
    assert f"tried {unknown}, read 4" in capsys.readouterr().out
    assert not is_running(SmallFiles(worn.data, "jobs", "ingest"))
    read = letters.read(worn.data, EVERY, "redriven")
    assert len(read) == 4 and not read["open"].any()
    assert len(letters.read(worn.data, of_reason("unknown_schema"))) == unknown - 4
    said = "\n".join(letters.describe(worn, spot(read.iloc[0])))
    assert "attempt 1" in said and "was read later" in said

    found = books.balance(books.read(worn.data))
    assert found["balances"], found["discrepancies"]
    counts = found["surveys"]["lsst"]
    assert (counts["redriven"], counts["to_science"], found["behind"]["ingest"]) == (4, 4, 0)
    assert at_home(worn, "dead-letters", "replay", "--place", spot(read.iloc[0])) == 0
    assert "tried 0, read 0" in capsys.readouterr().out


def test_what_is_asked_for_is_checked(worn_street, at_home, capsys):
    settings = worn_street.settings
    assert at_home(settings, "dead-letters", "replay") == 1
    assert "which ones?" in capsys.readouterr().err
    assert at_home(settings, "dead-letters", "replay", "--survey", "x' OR '1'='1") == 1
    assert "no survey" in capsys.readouterr().err
    for wrong in ("a:0", "a b:0:1", "a':0:1", "a:x:1", "a:0:-1", "a:0:1; DROP"):
        with pytest.raises(ConfigError, match="TOPIC:PARTITION:OFFSET"):
            Selection((), place=wrong)
    chosen = Selection(("ztf",), 20260311, "none", "empty", "a.b-c_1:2:3")
    assert chosen.sql() == ("`night` = 20260311 AND `survey` IS NULL AND `reason` = 'empty' AND "
                            "`topic` = 'a.b-c_1' AND `partition` = 2 AND `offset` = 3")
    assert Selection(()).sql() == "true" and Selection(()).is_all() and not chosen.is_all()
    bronze = worn_street.table("bronze")
    assert bronze.where(chosen.sql()).count() == 0
    some = letters.read(settings.data, EVERY).iloc[0]
    assert bronze.where(Selection((), place=spot(some)).sql()).count() == 1


def test_there_is_advice_for_every_reason():
    assert set(ADVICE) == set(DEAD_LETTER_REASONS)


def test_topics_of_nobody(worn_street):
    """They are read only when a survey that claimed them does so no longer."""
    nobody = Selection(("ztf",), survey="none")
    assert letters.read(worn_street.settings.data, nobody).empty


@pytest.mark.slow
def test_replay_of_a_running_ingest_and_without_one(worn, monkeypatch, capsys):
    """Real processes: ingest with its lease, then none and a Spark session of the command's own."""
    monkeypatch.setenv("FINK_LIKE__ROOT", worn.root)
    monkeypatch.setenv("FINK_LIKE__KAFKA__SERVERS", worn.kafka.servers)
    folder = SmallFiles(worn.data, "jobs", "ingest")
    command = [sys.executable, "-m", "fink_like"]
    job = subprocess.Popen([*command, "ingest", "--data", worn.data], env=os.environ)
    try:
        end = time.monotonic() + 120
        while not is_running(folder) and time.monotonic() < end and job.poll() is None:
            time.sleep(0.2)
        add_late_schema(worn)
        place = spot(letters.read(worn.data, of_reason("truncated")).iloc[0])
        assert cli.main(["dead-letters", "replay", "--place", place, "--data", worn.data]) == 1
        assert "tried 1, read 0" in capsys.readouterr().out
        assert cli.main(["stop", "ingest", "--wait", "--data", worn.data]) == 0
        assert job.wait(60) == 0
    finally:
        if job.poll() is None:
            for child in psutil.Process(job.pid).children(recursive=True):
                child.kill()
            job.kill()
    done = subprocess.run([*command, "dead-letters", "replay", "--reason", "unknown_schema",
                           "--data", worn.data], capture_output=True, text=True, timeout=300)
    assert "read 4" in done.stdout and done.returncode == 1, done.stderr
    assert books.balance(books.read(worn.data))["balances"]
