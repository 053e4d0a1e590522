"""Modules are found by folder; wrong folders, states and dependencies are refused by name."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from fink_like.errors import ModuleError
from fink_like.kit import registry

ROOT = Path(__file__).resolve().parents[2]
MODULE = """
from fink_like.kit import Field, science_module

@science_module(version="1.0", inputs={inputs}, outputs=(Field("a", "float"),))
def {name}(*columns):
    "Doc."
    return {{"a": columns[0]}}
"""


def write(folder, name, *inputs, text=None):
    (folder / name).mkdir()
    (folder / name / "module.py").write_text(text or MODULE.format(name=name, inputs=inputs))


def test_order_follows_the_inputs_then_the_name(tmp_path):
    write(tmp_path, "zero", "ra")
    write(tmp_path, "alpha", "zero.a", "beta.status")
    write(tmp_path, "beta", "zero.a", "ztf.drb", "dec")
    specs = registry.load(tmp_path, {"zero": "live", "alpha": "shadow", "beta": "live"})
    assert [spec.name for spec in specs] == ["zero", "beta", "alpha"]
    assert [spec.state for spec in specs] == ["live", "live", "shadow"]
    assert registry.external_inputs(specs) == ["dec", "ra", "ztf.drb"]


def test_what_is_not_named_is_off_and_says_so(tmp_path, caplog):
    write(tmp_path, "one", "ra")
    write(tmp_path, "two", "ra")
    with caplog.at_level(logging.WARNING):
        assert [spec.name for spec in registry.load(tmp_path, {"one": "live"})] == ["one"]
    assert "two is off" in caplog.text and "one" not in caplog.text


def test_a_bare_off_in_yaml_means_off(tmp_path):
    write(tmp_path, "one", "ra")
    states = tmp_path / "modules.yaml"
    states.write_text("one: off\n")
    assert registry.load(tmp_path, states) == []


@pytest.mark.parametrize("text, says", [
    ("one: on", "live, shadow or off"), ("- one", "should hold lines"), ("one: [", "cannot be"),
    ("other: live", "other")])
def test_wrong_states_are_refused(tmp_path, text, says):
    write(tmp_path, "one", "ra")
    states = tmp_path / "modules.yaml"
    states.write_text(text)
    with pytest.raises(ModuleError, match=says):
        registry.load(tmp_path, states)


def test_a_circle_is_named(tmp_path):
    write(tmp_path, "one", "two.a")
    write(tmp_path, "two", "three.a")
    write(tmp_path, "three", "one.a")
    with pytest.raises(ModuleError, match="circle: .*one.*two.*three|circle: .*three.*two.*one"):
        registry.load(tmp_path, dict.fromkeys(("one", "two", "three"), "live"))


@pytest.mark.parametrize("states, says", [
    ({"two": "live"}, "two is live but takes outputs of one, which is off"),
    ({"one": "shadow", "two": "live"}, "which is shadow")])
def test_a_dependency_must_run(tmp_path, states, says):
    write(tmp_path, "one", "ra")
    write(tmp_path, "two", "one.a")
    with pytest.raises(ModuleError, match=says):
        registry.load(tmp_path, states)


def test_a_dependency_must_have_the_output(tmp_path):
    write(tmp_path, "one", "ra")
    write(tmp_path, "two", "one.nothing")
    with pytest.raises(ModuleError, match="two takes .*one.nothing"):
        registry.load(tmp_path, {"one": "live", "two": "live"})


@pytest.mark.parametrize("name, reserved", [("lc", ()), ("RA", ()), ("gaia", ("Gaia",))])
def test_a_name_of_the_alert_is_taken(tmp_path, name, reserved):
    write(tmp_path, name, "dec")
    with pytest.raises(ModuleError, match=f"{name}: the alert has a column"):
        registry.load(tmp_path, {name: "live"}, reserved)


@pytest.mark.parametrize("text, says", [
    (MODULE.format(name="other", inputs=("ra",)), "one function one"),
    ("raise OSError('no disk')", "OSError: no disk"),
    ("def one(): pass", "under @science_module"),
    ("def one(: pass", "SyntaxError")])
def test_a_broken_folder_is_refused(tmp_path, text, says):
    write(tmp_path, "one", text=text)
    with pytest.raises(ModuleError, match=says) as caught:
        registry.load(tmp_path, {"one": "live"})
    assert "module.py" in str(caught.value)


def test_our_own_modules_load_as_configured():
    specs = registry.load(ROOT / "science_modules", ROOT / "conf" / "modules.yaml")
    assert {"quality", "features", "rates"} <= {spec.name for spec in specs}
    for spec in specs:
        assert spec.struct.doc
        assert (ROOT / "science_modules" / spec.name / "README.md").exists()


def test_a_worker_needs_no_folder_of_modules(tmp_path):
    cloudpickle = pytest.importorskip("pyspark.cloudpickle")
    specs = registry.load(ROOT / "science_modules", ROOT / "conf" / "modules.yaml")
    (tmp_path / "specs").write_bytes(cloudpickle.dumps(specs))
    worker = ("import pickle; from fink_like.kit.run import run\n"
              "from fink_like.kit.handmade import alerts, light_curve\n"
              "specs = pickle.load(open('specs', 'rb'))\n"
              "found, outcomes = run(specs, alerts([light_curve([1, 2], [3, 4], 1)],"
              " survey=['ztf']))\n"
              "assert not any(o.message for o in outcomes), outcomes\n"
              "print(found[0]['rates']['n_points'])")
    done = subprocess.run([sys.executable, "-c", worker], cwd=tmp_path, text=True,
                          capture_output=True, env={"PYTHONPATH": str(ROOT)})
    assert done.stdout.strip() == "2", done.stderr


def test_what_is_off_is_not_even_read(tmp_path):
    write(tmp_path, "one", "ra")
    write(tmp_path, "broken", text="def (")
    write(tmp_path, "leaves", text="raise SystemExit(3)")
    assert [s.name for s in registry.load(tmp_path, {"one": "live", "broken": "off"})] == ["one"]
    with pytest.raises(ModuleError, match="SystemExit"):
        registry.load(tmp_path, {"leaves": "live"})


def test_an_error_at_import_names_its_line(tmp_path):
    write(tmp_path, "one", text="x = 1\ny = x / 0\n")
    with pytest.raises(ModuleError, match=r"module\.py:2: ZeroDivisionError"):
        registry.load(tmp_path, {"one": "live"})


def test_a_misspelt_input_of_a_survey_or_module_that_is_here_is_refused(tmp_path):
    write(tmp_path, "one", "ztf.magpfs")
    write(tmp_path, "two", "another_survey.flag")
    one, two = registry.load(tmp_path, {"one": "live", "two": "live"})
    registry.refuse_unknown([two], ["ra", "ztf.magpsf"])
    with pytest.raises(ModuleError, match=r"did you mean ztf\.magpsf"):
        registry.refuse_unknown([one], ["ra", "ztf.magpsf"])


@pytest.mark.parametrize("name", ["modules", "offset", "kafka_time", "lambda", "delivery"])
def test_names_of_what_stands_beside_modules_are_taken(name):
    assert not registry.is_free(name) and registry.is_free(f"{name}_1")
