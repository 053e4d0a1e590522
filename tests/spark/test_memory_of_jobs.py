"""What a job keeps between its starts: control files, its checkpoint, the schemas it has met."""

import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fink_like import config
from fink_like.errors import ConfigError, RefusedStart
from fink_like.packets import survey, wire
from fink_like.packets.schemas import PacketSchema
from fink_like.spark import lease, tables
from fink_like.spark.checkpoint import Checkpoint
from fink_like.spark.control import ControlFolder
from fink_like.spark.schema_store import SchemaStore
from fink_like.vocabulary import Field

SMALL = (Field("night", "int"), Field("n", "bigint"))


@pytest.fixture
def settings(tmp_path, project):
    """Of a project whose folder has a space in its name, as a laptop's may."""
    data = tmp_path / "with a space"
    return config.load(project, environment={}, data=str(data))


def test_control_files(spark, settings):
    folder = ControlFolder(spark, settings.path("control"))
    assert (folder.names(), folder.exists("a.json"), folder.read("a.json")) == ([], False, None)
    folder.write("a.json", {"x": ["ä", 1, None]})
    assert folder.read("a.json") == {"x": ["ä", 1, None]}
    folder.write("a.json", {"x": 2})
    assert folder.read("a.json") == {"x": 2} and folder.names() == ["a.json"]
    folder.delete("a.json")
    folder.delete("a.json")
    assert folder.names() == []


def test_what_is_frozen_stays(spark, settings):
    folder = ControlFolder(spark, settings.path("control"))
    assert folder.freeze("b.json", {"try": 1}) == {"try": 1}
    assert folder.freeze("b.json", {"try": 2}) == {"try": 1}
    again = ControlFolder(spark, settings.path("control"))
    assert again.freeze("b.json", {"try": 3}) == {"try": 1}


def test_a_half_written_file_is_no_file(spark, settings):
    folder = ControlFolder(spark, settings.path("control"))
    folder.write("a.json", 1)
    Path(folder.path, ".b.json.0123").write_text('{"x"')
    assert folder.names() == ["a.json"] and folder.read("b.json") is None


def test_a_file_is_there_while_it_is_replaced(spark, settings):
    """A reader beside a writer finds the old text or the new one, never none."""
    ours, theirs = (ControlFolder(spark, settings.path("control")) for _ in range(2))
    ours.write("a.json", -1)
    with ThreadPoolExecutor(1) as writer:
        written = writer.submit(lambda: [theirs.write("a.json", n) for n in range(300)])
        seen = []
        while not written.done():
            seen.append(ours.read("a.json"))
    assert written.result() and None not in seen and len(set(seen)) > 10
    assert [path.name for path in Path(ours.path).iterdir()] == ["a.json"]


def test_a_lease_is_given_back_for_good_while_it_is_renewed(spark, settings, monkeypatch):
    """A renewal that has begun ends before the lease is deleted, not behind it."""
    monkeypatch.setattr(lease, "RENEW_S", 0.01)
    for _ in range(8):
        checkpoint = Checkpoint(spark, settings, "mirror")
        checkpoint.lease.take()
        time.sleep(0.02)
        lease.release(checkpoint.files)
        assert not checkpoint.files.exists(lease.FILE)
    assert "lease mirror" not in {thread.name for thread in threading.enumerate()}


def test_inputs_of_old_batches_are_forgotten(spark, settings):
    checkpoint = Checkpoint(spark, settings, "ingest")
    for batch in (0, 1, 199, 200, 399):
        checkpoint.freeze(batch, {"batch": batch})
    checkpoint.freeze(400, {})
    names = ControlFolder(spark, settings.path("jobs", "ingest", "batches")).names()
    assert names == ["200.json", "399.json", "400.json"]


class Job:
    """A job that has run some batches, as its files show it."""

    def __init__(self, spark, settings, name="ingest"):
        self.spark, self.settings, self.name = spark, settings, name
        self.table = tables._create(spark, settings.path("table"), SMALL, ("night",))

    @property
    def checkpoint(self):
        return Checkpoint(self.spark, self.settings, self.name)

    def plan(self, batch):
        self._mark("offsets", batch)

    def append(self, batch):
        rows = self.spark.createDataFrame([(20260101, batch)], tables.schema(SMALL))
        checkpoint = self.checkpoint
        tables.append(rows, self.table, checkpoint.app_id, batch, checkpoint.note(batch))

    def finish(self, batch):
        self._mark("commits", batch)

    def run(self, *batches):
        """Of the table, the newest batch is enough."""
        for batch in batches:
            self.plan(batch)
            self.finish(batch)
        if batches:
            self.append(batches[-1])
        return self

    def check(self):
        self.checkpoint.check(self.table)

    def _mark(self, log, batch):
        folder = Path(self.checkpoint.location, log)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / str(batch)).write_text("v1\n{}")
        (folder / f".{batch}.crc").write_bytes(b"")


@pytest.fixture
def job(spark, settings):
    return Job(spark, settings)


def test_a_new_job_may_start(job):
    job.check()


def test_a_job_that_ended_well_may_start(job):
    job.run(0, 1, 2).check()
    assert job.checkpoint.log.done() == 2


def test_a_kill_before_the_checkpoints_commit_is_fine(job):
    """The batch is planned and written; only the checkpoint does not know it is done."""
    for ran in ((), (0, 1)):
        job.run(*ran).plan(len(ran))
        job.append(len(ran))
        job.check()
        job.finish(len(ran))


def test_a_kill_before_the_tables_commit_is_fine(job):
    job.run(0).plan(1)
    job.check()


def test_what_a_kill_left_half_written_is_swept(job):
    """Spark 4.1.1 refuses for ever to run a first batch in a folder that is not empty."""
    left = Path(job.checkpoint.location, "offsets", ".0.0004ce1d-39e4.tmp")
    left.parent.mkdir(parents=True)
    left.write_text("")
    job.check()
    assert not left.exists()


def test_an_older_checkpoint_is_refused(job, tmp_path):
    job.run(0, 1)
    shutil.copytree(job.checkpoint.location, tmp_path / "old")
    job.run(2, 3)
    shutil.rmtree(job.checkpoint.location)
    shutil.copytree(tmp_path / "old", job.checkpoint.location)
    with pytest.raises(RefusedStart, match="finished batch 1 .* says 3"):
        job.check()


def test_a_checkpoint_older_by_one_batch_is_refused(job, tmp_path):
    """It would plan that batch anew, with other input, and Delta would skip its write."""
    job.run(0)
    shutil.copytree(job.checkpoint.location, tmp_path / "old")
    job.run(1)
    shutil.rmtree(job.checkpoint.location)
    shutil.copytree(tmp_path / "old", job.checkpoint.location)
    with pytest.raises(RefusedStart, match="Checkpoint and table disagree"):
        job.check()


def test_an_older_table_is_refused(job, tmp_path):
    job.run(0, 1)
    shutil.copytree(job.table, tmp_path / "old")
    job.run(2)
    shutil.rmtree(job.table)
    shutil.copytree(tmp_path / "old", job.table)
    job.spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()
    with pytest.raises(RefusedStart, match="finished batch 2 .* says 1"):
        job.check()


@pytest.mark.parametrize("batches", [1, 3])
def test_a_lost_checkpoint_is_refused(job, batches):
    job.run(*range(batches))
    shutil.rmtree(job.checkpoint.location)
    with pytest.raises(RefusedStart, match="disagree"):
        job.check()


def test_a_lost_folder_of_the_job_is_refused(job):
    """Identity and all: the table's own notes tell that it was written before."""
    job.run(0, 1)
    shutil.rmtree(job.checkpoint.folder)
    with pytest.raises(RefusedStart, match="Checkpoint lost"):
        job.check()


def test_two_jobs_in_one_table_do_not_mind_each_other(job, spark, settings):
    job.run(0, 1)
    Job(spark, settings, "replay").check()


def test_stop_marker(job):
    checkpoint = job.checkpoint
    assert not checkpoint.should_stop()
    checkpoint.ask_to_stop()
    assert job.checkpoint.should_stop()
    checkpoint.clear_stop()
    assert not checkpoint.should_stop()


@pytest.fixture
def store(spark, settings, surveys):
    return SchemaStore(spark, settings, surveys)


def schema_of(container, **types):
    fields = [{"name": n, "type": t} for n, t in types.items()]
    avro = {"type": "record", "name": "s.alert", "fields": fields}
    value = container(avro, [dict.fromkeys(types, 0)])
    return wire.split(value, wire.CONTAINER, None).schema


def test_the_store_begins_with_the_projects_schemas(store, known):
    """A file without a registry id is there too, but slows nobody down who does not name it."""
    assert store.keys() == {n: sorted(s.key for s in found if s.key.isdigit())
                            for n, found in known.items()}
    everything = {n: [s.key for s in found] for n, found in known.items()}
    assert store.pick(everything) == known


def test_a_schema_that_was_met_is_there_for_other_jobs(store, container, spark, settings, surveys):
    schema = schema_of(container, candid="long")
    other = SchemaStore(spark, settings, surveys)
    assert store.add("ztf", schema)
    assert other.pick({"ztf": [schema.key]}) == {"ztf": [], "lsst": []}
    other.refresh()
    (found,) = other.pick({"ztf": [schema.key, "c0000"]})["ztf"]
    assert (found.key, found.avro, found.header, found.codec) == (
        schema.key, schema.avro, schema.header, "null")


def test_a_schema_that_does_not_go_with_the_others_stays_out(store, container):
    """One reader schema serves all: a field that is text in one and a number in another ends it."""
    assert store.add("ztf", schema_of(container, candid="long"))
    clash = PacketSchema("cclash", {"type": "record", "name": "s.alert", "fields": [
        {"name": "candid", "type": "string"}]})
    assert not store.add("ztf", clash)
    (kept,) = store.pick({"ztf": ["cclash"]})["ztf"]
    assert kept.avro == clash.avro and not kept.fast  # for who reads the packet without the JVM


def test_a_schema_that_java_does_not_take_stays_out(store):
    odd = PacketSchema("codd", {"type": "record", "name": "s.alert", "fields": [
        {"name": "no-name", "type": "long"}]})
    assert not store.add("ztf", odd)


def test_a_schema_that_an_input_names_must_be_there(spark, settings, project):
    path = project / "conf" / "surveys" / "ztf.yaml"
    for schema, said in (("4.02", None), ("4.2", "ztf.yaml: inputs: no file 4.2.yaml .*4.02")):
        content = path.read_text().partition("\ninputs:")[0]
        path.write_text(f'{content}\ninputs:\n  - {{topics: a, wire: bare, schema: "{schema}"}}\n')
        surveys = survey.load_all(project / "conf" / "surveys")
        if said:
            with pytest.raises(ConfigError, match=said):
                SchemaStore(spark, settings, surveys)
        else:
            assert SchemaStore(spark, settings, surveys).keys()["ztf"] == ["v4.02"]
