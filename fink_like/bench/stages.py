"""All three jobs, one after the other: fixed work through each."""

import yaml
from rich.console import Console
from rich.table import Table

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
    table = Table("survey", "stage", title=f"{alerts} alerts of each survey, "
                  f"{given.repeats} repeats: median (least to most)")
    table.add_column("alerts/s", justify="right")
    table.add_column("CPU ms/alert", justify="right")
    for survey, stage in dict.fromkeys((r["survey"], r["stage"]) for r in rows):
        same = [r for r in rows if (r["survey"], r["stage"]) == (survey, stage)]
        table.add_row(survey, stage, measured.spread(same, "alerts_per_s", "{:.0f}"),
                      measured.spread(same, "cpu_ms_per_alert", "{:.2f}"))
    Console().print(table)
    measured.write(street.folder, "stages", {"alerts": alerts, "rows": rows}, street.peak)


def _measure(street, alerts, repeats):
    topics = yaml.safe_load((street.settings.conf / "demo.yaml").read_text())["topics"]
    street.make_topics([what["topic"] for what in topics.values()])
    for seed, (survey, what) in enumerate(topics.items()):
        street.publish(survey, what["topic"], street.plan["warm_up"], seed)
    for job in JOBS:
        _catch_up(street, job)
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
        done = measured.timed(lambda: _catch_up(street, job))
        rows.append({"survey": survey, "stage": job.JOB, **done})
    return rows


def _catch_up(street, job):
    job.run(street.settings, street.spark, until_caught_up=True).awaitTermination()
