"""`fink-like module ...`: write one, check it, try it, profile it, see how all fare."""

import json
import re
import subprocess
import sys
import time

import pytest

from fink_like import cli, config, simulator
from fink_like.errors import ConfigError, ModuleError, SetupError
from fink_like.modules import check, scaffold
from fink_like.modules.trial import Trial
from fink_like.reports import JobFiles


@pytest.fixture
def settings(project, monkeypatch, tmp_path):
    monkeypatch.setenv("FINK_LIKE__ROOT", str(project))
    return config.load(project, environment={}, data=str(tmp_path / "data"))


def test_a_new_module_keeps_the_contract(settings, capsys):
    assert cli.main(["module", "new", "my_module"]) == 0
    said = capsys.readouterr().out
    assert "module check my_module" in said and "my_module: live" in said
    assert cli.main(["module", "check", "my_module"]) == 0
    assert f"keeps all {len(check.RULES)} rules" in capsys.readouterr().out
    with pytest.raises(ModuleError, match="there already"):
        scaffold.write(settings, "my_module")


@pytest.mark.parametrize("name", ["My", "ztf", "psfflux", "lc", "a b", "1st", ""])
def test_a_name_that_is_taken_or_none_is_refused(settings, name):
    with pytest.raises(ModuleError):
        scaffold.write(settings, name)


BAD = '''
import os
import socket
import time

KEPT = []

def compute(flux):
    KEPT.append(b"x" * 4_000_000)
    try:
        socket.create_connection(("127.0.0.1", 9), timeout=0.1).close()
    except OSError as error:
        print(error)
    with open(os.devnull + "", "w") as out:
        out.write("x")
    os.system("true")
    until = time.process_time() + 0.08
    while time.process_time() < until:
        pass
    return {"ratio": flux, "n_before": flux * 0}
'''


@pytest.mark.slow
def test_what_a_bad_module_does_is_told(settings, capsys):
    folder = settings.modules / "bad_one"
    scaffold.write(settings, "bad_one")
    text = (folder / "module.py").read_text()
    declaration = text[text.index("@science_module"):text.index("def bad_one")]
    declaration = declaration.replace("inputs=LIGHT_CURVE", 'inputs=("psfFlux",)').replace(
        '    applies=at_least(2, "points"),\n', "")
    (folder / "module.py").write_text(
        BAD.replace("\ndef compute", "\nfrom fink_like.kit import Field, science_module\n\n"
                    + declaration + "def bad_one")
        .replace("(flux):\n", "(flux):\n    '''Bad.'''\n", 1))
    (folder / "README.md").write_text("# bad_one\n\nMethod: none.\n")
    tests = (folder / "test_module.py").read_text().replace("test_miss", "test_other")
    (folder / "test_module.py").write_text(tests)
    found = {rule: fault for rule, fault in check.check(settings, "bad_one").items() if fault}
    assert set(found) == {"network", "file writes", "processes", "silence", "time", "memory",
                          "state", "imports", "README", "tests"}
    assert "127.0.0.1" in found["network"] and "module.py:2: os" in found["imports"]
    assert "reference, limits" in found["README"] and "`miss`" in found["tests"]
    assert re.search(r"\d+ us an alert, its budget is 50", found["time"])
    assert cli.main(["module", "check", "bad_one"]) == 1
    assert f"{len(found)} of {len(check.RULES)} rules are broken" in capsys.readouterr().out


def test_a_module_that_dies_or_cannot_be_read_is_told(settings):
    scaffold.write(settings, "dies")
    path = settings.modules / "dies" / "module.py"
    text = path.read_text()
    path.write_text(text.replace("    lc = Light", "    import os\n    os._exit(9)\n    lc = Light"))
    assert "ended with code 9" in check.check(settings, "dies")["state"]
    path.write_text(text.replace("def dies", "def lives"))
    assert "one function dies" in check.check(settings, "dies")["declared"]
    with pytest.raises(ModuleError, match="rates"):
        check.check(settings, "nobody")


def test_tests_that_fail_break_a_rule(settings):
    scaffold.write(settings, "wrong")
    path = settings.modules / "wrong" / "test_module.py"
    path.write_text(path.read_text().replace("approx(2.0)", "approx(3.0)"))
    assert "1 failed" in check.check(settings, "wrong")["tests"]


def test_try_on_simulated_alerts_shows_outputs_histograms_and_refused_rows(settings, capsys):
    assert cli.main(["module", "try", "rates", "--simulate", "SN Ia", "--limit", "30",
                     "--survey", "ztf"]) == 0
    said = capsys.readouterr().out
    assert "flux_slope" in said and "histogram" in said and re.search(r"[▁▂▃▄▅▆▇█]", said)
    assert re.search(r"rates 1\.0: \d+ alerts: \d+ ok", said)
    with pytest.raises(ConfigError, match="SN Ia"):
        Trial(settings, "rates").simulated("SN X", "ztf", 10, 1)
    assert cli.main(["module", "try", "rates"]) == 1
    assert "--night" in capsys.readouterr().err


def test_try_on_packets_equals_the_truth_of_their_files(settings, tmp_path, capsys):
    assert cli.main(["simulate", "--survey", "lsst", "--alerts", "20", "--no-cutouts",
                     "--folder", str(tmp_path / "packets")]) == 0
    (tmp_path / "packets" / "other.msg").write_bytes(b"no packet")
    trial = Trial(settings, "rates")
    answer = trial.score(trial.of_files([tmp_path / "packets"], 100))
    assert len(answer.scores) == 20 and answer.outcome.message == ""
    assert set(answer.alerts["survey"].to_pylist()) == {"lsst"}
    assert "1 of 21 packets" in capsys.readouterr().out
    with pytest.raises(SetupError, match="no alert"):
        trial.of_files([tmp_path / "packets" / "other.msg"], 100)


def test_a_module_that_needs_another_is_tried_with_it(settings):
    scaffold.write(settings, "second")
    path = settings.modules / "second" / "module.py"
    text = path.read_text().replace("inputs=LIGHT_CURVE", 'inputs=("rates.n_points",)')
    text = text.replace('    applies=at_least(2, "points"),\n', "").replace("(*columns)", "(n)")
    body = text.index("    lc = ")
    path.write_text(text[:body] + '    return {"ratio": n, "n_before": n}\n')
    trial = Trial(settings, "second")
    answer = trial.score(trial.simulated(None, "lsst", 15, 1))
    assert answer.spec.name == "second" and answer.outcome.message == ""
    assert answer.scores.field("n_before").null_count < 15


def test_profile_names_functions_and_time(settings, capsys):
    assert cli.main(["module", "profile", "rates", "--simulate", "all", "--limit", "50",
                     "--survey", "ztf"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"rates: \d+\.\d us of CPU an alert", said) and "kit/ragged.py" in said


def test_the_list_tells_state_cost_and_failures(settings, capsys):
    science = JobFiles(settings.data).of("science")
    counts = {"rows": 100, "failed": 3, "timed_out": 0, "nulls": 48.5, "seconds": 0.002,
              "message": "ValueError: no", "kept": 0}
    for batch, age in ((0, 90000), (1, 60), (2, 0)):
        science.below("reports").write(f"{batch}.json", {
            "batch": batch, "at": time.time() - age, "nights": {}, "modules": {"rates": counts}})
    science.below("modules").write("quality.json", {
        "bad": [0, 1, 2], "off": True, "at": 0, "batch": 2, "message": "it hung"})
    assert cli.main(["module", "list", "--json", "--data", settings.data]) == 0
    found = {one["module"]: one for one in json.loads(capsys.readouterr().out)}
    rates = found["rates"]
    assert (rates["state"], rates["rows"], rates["failed"]) == ("live", 200, 6)
    assert rates["micros"] == pytest.approx(20) and rates["nulls"] == pytest.approx(0.5)
    assert found["quality"]["state"] == "switched off" and found["features"]["rows"] is None
    assert cli.main(["module", "list", "--data", settings.data]) == 0
    assert "quality: it hung" in capsys.readouterr().out
    assert cli.main(["module", "resume", "quality", "--data", settings.data]) == 0
    assert "3 bad batches" in capsys.readouterr().out
    assert cli.main(["module", "resume", "quality", "--data", settings.data]) == 1


def test_the_templates_are_in_the_package(settings, tmp_path):
    """As pip installs it."""
    done = subprocess.run([sys.executable, "setup.py", "-q", "egg_info", "--egg-base", tmp_path,
                           "build_py", "--build-lib", tmp_path / "built"],
                          cwd=scaffold.TEMPLATE.parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for template in (scaffold.TEMPLATE, scaffold.TRAINED):
        built = tmp_path / "built" / "fink_like" / "modules" / template.name
        names = {path.name for path in template.iterdir()}
        assert len(names) > 2 and {path.name for path in built.iterdir()} == names


IMAGES = """
import numpy as np
from fink_like.kit import Field, has, science_module

@science_module(version="1", inputs=("cutouts.science",), outputs=(Field("top", "float"),),
                applies=has("cutouts.science"), budget=500.0)
def images(science):
    return {"top": np.nanmax(science.centred(3), axis=(1, 2))}
"""


def test_a_module_that_takes_images_is_tried_on_packets(settings, capsys, tmp_path):
    folder = settings.modules / "images"
    folder.mkdir()
    (folder / "module.py").write_text(IMAGES)
    assert cli.main(["module", "try", "images", "--simulate", "all", "--limit", "20"]) == 0
    assert "images 1: 40 alerts: 40 ok" in capsys.readouterr().out
    model = simulator.open_survey(settings.modules.parent, "lsst")
    for number, value in enumerate(v for b in simulator.night(model, 5, seed=1) for v in b.values):
        (tmp_path / f"{number}.msg").write_bytes(value)
    files = [str(path) for path in sorted(tmp_path.glob("*.msg"))]
    assert cli.main(["module", "try", "images", "--file", *files]) == 0
    assert "images 1: 5 alerts: 5 ok" in capsys.readouterr().out
    simulated = ["--simulate", "SN Ia", "--survey", "ztf", "--limit", "30"]
    assert cli.main(["module", "try", "images", *simulated]) == 0
    assert "images 1: 30 alerts: 30 ok" in capsys.readouterr().out


def test_real_images_are_tried(settings, capsys, fixtures):
    folder = settings.modules / "images"
    folder.mkdir()
    (folder / "module.py").write_text(IMAGES)
    for files in ("ztf/wire/v3.3", "lsst/wire"):
        assert cli.main(["module", "try", "images", "--file", str(fixtures / files)]) == 0
    said = capsys.readouterr().out
    assert "images 1: 53 alerts: " in said and "images 1: 10 alerts: " in said


def test_one_that_cannot_be_read_hides_no_other(settings, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    folder = settings.modules / "half_done"
    folder.mkdir()
    (folder / "module.py").write_text("from nowhere import nothing\n")
    assert cli.main(["module", "list"]) == 0
    said = capsys.readouterr().out
    assert "off, cannot be read" in said and "half_done/module.py:1: ModuleNotFoundError" in said
    assert re.search(r"rates +│ live", said)


def test_a_column_that_no_survey_has_is_refused_at_once(settings):
    scaffold.write(settings, "my_module")
    path = settings.modules / "my_module" / "module.py"
    path.write_text(path.read_text().replace("inputs=LIGHT_CURVE", "inputs=(*LIGHT_CURVE, 'ztf.rbb')")
                    .replace("LightCurve.of(*columns)", "LightCurve.of(*columns[:-1])"))
    with pytest.raises(ModuleError, match=r"ztf has no ztf.rbb, did you mean ztf.rb\?"):
        Trial(settings, "my_module")
