"""Which Java is taken, with little shell scripts in the part of Java."""

import os
import shutil

import pytest

from fink_like import apt, java, prepare
from fink_like.errors import SetupError
from fink_like.steps import Steps


@pytest.fixture
def make_java(tmp_path):
    """Make a Java home whose `java -version` tells this version."""
    def make(name, version):
        home = tmp_path / "jvm" / name
        (home / "bin").mkdir(parents=True)
        executable = home / "bin" / "java"
        executable.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
        executable.chmod(0o755)
        return home
    return make


def find(environment, tmp_path):
    return java.find_java({"PATH": str(tmp_path), **environment}, [tmp_path / "jvm"])


def test_java_home_comes_first(make_java, tmp_path):
    make_java("a", "17.0.2")
    mine = make_java("b with space", "21")
    assert find({"JAVA_HOME": str(mine)}, tmp_path) == mine


def test_one_on_the_path_comes_before_the_usual_folders(make_java, tmp_path):
    make_java("a", "17.0.2")
    on_path = make_java("b", "21.0.1")
    assert find({"PATH": str(on_path / "bin")}, tmp_path) == on_path


def test_a_wrong_version_is_passed_over(make_java, tmp_path):
    old, new = make_java("a", "1.8.0_292"), make_java("b", "25.0.3")
    right = make_java("c", "17.0.15")
    assert [java.version_of(home) for home in (old, new)] == [8, 25]
    assert find({"JAVA_HOME": str(new)}, tmp_path) == right


def test_without_a_right_one_the_message_lists_what_there_is(make_java, tmp_path):
    old = make_java("a", "11.0.2")
    broken = make_java("b", "17")
    (broken / "bin" / "java").write_text("#!/bin/sh\nexit 127\n")
    with pytest.raises(SetupError) as refusal:
        find({}, tmp_path)
    message = str(refusal.value)
    assert f"{old}: version 11" in message and f"{broken}: does not run" in message
    assert "JAVA_HOME" in message


def test_an_ordinary_user_is_told_the_command(monkeypatch, tmp_path):
    monkeypatch.setattr(java, "find_java", lambda: java_missing())
    monkeypatch.setattr(apt.os, "geteuid", lambda: 1000)
    with pytest.raises(SetupError, match="no Java"):
        prepare.prepare(Steps())


def test_root_on_debian_installs_the_one_that_apt_offers(monkeypatch, tmp_path, make_java):
    """Debian 13 has 21 and no 17; a stand-in for apt says so and writes down what it is asked."""
    home, asked = make_java("new", "21.0.9"), tmp_path / "asked"
    for name, script in {
        "apt-get": f'echo "$@" >> "{asked}"',
        "apt-cache": 'case $2 in *-21-*) echo "  Candidate: 21.0.9";; '
                     '*) echo "  Candidate: (none)";; esac',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("JAVA_HOME", "")
    monkeypatch.setattr(apt.os, "geteuid", lambda: 0)
    monkeypatch.setattr(prepare, "_bring_jars", lambda steps: None)
    answers = iter([java_missing, lambda: home])
    monkeypatch.setattr(java, "find_java", lambda: next(answers)())
    assert prepare.prepare(Steps()) == home
    assert os.environ["JAVA_HOME"] == str(home)
    assert asked.read_text().splitlines() == [
        "update", "install -y --no-install-recommends openjdk-21-jre-headless"]


def test_a_failing_apt_is_quoted_with_its_log(monkeypatch, tmp_path):
    (tmp_path / "apt-get").write_text("#!/bin/sh\necho 'E: no network'; exit 100\n")
    (tmp_path / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(SetupError, match=r"apt-get update` failed \(E: no network\).*apt\.log"):
        apt.install(java.PACKAGES, Steps(), "do it by hand")


def java_missing():
    raise SetupError("no Java")


@pytest.mark.skipif(shutil.which("java") is None, reason="no Java on this machine's path")
def test_this_machine_s_own_java_is_understood():
    assert java.OLDEST <= java.version_of(java.find_java()) <= java.NEWEST
