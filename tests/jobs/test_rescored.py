"""Scored again: an outage repaired, history backfilled, what subscribers get of it."""

from textwrap import dedent

import pytest

from fink_like import books, cli, simulator
from fink_like.client import open_table
from fink_like.errors import BrokerError, ConfigError
from fink_like.jobs import distribute, science
from fink_like.modules.backfill import nights
from fink_like.spark import lease
from fink_like.spark.control import ControlFolder

ZTF = "ztf_20250101_programid1"
MODULE = '''
from fink_like.kit import Field, science_module

@science_module(version="{version}", inputs=("psfFlux", "rates.n_points"),
                outputs=(Field("twice", "float"),{more}))
def doubled({names}):
    """Twice the flux."""
    {body}
    return {{"twice": {factor} * flux{plus}}}
'''
FILTER = """
name: bright
owner: tests
topic: fink_bright_{survey}
surveys: [ztf]
says: Twice the flux is large.
where: doubled.twice > 0
payload: full
quota: 500 MB/night
expires: 2099-12-31
examples:
  - {say: bright, expect: pass, row: {doubled.twice: 5.0}}
  - {say: null, expect: reject, row: {doubled.twice: null}}
"""


def write(project, version, body="pass", factor=2, more="", plus=""):
    folder = project / "science_modules" / "doubled"
    folder.mkdir(exist_ok=True)
    (folder / "module.py").write_text(dedent(MODULE).format(
        version=version, body=body, factor=factor, more=more, plus=plus, names="flux, n"))


@pytest.fixture
def street(project, make_street):
    """A street on whose first night `doubled` failed for every third alert."""
    write(project, "1", "if (abs(flux).astype(int) % 3 == 0).any(): raise ValueError('a third')")
    with (project / "conf" / "modules.yaml").open("a") as states:
        states.write("\ndoubled: live\n")
    (project / "conf" / "filters" / "bright.yaml").write_text(FILTER)
    street = make_street()
    model = simulator.open_survey(project, "ztf")
    values = [v for b in simulator.night(model, 60, seed=5, cutouts=False) for v in b.values]
    street.publish(street.topic(ZTF), values)
    street.run()
    return street


def ask(street, *words):
    """A backfill, as the command does it, of the only night."""
    night, = nights(street.settings, ["20200101-20991231"])
    errands = science.errands(street.settings, street.spark)
    return errands.do({"do": "rescore", "night": night, **dict(words)})


def received(street):
    """(alert, revision) on the topic of the filter `bright`."""
    return sorted((int(headers["alert_id"]), int(headers["revision"]))
                  for topic, headers, _, _ in street.received() if "bright" in topic)


def scores(street, table):
    return {row.diaSourceId: row for row in street.table(table).selectExpr(
        "diaSourceId", "revision", "psfFlux", "doubled.*", "broker.retrospective AS past",
        "rates.n_points AS n").collect()}


@pytest.mark.slow
def test_an_outage_is_repaired_and_what_it_hid_is_sent(street, project):
    before = received(street)
    first = scores(street, "silver")
    failed = {alert for alert, row in first.items() if row.status < 0}
    assert 10 < len(failed) < 30 and failed.isdisjoint(alert for alert, _ in before)
    assert books.balance(books.read(street.settings.data))["unscored"]["doubled"]["statuses"] == {
        "failed": len(failed)}
    write(project, "2")
    asked = ("module", "doubled"), ("failed", True), ("send", True), ("request", "one")
    assert ask(street, *asked) == {"alerts": len(failed), "scored": len(failed)}
    assert ask(street, *asked) == {"alerts": 0, "scored": 0}
    again = scores(street, "rescores")
    assert set(again) == failed
    for alert, row in again.items():
        assert row.twice == pytest.approx(2 * first[alert].psfFlux, rel=1e-5)
        assert (row.version, row.revision, row.past) == ("2", 1, False)
        assert row.n == first[alert].n  # of the other modules, as it was
    assert books.balance(books.read(street.settings.data))["unscored"] == {}
    street.run(distribute)
    positive = sorted((alert, 1) for alert, row in again.items() if row.twice > 0)
    assert received(street) == sorted(before + positive)
    assert books.balance(books.read(street.settings.data))["balances"]


@pytest.mark.slow
def test_history_is_backfilled_with_new_outputs_and_not_sent(street, project, at_home, capsys):
    """By the command; a new output in the middle of the struct finds its own column."""
    before, first = received(street), scores(street, "silver")
    write(project, "3", factor=3, more='Field("n", "int", doc="Points."),',
          plus=', "n": n')
    text = (project / "science_modules/doubled/module.py").read_text()
    twice, points = 'Field("twice", "float")', 'Field("n", "int", doc="Points.")'
    (project / "science_modules/doubled/module.py").write_text(
        text.replace(f"{twice},{points}", f"{points},{twice}"))
    street.run(science)  # widens the tables
    night, = nights(street.settings, ["20200101-20991231"])
    lease.release(ControlFolder(street.spark, street.settings.path("jobs", "science")))
    assert at_home(street.settings, "backfill", "doubled", "--nights", str(night)) == 0
    assert "60 of 60 alerts have a new revision" in capsys.readouterr().out
    again = scores(street, "rescores")
    assert set(again) == set(first)
    for alert, row in again.items():
        assert row.twice == pytest.approx(3 * first[alert].psfFlux, rel=1e-5)
        assert (row.version, row.revision, row.past) == ("3", 1, True)
    points = street.table("rescores").select("doubled.n", "rates.n_points").collect()
    assert all(row.n == row.n_points for row in points)
    street.run(distribute)
    assert received(street) == before
    rows = open_table(street.settings.data, "rescores", columns=["doubled.twice", "revision"])
    assert len(rows) == 60
    with pytest.raises(ConfigError, match="20300101"):
        nights(street.settings, ["20300101"])
    with pytest.raises(ConfigError, match="YYYYMMDD"):
        nights(street.settings, ["last"])
    answer = ask(street, ("module", "nobody"), ("request", "x"))
    assert "nobody is not live" in answer["error"]


def test_a_command_without_data_says_so(project, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("FINK_LIKE__ROOT", str(project))
    assert cli.main(["backfill", "rates", "--nights", "20260310", "--data", str(tmp_path)]) == 1
    assert "no night in 20260310" in capsys.readouterr().err
    assert issubclass(ConfigError, BrokerError)
