"""Filter files: what is refused and where, topics, expiry, the public rule, and the real three."""

import datetime
from pathlib import Path

import pandas as pd
import pytest
import yaml

from fink_like.errors import ConfigError
from fink_like.filters.library import fingerprint, load
from fink_like.kit import registry
from fink_like.vocabulary import Field, leaves

ROOT = Path(__file__).resolve().parents[2]
TODAY = datetime.date(2026, 11, 21)
COLUMNS = {**leaves(), "ztf.programid": Field("programid", "int")}
PUBLIC = {"ztf": "ztf.programid = 1", "lsst": "true"}
GOOD = """\
name: bright
owner: somebody
topic: fink_bright_{survey}
surveys: [ztf, lsst]
says: Bright ones.
where: |
  psfFlux > 1000
  and band = 'g'
payload: full
quota: 20 MB/night
expires: 2027-12-31
examples:
  - {say: bright, expect: pass, row: {psfFlux: 2000, band: g}}
  - {say: no flux, expect: reject, row: {psfFlux: null, band: g}}
"""


def loaded(folder, files, today=TODAY, public=PUBLIC):
    for name, content in files.items():
        (folder / name).write_text(content)
    return load(folder, COLUMNS, today, public)


def test_a_good_file(tmp_path):
    (spec,), problems = loaded(tmp_path, {"bright.yaml": GOOD})
    assert not problems
    assert (spec.name, spec.owner, spec.says) == ("bright", "somebody", "Bright ones.")
    assert (spec.payload, spec.profile, spec.quota) == ("full", "fink-live", 20_000_000)
    assert spec.topics("lsst") == "fink_bright_lsst" and spec.off == ""
    assert [(r.topic, r.survey) for r in spec.routes] == [
        ("fink_bright_ztf", "ztf"), ("fink_bright_lsst", "lsst")]


def test_what_is_not_public_leaves_by_no_route(tmp_path):
    (spec,), _ = loaded(tmp_path, {"bright.yaml": GOOD})
    frame = pd.DataFrame({"survey": ["ztf"] * 4 + ["lsst", None], "psfFlux": 2000.0, "band": "g",
                          "ztf.programid": [1, 2, 3, None, None, 1]}, dtype=object)
    ztf, lsst = (route.condition for route in spec.routes)
    assert list(ztf.mask(frame)) == [True, False, False, False, False, False]
    assert list(lsst.mask(frame)) == [False, False, False, False, True, False]
    assert "`survey` = 'ztf'" in ztf.sql and "`ztf`.`programid`" in ztf.sql
    assert list(spec.condition.mask(frame)) == [True] * 6


@pytest.mark.parametrize("old, new, line, says", [
    ("name: bright", "name: brihgt", 1, "the file must be called brihgt.yaml"),
    ("name: bright", "name: Bright One", 1, "is not a name"),
    ("owner: somebody\n", "", 1, "no `owner`"),
    ("owner: somebody", "owner:", 2, "owner: None is not text"),
    ("owner: somebody", "owner: somebody\nowner: else", 3, "`owner` is there twice"),
    ("owner: somebody", "ownr: somebody", 2, "unknown key `ownr`, did you mean `owner`?"),
    ("topic: fink_bright_{survey}", "topic: fink_bright", 3, "put {survey} into its name"),
    ("topic: fink_bright_{survey}", "topic: ztf_{survey}", 3, "cannot be a topic"),
    ("topic: fink_bright_{survey}", "topic: fink_a b_{survey}", 3, "cannot be a topic"),
    ("topic: fink_bright_{survey}", f"topic: fink_{'x' * 245}_{{survey}}", 3, "249 characters"),
    ("[ztf, lsst]", "[ztf, lst]", 4, "no survey `lst`, did you mean `lsst`?"),
    ("[ztf, lsst]", "ztf", 4, "not a list of different surveys"),
    ("[ztf, lsst]", "[ztf, ztf]", 4, "not a list of different surveys"),
    ("psfFlux > 1000", "psfFlx > 1000", 7, "no column `psfFlx`, did you mean `psfFlux`?"),
    ("band = 'g'", "band = 1", 8, "line 2, column 10"),
    ("band = 'g'", "band = 'g", 8, "no closing quote"),
    ("payload: full", "payload: all", 9, "it should be what a message carries: full"),
    ("20 MB/night", "lots", 10, "such as 100 MB/night"),
    ("2027-12-31", "soon", 11, "'soon' is not a date"),
    ("2027-12-31", "2027-13-31", 11, "month must be in 1..12"),
    ("payload: full", "payload: full\nprofile: paper", 10, "the form of a message"),
    ("expect: reject, row: {psfFlux: null", "expect: pass, row: {psfFlux: 5000", 13,
     "none that expects reject"),
    ("expect: pass, row: {psfFlux: 2000", "expect: reject, row: {psfFlux: 2", 13,
     "none that expects pass"),
    ("psfFlux: null", "psfFlux: 5000", 14, "expects reject, but the filter says pass"),
    ("psfFlux: 2000", "psfFlux: 200", 13, "expects pass, but the filter says reject"),
    ("psfFlux: 2000", "psfFlux: much", 13, "`psfFlux` is 'much'; it should be a number"),
    ("psfFlux: 2000", "diaObjectId: 1e3", 13, "should be an integer"),
    ("psfFlux: 2000", "fluxx: 2000", 13, "no column `fluxx`"),
    ("psfFlux: 2000", "lc.psfFlux: 2000", 13, "leave it out"),
    ("say: bright, ", "", 13, "an example with say, row and expect"),
    ("owner: somebody", "owner: [", 3, "not valid YAML"),
])
def test_a_bad_file_is_reported_and_the_others_go_on(tmp_path, old, new, line, says):
    assert old in GOOD
    other = GOOD.replace("bright", "other")
    files = {"bright.yaml": GOOD.replace(old, new), "other.yaml": other}
    (spec,), (problem,) = loaded(tmp_path, files)
    assert spec.name == "other"
    assert says in str(problem)
    assert str(problem).startswith(f"{tmp_path / 'bright.yaml'}:{line}: ")


@pytest.mark.parametrize("content", [
    b"", b"- a\n- b", b"\xff\xfe\x00", b"[" * 5000, b"a: " + b"x" * 200_000,
    b"owner: !!python/name:os.x 1",
    b"? [a]\n: b", b"name: *nothing",
    b"a: &a [1,1]\n" + b"owner: &b [*a, *a]\nowner: [*b, *b]",
])
def test_files_that_are_no_filters(tmp_path, content):
    (tmp_path / "odd.yaml").write_bytes(content)
    specs, (problem,) = loaded(tmp_path, {"bright.yaml": GOOD})
    assert [spec.name for spec in specs] == ["bright"]
    assert problem.path.name == "odd.yaml" and problem.line >= 1


def test_fingerprint_follows_every_change(tmp_path):
    seen = [fingerprint(tmp_path)]
    for name, content in [("a.yaml", "x"), ("a.yaml", "y"), ("b.yaml", "y")]:
        (tmp_path / name).write_text(content)
        seen.append(fingerprint(tmp_path))
    (tmp_path / ".hidden.yaml").write_text("editors leave these")
    assert len(set(seen)) == 4 and fingerprint(tmp_path) == seen[-1]


def test_expired_is_off_with_the_reason(tmp_path):
    files = {"bright.yaml": GOOD}
    assert loaded(tmp_path, files, datetime.date(2027, 12, 31))[0][0].off == ""
    (spec,), problems = loaded(tmp_path, files, datetime.date(2028, 1, 1))
    assert spec.off == "expired on 2027-12-31" and not problems


@pytest.mark.parametrize("topic", ["fink_bright_{survey}", "fink_bright.ztf", "fink_bright_ztf"])
def test_topics_clash_on_their_full_names(tmp_path, topic):
    other = (GOOD.replace("name: bright", "name: other").replace("[ztf, lsst]", "[ztf]")
             .replace("fink_bright_{survey}", topic))
    (spec,), (problem,) = loaded(tmp_path, {"bright.yaml": GOOD, "other.yaml": other})
    assert spec.name == "bright"
    assert "is the topic of filter bright already" in str(problem) and problem.line == 3


def test_without_a_valid_public_rule_nothing_is_loaded(tmp_path):
    with pytest.raises(ConfigError, match="public condition of survey ztf: .*no column"):
        loaded(tmp_path, {"bright.yaml": GOOD}, public={"ztf": "ztf.programme = 1"})
    with pytest.raises(ConfigError, match="no such folder"):
        load(tmp_path / "absent", COLUMNS, TODAY, PUBLIC)


def all_columns():
    columns, public = dict(leaves()), {}
    for path in sorted((ROOT / "conf" / "surveys").glob("*.yaml")):
        survey = yaml.safe_load(path.read_text())
        public[path.stem] = str(survey["public"])
        columns.update({f"{path.stem}.{name}": Field(name, own["type"])
                        for name, own in survey["own"].items()})
    names = [path.parent.name for path in (ROOT / "science_modules").glob("*/module.py")]
    specs = registry.load(ROOT / "science_modules", dict.fromkeys(names, "live"))
    return columns | leaves([spec.struct for spec in specs]), public


def test_our_filters_are_right_and_live():
    columns, public = all_columns()
    specs, problems = load(ROOT / "conf" / "filters", columns, TODAY, public)
    assert [str(problem) for problem in problems] == []
    assert {"rising_transient", "solar_system", "variable_source"} <= {s.name for s in specs}
    for spec in specs:
        assert spec.off == ""
        assert {route.survey for route in spec.routes} == set(spec.surveys)
        assert all(route.topic.startswith(f"fink_{spec.name}") for route in spec.routes)
