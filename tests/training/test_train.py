"""`fink-like module train`: a model, its card and its picture; labels of one's own join in."""

import hashlib
import json
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml
from deltalake import write_deltalake

from fink_like import cli, config, labels, simulator
from fink_like.client import open_table
from fink_like.errors import ConfigError, ModuleError
from fink_like.kit.model_file import load_model
from fink_like.modules import check
from fink_like.modules.trial import Trial
from fink_like.training import declaration, labelled, rows
from fink_like.training.train import Given, train

NAME = "first_look"
EACH = 40


@pytest.fixture
def settings(project, monkeypatch, tmp_path):
    monkeypatch.setenv("FINK_LIKE__ROOT", str(project))
    return config.load(project, environment={}, data=str(tmp_path / "data"))


@pytest.fixture
def folder(settings):
    assert cli.main(["module", "new", NAME, "--trained"]) == 0
    return settings.modules / NAME


def declare(folder, **changed):
    """Change lines of training.yaml."""
    path = folder / declaration.FILE
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **changed}, sort_keys=False))


@pytest.mark.slow
def test_the_command_writes_a_model_its_card_and_a_picture(settings, folder, capsys):
    """The module then keeps the contract; before, it says what to do."""
    assert cli.main(["module", "try", NAME, "--simulate", "EW", "--limit", "5"]) == 1
    assert f"`fink-like module train {NAME}` makes it" in capsys.readouterr().out
    assert cli.main(["module", "train", NAME, "--each", str(EACH), "--seed", "5"]) == 0
    said = capsys.readouterr()
    assert "macro precision" in said.out and "simulated 12 of 12 shares" in said.err
    card = json.loads((folder / "card.json").read_text())
    content = (folder / "model.npz").read_bytes()
    assert card["model"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert card["model"]["bytes"] == len(content) < 2_000_000 and card["seed"] == 5
    assert (folder / "training.png").read_bytes()[:4] == b"\x89PNG"
    made = card["data"]["light_curves"]
    assert set(made) == {"fit", "in_sample", "independent"} and set(made["fit"]) == {"ztf", "lsst"}
    assert all(one["made"] == EACH and 0 < one["computed"] <= EACH
               for survey in made["fit"].values() for one in survey.values())
    for figures in card["simulated"].values():
        assert figures["n"] > 200 and figures["macro_recall"] > 0.7
        value, low, high, n = figures["classes"]["transient"]["recall"]
        assert 0 <= low < value < high <= 1 and n > 100
        false = figures["classes"]["transient"]["false_positives_in_10000"]
        assert set(false) == {"RR Lyrae ab", "EW", "semiregular", "AGN"}
    assert card["trained_on"] == "simulation" and card["real"] == {}
    assert {rule: why for rule, why in check.check(settings, NAME).items() if why} == {}
    assert cli.main(["module", "try", NAME, "--simulate", "EW", "--limit", "50"]) == 0
    assert "100 alerts: " in capsys.readouterr().out


def test_the_same_seed_makes_the_same_bytes(settings, folder):
    declare(folder, each=20, test=10, surveys=["lsst"])
    files = ("model.npz", "card.json", "training.png")
    train(settings, Given(NAME, seed=3), lambda line: None)
    first = [(folder / name).read_bytes() for name in files]
    train(settings, Given(NAME, seed=3), lambda line: None)
    assert [(folder / name).read_bytes() for name in files] == first
    train(settings, Given(NAME, seed=4), lambda line: None)
    assert (folder / "model.npz").read_bytes() != first[0]


def stored(settings, trial, n):
    """Write a table of alerts: n objects, each seen once, at first transients, then variables."""
    columns, truth = trial.of_world("ztf", "training", {"SN Ia": n // 2, "EW": n - n // 2}, seed=9)
    structs = {}
    for name, column in columns.items():
        outer, _, inner = name.partition(".")
        structs.setdefault(outer, {})[inner] = column
    objects = [f"ZTF18{place:07d}" for place in range(n)]
    table = {outer: inner[""] if "" in inner else pa.StructArray.from_arrays(
        [*inner.values()], [*inner]) for outer, inner in structs.items()}
    write_deltalake(settings.path("silver"), pa.table({**table, "objectId": pa.array(objects)}))
    return objects, truth


def test_labels_of_stored_objects_join_in_and_some_are_kept_apart(settings, folder, tmp_path):
    declare(folder, each=20, test=10, surveys=["ztf"])
    objects, truth = stored(settings, Trial(settings, NAME), 60)
    names = truth["class"].map({"SN Ia": "SN Ia", "EW": "QSO"})
    strange = pd.DataFrame({"object": ["ZTF17never", "ZTF180000000"], "class": ["SN Ia", "odd"],
                            "source": "them", "confidence": [1.0, 0.1]})
    pd.concat([pd.DataFrame({"object": objects, "class": names, "source": "us", "confidence": 0.9}),
               strange]).to_csv(tmp_path / "labels.csv", index=False)
    assert labels.add(settings, tmp_path / "labels.csv") == (62, 62)
    card = train(settings, Given(NAME), lambda line: None)
    told = card["data"]["labels"]
    assert (told["labels"], told["known"]) == (61, 61) and 30 < told["objects"] <= 60
    held = card["real"]["stored alerts, held out"]["labels_seen"]
    n_held = sum(figures["n"] for figures in held.values())
    assert set(held) == {"SN Ia", "QSO"} and 0.1 < n_held / told["objects"] < 0.5
    assert held["QSO"]["is"] == "variable" and sum(held["QSO"]["said"].values()) == held["QSO"]["n"]
    made = card["data"]["light_curves"]["fit"]["ztf"]
    simulated = sum(one["computed"] for one in made.values())
    assert card["model"]["training"]["rows"] == simulated + told["alerts"] - n_held
    assert card["trained_on"].endswith("labelled objects")


def test_a_folder_of_labelled_packets_is_tested_with_only(settings, folder, tmp_path,
                                                          monkeypatch):
    declare(folder, each=20, test=10, surveys=["ztf"])
    trial = Trial(settings, NAME)
    model = simulator.open_survey(settings.modules.parent, "ztf")
    values = [v for b in simulator.night(model, 60, seed=5, cutouts=False) for v in b.values]
    lines = []
    for number, (value, alert) in enumerate(zip(values, trial.read(values), strict=True)):
        (tmp_path / f"{number}.avro").write_bytes(value)
        lines.append({"survey": "ZTF", "object_id": alert["diaObjectId"], "file": f"{number}.avro",
                      "alert_id": alert["diaSourceId"], "label": "SN Ia" if number % 2 else "Bird"})
    lines.append({**lines[0], "survey": "other", "file": "0.avro"})
    lines.append({**lines[0], "alert_id": 7, "file": "1.avro"})
    pd.DataFrame(lines).to_csv(tmp_path / "labels.csv", index=False)
    found, told = labelled.folder(trial, declaration.load(folder), tmp_path)
    assert told["labels"] == 62 and told["read"] == 60 and 20 < told["computed"] == len(found)
    assert told["left_out"] == {"0.avro": "other is not declared here"}
    assert set(zip(found.name, found.label)) == {("SN Ia", 0), ("Bird", -1)}
    card = train(settings, Given(NAME, folders=(str(tmp_path),)), lambda line: None)
    seen = card["real"][str(tmp_path)]["labels_seen"]
    assert seen["Bird"]["is"] is None and seen["SN Ia"]["is"] == "transient"
    assert card["trained_on"] == "simulation" and not card["real"][str(tmp_path)]["trained_on"]
    named = [alert["objectId"] for alert in trial.read(values[:30])]  # not as in labels.csv
    ours = np.isin(found.group, [labelled.number(name) for name in named])
    told = dict.fromkeys(("labels", "known", "objects", "alerts"), 30)
    monkeypatch.setattr(labelled, "stored", lambda *given: (
        found.take(ours & (found.label == 0)), told))
    read = train(settings, Given(NAME, folders=(str(tmp_path),)), lambda line: None)["real"]
    fewer = sum(one["n"] for one in read[str(tmp_path)]["labels_seen"].values())
    assert 0 < read[str(tmp_path)]["trained_on"] == sum(one["n"] for one in seen.values()) - fewer
    with pytest.raises(ConfigError, match="labels.csv is not there"):
        labelled.folder(trial, declaration.load(folder), tmp_path / "nowhere")


def test_real_labelled_packets(settings, folder, fixtures):
    declare(folder, classes={"sn": ["SN Ia"], "other": ["EW", "asteroid"]}, thresholds={},
            labels={"Seyfert": "other", "QSO": "other", "SN Ia (GENTYPE 10)": "sn"})
    found, told = labelled.folder(Trial(settings, NAME), declaration.load(folder),
                                  fixtures)
    assert told["read"] == 672 and told["computed"] == len(found) > 400
    assert np.isfinite(found.features).any(axis=1).all() and told["left_out"] == {}
    assert set(found.name[found.label == 1]) == {"QSO", "Seyfert"}
    assert (found.survey[found.label == 0] == "elasticc").sum() > 150


def test_a_class_that_a_survey_never_sees_so_often_is_told(settings, folder, monkeypatch):
    monkeypatch.setattr(sys.modules["fink_like.simulator.light_curves"], "BARREN", 1)
    found, counts = rows.simulate(rows.Job(settings, NAME, "ztf", "training", {"SN Ia": 0}, 10, 1,
                                           (500, None)))
    assert found is None and counts["SN Ia"]["made"] == 0
    assert "none has the detections asked for" in counts["SN Ia"]["said"]


def test_a_matrix_that_fails_is_told_with_its_line(settings, folder):
    declare(folder, each=20, test=10, surveys=["ztf"])
    path = folder / "module.py"
    path.write_text(path.read_text().replace("    found = describe", "    len(5)\n    found = describe"))
    with pytest.raises(ModuleError, match=r"TypeError: .* \(first_look/module.py:\d+\)"):
        train(settings, Given(NAME), lambda line: None)
    path.write_text(path.read_text().replace("matrix(", "other("))
    with pytest.raises(ModuleError, match=r"needs a function matrix\(\*columns\)"):
        train(settings, Given(NAME), lambda line: None)
    assert not (folder / "model.npz").exists()


@pytest.mark.parametrize("changed, why", [
    ({"classes": {"one": ["SN Ia"]}}, "two or more"),
    ({"classes": {"one": ["SN Ia"], "two": ["SN Ia"]}}, "SN Ia stand in more than one"),
    ({"epochs": 3}, "unknown: epochs"),
    ({"prior": {"star": 1}}, "star are no classes here"),
    ({"prior": {"transient": 0}}, "not all of them 0"),
    ({"labels": {"SN Ia": "supernova"}}, "supernova are no classes here"),
    ({"network": {"depth": 3}}, "depth are unknown; there are batch"),
    ({"each": 0}, "each: a whole number above 0"),
    ({"detections": [3, 2]}, "least, most"),
    ({"light_curves": {"bts": {"days": 30}}}, "bts: .survey: ..."),
    ({"light_curves": {"bts": {"survey": "ztf", "since": 3}}}, "since are unknown; there are"),
    ({"light_curves": {"bts": {"survey": "ztf", "detections": [0, 3]}}}, "bts: detections"),
    ({"thresholds": {"transient": 2}}, "between 0 and 1")])
def test_what_is_declared_is_checked(folder, changed, why):
    declare(folder, **changed)
    with pytest.raises(ConfigError, match=why):
        declaration.load(folder)


def test_without_a_declaration(settings):
    with pytest.raises(ConfigError, match="--trained"):
        train(settings, Given("rates"), lambda line: None)


def test_the_model_and_its_card_belong_together(settings, folder):
    declare(folder, each=20, test=10, surveys=["ztf"])
    train(settings, Given(NAME), lambda line: None)
    assert set(load_model(folder / "model.npz")) == {"mlp", "classes", "calibration"}
    assert check._model(folder) == ""
    card = (folder / "card.json").read_text()
    (folder / "card.json").write_text(card.replace('"version": "1.0"', '"version": "0.9"'))
    assert "of version 0.9, this is 1.0" in check._model(folder)
    (folder / "card.json").write_text("{")
    assert "cannot be read" in check._model(folder)
    (folder / "card.json").unlink()
    assert "has no card.json" in check._model(folder)
    (folder / "old.pkl").write_bytes(b"")
    assert "old.pkl: a model is npz" in check._model(folder)


def test_labelled_alerts_come_in_the_order_of_their_ids(settings, folder, tmp_path):
    """An object counts by its last alert: ids grow with time in both surveys."""
    trial, declared = Trial(settings, NAME), declaration.load(folder)
    model = simulator.open_survey(settings.modules.parent, "ztf")
    values = [v for b in simulator.night(model, 12, seed=5, cutouts=False) for v in b.values]
    lines = []
    for number, (value, alert) in enumerate(zip(values, trial.read(values), strict=True)):
        (tmp_path / f"{number * 7 % 12}.avro").write_bytes(value)
        lines.append({"survey": "ZTF", "object_id": "one", "file": f"{number * 7 % 12}.avro",
                      "alert_id": alert["diaSourceId"], "label": str(alert["diaSourceId"])})
    pd.DataFrame(lines).to_csv(tmp_path / "labels.csv", index=False)
    found, _ = labelled.folder(trial, declared, tmp_path)
    assert len(found) > 6 and [*found.name] == sorted(found.name, key=int)

    objects, _ = stored(settings, trial, 20)
    pd.DataFrame({"object": objects, "class": "QSO", "source": "us"}).to_csv(
        tmp_path / "own.csv", index=False)
    labels.add(settings, tmp_path / "own.csv")
    table = open_table(settings.data, "silver", columns=["diaSourceId", "objectId"])
    ids = dict(zip(table["objectId"].map(labelled.number), table["diaSourceId"]))
    found, _ = labelled.stored(settings, trial, declared)
    in_order = [ids[group] for group in found.group]
    assert len(found) > 6 and in_order == sorted(in_order)


def test_plain_light_curves_are_tested_with(settings, folder, tmp_path):
    days = np.arange(0.0, 40.0, 4.0)
    points = [pd.DataFrame({"object_id": f"sn{k}", "time": 60000 + days, "magerr": 0.05,
                            "mag": 18 + 0.01 * k + ((days - 16) / 20) ** 2, "band": ["g", "r"] * 5})
              for k in range(20)]
    pd.concat(points).to_parquet(tmp_path / "seen.parquet")
    with pytest.raises(ConfigError, match="seen_labels.csv is not there"):
        [*labelled.plain(Trial(settings, NAME), curves(folder), tmp_path)]
    names = [f"sn{k}" for k in range(20)]
    known = pd.DataFrame({"object_id": names, "kind": ["SN Ia"] * 15 + ["Bird"] * 5,
                          "peak": 60016.0})
    known.to_csv(tmp_path / "seen_labels.csv", index=False)
    (name, found, told), = labelled.plain(Trial(settings, NAME), curves(folder), tmp_path)
    assert name == "seen" and told == {"labels": 20, "read": 20, "at_a_moment": 20, "computed": 20}
    assert np.bincount(found.label + 1).tolist() == [5, 15] and len(set(found.group)) == 20
    (_, found, told), = labelled.plain(Trial(settings, NAME), curves(folder, before="peak"),
                                       tmp_path)
    assert told["at_a_moment"] == 20 and told["computed"] == 20
    (_, found, told), = labelled.plain(
        Trial(settings, NAME), curves(folder, before="peak", detections=[7, None]), tmp_path)
    assert found is None and told["at_a_moment"] == 0
    curves(folder)
    declare(folder, each=20, test=10, surveys=["ztf"])
    card = train(settings, Given(NAME, folders=(str(tmp_path),)), lambda line: None)
    real = card["real"][f"{tmp_path}/seen"]
    assert list(card["real"]) == [f"{tmp_path}/seen"]
    assert real["labels_seen"]["SN Ia"]["n"] == 15 and real["labels_seen"]["Bird"]["is"] is None
    with pytest.raises(ConfigError, match="no column peak"):
        known.drop(columns="peak").to_csv(tmp_path / "seen_labels.csv", index=False)
        [*labelled.plain(Trial(settings, NAME), curves(folder, before="peak"), tmp_path)]


def curves(folder, **more):
    """A declaration that names the light curves."""
    declare(folder, light_curves={"seen": {"survey": "ztf", "label": "kind",
                                           "detections": [4, None], **more}})
    return declaration.load(folder)


def test_rows_of_parquet_are_read_as_they_are(settings, folder, tmp_path):
    """But not an alert whose own id has become a float."""
    source = {"ccdVisitId": 7, "filterName": "r", "midPointTai": 60001.0, "psFlux": 100.0,
              "psFluxErr": 5.0, "snr": 20.0, "ra": 10.0, "decl": -5.0, "diaObjectId": 3, "nobs": 1.0,
              "diaSourceId": 2**60 + 1}
    alert = {"diaSource": source, "prvDiaSources": [{**source, "diaSourceId": 5,
                                                     "midPointTai": 60000.0}],
             "prvDiaForcedSources": None, "prvDiaNondetectionLimits": None,
             "diaObject": {"mwebv": 0.1}, "cutoutTemplate": None, "cutoutDifference": None}
    trial = Trial(settings, NAME)
    pd.DataFrame([alert]).to_parquet(tmp_path / "whole.parquet")
    (found,), said = labelled._alerts(trial, "elasticc", tmp_path / "whole.parquet")
    assert (found["survey"], found["diaSourceId"], said) == ("lsst", 2**60 + 1, [])
    assert found["lc"]["psfFlux"] == pytest.approx([3630.78, 3630.78], rel=1e-5)
    rounded = {**alert, "diaSource": {**source, "diaSourceId": float(2**60)}}
    pd.DataFrame([rounded]).to_parquet(tmp_path / "rounded.parquet")
    found, (why,) = labelled._alerts(trial, "elasticc", tmp_path / "rounded.parquet")
    assert found == [] and "not whole numbers" in why
    assert labelled._alerts(trial, "elasticc", tmp_path / "none.parquet")[0] == []
