"""A burst: many alerts at once, beside normal load, while ingest runs. Is anything lost, and when
has it caught up?"""

import json
import shutil
import subprocess
import sys
import time

from fink_like.bench import measured
from fink_like.bench.street import Street
from fink_like.errors import SetupError
from fink_like.jobs import ingest
from fink_like.spark import tables

ALERTS = 40_000
BYTES = 350_000  # on the disk for an alert: in Kafka and in bronze, and some room
PATIENCE_S = 900


def run(given):
    """Measure a burst.

    Parameters
    ----------
    given : argparse.Namespace
        alerts.

    Returns
    -------
    int
        0 if nothing was lost.
    """
    alerts = given.alerts or ALERTS
    with Street() as street:
        free = shutil.disk_usage(street.folder).free
        if free < alerts * BYTES:
            raise SetupError(f"{street.folder}: {free / 1e9:.0f} GB free, {alerts} alerts need "
                             f"{alerts * BYTES / 1e9:.0f}: give --alerts")
        figures = _measure(street, street.plan["burst"], alerts)
    measured.write(street.folder, "burst", figures, street.peak)
    lost = alerts - figures["distinct"]
    print(f"{alerts} alerts at once: sent in {figures['sent_s']:.0f} s, in bronze "
          f"{figures['drained_s']:.0f} s after the first ({figures['visits']:.1f} visits), beside "
          f"{figures['normal']} others; {lost} lost, {figures['rows'] - alerts} twice")
    return 0 if figures["rows"] == figures["distinct"] == alerts else 1


def _measure(street, plan, alerts):
    topic, normal = plan["topic"], plan["normal_topic"]
    street.make_topics([topic, normal])
    with street.steps.step("a first batch of normal load"):
        street.publish(plan["recipe"], normal, street.plan["warm_up"], 1)
        query = ingest.run(street.settings, street.spark)
        _wait(query, normal, street.plan["warm_up"], street.steps)
    steady = ["--rate", plan["normal_rate"], "--seed", 2]
    beside = _send(street, plan["recipe"], normal, 1_000_000, steady)
    began = time.monotonic()
    street.steps.say(f"· {alerts} alerts at once")
    try:
        burst = _send(street, plan["recipe"], topic, alerts)
        if burst.wait():
            raise SetupError(f"could not publish to {topic}")
        sent = time.monotonic() - began
        _wait(query, topic, alerts, street.steps)
        drained = time.monotonic() - began
    finally:
        beside.terminate()
        beside.wait()
    query.stop()
    rows = tables.read(street.spark, street.settings.path("bronze"))
    ours = rows.where(f"topic = '{topic}'")
    return {"alerts": alerts, "sent_s": sent, "drained_s": drained,
            "visits": drained / plan["visit_s"], "rows": ours.count(),
            "distinct": ours.select("partition", "offset").distinct().count(),
            "normal": rows.where(f"topic = '{normal}'").count()}


def _send(street, recipe, topic, alerts, more=()):
    """A simulator of its own that publishes."""
    command = [sys.executable, "-m", "fink_like", "simulate", "--survey", recipe, "--topic", topic,
               "--alerts", alerts, "--servers", street.settings.kafka.servers, *more]
    return subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)


def _wait(query, topic, alerts, steps):
    """Wait until batches with so many messages of a topic are committed."""
    end = time.monotonic() + PATIENCE_S
    while (done := _read(query, topic)) < alerts:
        if query.exception() is not None:
            raise query.exception()
        if time.monotonic() > end:
            raise SetupError(f"ingest has read {done} of {alerts} messages of {topic} in "
                             f"{PATIENCE_S} s")
        steps.progress(f"{done} of {alerts} alerts of {topic} are in bronze")
        time.sleep(0.2)


def _read(query, topic):
    """Messages of a topic in the batches that are done."""
    progress = query.lastProgress
    if not progress:
        return 0
    ends = json.loads(progress.json)["sources"][0]["endOffset"] or {}
    return sum(ends.get(topic, {}).values())
