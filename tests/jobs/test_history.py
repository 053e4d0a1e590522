"""Own history: three simulated months, and what a module knows of an object in the last."""

import pandas as pd
import pytest

from fink_like import simulator
from fink_like.client import open_table
from fink_like.jobs import ingest, science
from fink_like.modules.trial import Trial

ZTF = "ztf_20250101_programid1"
NIGHTS = 3  # of each month: a night costs seconds
MODULE = """
import numpy as np
from fink_like.kit import HISTORY, LIGHT_CURVE, Field, LightCurve, joined, science_module

@science_module(version="1", inputs=(*HISTORY, *LIGHT_CURVE),
                outputs=(Field("n_before", "int"), Field("first", "double"), Field("last", "double"),
                         Field("n_all", "int"), Field("first_all", "double")))
def memory(*columns):
    '''What was before.'''
    before, lc = LightCurve.of(*columns[:6]), LightCurve.of(*columns[6:])
    every = joined(lc, before)
    return {"n_before": before.counts, "first": before.mjd.min(), "last": before.mjd.max(),
            "n_all": every.counts, "first_all": every.mjd.min()}
"""


@pytest.mark.slow
def test_three_months(project, make_street):
    folder = project / "science_modules" / "memory"
    folder.mkdir()
    (folder / "module.py").write_text(MODULE)
    (project / "conf" / "modules.yaml").write_text(
        "quality: live\nrates: live\nfeatures: off\nmemory: live\n")
    street = make_street(**{"jobs.ingest_messages": 1000})
    topic = street.topic(ZTF)
    model = simulator.open_survey(project, "ztf")
    packets = [(mjd, value) for batch in simulator.night(model, 1800, seed=3, nights=90,
                                                         cutouts=False)
               for mjd, value in zip(batch.times, batch.values)]
    errands = science.errands(street.settings, street.spark)
    known, sent = pd.DataFrame(), 0
    for month in range(3):
        sent += street.publish(topic, of_nights(packets, month))
        street.run(ingest, science)
        silver = open_table(street.settings.data, "silver")
        new = silver[~silver["diaSourceId"].isin(known["diaSourceId"])] if month else silver
        check(new, known)
        night = int(silver["night"].max())
        answer = errands.do({"do": "history", "night": night})
        assert answer["nights"] == NIGHTS and answer["objects"] > 10
        known = silver
    street.check_exactly_once(sent)
    table = by_object(open_table(street.settings.data, "history"))
    assert errands.do({"do": "history", "night": night})["nights"] == 1
    pd.testing.assert_frame_equal(by_object(open_table(street.settings.data, "history")), table)
    night = int(new.loc[new["memory.status"] == 0, "night"].mode()[0])
    asked = {"do": "rescore", "night": night, "module": "memory", "request": "again"}
    assert errands.do(asked)["alerts"] > 0
    past = open_table(street.settings.data, "rescores")
    assert set(past["memory.version"]) == {"1"} and len(past)
    check(past[past["memory.status"] == 0], silver)  # what came after an alert stays unseen
    trial = Trial(street.settings, "memory")
    answer = trial.score(trial.of_night(night, limit=1000))
    tried = silver.set_index("diaSourceId").loc[answer.alerts["diaSourceId"].to_pylist()]
    scores = answer.scores.type.names
    check(tried.assign(**{f"memory.{name}": answer.scores.field(name).to_pandas().to_numpy()
                          for name in scores}).reset_index(), silver[silver["night"] < night])
    met = new[new["memory.status"] == 0]
    assert (met["midpointMjdTai"] - met["memory.first_all"]).max() > 70
    in_packet = new["midpointMjdTai"] - new["lc.midpointMjdTai"].map(min)
    assert in_packet.max() < 31


def of_nights(packets, month):
    """Packets of the last nights of a month of 30 days, of those with packets."""
    first = int(min(mjd for mjd, _ in packets))
    nights = sorted({int(mjd) for mjd, _ in packets if 30 * month <= mjd - first < 30 * (month + 1)})
    return [value for mjd, value in packets if int(mjd) in nights[-NIGHTS:]]


def by_object(table):
    return table.sort_values(["cell", "survey", "diaObjectId"], ignore_index=True)


def check(new, known):
    """What the module was given equals what can be gathered from silver."""
    objects = dict(tuple(known.groupby("diaObjectId"))) if len(known) else {}
    met = 0
    for _, row in new.iterrows():
        before = objects.get(row["diaObjectId"])
        points = {} if before is None else {
            point: mjd for point, mjd in exposures(before).items() if mjd < row["midpointMjdTai"]}
        assert row["memory.status"] == (0 if points else 3)
        if points:
            met += 1
            assert row["memory.n_before"] == len(points)
            assert row["memory.first"] == pytest.approx(min(points.values()), abs=1e-5)
            assert row["memory.last"] == pytest.approx(max(points.values()), abs=1e-5)
            assert row["memory.n_all"] == len({*points, *exposures(new.loc[[row.name]])})
    assert met or not len(known)


def exposures(alerts):
    """(band, second) -> MJD of all points of some rows of silver."""
    return {(band, round(mjd * 86400)): mjd
            for bands, times in zip(alerts["lc.band"], alerts["lc.midpointMjdTai"])
            for band, mjd in zip(bands, times)}
