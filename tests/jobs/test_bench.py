"""bin/bench runs to its end and tells what it measured; the figures themselves are no test."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.spark, pytest.mark.kafka]


@pytest.mark.parametrize(("kind", "told"), [
    (["ingest", "--streams", "ztf", "--repeats", "1"], "efficiency"),
    (["burst"], "0 lost, 0 twice"), (["modules", "--repeats", "1"], "the kit adds"),
    (["inputs", "--streams", "ztf", "--repeats", "1"], "one that takes history")])
def test_it_measures(kind, told, project):
    done = subprocess.run([sys.executable, "-m", "fink_like.bench", *kind, "--alerts", "60"],
                          env={**os.environ, "FINK_LIKE__ROOT": str(project),
                               "PYTHONPATH": str(ROOT)},
                          capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    assert told in done.stdout
    written, = (project / "var" / "bench").glob("*.json")
    found = json.loads(written.read_text())
    assert found["kind"] == kind[0] and found["peak_memory_bytes"] > 1e8
    if kind[0] == "modules":
        whole = [row for row in found["rows"] if row["module"] == "all"]
        assert {row["survey"] for row in whole} == {"ztf", "lsst"}
        assert all(row["kit_us"] > row["function_us"] > 0 for row in whole)
