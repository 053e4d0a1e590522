"""What it costs science to bring modules their images and the object's own history."""

import shutil

import yaml
from rich.console import Console

from fink_like import config
from fink_like.bench import measured
from fink_like.bench.street import Street
from fink_like.client.archive import open_table
from fink_like.jobs import ingest, science
from fink_like.vocabulary import CUTOUTS, HISTORY, leaves

ALERTS = 2000
MODULE = """
from fink_like.kit import Field, science_module

@science_module(version="1", inputs={inputs}, outputs=(Field("n", "int"),))
def taker(*columns):
    \"\"\"Takes {what}, and only counts.\"\"\"
    return {{"n": [len(columns)] * len(columns[0])}}
"""
VARIANTS = {"modules as they are": (), "one that takes images": tuple(leaves((CUTOUTS,))),
            "one that takes history": tuple(leaves((HISTORY,)))}


def run(given):
    """Measure science with and without a module that takes these inputs.

    Each variant is given the same packets again, and every object is in the table `history`.

    Parameters
    ----------
    given : argparse.Namespace
        alerts, repeats, streams (surveys; default: each).
    """
    alerts = given.alerts or ALERTS
    with Street() as street:
        variants = {what: _variant(street, place, what, inputs)
                    for place, (what, inputs) in enumerate(VARIANTS.items())}
        topics = yaml.safe_load((street.settings.conf / "demo.yaml").read_text())["topics"]
        street.make_topics([what["topic"] for what in topics.values()])
        rows = [row for survey in given.streams or topics
                for row in _survey(street, variants, survey,
                                   (topics[survey]["topic"], alerts, given.repeats))]
    Console().print(measured.speeds(rows, {"survey": "survey", "variant": "science, with"},
                                    f"{alerts} alerts of each survey, {given.repeats} repeats"))
    measured.write(street.folder, "inputs", {"alerts": alerts, "rows": rows}, street.peak)


def _variant(street, place, what, inputs):
    """Settings of a copy of the project with a module that takes these inputs."""
    root = street.folder / "work" / f"project_{place}"
    for name in ("conf", "schemas", "science_modules"):
        shutil.copytree(street.root / name, root / name)
    if inputs:
        (root / "science_modules" / "taker").mkdir()
        (root / "science_modules" / "taker" / "module.py").write_text(
            MODULE.format(inputs=inputs, what=what))
        with (root / "conf" / "modules.yaml").open("a") as states:
            states.write("\ntaker: live\n")
    return config.load(root, environment={}, data=street.settings.data,
                       **{"kafka.servers": street.settings.kafka.servers})


def _survey(street, variants, survey, plan):
    """A row for each variant and repeat; the first round is not measured."""
    topic, alerts, repeats = plan
    rows = []
    for repeat in range(repeats + 1):
        for what, settings in variants.items():
            with street.steps.step(f"{survey}, {what}: {alerts} alerts, repeat {repeat} of "
                                   f"{repeats}"):
                street.publish(survey, topic, alerts, 0)
                street.catch_up(ingest, settings)
                took = measured.timed(lambda: street.catch_up(science, settings))
            if repeat:
                rows.append(measured.per_alert({"survey": survey, "variant": what, **took}, alerts))
        if not repeat:
            _fill_history(street, settings)
    return rows


def _fill_history(street, settings):
    night = int(open_table(settings.data, "silver", columns=["night"])["night"].max())
    science.errands(settings, street.spark).do({"do": "history", "night": night})
