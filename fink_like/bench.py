"""Speed, measured: fixed work through each job, rates and CPU per alert, as a table and JSON."""

import argparse
import contextlib
import json
import platform
import shutil
import statistics
import sys
import time
from pathlib import Path

import psutil
import yaml
from rich.console import Console
from rich.table import Table

from fink_like import __version__, config, jars, java, simulator
from fink_like.jobs import distribute, ingest, science
from fink_like.kafka_server import KafkaServer
from fink_like.memory import PeakMemory
from fink_like.simulator import publish
from fink_like.spark import kafka, session

JOBS = (ingest, science, distribute)
WARM_UP = 300  # alerts of each survey that go through before anything is measured


def main(arguments=None):
    """Run the benchmark; see ``--help``."""
    options = argparse.ArgumentParser(
        prog="bin/bench", description="Send simulated packets through the three jobs, one after "
        "the other, and measure each. Kafka, Spark and Python share this machine.",
        epilog="example: bin/bench --alerts 6000 --repeats 3")
    options.add_argument("--alerts", type=int, default=4000, help="of each survey, a repeat")
    options.add_argument("--repeats", type=int, default=3)
    given = options.parse_args(arguments)
    java.use(java.find_java())
    root = Path(config.load().root)
    folder = root / "var" / "bench"
    shutil.rmtree(folder / "work", ignore_errors=True)
    with contextlib.ExitStack() as stack:
        memory = stack.enter_context(PeakMemory())
        server = stack.enter_context(KafkaServer(folder / "work" / "kafka"))
        settings = config.load(root, data=str(folder / "work" / "data"),
                               **{"kafka.servers": server.servers})
        spark = session.build(settings, "fink_like bench", jars.paths("spark"))
        stack.callback(spark.stop)
        rows = _measure(settings, spark, given)
    _tell(rows, memory.peak, given, folder)


def _measure(settings, spark, given):
    topics = yaml.safe_load((settings.conf / "demo.yaml").read_text())["topics"]
    kafka.ensure_topics(settings, [t["topic"] for t in topics.values()], partitions=2)
    for seed, (survey, what) in enumerate(topics.items()):
        _publish(settings, survey, what["topic"], WARM_UP, seed)
    for job in JOBS:
        job.run(settings, spark, until_caught_up=True).awaitTermination()
    rows = []
    for repeat in range(given.repeats):
        for survey, what in topics.items():
            sent = _timed(lambda: _publish(settings, survey, what["topic"], given.alerts,
                                           100 + repeat))
            rows.append({"survey": survey, "stage": "simulate, publish", **sent})
            for job in JOBS:
                done = _timed(lambda: job.run(settings, spark,
                                              until_caught_up=True).awaitTermination())
                rows.append({"survey": survey, "stage": job.JOB, **done})
    for row in rows:
        row["alerts_per_s"] = given.alerts / row["wall_s"]
        row["cpu_ms_per_alert"] = 1000 * row["cpu_s"] / given.alerts
    return rows


def _publish(settings, survey, topic, alerts, seed):
    model = simulator.open_survey(Path(settings.root), survey)
    start = model.recipe["start_mjd"] + 10 * seed  # other nights: other ids, other bytes
    batches = simulator.night(model, alerts, seed=seed, start_mjd=start)
    publish.to_kafka(batches, settings.kafka.servers, topic)


def _timed(work):
    """Wall and CPU seconds of a piece of work, over all processes of this tree."""
    wall, cpu = time.monotonic(), _cpu()
    work()
    return {"wall_s": time.monotonic() - wall, "cpu_s": _cpu() - cpu}


def _cpu():
    me, total = psutil.Process(), 0.0
    for process in (me, *me.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):  # a Python worker that ended just now
            times = process.cpu_times()
            total += times.user + times.system
    return total


def _tell(rows, peak, given, folder):
    table = Table("survey", "stage", title=f"{given.alerts} alerts of each survey, "
                  f"{given.repeats} repeats: median (least to most)")
    table.add_column("alerts/s", justify="right")
    table.add_column("CPU ms/alert", justify="right")
    for survey, stage in dict.fromkeys((r["survey"], r["stage"]) for r in rows):
        same = [r for r in rows if (r["survey"], r["stage"]) == (survey, stage)]
        table.add_row(survey, stage, _spread(same, "alerts_per_s", "{:.0f}"),
                      _spread(same, "cpu_ms_per_alert", "{:.2f}"))
    Console().print(table)
    print(f"{psutil.cpu_count()} cores, {platform.platform()}, Python {platform.python_version()}; "
          f"peak memory {peak / 1e9:.1f} GB")
    name = folder / f"{time.strftime('%Y%m%dT%H%M%S')}.json"
    name.write_text(json.dumps({"version": __version__, "alerts": given.alerts, "rows": rows,
                                "cores": psutil.cpu_count(), "platform": platform.platform(),
                                "peak_memory_bytes": peak}, indent=1))
    print(f"all figures: {name}")


def _spread(rows, what, form):
    values = [row[what] for row in rows]
    figures = (statistics.median(values), min(values), max(values))
    return "{} ({} to {})".format(*(form.format(figure) for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
