"""A survey's YAML: what it declares, and what a mistake in it is answered with."""

import re
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
    (put("inputs", [{"topics": "a_.*", "wire": "pigeon"}]), "inputs[0]: wire: pigeon is not one"),
    (put("inputs", [{"topics": "a_.*"}]), "inputs[0]: key 'wire' is missing"),
    (put("inputs", [{"wire": "json"}]), "inputs[0]: key 'topics' is missing"),
    (put("inputs", ["a_.*"]), "inputs[0]"),
    (put("inputs", [{"topics": 7, "wire": "json"}]), "inputs[0]: topics: 7 is not a regular"),
    (put("inputs", [{"topics": "[", "wire": "json"}]), "inputs[0]: topics: '['"),
    (put("inputs", [{"topics": "a", "wire": "json", "form": "x"}]), "no key ['form']"),
    (put("inputs", [{"topics": "a", "wire": "bare"}]), "inputs[0]: wire: bare needs `schema`"),
    (put("inputs", [{"topics": "a", "wire": "bare", "schema": 4.02}]), "put 4.02 in quotes"),
    (put("inputs", [{"topics": "a", "wire": "bare", "schema": {3.3: "3.3"}}]), "put 3.3 in quotes"),
    (put("inputs", [{"topics": "a", "wire": "fink", "schema": "4.02"}]), "takes no schema"),
    (put("inputs", [{"topics": "a", "wire": "bare", "schema": "1", "aliases": {1: 2}}]),
     "no aliases"),
    (put("inputs", [{"topics": "a", "wire": "framed", "aliases": {"x": 1}}]), "'x' is no schema id"),
    (put("inputs", [{"topics": "a", "wire": "framed", "aliases": {1: 2**32}}]), "4 bytes"),
    (put("inputs", [{"topics": "a", "wire": "framed", "aliases": 7}]), "inputs[0]"),
    (put("inputs", [{"topics": "mini_.*", "wire": "json"}]), "'mini_.*' stands twice"),
    (put("inputs", 7), "mini.yaml"),
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


def test_the_first_input_that_matches_a_topic_counts(tmp_path):
    inputs = [{"topics": "mini_sim_.*", "wire": "framed", "aliases": {1: 400, "0": "400"}},
              {"topics": "other_(a|b)", "wire": "bare", "schema": {"3.3": "3.3"}},
              {"topics": "other_.*", "wire": "auto", "schema": "4.02"}]
    mini = survey.load(written(tmp_path, put("inputs", inputs)))
    found = {topic: mini.input_of(topic) and mini.input_of(topic).wire for topic in (
        "mini_1", "mini_sim_1", "other_a", "other_ab", "other_", "xother_a", "another_c")}
    assert found == {"mini_1": "container", "mini_sim_1": "container", "other_a": "bare",
                     "other_ab": "auto", "other_": "auto", "xother_a": None, "another_c": None}
    assert mini.wire == "container" and mini.claims("other_b") and not mini.claims("b")
    assert [re.fullmatch(mini.topics, topic) is not None for topic in found] == [
        form is not None for form in found.values()]
    assert mini.inputs[1].aliases == {"1": "400", "0": "400"}
    assert mini.inputs[2].versions == {"3.3": "3.3"} and mini.inputs[3].names == ("4.02",)


def test_two_surveys_may_not_claim_the_same_topics(tmp_path):
    written(tmp_path)
    content = yaml.safe_load((tmp_path / "mini.yaml").read_text())
    other = {**content, "topics": "maxi_.*", "inputs": [{"topics": "mini_.*", "wire": "json"}]}
    (tmp_path / "maxi.yaml").write_text(yaml.safe_dump(other))
    with pytest.raises(ConfigError, match="maxi.yaml and mini.yaml both claim the topics 'mini_"):
        survey.load_all(tmp_path)
    other["inputs"][0]["topics"] = "mini_1.*"  # seen only when a topic comes: the first by name
    (tmp_path / "maxi.yaml").write_text(yaml.safe_dump(other))
    surveys = survey.load_all(tmp_path)
    assert [survey.of_topic(surveys, t).name for t in ("mini_1", "mini_2")] == ["maxi", "mini"]


def test_the_examples_of_the_documents(tmp_path):
    """Each of docs/inputs.md is read as it stands; so are those in the surveys' own comments."""
    text = (ROOT / "docs" / "inputs.md").read_text()
    lines = re.findall(r"^ *- (\{topics: .*\})$", text, re.MULTILINE)
    own = [path.read_text() for path in sorted((ROOT / "conf" / "surveys").glob("*.yaml"))]
    lines += [line for one in own for line in re.findall(r"^# +- (\{topics: .*\})", one, re.M)]
    assert len(lines) >= 11
    specs = {spec["topics"]: spec for spec in map(yaml.safe_load, lines)}
    mini = survey.load(written(tmp_path, put("inputs", list(specs.values()))))
    assert {one.wire for one in mini.inputs} == {"container", "framed", "bare", "fink", "json",
                                                 "auto"}
