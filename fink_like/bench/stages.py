"""All three jobs, one after the other: fixed work through each."""

import yaml
from rich.console import Console

from fink_like.bench import measured
from fink_like.bench.street import Street
from fink_like.jobs import distribute, ingest, science

JOBS = (ingest, science, distribute)
ALERTS = 4000


def run(given):
    """Measure the stages.

    Parameters
    ----------
    given : argparse.Namespace
        alerts, repeats.
    """
    alerts = given.alerts or ALERTS
    with Street() as street:
        rows = _measure(street, alerts, given.repeats)
    Console().print(measured.speeds(rows, {"survey": "survey", "stage": "stage"},
                                    f"{alerts} alerts of each survey, {given.repeats} repeats"))
    measured.write(street.folder, "stages", {"alerts": alerts, "rows": rows}, street.peak)


def _measure(street, alerts, repeats):
    topics = yaml.safe_load((street.settings.conf / "demo.yaml").read_text())["topics"]
    street.make_topics([what["topic"] for what in topics.values()])
    for seed, (survey, what) in enumerate(topics.items()):
        street.publish(survey, what["topic"], street.plan["warm_up"], seed)
    for job in JOBS:
        street.catch_up(job)
    rows = []
    for repeat in range(repeats):
        for survey, what in topics.items():
            with street.steps.step(f"{survey}: {alerts} alerts, repeat {repeat + 1} of {repeats}"):
                rows += _one(street, survey, what["topic"], alerts, 100 + repeat)
    return [measured.per_alert(row, alerts) for row in rows]


def _one(street, survey, topic, alerts, seed):
    sent = measured.timed(lambda: street.publish(survey, topic, alerts, seed))
    rows = [{"survey": survey, "stage": "simulate, publish", **sent}]
    for job in JOBS:
        done = measured.timed(lambda: street.catch_up(job))
        rows.append({"survey": survey, "stage": job.JOB, **done})
    return rows
