"""What ran when, and modules that run in shadow of the live ones."""

import json

import pytest

from fink_like import simulator
from fink_like.client import open_table
from fink_like.jobs import distribute, ingest, science

ZTF = "ztf_20250101_programid1"


def states(project, **changed):
    """Write conf/modules.yaml."""
    found = {"quality": "live", "features": "live", "rates": "live", **changed}
    (project / "conf" / "modules.yaml").write_text(
        "".join(f"{name}: {state}\n" for name, state in found.items()))


def next_version(project):
    """The module `rates` in a new version, beside it, under another name."""
    folder = project / "science_modules" / "rates_next"
    folder.mkdir()
    text = (project / "science_modules" / "rates" / "module.py").read_text()
    text = text.replace("def rates(", "def rates_next(").replace("WINDOW = 15.0", "WINDOW = 30.0")
    (folder / "module.py").write_text(text.replace('version="1.0"', 'version="2.0"'))


def send(street, project, seed):
    model = simulator.open_survey(project, "ztf")
    values = [v for b in simulator.night(model, 40, seed=seed, cutouts=False) for v in b.values]
    return street.publish(street.topic(ZTF, partitions=1), values)


@pytest.mark.slow
def test_a_new_version_in_shadow_writes_beside_the_live_one(project, make_street, at_home, capsys,
                                                            tmp_path):
    next_version(project)
    states(project)
    street = make_street()
    sent = send(street, project, 5)
    street.run(ingest, science)
    with pytest.raises(Exception, match="shadow"):
        open_table(street.settings.data, "shadow")
    states(project, rates_next="shadow")
    sent += send(street, project, 6)
    street.run(ingest, science)
    street.check_exactly_once(sent)
    silver, shadow = (open_table(street.settings.data, name) for name in ("silver", "shadow"))
    assert not any(column.startswith("rates_next") for column in silver.columns)
    assert set(shadow["rates_next.version"]) == {"2.0"} and len(shadow) == 40
    both = silver.merge(shadow, on=["survey", "diaSourceId"])
    assert len(both) == 40
    assert (both["rates_next.n_points"] >= both["rates.n_points"]).all()
    assert (both["rates_next.n_points"] > both["rates.n_points"]).any()
    capsys.readouterr()
    plots = str(tmp_path / "plots")
    assert at_home(street.settings, "module", "compare", "rates", "rates_next", "--night",
                   "20200101-20991231", "--plots", plots) == 0
    said = capsys.readouterr().out
    assert "rates and rates_next" in said and "version: 1.0 became 2.0: 40 alerts" in said
    assert "n_points.png" in said and (tmp_path / "plots" / "n_points.png").exists()
    street.run(science, distribute)  # nothing new: nothing is written twice
    assert len(open_table(street.settings.data, "shadow")) == 40


@pytest.mark.slow
def test_the_table_of_runs_has_a_row_for_each_change(project, make_street):
    states(project)
    street = make_street()
    send(street, project, 5)
    street.run(ingest, science)
    for path in (project / "conf" / "filters").glob("*.yaml"):
        path.unlink()
    street.run(science, distribute)  # without a filter, nothing is sent, and nothing fails
    next_version(project)
    states(project, rates_next="shadow", quality="off")
    send(street, project, 6)
    street.run(ingest, science)
    runs = open_table(street.settings.data, "module_runs").sort_values(["first_batch", "module"])
    assert runs[["module", "state", "version", "first_batch"]].to_numpy().tolist() == [
        ["features", "live", "2.0", 0], ["quality", "live", "1.0", 0],
        ["rates", "live", "1.0", 0],
        ["quality", "off", "1.0", 1], ["rates_next", "shadow", "2.0", 1]]
    assert runs["last_batch"].tolist() == [1, 0, 1, 1, 1]
    assert json.loads(runs.iloc[-1]["parameters"])["WINDOW"] == 30.0
    assert runs["code_hash"].str.len().eq(64).all() and runs["began_at"].notna().all()
