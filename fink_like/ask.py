"""Asking a job for an errand: a running one by a file, else it is carried out here.

A table has one writer, the job that owns it; see `fink_like.jobs.errands`.
"""

import importlib
import time
import uuid

from fink_like.errors import BrokerError, NotNow
from fink_like.reports import SmallFiles

LOOK_S = 0.2
LEASE_MOMENTS = (0.0, 0.3, 0.3)  # while it is renewed, its file is away for a moment


def ask(settings, job, request, session, patience=600.0):
    """Have a job do something, and wait for its answer.

    Parameters
    ----------
    settings : Settings
    job : str
        ``ingest``, ``science`` or ``distribute``.
    request : dict
        ``do`` and its arguments, such as ``{"do": "redrive", "condition": "night = 20260311"}``.
    session : callable
        ``session()`` gives a context manager of a SparkSession; called if the job does not run.
    patience : float
        Seconds to wait for a running job.

    Returns
    -------
    dict
        What the job answered.

    Raises
    ------
    NotNow
        It has not answered in time.
    BrokerError
        It could not; with its words.
    """
    folder = SmallFiles(settings.data, "jobs", job)
    requests, answers = folder.below("requests"), folder.below("answers")
    name = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{uuid.uuid4().hex}.json"
    requests.write(name, request)
    try:
        answer = _await(folder, lambda: answers.read(name), patience)
    finally:
        requests.delete(name)  # withdrawn, unless it was carried out
    if answer is None:
        with session() as spark:
            answer = _carry_out(settings, spark, job, request)
    if "error" in answer:
        raise BrokerError(f"{job}: {answer['error']}")
    return answer


def _await(folder, answer, patience):
    """The answer, or None as soon as the job does not run."""
    end = time.monotonic() + patience
    while is_running(folder):
        if answer() is not None:
            break
        if time.monotonic() > end:
            raise NotNow(f"the job of {folder.path} runs, but has not answered within "
                         f"{patience:.0f} s; the request is withdrawn (what the job has begun it "
                         "ends). See `fink-like status`: a job that waits does no errands")
        time.sleep(LOOK_S)
    return answer()


def is_running(folder):
    """Whether a living process holds a job's lease.

    Parameters
    ----------
    folder : SmallFiles
        Of the job.
    """
    from fink_like.spark import lease
    for moment in LEASE_MOMENTS:
        time.sleep(moment)
        held = folder.read(lease.FILE)
        if held is not None:
            return lease.is_held(held)
    return False


def _carry_out(settings, spark, job, request):
    """Do what the job would, under its lease, and write its ledger."""
    from fink_like.spark.checkpoint import Checkpoint
    from fink_like.spark.lease import release
    checkpoint = Checkpoint(spark, settings, job)
    checkpoint.lease.take()
    try:
        errands = importlib.import_module(f"fink_like.jobs.{job}").errands(settings, spark)
        answer = errands.do(request)
        errands.run()
        return answer
    finally:
        release(checkpoint.files)
