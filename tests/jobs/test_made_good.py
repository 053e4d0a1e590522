"""What went wrong is made good: checkpoints from the table, dead letters once they can be read."""

import copy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fink_like import simulator
from fink_like.errors import NotNow, RefusedStart
from fink_like.jobs import distribute, ingest, science
from fink_like.packets import schemas, wire
from fink_like.packets.schemas import PacketSchema
from fink_like.spark import lease, tables
from fink_like.spark.checkpoint import Checkpoint
from fink_like.spark.control import ControlFolder

ZTF, LSST = "ztf_20250101_programid1", "lsst-alerts-v11.0"
NEW_ID = 1199


def fill(street, count, seed, damaged=0):
    """Publish packets of both surveys, the last ones cut short; how many."""
    produced = 0
    for survey, name in (("ztf", ZTF), ("lsst", LSST)):
        model = simulator.open_survey(street.project, survey)
        values = [v for b in simulator.night(model, count, seed=seed, cutouts=False)
                  for v in b.values]
        values[count - damaged:] = [v[:500] for v in values[count - damaged:]]
        produced += street.publish(street.topic(name), values)
    return produced


def ledger(street, job):
    return street.spark.read.format("delta").load(street.settings.path("ledger", job)).collect()


def test_the_ledger_tells_what_came_and_what_became_of_it(street):
    model = simulator.open_survey(street.project, "ztf")
    values = [v for b in simulator.night(model, 12, seed=1, cutouts=False) for v in b.values]
    topic = street.topic(ZTF, partitions=1)
    street.publish(topic, [*values[:10], values[0][:400], None])
    street.run()
    street.publish(topic, [values[3], *values[10:]])  # one comes again
    street.run()
    first, second = sorted(ledger(street, "ingest"), key=lambda line: line.batch)
    assert (first.start_offset, first.end_offset, first.rows, first.gap) == (0, 12, 12, 0)
    assert (first.ok, first.dead, first.waiting, first.duplicates) == (10, 2, 0, 0)
    assert (second.start_offset, second.end_offset, second.duplicates) == (12, 15, 1)
    assert first.bytes == sum(map(len, values[:10])) + 400 and 0 < first.latency_p50 < 600
    assert sum(sum(line.night_rows) for line in (first, second)) == 15
    scored, sent = ledger(street, "science"), ledger(street, "distribute")
    assert sum(line.rows for line in scored) == sum(line.ok for line in scored) == 13
    assert sum(line.ok for line in sent) == len(street.received())
    versions = [line.table_version for line in (first, second)]
    assert max(line.read_version for line in scored) > max(versions)


def test_a_line_that_could_not_be_written_is_written_later(street, monkeypatch, capsys):
    """A full disk, say, in the moment of the ledger; its packets are no duplicates then."""
    fill(street, 3, seed=4)
    query = ingest.run(street.settings, street.spark, until_caught_up=True)
    query.awaitTermination()
    errands = ingest.errands(street.settings, street.spark)
    append, left = tables.append, ["No space left on device"]

    def full(*given):
        if left:
            raise OSError(left.pop())
        append(*given)

    monkeypatch.setattr(tables, "append", full)
    errands.run()
    assert ledger(street, "ingest") == [] and "No space left" in capsys.readouterr().err
    errands.run()
    lines = ledger(street, "ingest")
    assert sum(line.rows for line in lines) == 6 and {line.duplicates for line in lines} == {0}


@pytest.mark.slow
def test_a_checkpoint_of_yesterday_is_made_anew_from_the_table(street, tmp_path):
    produced = fill(street, 10, seed=1)
    street.run()
    yesterday = tmp_path / "yesterday"
    shutil.copytree(Path(street.settings.data, "jobs"), yesterday)
    produced += fill(street, 5, seed=2)
    street.run()
    delivered = street.table("deliveries").count()
    shutil.rmtree(Path(street.settings.data, "jobs"))
    shutil.copytree(yesterday, Path(street.settings.data, "jobs"))
    for job in (ingest, science, distribute):
        with pytest.raises(RefusedStart, match=f"checkpoint rebuild {job.JOB}"):
            street.run(job)
        checkpoint = Checkpoint(street.spark, street.settings, job.JOB)
        assert checkpoint.rebuild(job.table(street.spark, street.settings))["batch"] == 1
    street.run()
    assert street.table("deliveries").count() == delivered
    produced += fill(street, 5, seed=3)
    street.run()
    street.check_exactly_once(produced)
    sent = {(t, h["alert_id"]) for t, h, *_ in street.received()}
    assert len(sent) == len(street.received()) == street.table("deliveries").count() > delivered


@pytest.mark.slow
def test_a_job_that_lost_its_whole_folder_is_made_anew(street):
    produced = fill(street, 10, seed=1)
    street.run()
    for job in (ingest, science, distribute):
        shutil.rmtree(Path(street.settings.data, "jobs", job.JOB))
        with pytest.raises(RefusedStart, match="Checkpoint lost"):
            street.run(job)
        Checkpoint(street.spark, street.settings, job.JOB).rebuild(
            job.table(street.spark, street.settings))
    produced += fill(street, 5, seed=2)
    street.run()
    street.check_exactly_once(produced)


@pytest.mark.slow
def test_dead_letters_are_read_again_once(street):
    """The schema was unknown; it arrives; the packets are read, scored and sent, once."""
    model = simulator.open_survey(street.project, "lsst")
    book = schemas.SchemaBook(street.project / "schemas" / "lsst")
    values = [v for b in simulator.night(model, 8, seed=5, cutouts=False) for v in b.values]
    known = wire.split(values[0], wire.FRAMED, book).schema.avro
    unknown = [b"\x00" + NEW_ID.to_bytes(4, "big") + value[5:] for value in values[:6]]
    produced = street.publish(street.topic(LSST), [*unknown, *values[6:], values[6][:300]])
    street.run()
    letters = street.table("bronze").where("state = 'dead'")
    assert {row.reason for row in letters.collect()} == {"unknown_schema", "truncated"}
    store = ControlFolder(street.spark, street.settings.path("schemas", "lsst"))
    schema = PacketSchema(str(NEW_ID), copy.deepcopy(known))
    store.freeze(f"{NEW_ID}.json", {"key": schema.key, "avro": schema.avro, "codec": "null",
                                    "header": ""})
    errands = ingest.errands(street.settings, street.spark)
    request = {"do": "redrive", "condition": "state = 'dead'"}
    assert errands.do(request) == {"tried": 7, "read": 6}
    assert errands.do(request) == {"tried": 1, "read": 0}
    street.run()
    again = street.table("bronze").where("attempt = 1").collect()
    assert len(again) == 6 and {row.state for row in again} == {"ok"}
    assert street.table("bronze").where("attempt = 0").count() == produced
    ids = [row.diaSourceId for row in street.rows("silver", "diaSourceId")]
    assert len(ids) == len(set(ids)) == 8
    lines = [line for line in ledger(street, "ingest") if line.kind == "redrive" and line.rows]
    assert sum(line.ok for line in lines) == 6
    assert len({h["alert_id"] for _, h, *_ in street.received()}) == 8


@pytest.mark.slow
def test_a_kill_in_the_middle_of_a_redrive_repeats_it_once(street, monkeypatch):
    produced = fill(street, 6, seed=1, damaged=2)
    street.run(ingest)
    errands = ingest.errands(street.settings, street.spark)
    redrive = errands._handlers["redrive"].__self__
    monkeypatch.setattr("fink_like.spark.bronze.rows", _killed)
    assert "killed" in errands.do({"do": "redrive", "condition": "true"})["error"]
    monkeypatch.undo()
    assert redrive._fixed.names() == ["0.json"]
    assert errands.do({"do": "redrive", "condition": "true"}) == {"tried": 4, "read": 0}
    assert street.table("bronze").count() == produced


def _killed(*given):
    raise RuntimeError("killed")


@pytest.mark.slow
def test_a_second_instance_is_refused_while_the_first_lives(street):
    fill(street, 6, seed=1)
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    files = Checkpoint(street.spark, street.settings, "ingest").files
    try:
        began = lease.psutil.Process(other.pid).create_time()
        files.write(lease.FILE, {"owner": "another", "host": lease.socket.gethostname(),
                                 "pid": other.pid, "began": began, "at": 0})
        with pytest.raises(RefusedStart, match=f"another instance runs on .* process {other.pid}"):
            street.run(ingest)
        with pytest.raises(RefusedStart, match="another instance"):
            Checkpoint(street.spark, street.settings, "ingest").rebuild(
                ingest.table(street.spark, street.settings))
    finally:
        other.kill()
        other.wait()
    street.run(ingest)
    assert street.table("bronze").count() == 12
    lease.release(files)
    assert not files.exists(lease.FILE)


def test_one_who_lost_the_lease_writes_nothing_more(street):
    """It hung for minutes, and another host took over."""
    checkpoint = Checkpoint(street.spark, street.settings, "ingest")
    checkpoint.lease.take()
    held = checkpoint.files.read(lease.FILE)
    checkpoint.files.write(lease.FILE, {**held, "owner": "another", "host": "elsewhere"})
    with pytest.raises(RefusedStart, match="on elsewhere"):
        checkpoint.note(0)
    checkpoint.files.write(lease.FILE, {**held, "owner": "another", "host": "elsewhere",
                                        "at": held["at"] - 2 * lease.VALID_S})
    checkpoint.note(0)  # that one is gone, too


@pytest.mark.slow
def test_a_flood_of_bad_packets_pauses_ingest(make_street):
    street = make_street(**{"jobs.flood_action": "pause", "jobs.flood_least": 10})
    topic = street.topic(ZTF, partitions=1)
    street.publish(topic, [b"not a packet"] * 12)
    street.run(ingest)
    street.publish(topic, [b"not a packet"])
    with pytest.raises(NotNow, match="12 of 12 messages .* fink-like resume"):
        street.run(ingest)
    Checkpoint(street.spark, street.settings, "ingest").files.delete("flood.json")
    street.run(ingest)
    assert street.table("bronze").where("state = 'dead'").count() == 13


def test_a_full_disk_makes_ingest_wait(make_street):
    street = make_street(**{"jobs.disk_pause": 1e-9})
    fill(street, 6, seed=1)
    with pytest.raises(NotNow, match="Kafka keeps what comes"):
        street.run(ingest)
