"""Two modules compared, labels that the operator brings, purity against them."""

import numpy as np
import pandas as pd
import pytest

from fink_like import cli, config, labels
from fink_like.errors import ConfigError
from fink_like.modules import compare, page, plots
from fink_like.vocabulary import Field

FIELDS = (Field("p", "float", "mag"), Field("is_it", "boolean"), Field("band", "string"),
          Field("list", "array<float>"), Field("gone", "float"))


@pytest.fixture
def settings(tmp_path, project):
    return config.load(project, environment={}, data=str(tmp_path / "data"))


@pytest.fixture
def found():
    """Forty alerts of ten objects; the second module says 0.1 more, and another verdict thrice."""
    n = 40
    p = np.linspace(0, 1, n)
    frame = pd.DataFrame({
        "diaSourceId": np.arange(n) + 1000, "objectId": [f"o{i % 10}" for i in range(n)],
        "a.p": p, "b.p": p + 0.1, "a.band": ["g"] * n, "b.band": ["g"] * (n - 1) + ["r"],
        "a.is_it": pd.array(p > 0.5, "boolean"), "b.is_it": pd.array(p > 0.42, "boolean"),
        "a.list": [[1.0]] * n, "b.list": [[1.0]] * n, "a.gone": p})
    frame.loc[3, "b.p"] = np.nan
    return frame


def test_numbers_and_words_are_compared(found):
    by_name = {one.output: one for one in compare.compare(found, "a", "b", FIELDS)}
    assert set(by_name) == {"p", "is_it", "band"}
    p, verdict, band = (by_name[name] for name in ("p", "is_it", "band"))
    assert (p.both, p.only_first, p.only_second, p.equal) == (39, 1, 0, 0.0)
    assert p.difference == pytest.approx(0.1) and p.scatter == pytest.approx(0, abs=1e-9)
    assert p.correlation == pytest.approx(1) and len(p.examples) == 5
    assert verdict.changes == [(False, True, 3)] and verdict.equal == pytest.approx(37 / 40)
    assert band.changes == [("g", "r", 1)] and band.examples == [(1039, "g", "r")]


def test_the_page_and_the_pictures_show_them(found, tmp_path, capsys):
    page.compared(("a", "b"), compare.compare(found, "a", "b", FIELDS), page.console())
    said = capsys.readouterr().out
    assert "is_it: False became True: 3 alerts" in said and "alert 1039: g became r" in said
    drawn = list(plots.compared(found, ("a", "b"), FIELDS, tmp_path / "plots"))
    assert [path.name for path in drawn] == ["p.png", "is_it.png", "band.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)


def test_purity_and_completeness_count_each_labelled_object_once(found, capsys):
    known = pd.Series({"o7": "SN Ia", "o8": "SN Ia", "o9": "AGN"})
    first, second = compare.against_labels(found, ("a", "b"), "p", known, "SN Ia", 0.98)
    assert (first["labelled"], first["wanted"], first["positive"]) == (3, 2, 1)
    assert first["purity"][0] == 0.0 and first["completeness"][0] == 0.0  # o9 alone is above
    assert second["positive"] == 3 and second["purity"][0] == pytest.approx(2 / 3)
    assert second["completeness"][:2] == pytest.approx((1.0, 0.342), abs=1e-3)
    none, _ = compare.against_labels(found, ("a", "b"), "is_it", pd.Series({"x": "AGN"}), "AGN")
    assert none["purity"] is None and none["labelled"] == 0
    with pytest.raises(ConfigError, match="no boolean"):
        compare.against_labels(found, ("a", "b"), "p", known, "SN Ia")
    with pytest.raises(ConfigError, match=r"no a\.q"):
        compare.against_labels(found, ("a", "b"), "q", known, "SN Ia")
    page.judged([first, none], "SN Ia", page.console())
    assert "not known, n = 0" in capsys.readouterr().out


def test_labels_are_added_once_and_the_surest_counts(settings, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FINK_LIKE__ROOT", settings.root)
    path = tmp_path / "labels.csv"
    path.write_text("object,class,source,date,confidence\n"
                    "o1,SN Ia,TNS,2026-01-01,0.5\no1,SN II,BTS,2026-01-02,0.9\no2,AGN,me,,\n")
    assert labels.read(settings).empty
    assert cli.main(["labels", "show", "--data", settings.data]) == 0
    assert "no labels yet" in capsys.readouterr().out
    for said in ("3 of 3", "0 of 3"):
        assert cli.main(["labels", "add", str(path), "--data", settings.data]) == 0
        assert said in capsys.readouterr().out
    assert labels.of_objects(labels.read(settings)).to_dict() == {"o1": "SN II", "o2": "AGN"}
    assert cli.main(["labels", "show", "--data", settings.data]) == 0
    assert "SN II" in capsys.readouterr().out
    frame = labels.read(settings)
    frame.to_parquet(tmp_path / "labels.parquet")
    assert labels.add(settings, tmp_path / "labels.parquet") == (0, 3)


@pytest.mark.parametrize("text, says", [
    ("object,class\no1,AGN\n", "no column source"),
    ("object,class,source\no1,AGN,me\n,AGN,me\n", "line 3"),
    ("object,class,source,confidence\no1,AGN,me,2\n", "line 2: confidence"),
])
def test_wrong_labels_are_refused_with_their_line(settings, tmp_path, text, says):
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(ConfigError, match=says):
        labels.add(settings, tmp_path / "labels.csv")
