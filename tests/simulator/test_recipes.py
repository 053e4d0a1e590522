"""Recipes and populations: wrong ones are refused with their place."""

import shutil

import pytest
import yaml

from fink_like import simulator
from fink_like.errors import ConfigError


@pytest.fixture
def copied(repository, tmp_path):
    """A settings folder that a test may spoil."""
    for folder in ("conf/simulator", "conf/populations", "schemas"):
        shutil.copytree(repository / folder, tmp_path / folder)
    return tmp_path


def change(path, edit):
    content = yaml.safe_load(path.read_text())
    edit(content)
    path.write_text(yaml.safe_dump(content, sort_keys=False))


@pytest.mark.parametrize("edit, message", [
    (lambda r: r.pop("cadence"), "cadence"),
    (lambda r: r["records"]["alert"]["fields"].update(wrong=1), "wrong"),
    (lambda r: r["records"]["candidate"]["fields"].pop("jd"), "jd"),
    (lambda r: r["records"]["candidate"].update(rows="many"), "rows"),
    (lambda r: r["records"].update(other={"rows": "alert"}), "no such record"),
    (lambda r: r["source"].update(ra="import os"), "not an expression"),
])
def test_a_wrong_recipe_is_refused(copied, edit, message):
    change(copied / "conf" / "simulator" / "ztf.yaml", edit)
    with pytest.raises(ConfigError, match=message):
        simulator.open_survey(copied, "ztf")


@pytest.mark.parametrize("edit, message", [
    (lambda p: p["classes"]["SN Ia"].pop("per_visit"), "per_visit"),
    (lambda p: p["classes"]["SN Ia"].update(model="none"), "model"),
    (lambda p: p["classes"]["SN Ia"].update(kind="odd"), "kind"),
])
def test_a_wrong_population_is_refused(copied, edit, message):
    change(copied / "conf" / "populations" / "stream.yaml", edit)
    with pytest.raises(ConfigError, match=message):
        simulator.open_survey(copied, "ztf")


def test_an_unknown_survey_names_those_there_are(repository):
    with pytest.raises(ConfigError, match="lsst.*ztf"):
        simulator.open_survey(repository, "none")


def test_a_class_that_is_too_faint_to_detect_is_refused(copied):
    change(copied / "conf" / "populations" / "stream.yaml",
           lambda p: p["classes"]["AGN"]["parameters"].update(magnitude="depth + 20"))
    model = simulator.open_survey(copied, "ztf")
    with pytest.raises(ConfigError, match="AGN"):
        next(simulator.night(model, 10, seed=1))


def test_more_alerts_than_ids_are_refused(copied):
    change(copied / "conf" / "simulator" / "ztf.yaml", lambda r: r.update(alerts_per_visit=1e6))
    with pytest.raises(ConfigError, match="most_rows"):
        next(simulator.night(simulator.open_survey(copied, "ztf"), 10**6, seed=1))


def test_a_recipe_can_extend_another(repository):
    deep = simulator.open_survey(repository, "lsst_deep")
    assert deep.survey == "lsst"
    assert deep.recipe["bands"] == simulator.open_survey(repository, "lsst").recipe["bands"]
    batch = next(simulator.night(deep, 100, seed=1, cutouts=False))
    assert batch.truth["n_det"].median() > 20


def test_fewer_alerts_than_nights_are_refused(model):
    with pytest.raises(ConfigError, match="nights"):
        next(simulator.night(model, 2, seed=1, nights=3))
