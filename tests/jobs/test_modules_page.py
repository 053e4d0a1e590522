"""docs/modules.md, followed word by word: its files written, its commands run, its module live."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from fink_like import simulator
from fink_like.jobs import ingest, science

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"```(\w+)(?: (\S+))?\n(.*?)```", re.DOTALL)


def blocks():
    """(language, file, text) of each block of the page."""
    return BLOCK.findall((ROOT / "docs" / "modules.md").read_text())


def run(command, project):
    """Carry out one line of the page in a project; what it printed."""
    environment = {**os.environ, "FINK_LIKE__ROOT": str(project), "COLUMNS": "200",
                   "PYTHONPATH": str(ROOT)}
    ours = f"{shlex.quote(sys.executable)} -m fink_like"
    done = subprocess.run(command.replace("bin/fink-like", ours), cwd=project, shell=True,
                          env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


@pytest.mark.slow
def test_the_page_makes_a_module_that_is_live(project, make_street):
    commands = 0
    for language, file, text in blocks():
        if file:
            (project / file).write_text(text)
        elif language == "console":
            said = ""
            for line in text.splitlines():
                if line.startswith("$ "):
                    said, commands = run(line[2:], project), commands + 1
                else:
                    assert line.rstrip() in said, f"the page promises {line!r}:\n{said}"
    assert commands >= 8
    street = make_street()
    model = simulator.open_survey(project, "ztf")
    values = [value for batch in simulator.night(model, 60, seed=5, cutouts=False)
              for value in batch.values]
    street.publish(street.topic("ztf_20250101_programid1"), values)
    street.run(ingest, science)
    found = street.rows("silver", "colour.*")
    assert len(found) == 60 and {row.version for row in found} == {"1.0"}
    assert sum(row.status == 0 for row in found) > 10
    assert sum(row.g_r is not None for row in found) > 3
