"""The environment of a clone: where it lies, what is remade, and one clear message for the rest."""

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from fink_like import apt, environment
from fink_like.errors import SetupError
from fink_like.steps import Steps

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A folder with a setup.py, an empty cache, and no environment."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("FINK_LIKE_VENV", raising=False)
    root = tmp_path / "clone"
    root.mkdir()
    (root / "setup.py").write_text("# version 1")
    return root


@pytest.fixture
def commands(monkeypatch):
    """Write down commands in place of running them; `venv` makes what it would make."""
    ran = []

    def run(command, log, told, more=()):
        ran.append(command[2])
        if command[2] == "venv":
            (Path(command[3]) / "bin").mkdir()
            (Path(command[3]) / "bin" / "python").symlink_to(sys.executable)
    monkeypatch.setattr(environment, "_run", run)
    return ran


def ensure(root, *extras):
    return environment.ensure(root, set(extras), Steps())


def test_it_lies_in_the_clone_or_where_one_says(tmp_path):
    assert environment.place(Path("/a/b"), {}) == Path("/a/b/.venv")
    assert environment.place(Path("/a/b"), {"FINK_LIKE_VENV": "/c d"}) == Path("/c d")


def test_of_a_path_with_spaces_it_lies_in_the_cache(tmp_path):
    home = {"XDG_CACHE_HOME": str(tmp_path)}
    one, two = (environment.place(Path(f"/a b/{name}"), home) for name in "cd")
    assert one.parent == two.parent == tmp_path / "fink_like" and one != two


def test_nothing_is_done_twice(clone, commands):
    assert ensure(clone) == clone / ".venv" / "bin" / "python"
    assert commands == ["venv", "pip"]
    ensure(clone)
    assert commands == ["venv", "pip"]


def test_extras_and_a_changed_setup_are_installed_into_the_same(clone, commands):
    ensure(clone)
    ensure(clone, "test")
    assert commands == ["venv", "pip", "pip"]
    ensure(clone)  # the demo needs no more than the tests do
    (clone / "setup.py").write_text("# version 2")
    ensure(clone)
    assert commands == ["venv", "pip", "pip", "pip"]
    stamp = json.loads((clone / ".venv" / environment.STAMP).read_text())
    assert stamp["extras"] == ["test"]


def test_one_whose_python_or_clone_is_gone_is_made_again(clone, commands):
    ensure(clone)
    python = clone / ".venv" / "bin" / "python"
    for python_is_now in (clone / "removed", shutil.which("sh")):
        python.unlink()
        python.symlink_to(python_is_now)
        ensure(clone)
    assert commands == ["venv", "pip"] * 3
    ensure(clone.rename(clone.with_name("moved")))
    assert commands == ["venv", "pip"] * 4


def test_another_python_on_the_path_today_does_not_matter(clone, commands, monkeypatch):
    ensure(clone)
    monkeypatch.setattr(sys, "executable", "/opt/another/python3")
    ensure(clone)
    assert commands == ["venv", "pip"]


def test_half_made_is_made_again(clone, commands, monkeypatch):
    whole = environment._install
    monkeypatch.setattr(environment, "_install", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ensure(clone)
    monkeypatch.setattr(environment, "_install", whole)
    ensure(clone)
    assert commands == ["venv", "venv", "pip"]


def interrupted(*arguments):
    raise KeyboardInterrupt


def test_an_environment_of_the_user_s_own_is_left_alone(clone, commands):
    (clone / ".venv").mkdir()
    (clone / ".venv" / "precious").touch()
    with pytest.raises(SetupError, match="move it away"):
        ensure(clone)
    assert (clone / ".venv" / "precious").exists() and commands == []


def test_no_room_is_told_first(clone, commands, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10**9))
    with pytest.raises(SetupError, match=r"1\.0 GB free.* needs 3\.0 GB.*FINK_LIKE_VENV"):
        ensure(clone)
    assert commands == []


def test_a_python_without_ensurepip_names_the_package(clone, commands, monkeypatch):
    monkeypatch.setattr(environment.importlib.util, "find_spec",
                        lambda name: None if name == "ensurepip" else True)
    monkeypatch.setattr(apt, "may_install", lambda: False)
    monkeypatch.setattr(apt, "is_here", lambda: True)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    with pytest.raises(SetupError, match=f"apt-get install python{version}-venv"):
        ensure(clone)


@pytest.mark.parametrize("words, cure", [
    ("OSError: [Errno 28] No space left on device", "disk is full"),
    ("WARNING: Retrying: NewConnectionError(...)\nERROR: No matching distribution", "PIP_INDEX"),
    ("ERROR: something that nobody has thought of", "see the log"),
])
def test_a_failed_command_is_explained_with_its_log(tmp_path, words, cure):
    log = tmp_path / "pip.log"
    script = f"print({words!r}); raise SystemExit(1)"
    with pytest.raises(SetupError, match=f"(?s){cure}.*{log}"):
        environment._run([sys.executable, "-c", script], log, lambda line: None)


def test_the_shell_says_what_to_do_without_a_python(tmp_path):
    (tmp_path / "dirname").symlink_to(shutil.which("dirname"))
    answer = subprocess.run(["/bin/sh", ROOT / "bin" / "test"], capture_output=True, text=True,
                            env={"PATH": str(tmp_path), "HOME": str(tmp_path)}, check=False)
    assert answer.returncode == 1
    assert answer.stderr.startswith("fink_like: Python 3.10 or newer is needed")
    assert len(answer.stderr.splitlines()) == 1


@pytest.fixture
def stranger():
    """An ordinary user's home with a clone in a path with spaces, and how to be that user."""
    top = Path(tempfile.mkdtemp(prefix="a stranger's "))
    top.chmod(0o755)
    home, clone = top / "home", top / "my clones" / "x"
    home.mkdir()
    shutil.copytree(ROOT, clone, ignore=shutil.ignore_patterns(
        ".git", ".venv", "var", "*.egg-info", "__pycache__", ".pytest_cache"))
    user, nobody = {}, pwd.getpwnam("nobody")
    if os.geteuid() == 0:
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        for path in (top, *top.rglob("*")):
            os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)
    yield SimpleNamespace(home=home, clone=clone, user=user)
    shutil.rmtree(top)


@pytest.mark.slow
def test_a_stranger_s_clone_sets_itself_up_and_is_quick_the_second_time(stranger):
    surroundings = {name: text for name, text in os.environ.items()
                    if not name.startswith(("FINK_LIKE", "XDG_"))}
    surroundings |= {"HOME": str(stranger.home), "PATH": "/usr/local/bin:/usr/bin:/bin",
                     "PYTHONPATH": "/nowhere", "VIRTUAL_ENV": "/nowhere", "SPARK_HOME": "/nowhere"}

    def run():
        began = time.monotonic()
        answer = subprocess.run([stranger.clone / "bin" / "test", "--version"], env=surroundings,
                                capture_output=True, text=True, cwd="/", check=False,
                                **stranger.user)
        assert answer.returncode == 0, answer.stderr
        return answer.stderr, time.monotonic() - began

    first, _ = run()
    assert "make a Python" in first and "jars, " in first and "download " in first
    again, seconds = run()
    assert "make a Python" not in again and "download" not in again
    assert seconds < 3  # 0.5 s on an idle machine
