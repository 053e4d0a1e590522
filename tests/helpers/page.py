"""docs/modules.md, followed word by word: its files written, its commands run."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"```(\w+)(?: (\S+))?\n(.*?)```", re.DOTALL)


def follow(project):
    """Do in a project what the page says; how many commands that were.

    Raises
    ------
    AssertionError
        A command failed, or did not print what the page promises.
    """
    commands = 0
    for language, file, text in BLOCK.findall((ROOT / "docs" / "modules.md").read_text()):
        if file:
            (project / file).write_text(text)
        elif language == "console":
            said = ""
            for line in text.splitlines():
                if line.startswith("$ "):
                    said, commands = run(line[2:], project), commands + 1
                else:
                    assert line.rstrip() in said, f"the page promises {line!r}:\n{said}"
    return commands


def run(command, project):
    """Carry out one line of the page in a project; what it printed."""
    environment = {**os.environ, "FINK_LIKE__ROOT": str(project), "COLUMNS": "200",
                   "PYTHONPATH": str(ROOT)}
    ours = f"{shlex.quote(sys.executable)} -m fink_like"
    done = subprocess.run(command.replace("bin/fink-like", ours), cwd=project, shell=True,
                          env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout
