"""Real packets, while modules misbehave, stand in shadow, are mended: the books balance."""

import shutil

import pandas as pd
import pytest
from bad_modules import ALL_FAIL, FATAL, GENTLE, TIMED_OUT, add_modules

from fink_like import books
from fink_like.client import open_table
from fink_like.spark import breakers, lease
from fink_like.spark.control import ControlFolder
from fink_like.vocabulary import Status

TOPICS = {"ztf": "ztf_20250101_programid1", "lsst": "lsst-alerts-v11.0"}
EVER = "20100101-20991231"
KILLS = "killed"
BAD = GENTLE | {KILLS: FATAL[KILLS]}


def write_next(project):
    """A new version of `rates`, in shadow beside it."""
    folder = project / "science_modules" / "rates_next"
    shutil.copytree(project / "science_modules" / "rates", folder)
    path = folder / "module.py"
    text = path.read_text().replace("def rates(", "def rates_next(")
    path.write_text(text.replace("WINDOW = 15.0", "WINDOW = 30.0").replace('"1.0"', '"2.0"', 1))
    with (project / "conf" / "modules.yaml").open("a") as states:
        states.write("rates_next: shadow\n")


def mend(project, name):
    """What a contributor does in the morning."""
    path = project / "science_modules" / name / "module.py"
    head, _ = path.read_text().split("    '''Misbehaves.'''")
    path.write_text(head.replace('version="1.0"', 'version="2.0"')
                    + "    '''Mended.'''\n    return {'x': np.asarray(ids) * 0. + 1}\n")


@pytest.fixture
def command(at_home, capsys):
    """Runs a command of a street's operator while no job runs; its exit code and what it said."""
    def go(street, *words):
        lease.release(ControlFolder(street.spark, street.settings.path("jobs", "science")))
        capsys.readouterr()
        return at_home(street.settings, *words), capsys.readouterr().out

    return go


@pytest.mark.slow
def test_real_packets_survive_bad_modules_and_are_scored_again(
        project, make_street, real_messages, command, monkeypatch):
    monkeypatch.setattr(breakers, "BAD_BATCHES", 2)
    add_modules(project, BAD)
    write_next(project)
    street = make_street(**{"jobs.module_patience": 0.3, "jobs.module_memory": "1g"})
    sent = 0
    for half in (0, 1):  # a batch each: the second is the last for those that fail wholly
        for survey, topic in TOPICS.items():
            values = [m.value for m in real_messages if m.survey == survey][::3]
            sent += street.publish(street.topic(topic), values[half::2])
        street.run()
        street.check_exactly_once(sent)
    silver = open_table(street.settings.data, "silver")
    assert len(silver) == sent > 100 and set(silver["survey"]) == set(TOPICS)
    for name in ALL_FAIL | {KILLS}:
        fault = Status.TIMED_OUT if name in TIMED_OUT else Status.FAILED
        assert set(silver[f"{name}.status"]) == {fault}, name
    for name in ("quality", "rates"):
        assert (silver[f"{name}.status"] >= 0).all()
    sevens = silver["diaSourceId"] % 10 == 7
    assert (silver["raises_on_one.status"][sevens] == Status.FAILED).all() and sevens.sum() > 5
    assert silver["raises_on_one.x"][~sevens].notna().all()
    every_night = sorted(set(silver["night"]))
    found = books.balance(books.read(street.settings.data, every_night))
    assert found["balances"] and not any(found["behind"].values())
    assert set(found["unscored"]) == set(BAD)

    shadow = open_table(street.settings.data, "shadow")
    assert len(shadow) == sent and set(shadow["rates_next.version"]) == {"2.0"}
    code, said = command(street, "module", "compare", "rates", "rates_next", "--night", EVER)
    assert code == 0 and "version: 1.0 became 2.0" in said and "n_points, such as alert" in said

    mend(project, "raises")
    fullest = silver.groupby("survey")["night"].agg(lambda nights: nights.mode()[0])
    mine = silver[silver["night"].isin(fullest)]
    nights = sorted(map(str, fullest))
    assert command(street, "module", "resume", "raises")[0] == 0
    code, said = command(street, "backfill", "raises", "--failed", "--nights", *nights)
    assert code == 0 and f"{len(mine)} of {len(mine)} alerts have a new revision" in said
    left = books.balance(books.read(street.settings.data, every_night))["unscored"]["raises"]
    assert left["statuses"] == {"failed": sent - len(mine)}
    code, said = command(street, "backfill", "rates", "--nights", *nights)
    again = open_table(street.settings.data, "rescores")
    past = again[again["broker.retrospective"]]
    assert code == 0 and len(past) == len(mine) > 10 and len(again) == 2 * len(mine)
    both = mine.merge(past, on="diaSourceId", suffixes=("", ".again"))
    pd.testing.assert_series_equal(both["rates.n_points"], both["rates.n_points.again"],
                                   check_names=False)
    assert len(open_table(street.settings.data, "silver")) == sent
    assert books.balance(books.read(street.settings.data, every_night))["balances"]
