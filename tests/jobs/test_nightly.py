"""The nightly job: compaction, duplicates, VACUUM, report; beside live jobs, killed, run again."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pyarrow.compute as pc
import pytest

from fink_like import client, simulator
from fink_like.books.snapshot import Snapshot
from fink_like.jobs import distribute, ingest, science, supervisor
from fink_like.nightly import Nightly
from fink_like.nightly.figures import counts
from fink_like.nightly.nights import closed, current_night
from fink_like.reports import JOBS
from fink_like.spark import commits, packing
from fink_like.spark.control import ControlFolder
from fink_like.spark.lease import release

ZTF, LSST = "ztf_20250101_programid1", "lsst-alerts-v11.0"
QUIET = {"jobs.closed_after_hours": 0, "jobs.ingest_messages": 20}


def packets(street, survey, n, seed=1):
    model = simulator.open_survey(street.project, survey)
    return [v for b in simulator.night(model, n, seed=seed, cutouts=False) for v in b.values]


def nightly(street, said=None, **given):
    """Run it where no job runs, in the tests' session; its exit code and lines."""
    released(street)
    said = [] if said is None else said
    code = Nightly(street.settings, lambda: contextlib.nullcontext(street.spark),
                   said.append).run(**given)
    return code, said


def released(street):
    """The tests' own process gives up the leases of the jobs it ran."""
    for job in JOBS:
        release(ControlFolder(street.spark, street.settings.path("jobs", job)))


def versions(street):
    return {name: commits.version_of(street.spark, street.settings.path(name))
            for name in ("bronze", "silver", "deliveries", "duplicates", "ledger/ingest")}


def content(street):
    return sorted(street.rows("bronze", "topic", "partition", "offset", "state", "bytes",
                              "datum_hash"), key=str), \
        sorted(tuple(r) for r in street.table("bronze").selectExpr(
            "topic", "partition", "offset", "xxhash64(datum, sync, value, header)").collect())


def files(street):
    root = Path(street.settings.data)
    return {str(p): p.stat().st_mtime_ns for p in root.rglob("*")
            if p.is_file() and "lease" not in p.name}


@pytest.fixture
def played(make_street):
    """A night of two surveys in several batches, with a damaged, a repeated, a revised packet."""
    street = make_street(**QUIET)
    ztf, lsst = packets(street, "ztf", 40), packets(street, "lsst", 40)
    topic = street.topic(LSST)
    street.publish(street.topic(ZTF), [*ztf, b"damaged", ztf[3]])
    street.publish(topic, lsst)
    street.run(ingest)
    street.publish(topic, [lsst[5], lsst[5]])
    street.run()
    street.produced = len(ztf) + 2 + len(lsst) + 2
    return street


@pytest.mark.slow
def test_a_night(played):
    night, = closed(played.settings)
    before, quiet = content(played), files(played)
    code, said = nightly(played, dry_run=True)
    assert code == 0 and files(played) == quiet
    assert said[0].startswith(f"night {night}: to do: sizes, compact ingest, ")

    code, said = nightly(played)
    assert (code, said[-1]) == (0, "1 nights done")
    assert content(played) == before
    played.check_exactly_once(played.produced)
    marked = {(r.survey, r.kind): r["count"] for r in
              played.table("duplicates").groupBy("survey", "kind").count().collect()}
    assert marked == {("ztf", "duplicate"): 1, ("lsst", "duplicate"): 2}
    check_report(played, night)

    done = versions(played)
    assert nightly(played) == (0, ["every closed night is done"])
    assert versions(played) == done
    row = client.open_table(played.settings.data, "silver").iloc[0]
    assert client.packet(played.settings.data, row)
    check_duplicates_left_out(played, night)


def check_report(street, night):
    folder = Path(street.settings.data) / "reports" / "nights" / str(night)
    lines = (folder / "report.md").read_text().splitlines()
    found = json.loads((folder / "report.json").read_text())
    assert lines[0] == f"# Night {night}: balances" and found["balances"]
    assert all((folder / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
               for name in ("rate", "latency", "lag", "dead_letters", "sizes"))
    of_kafka = max(Snapshot(street.settings.data).nights("bronze"))  # where damage belongs
    assert found["dead_letters"] == {}
    assert counts(street.settings.data, of_kafka)["dead_letters"] == {"not_this_wire_form": 1}
    assert found["duplicates"] == {"lsst": {"duplicate": 2}, "ztf": {"duplicate": 1}}
    sizes = found["sizes"]
    assert sizes["bronze"]["before"]["files"] > sizes["bronze"]["after"]["files"] == 1
    assert sizes["silver"]["after"]["files"] == 1
    assert set(found["latency_s"]) == {"ingest", "science", "distribute"}
    assert all(sum(statuses.values()) == street.produced - 1
               for statuses in found["modules"].values()) and found["modules"]
    assert sum(f.get("sent", 0) for f in found["filters"].values()) > 0
    assert found["tables"]["bronze"]["hours"] == 7 * 24 and found["alarms"] == []


def check_duplicates_left_out(street, night):
    data = street.settings.data
    for table, more in (("bronze", {"where": pc.field("state") == "ok"}), ("silver", {})):
        every = client.open_table(data, table, columns=["diaSourceId"], **more)
        once = client.open_table(data, table, columns=["diaSourceId"], duplicates=False, **more)
        assert len(every) - len(once) == 3 and list(once) == ["diaSourceId"]
        assert set(once["diaSourceId"]) == set(every["diaSourceId"])


@pytest.mark.slow
def test_late_alerts(played):
    """What comes to a done night is distributed, beside packed files, and the night done anew."""
    night, = closed(played.settings)
    assert nightly(played)[0] == 0
    before = len(played.received())
    played.produced += played.publish(played.prefix + LSST, packets(played, "lsst", 40, seed=9))
    played.run()
    played.check_exactly_once(played.produced)
    assert len(played.received()) > before
    code, said = nightly(played)
    assert code == 0 and any(line.startswith(f"night {night}: balances") for line in said)
    played.check_exactly_once(played.produced)


@pytest.mark.slow
def test_a_revision_is_no_duplicate(make_street):
    street = make_street(**QUIET)
    first, other = packets(street, "ztf", 2)
    topic = street.topic(ZTF, partitions=1)
    street.publish(topic, [first, other])
    street.run(ingest, science)
    path = street.settings.path("bronze")
    street.spark.sql(f"UPDATE delta.`{path}` SET diaSourceId = 7")
    night, = closed(street.settings)
    assert ingest.errands(street.settings, street.spark).do(
        {"do": "duplicates", "night": night}) == {"duplicate": 0, "revision": 1}
    row, = street.rows("duplicates")
    assert (row.offset, row.first_offset, row.kind) == (1, 0, "revision")


@pytest.mark.slow
def test_a_night_that_is_not_closed(make_street):
    street = make_street(**{"jobs.ingest_messages": 20})
    assert nightly(street) == (0, ["every closed night is done"])
    assert nightly(street, night=20260101) == (1, [
        "night 20260101: the ledger knows no batch of it"])
    street.publish(street.topic(ZTF), packets(street, "ztf", 5))
    street.run(ingest)
    assert nightly(street)[1] == ["every closed night is done"]
    written, = {night for night in closed(street.settings, now=4e9)}
    code, said = nightly(street, night=written)
    assert code == 1 and "is not closed: written to 0.0 h ago (closed after 6" in said[0]


def test_the_night_at_the_sites(settings):
    """Local noon to noon; the sites are at UTC-8 and UTC-4, so the western one is later."""
    evening = 1767312000  # 2026-01-02 00:00 UTC: 16:00 and 20:00 local on 1 January
    assert current_night(settings, evening) == 20260101
    assert current_night(settings, evening + 19.9 * 3600) == 20260101
    assert current_night(settings, evening + 20.1 * 3600) == 20260102


@pytest.mark.slow
def test_a_crash_between_any_two_steps(played, monkeypatch):
    """Each run gets one step further and dies; the last finds the rest done."""
    real, ends = Nightly._ask, []

    def dying(self, job, what, **arguments):
        answer = real(self, job, what, **arguments)
        ends.append(what)
        raise KeyboardInterrupt

    before, night = content(played), next(iter(closed(played.settings)))
    with monkeypatch.context() as patched:
        patched.setattr(Nightly, "_ask", dying)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                nightly(played)
    assert ends == ["compact", "compact"] and content(played) == before
    code, _ = nightly(played)
    assert code == 0
    assert content(played) == before
    check_report(played, night)


@pytest.mark.slow
def test_beside_live_jobs(make_street, monkeypatch):
    """All three jobs run and read while their tables are compacted; each alert arrives once."""
    street = make_street(**QUIET, **{"jobs.trigger": "500 milliseconds"})
    topics = street.topic(ZTF), street.topic(LSST)
    monkeypatch.setattr(supervisor, "ERRANDS_S", 0.5)  # ten are asked for a run
    produced, end = 0, threading.Event()
    live = threading.Thread(target=supervisor.supervise, kwargs={
        "jobs": [ingest, science, distribute], "settings": street.settings, "spark": street.spark,
        "watch": end.is_set})
    live.start()
    try:
        for seed in range(2):
            for survey, topic in zip(("ztf", "lsst"), topics):
                produced += street.publish(topic, packets(street, survey, 30, seed=seed))
            _wait_for(street, produced)
            assert Nightly(street.settings, no_session).run() == 0
    finally:
        end.set()
        live.join(120)
    street.run()
    street.check_exactly_once(produced)
    ids = [(topic, headers["alert_id"]) for topic, headers, *_ in street.received()]
    assert len(ids) == len(set(ids)) and ids
    assert nightly(street)[0] == 0


@contextlib.contextmanager
def no_session():
    raise AssertionError("the jobs run: they do the work")
    yield


def _wait_for(street, rows, patience=120.0):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        with contextlib.suppress(Exception):  # the tables are being made
            if street.table("bronze").count() >= rows and closed(street.settings):
                return
        time.sleep(0.5)
    raise AssertionError(f"ingest has not written {rows} rows in {patience:.0f} s")


THE_COMMAND = """
    import contextlib, sys
    from fink_like import config, jars, java
    from fink_like.nightly import Nightly
    from fink_like.spark import packing, session
    root, data, servers, target = sys.argv[1:]
    java.use(java.find_java())
    settings = config.load(root, environment={}, data=data, **{
        "kafka.servers": servers, "jobs.closed_after_hours": 0, "spark.driver_memory": "700m"})
    packing.TARGET = int(target)

    @contextlib.contextmanager
    def start():
        spark = session.build(settings, "nightly", jars.paths("spark"))
        print("started", flush=True)
        yield spark

    Nightly(settings, start, lambda line: print(line, file=sys.stderr)).run()
"""


@pytest.mark.slow
def test_killed_at_any_moment(played):
    """Kill -9 while it compacts, marks, vacuums or reports; a last run finishes the work."""
    moments, before = random.Random("kills of nightly"), content(played)
    night, = closed(played.settings)
    released(played)
    target = 3 * min(f["size"] for f in packing.night_files(
        played.spark, commits.snapshot(played.spark, played.settings.path("bronze")), night))
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(THE_COMMAND), played.settings.root,
             played.settings.data, played.settings.kafka.servers, str(target)],
            stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert process.stdout.readline().strip() in ("started", "")  # "": all is done already
        time.sleep(moments.uniform(0.5, 25))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        played.spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()
        assert content(played) == before
    code, _ = nightly(played)
    assert code == 0 and content(played) == before
    assert nightly(played) == (0, ["every closed night is done"])
    played.check_exactly_once(played.produced)
    assert json.loads((Path(played.settings.data) / "reports" / "nights" / str(night)
                       / "report.json").read_text())["balances"]
