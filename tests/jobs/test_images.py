"""A module that takes cutouts, in the stream and in a backfill."""

import pytest

from fink_like import simulator
from fink_like.jobs import ingest, science
from fink_like.modules.backfill import nights
from fink_like.modules.trial import Trial

MODULE = '''
import numpy as np
from fink_like.kit import Field, has, science_module

@science_module(version="{version}", inputs=("diaSourceId", "cutouts.difference",
                                              "cutouts.template"),
                outputs=(Field("top", "float"), Field("size", "int"), Field("both", "boolean")),
                applies=has("cutouts.difference"))
def images(ids, difference, template):
    """What is in the middle of the difference image."""
    return {{"top": {factor} * np.nanmax(difference.centred(3), axis=(1, 2)),
             "size": difference.shapes().max(axis=1),
             "both": difference.readable & template.readable}}
'''


def write(project, version, factor):
    folder = project / "science_modules" / "images"
    folder.mkdir(exist_ok=True)
    (folder / "module.py").write_text(MODULE.format(version=version, factor=factor))


@pytest.mark.slow
def test_images_of_both_surveys_reach_a_module_live_and_in_a_backfill(project, make_street):
    write(project, "1", 1)
    (project / "conf" / "modules.yaml").write_text(
        "quality: live\nrates: live\nfeatures: off\nimages: live\n")
    street = make_street()
    sent = 0
    for survey, topic in (("ztf", "ztf_20250101_programid1"), ("lsst", "lsst-alerts-v11.0")):
        model = simulator.open_survey(project, survey)
        sent += street.publish(street.topic(topic), [
            value for batch in simulator.night(model, 30, seed=4) for value in batch.values])
    street.run(ingest, science)
    street.check_exactly_once(sent)
    columns = street.table("silver").columns
    assert "images" in columns and "cutouts" not in columns
    first = {row.diaSourceId: row for row in street.table("silver").selectExpr(
        "diaSourceId", "survey", "psfFlux", "images.*").collect()}
    assert len(first) == sent and {row.status for row in first.values()} == {0}
    assert sum(row.both for row in first.values()) > 0.9 * sent
    brighter = [row for row in first.values() if row.psfFlux > 0]
    assert len(brighter) > 20 and all(row.top > 0 for row in brighter)
    sizes = {survey: {row.size for row in first.values() if row.survey == survey}
             for survey in ("ztf", "lsst")}
    assert max(sizes["ztf"]) == 63 and 30 in sizes["lsst"]

    write(project, "2", 3)
    for night in nights(street.settings, ["20200101-20991231"]):
        errands = science.errands(street.settings, street.spark)
        answer = errands.do({"do": "rescore", "night": night, "module": "images", "request": "r"})
        assert answer["alerts"] == answer["scored"] > 0
    again = street.table("rescores").selectExpr("diaSourceId", "images.*", "rates.version AS v")
    rows = {row.diaSourceId: row for row in again.collect()}
    assert set(rows) == set(first)
    for alert, row in rows.items():
        assert row.top == pytest.approx(3 * first[alert].top, rel=1e-6)
        assert (row.version, row.size, row.v) == ("2", first[alert].size, "1.0")

    trial = Trial(street.settings, "images")
    for night in nights(street.settings, ["20200101-20991231"]):
        answer = trial.score(trial.of_night(night, limit=25))
        assert 0 < len(answer.scores) <= 25
        for alert, found in zip(answer.alerts["diaSourceId"].to_pylist(), answer.scores.to_pylist()):
            assert (found["top"], found["both"]) == (rows[alert].top, rows[alert].both)
