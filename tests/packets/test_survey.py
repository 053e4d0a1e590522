"""A survey's YAML: what it declares, and what a mistake in it is answered with."""

from pathlib import Path

import pytest
import yaml

from fink_like.errors import ConfigError
from fink_like.packets import normalise, survey
from fink_like.packets.projection import ITEMS
from fink_like.vocabulary import KEYS

ROOT = Path(__file__).resolve().parents[2]

MINIMAL = {
    "wire": "container", "topics": "mini_.*", "public": "true", "first_light_mjd": 58000,
    "site": {"name": "Here", "utc_offset_hours": 2},
    "columns": {"diaSourceId": "id", "diaObjectId": {"constant": 0}, "ssObjectId": {"constant": 0},
                "objectId": "name", "midpointMjdTai": "t", "ra": "ra", "dec": "dec", "band": "b",
                "psfFlux": "f", "psfFluxErr": "e", "snr": "s"},
    "light_curve": [{"from": "before", "kind": "detection", "where": {"present": "f"},
                     "columns": {"midpointMjdTai": "t", "band": "b", "psfFlux": "f",
                                 "psfFluxErr": "e", "visit": "v"}}]}


def written(folder, change=lambda content: None):
    content = yaml.safe_load(yaml.safe_dump(MINIMAL))
    change(content)
    (folder / "mini.yaml").write_text(yaml.safe_dump(content))
    return folder / "mini.yaml"


def test_a_small_one(tmp_path):
    mini = survey.load(written(tmp_path))
    assert (mini.name, mini.wire, mini.utc_offset_hours) == ("mini", "container", 2.0)
    assert mini.claims("mini_1") and not mini.claims("xmini_1") and not mini.claims("mini")
    assert normalise.wanted_paths(mini) == {
        *((n,) for n in ("id", "name", "t", "ra", "dec", "b", "f", "e", "s")),
        *(("before", ITEMS, n) for n in ("t", "b", "f", "e", "v"))}
    assert normalise.wanted_paths(mini, light_curve=False) == {
        (n,) for n in ("id", "name", "t", "ra", "dec", "b", "f", "e", "s")}


def test_the_projects_own(surveys):
    for one in surveys.values():
        assert {f.name for f in KEYS} <= set(one.columns)
        assert set(one.stamps) == {"science", "template", "difference"}
        stamps = normalise.wanted_paths(one, stamps=True) - normalise.wanted_paths(one)
        assert len(stamps) == 3  # stamps are read only where they are asked for


def test_a_topic_belongs_to_one_survey(surveys):
    for topic, expected in (("ztf_20250101_programid1", "ztf"), ("lsst-alerts-v11", "lsst"),
                            ("alerts-simulated", "lsst"), ("fink_ztf_x", None), ("", None)):
        found = survey.of_topic(surveys, topic)
        assert (found and found.name) == expected
        assert sum(one.claims(topic) for one in surveys.values()) <= 1


def drop(key):
    return lambda content: content.pop(key)


def put(*path):
    *groups, name, new = path

    def change(content):
        for group in groups:
            content = content[group]
        content[name] = new
    return change


@pytest.mark.parametrize(("change", "said"), [
    (drop("wire"), "wire"), (drop("topics"), "topics"), (drop("site"), "site"),
    (drop("columns"), "columns"), (drop("first_light_mjd"), "first_light_mjd"),
    (put("wire", "carrier pigeon"), "wire: carrier pigeon"),
    (put("topics", "("), "topics"),
    (put("site", {"name": "x"}), "utc_offset_hours"),
    (put("first_light_mjd", "soon"), "soon"),
    (put("columns", "brightness", "f"), "not in the vocabulary: ['brightness']"),
    (lambda content: content["columns"].pop("ra"), "keys not given: ['ra']"),
    (put("columns", "ra", {"degrees_of": "ra"}), "columns.ra: no conversion called degrees_of"),
    (put("columns", "ra", {"less": "ra", "greater": "ra"}), "columns.ra"),
    (put("columns", "ra", ["ra"]), "columns.ra"),
    (put("columns", "ra", {"minus": "ra"}), "columns.ra: minus"),
    (put("columns", "ra", {"flux_of_mag": ["m"]}), "columns.ra: flux_of_mag"),
    (put("columns", "ra", "$right_ascension"), "columns.ra: no column right_ascension"),
    (put("columns", "ra", {"plus": ["$dec", "$snr"]}), None),
    (put("columns", "ra", {"plus": ["$ra", "x"]}), "columns.ra"),
    (put("columns", "ra", {"text_id": "name", "digits": 2}), "columns.ra"),
    (put("columns", "band", {"lookup": "fid"}), "columns.band"),
    (put("light_curve", 0, "kind", "guess"), "kind guess"),
    (put("light_curve", 0, "columns", {"band": "b"}), "light_curve from before"),
    (put("light_curve", 0, "where", {"is_here": "f"}), "light_curve from before"),
    (put("light_curve", 0, "columns", "visit", {"x": 1}), "light_curve from before"),
    (lambda content: content["light_curve"][0].pop("from"), "from"),
    (put("own", {"a": {"type": "int"}}), "own.a"),
    (put("own", {"a": {"type": "int", "from": "a", "unti": "d"}}), "own.a"),
    (put("own", {"a": {"type": "int", "from": {"x": "a"}}}), "own.a"),
    (put("cutouts", {"form": "fits", "science": {"x": 1}}), "cutouts.science")])
def test_a_mistake_is_named_with_its_file_and_key(tmp_path, change, said):
    path = written(tmp_path, change)
    if said is None:
        assert survey.load(path)
        return
    with pytest.raises(ConfigError) as caught:
        survey.load(path)
    assert "mini.yaml" in str(caught.value) and said in str(caught.value)


@pytest.mark.parametrize("text", ["", "- a", "a: [", "just words"])
def test_a_file_that_is_no_survey(tmp_path, text):
    (tmp_path / "mini.yaml").write_text(text)
    with pytest.raises(ConfigError, match="mini.yaml"):
        survey.load(tmp_path / "mini.yaml")


def test_columns_that_need_each_other_are_refused(tmp_path):
    def circle(content):
        content["columns"].update(ra={"plus": ["$dec", "x"]}, dec={"plus": ["$ra", "x"]})

    with pytest.raises(ConfigError, match="columns.*(ra|dec).*itself"):
        survey.load(written(tmp_path, circle))


def test_surveys_are_chosen_by_name(tmp_path):
    written(tmp_path)
    assert list(survey.load_all(tmp_path)) == list(survey.load_all(tmp_path, ("mini",))) == ["mini"]
    with pytest.raises(ConfigError, match="no file for .*maxi"):
        survey.load_all(tmp_path, ("mini", "maxi"))
    with pytest.raises(ConfigError, match="no file for any survey"):
        survey.load_all(tmp_path / "empty")
