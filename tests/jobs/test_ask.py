"""Errands asked for from outside: of a running job by a file, else carried out at once."""

import contextlib
import os
import socket
import threading
import time

import psutil
import pytest

from fink_like.ask import ask, is_running
from fink_like.errors import BrokerError, NotNow, RefusedStart
from fink_like.jobs.errands import Errands
from fink_like.reports import SmallFiles
from fink_like.spark import commits
from fink_like.spark.checkpoint import Checkpoint
from fink_like.spark.control import ControlFolder
from fink_like.spark.lease import release


@contextlib.contextmanager
def no_session():
    raise AssertionError("the job runs, no Spark is to be started")
    yield


@pytest.fixture
def running(spark, settings):
    """A job that holds its lease and does its errands every 50 ms."""
    checkpoint = Checkpoint(spark, settings, "ingest")
    checkpoint.lease.take()
    asked, end = [], threading.Event()

    def answer(condition):
        asked.append(condition)
        if condition == "impossible":
            raise BrokerError("not this")
        return {"tried": 3, "read": 2}

    errands = Errands(spark, checkpoint.folder, [], {"redrive": answer})

    def work():
        while not end.wait(0.05):
            errands.run()

    worker = threading.Thread(target=work)
    worker.start()
    yield asked
    end.set()
    worker.join()
    release(checkpoint.files)


def test_a_running_job_answers(running, settings):
    folder = SmallFiles(settings.data, "jobs", "ingest")
    assert is_running(folder)
    answer = ask(settings, "ingest", {"do": "redrive", "condition": "night = 1"}, no_session)
    assert (answer["tried"], answer["read"]) == (3, 2) and running == ["night = 1"]
    with pytest.raises(BrokerError, match="ingest: not this"):
        ask(settings, "ingest", {"do": "redrive", "condition": "impossible"}, no_session)
    with pytest.raises(BrokerError, match="cannot dance; can \\['redrive'\\]"):
        ask(settings, "ingest", {"do": "dance"}, no_session)
    assert folder.below("requests").names() == [] and len(folder.below("answers").names()) == 3


def test_a_job_that_does_not_answer_is_not_waited_for_for_ever(spark, settings):
    checkpoint = Checkpoint(spark, settings, "ingest")
    checkpoint.lease.take()
    folder = SmallFiles(settings.data, "jobs", "ingest")
    with pytest.raises(NotNow, match="has not answered within 0 s"):
        ask(settings, "ingest", {"do": "redrive", "condition": "true"}, no_session, patience=0.3)
    assert folder.below("requests").names() == []
    release(checkpoint.files)
    assert not is_running(folder)


def test_a_job_that_does_not_run_is_replaced_for_the_moment(spark, settings):
    """With the lease, so that none starts meanwhile; the ledger is there behind it."""
    seen = []

    @contextlib.contextmanager
    def session():
        seen.append(is_running(SmallFiles(settings.data, "jobs", "ingest")))
        yield spark

    answer = ask(settings, "ingest", {"do": "redrive", "condition": "true"}, session)
    assert answer == {"tried": 0, "read": 0} and seen == [False]
    assert not is_running(SmallFiles(settings.data, "jobs", "ingest"))
    assert commits.exists(spark, settings.path("ledger", "ingest"))


def test_a_lease_taken_in_the_meantime_is_respected(spark, settings):
    files = SmallFiles(settings.data, "jobs", "ingest")

    @contextlib.contextmanager
    def session():
        parent = os.getppid()
        files.write("lease.json", {
            "owner": "another", "host": socket.gethostname(), "pid": parent, "at": time.time(),
            "began": psutil.Process(parent).create_time()})
        yield spark

    with pytest.raises(RefusedStart, match="another instance runs"):
        ask(settings, "ingest", {"do": "redrive", "condition": "true"}, session)


def test_small_files_and_sparks_are_the_same(spark, tmp_path):
    """What one has written the other reads and replaces; neither leaves anything beside it."""
    theirs, ours = ControlFolder(spark, str(tmp_path / "a")), SmallFiles(str(tmp_path), "a")
    theirs.write("x.json", {"n": 1})
    assert ours.read("x.json") == {"n": 1}
    ours.write("x.json", {"n": 2, "much": "more" * 100})
    assert theirs.read("x.json")["n"] == 2
    theirs.write("x.json", {"n": 3})
    assert ours.read("x.json") == {"n": 3} and ours.names() == theirs.names() == ["x.json"]
    ours.delete("x.json")
    ours.delete("x.json")
    assert theirs.read("x.json") is None and list((tmp_path / "a").iterdir()) == []
