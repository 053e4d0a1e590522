"""The demo as a stranger meets it: a copy of the clone in a path with spaces, one command.

Then again, with the module that the stranger has made by following docs/modules.md alone.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import page
import pandas as pd
import psutil
import pytest

from fink_like import client

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.spark, pytest.mark.kafka]


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """What git would give a stranger, without history; the environment is this one."""
    place = tmp_path_factory.mktemp("a path with spaces") / "fink like"
    shutil.copytree(ROOT, place, ignore=shutil.ignore_patterns(
        ".git", ".venv", "var", ".hypothesis", "*.egg-info", ".pytest_cache"))
    return place


def command(clone):
    environment = {**os.environ, "PYTHONPATH": str(clone), "FINK_LIKE__ROOT": str(clone)}
    return {"args": [sys.executable, "-m", "fink_like", "demo"], "cwd": clone,
            "env": environment, "text": True, "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT}


def test_it_runs_and_reconciles(clone):
    play(clone)


def test_a_module_made_by_following_the_page_is_live_on_its_stream(clone):
    assert page.follow(clone) >= 8
    said = play(clone)
    found = client.open_table(clone / "var/demo/data", "silver")
    assert set(found["colour.version"]) == {"1.0"}
    for survey, alerts in found.groupby("survey"):
        assert (alerts["colour.status"] >= 0).all()
        assert (alerts["colour.status"] == 0).sum() > 100 and alerts["colour.g_r"].count() > 20
    assert "module     colour" in said


def play(clone):
    """Run the demo, check what it promises; the way of one alert through it."""
    done = subprocess.run(**command(clone), timeout=600)
    print(done.stdout)
    assert done.returncode == 0, done.stdout
    assert re.findall(r"│ (yes|NO)|(yes|NO) │", done.stdout) and " NO " not in done.stdout
    gigabytes = float(re.search(r"([\d.]+) GB of memory", done.stdout).group(1))
    assert gigabytes < 4.0
    assert (clone / "var/demo/alert.png").stat().st_size > 10_000
    identity = re.search(r"trace (\d+)", done.stdout).group(1)
    traced = subprocess.run([sys.executable, "-m", "fink_like", "trace", identity, "--data",
                             "var/demo/data"], **{k: v for k, v in command(clone).items()
                                                  if k != "args"}, timeout=120)
    assert "delivered" in traced.stdout and "module     quality" in traced.stdout
    assert not list(_processes_in(clone)), "the demo left a process behind"
    return traced.stdout


def test_each_sender_damaged_what_the_truth_says(clone):
    """Dead letters are those that the truth calls damaged; a flipped bit may go unnoticed."""
    data = clone / "var/demo/data"
    truth = pd.concat([pd.read_parquet(p) for p in (clone / "var/demo/truth").glob("*.parquet")])
    bronze = client.open_table(data, "bronze", columns=["state", "reason"])
    unreadable = truth["fault"].isin(["truncated", "unknown_schema", "empty"]).sum()
    flipped = (truth["fault"] == "flipped").sum()
    dead = (bronze["state"] != "ok").sum()
    assert unreadable <= dead <= unreadable + flipped


def test_ctrl_c_stops_all_it_started(clone):
    running = subprocess.Popen(**command(clone), start_new_session=True)
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        _wait_for(clone / "var/demo/data/jobs/ingest/reports", running)
        os.killpg(running.pid, signal.SIGINT)  # what a terminal does
        output, _ = running.communicate(timeout=120)
        assert running.returncode != 0 or "What became" in output
        assert not list(_processes_in(clone)), output
        assert bystander.poll() is None
    finally:
        bystander.kill()
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)


def _wait_for(path, process, seconds=180):
    end = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.5)


def _processes_in(folder):
    """Processes that name a folder in their command line or work there."""
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and (str(folder) in " ".join(process.cmdline())
                                               or process.cwd().startswith(str(folder))):
                yield process
        except (psutil.NoSuchProcess, psutil.AccessDenied, FileNotFoundError):
            continue
