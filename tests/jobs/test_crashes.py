"""A job dies between two of its steps; kills at any moment are `bin/torture`'s."""


import pytest

from fink_like import simulator
from fink_like.jobs import distribute, ingest, science
from fink_like.spark import tables, two_looks
from fink_like.spark.checkpoint import Checkpoint

ZTF, LSST = "ztf_20250101_programid1", "lsst-alerts-v11.0"


class Crash(Exception):
    """In place of a kill."""


def fill(street, n, seed):
    """Publish simulated packets of both surveys without cutouts; how many."""
    produced = 0
    for survey, name in (("ztf", ZTF), ("lsst", LSST)):
        model = simulator.open_survey(street.project, survey)
        values = [v for b in simulator.night(model, n, seed=seed, cutouts=False) for v in b.values]
        produced += street.publish(street.topic(name), values)
    return produced


def crash_after(monkeypatch, module, name, times=1):
    """The function does its work, and then the job dies, the first times that it is called."""
    real, left = getattr(module, name), [times]

    def dying(*given, **more):
        done = real(*given, **more)
        if left[0]:
            left[0] -= 1
            raise Crash(name)
        return done

    monkeypatch.setattr(module, name, dying)


def run_and_crash(street, job):
    """The query ends with our Crash, and says so."""
    query = job.run(street.settings, street.spark, until_caught_up=True)
    with pytest.raises(Exception, match="Crash"):
        query.awaitTermination()


@pytest.mark.parametrize("job", [ingest, pytest.param(science, marks=pytest.mark.slow)],
                         ids=lambda job: job.JOB)
def test_a_crash_between_the_tables_commit_and_the_checkpoints(street, monkeypatch, job):
    produced = fill(street, 20, seed=1)
    if job is science:
        street.run(ingest)
    crash_after(monkeypatch, two_looks if job is ingest else tables, "append")
    run_and_crash(street, job)
    produced += fill(street, 5, seed=2)  # what arrives meanwhile is not the repeated batch's
    street.run(*((ingest, science) if job is ingest else (science, ingest, science)))
    street.check_exactly_once(produced)
    assert {row.packet_status for row in street.rows("silver", "packet_status")} == {0}


def test_a_crash_before_the_tables_commit(street, monkeypatch):
    """The batch was planned and its inputs frozen; nothing was written."""
    produced = fill(street, 20, seed=1)
    crash_after(monkeypatch, Checkpoint, "freeze")
    run_and_crash(street, ingest)
    assert street.table("bronze").count() == 0
    produced += fill(street, 5, seed=2)
    street.run(ingest, science)
    street.check_exactly_once(produced)


@pytest.mark.slow
def test_a_crash_between_sending_and_noting(street, monkeypatch):
    """Substreams are at-least-once: the batch is sent again, and noted once."""
    fill(street, 20, seed=1)
    street.run(ingest, science)
    crash_after(monkeypatch, distribute.kafka, "send")
    run_and_crash(street, distribute)
    first = len(street.received())
    street.run(distribute)
    noted = street.rows("deliveries", "topic", "survey", "diaSourceId", "revision", "outcome")
    assert first and len(street.received()) == 2 * first
    assert len(noted) == len(set(noted)) == first
    keys = {(t, h["survey"], h["alert_id"], h["revision"]) for t, h, *_ in street.received()}
    assert len(keys) == first  # so that a reader can tell


@pytest.mark.slow
def test_a_crash_after_noting_sends_nothing_twice(street, monkeypatch):
    fill(street, 20, seed=1)
    street.run(ingest, science)
    crash_after(monkeypatch, tables, "append")
    run_and_crash(street, distribute)
    first = len(street.received())
    street.run(distribute)
    assert first and len(street.received()) == first == street.table("deliveries").count()
