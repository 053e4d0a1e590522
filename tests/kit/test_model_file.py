"""Models as files: the same bytes at any time, small, and without anything to execute."""

import hashlib
import zipfile

import numpy as np
import pytest

from fink_like.errors import ModuleError
from fink_like.kit.calibration import apply_temperature, fit_temperature
from fink_like.kit.mlp import member_logits
from fink_like.kit.mlp_training import TrainingSettings, train_mlp
from fink_like.kit.model_file import load_model, save_model
from fink_like.kit.uncertainty import fit_density, ood_score

PARTS = {"b": {"floats": np.arange(6.0).reshape(2, 3), "text": np.array(["SN Ia", "AGN"])},
         "a": {"number": np.array(1.5), "none": np.zeros((0, 4), np.float32),
               "ids": np.array([2 ** 62 + 1])}}


def test_what_was_saved_is_loaded(tmp_path):
    save_model(tmp_path / "model.npz", PARTS)
    again = load_model(tmp_path / "model.npz")
    assert again.keys() == PARTS.keys()
    for part, arrays in PARTS.items():
        assert again[part].keys() == arrays.keys()
        for name, array in arrays.items():
            assert again[part][name].dtype == array.dtype
            np.testing.assert_array_equal(again[part][name], array)


def test_the_same_arrays_make_the_same_bytes_at_any_time(tmp_path, monkeypatch):
    one = save_model(tmp_path / "one.npz", PARTS)
    monkeypatch.setattr("time.time", lambda: 2e9)
    monkeypatch.setattr("time.localtime", lambda *_: (2033, 5, 18, 3, 33, 20, 2, 138, 0))
    other_order = {"a": dict(reversed(PARTS["a"].items())),
                   "b": PARTS["b"] | {"floats": np.asfortranarray(PARTS["b"]["floats"])}}
    assert save_model(tmp_path / "two.npz", other_order) == one
    content = (tmp_path / "two.npz").read_bytes()
    assert content == (tmp_path / "one.npz").read_bytes()
    assert hashlib.sha256(content).hexdigest() == one
    with zipfile.ZipFile(tmp_path / "one.npz") as file:
        assert {info.date_time for info in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert save_model(tmp_path / "three.npz", {"a": PARTS["a"]}) != one


def test_a_model_that_is_too_large_is_not_written(tmp_path):
    with pytest.raises(ModuleError, match=r"largest array is mlp.weights_0 \(500, 501\) float64"):
        save_model(tmp_path / "model.npz", {"mlp": {"weights_0": np.zeros((500, 501))}})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("parts", [{"a": {"x": np.array([{}])}}, {"a.b": {"x": np.zeros(1)}},
                                   {"": {"x": np.zeros(1)}}])
def test_objects_and_dotted_names_are_refused(tmp_path, parts):
    with pytest.raises(ModuleError, match="neither can be stored"):
        save_model(tmp_path / "model.npz", parts)


def test_a_file_that_is_no_model_is_refused(tmp_path):
    path = tmp_path / "model.npz"
    with pytest.raises(ModuleError, match="model.npz: not a model file"):
        load_model(path)
    np.savez(path, **{"a.x": np.array([{"pickled": 1}], dtype=object)})
    whole = save_model(tmp_path / "good.npz", PARTS) and (tmp_path / "good.npz").read_bytes()
    np.save(tmp_path / "array.npy", np.zeros(3))
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0xFF
    for content in (path.read_bytes(), whole[:-40], b"", b"text", bytes(damaged),
                    (tmp_path / "array.npy").read_bytes()):
        path.write_bytes(content)
        with pytest.raises(ModuleError, match="not a model file"):
            load_model(path)


def test_a_whole_model_answers_the_same_from_its_file(tmp_path):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(500, 3))
    labels = (x[:, 0] > 0).astype(int)
    mlp = train_mlp(x, labels, TrainingSettings(layers=(8,), members=2, epochs=5)).parameters
    logits = member_logits(mlp, x).mean(axis=0)
    parts = {"mlp": mlp, "calibration": fit_temperature(logits, labels),
             "density": fit_density(x, labels)}
    save_model(tmp_path / "model.npz", parts)
    again = load_model(tmp_path / "model.npz")
    for model in (parts, again):
        model["answer"] = (apply_temperature(model["calibration"], member_logits(
            model["mlp"], x).mean(axis=0)), ood_score(model["density"], x))
    for found, expected in zip(again["answer"], parts["answer"]):
        np.testing.assert_array_equal(found, expected)
