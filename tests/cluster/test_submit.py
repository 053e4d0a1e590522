"""The entries of bin/: their flags become settings, and errors of the user read as such."""

import subprocess
import sys
from pathlib import Path

import pytest

from fink_like import submit
from fink_like.jobs import ingest

ROOT = Path(__file__).resolve().parents[2]
JOBS = ("ingest", "science", "distribute")


@pytest.mark.parametrize("job", JOBS)
def test_each_entry_explains_itself(job):
    answer = subprocess.run([sys.executable, ROOT / "bin" / f"{job}.py", "--help"], text=True,
                            capture_output=True, env={"PYTHONPATH": str(ROOT)}, check=True)
    assert f"bin/{job}.py" in answer.stdout and "--until-caught-up" in answer.stdout


@pytest.mark.parametrize("job", JOBS)
def test_each_entry_is_ten_lines(job):
    assert len((ROOT / "bin" / f"{job}.py").read_text().splitlines()) <= 10


def test_the_last_word_on_a_setting_is_the_flag(monkeypatch, tmp_path):
    """Flags over the environment; what supervise gets is what was asked for."""
    seen = {}

    def supervise(jobs, settings, spark, until_caught_up):
        seen.update(jobs=jobs, settings=settings, until_caught_up=until_caught_up)
        return 7

    class Session:
        stopped = False

        def stop(self):
            self.stopped = True

    spark = Session()
    monkeypatch.setattr(submit.supervisor, "supervise", supervise)
    monkeypatch.setattr(submit.session, "build", lambda settings, name: spark)
    monkeypatch.setenv("FINK_LIKE__KAFKA__SERVERS", "from-environment:1")
    monkeypatch.setenv("FINK_LIKE__REGISTRY", "http://from-environment")
    code = submit.main(ingest, ["--until-caught-up", "--data", str(tmp_path), "--set",
                                "kafka.servers=a:1,b:2", "--set", "jobs.ingest_messages=5"])
    settings = seen["settings"]
    assert code == 7 and spark.stopped and seen["until_caught_up"] and seen["jobs"] == [ingest]
    assert (settings.data, settings.kafka.servers) == (str(tmp_path), "a:1,b:2")
    assert (settings.jobs.ingest_messages, settings.registry) == (5, "http://from-environment")


@pytest.mark.parametrize("flags,message", [
    (["--set", "kafka.servers"], "should read NAME=VALUE"),
    (["--set", "kafka.serverz=a:1"], "no setting called ['serverz']"),
    (["--set", "jobs.ingest_messages=many"], "'many' is not int")])
def test_a_wrong_flag_is_one_line_and_exit_code_1(flags, message, capsys):
    assert submit.main(ingest, flags) == 1
    said = capsys.readouterr().err
    assert said.startswith("fink_like ingest: ") and message in said and said.count("\n") == 1
