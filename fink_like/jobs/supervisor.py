"""Keeps jobs running: one that fails is started again, one that is asked to stop ends cleanly.

A failed batch costs its job a pause that doubles up to a minute; its siblings go on. What a
restart cannot cure (a refused start, a wrong setting) ends the job with its message.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from fink_like.errors import BrokerError, NotNow, SetupError
from fink_like.spark.checkpoint import Checkpoint
from fink_like.spark.failure import reason
from fink_like.spark.lease import release

LOOK_S = 0.2  # how often the jobs are looked at
BEAT_S = 10.0  # how often an idle job leaves a sign of life
ERRANDS_S = 10.0  # pause between two rounds of a job's errands
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
CALM_S = 300.0  # a job that ran this long begins with the shortest pause again
TRIES = 3  # of a job that ends when it has caught up
BEGAN = time.time()  # a marker to stop that is older than this process is of an earlier run


@dataclass
class Running:
    """One job and how it fares."""

    job: object
    checkpoint: Checkpoint
    query: object = None
    pause: float = FIRST_PAUSE_S
    started: float = 0.0
    next_try: float = 0.0
    failed: bool = field(default=False)
    ended: bool = field(default=False)
    beaten: float = 0.0
    ran: bool = False  # has been started once: what is out of reach now was there
    errands: object = None
    round: object = None  # of errands, a Future
    next_round: float = 0.0
    hands: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))


def supervise(jobs, settings, spark, until_caught_up=False, watch=None):
    """Run jobs until they are asked to stop.

    Parameters
    ----------
    jobs : list of modules
        Each with ``JOB`` and ``run(settings, spark, until_caught_up)``.
    settings : Settings
    spark : SparkSession
    until_caught_up : bool
        Run them one after the other, each until it has read what was there at its start; one
        that cannot keeps those behind it from starting.
    watch : callable, optional
        Called without arguments between looks; true asks all jobs to stop.

    Returns
    -------
    int
        0, or 1 if a job ended by an error.
    """
    if until_caught_up:
        return _one_after_the_other(jobs, settings, spark)
    running = [Running(job, Checkpoint(spark, settings, job.JOB)) for job in jobs]
    try:
        while not all(one.ended for one in running):
            wants_end = watch() if watch else False
            for one in running:
                _look_after(one, settings, spark, wants_end)
            time.sleep(LOOK_S)
    except KeyboardInterrupt:
        print("stopping: each job ends its batch", file=sys.stderr, flush=True)
    finally:
        for one in running:
            _end(one)
    return int(any(one.failed for one in running))


def _one_after_the_other(jobs, settings, spark):
    try:
        return int(any(_catch_up(job, settings, spark) for job in jobs))
    finally:
        for job in jobs:
            release(Checkpoint(spark, settings, job.JOB).files)


def _catch_up(job, settings, spark):
    """Run a job until it has caught up; 1 if it could not.

    Spark's failures are tried again: a server that was away for a moment, a worker that died.
    """
    for again in reversed(range(TRIES)):
        try:
            job.run(settings, spark, until_caught_up=True).awaitTermination()
            job.errands(settings, spark).run()
            return 0
        except BrokerError as error:
            return _say(job, error)
        except Exception as error:  # Spark's: the query's own failure, with a Java trace
            _say(job, reason(error) + (", started again" if again else ""))
    return 1


def _say(job, error):
    print(f"{job.JOB}: {error}", file=sys.stderr, flush=True)
    return 1


def _look_after(one, settings, spark, wants_end):
    if one.ended:
        return
    if wants_end or one.checkpoint.should_stop(BEGAN):
        _end(one)
    elif one.query is None:
        if time.monotonic() >= one.next_try:
            _start(one, settings, spark)
    elif not one.query.isActive:
        _after_failure(one, reason(one.query.exception()))
    elif time.monotonic() - one.beaten > BEAT_S and not one.query.status["isTriggerActive"]:
        one.checkpoint.beat()  # a batch that hangs leaves no sign
        one.beaten = time.monotonic()
        if one.job.wants_restart(settings, one.checkpoint):
            one.query.stop()
            one.query = None
    if one.ran and not one.ended:
        _send_on_errands(one, settings, spark)


def _start(one, settings, spark):
    try:
        one.query = one.job.run(settings, spark)
        one.started = one.beaten = time.monotonic()
        one.ran = True
        one.checkpoint.beat()
    except BrokerError as error:
        one.ran |= isinstance(error, NotNow)  # it waits, and the lease is its own
        if isinstance(error, NotNow) or one.ran and isinstance(error, SetupError):
            _after_failure(one, error)
        else:
            _say(one.job, error)
            one.failed = one.ended = True
    except Exception as error:  # Spark's own: out of reach now, perhaps not in a moment
        _after_failure(one, reason(error))


def _send_on_errands(one, settings, spark):
    """A round of the job's errands at a time, beside its batches: they never hold it up."""
    if one.round is not None and (not one.round.done() or time.monotonic() < one.next_round):
        return
    if one.round is not None and one.round.exception():
        _say(one.job, f"errands: {one.round.exception()}"[:500])
    one.round = one.hands.submit(_errands, one, settings, spark)
    one.next_round = time.monotonic() + ERRANDS_S


def _errands(one, settings, spark):
    if one.errands is None:
        one.errands = one.job.errands(settings, spark)
    one.errands.run()


def _after_failure(one, why):
    if time.monotonic() - one.started > CALM_S:
        one.pause = FIRST_PAUSE_S
    _say(one.job, f"failed, started again in {one.pause:.0f} s: {why}")
    one.query, one.next_try = None, time.monotonic() + one.pause
    one.errands = None  # made anew with what the job has then read: its modules
    one.pause = min(2 * one.pause, LONGEST_PAUSE_S)


def _end(one, patience=60.0):
    """Let the batch in hand end, then stop the query."""
    end = time.monotonic() + patience
    while one.query is not None and one.query.isActive and time.monotonic() < end:
        if not one.query.status["isTriggerActive"]:
            break
        time.sleep(0.05)
    if one.query is not None and one.query.isActive:
        one.query.stop()
    if not one.ended:
        _last_errands(one)
        one.checkpoint.clear_stop()
    release(one.checkpoint.files)
    one.ended = True


def _last_errands(one):
    """Write the ledger's last lines before the job goes."""
    one.hands.shutdown(wait=True)
    if one.errands is not None:
        one.errands.run()
