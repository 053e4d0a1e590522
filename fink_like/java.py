"""Java for Spark and Kafka: found on the machine, or installed where that is allowed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from fink_like import apt
from fink_like.errors import SetupError

OLDEST, NEWEST = 17, 23
"""Spark 4.1 asks for 17 and does not start on 25 (tried); 24 took away the security manager's
``Subject.getSubject`` that Hadoop calls (https://openjdk.org/jeps/486)."""
PACKAGES = ("openjdk-17-jre-headless", "openjdk-21-jre-headless", "default-jre-headless")
WHERE = ("/usr/lib/jvm", "/Library/Java/JavaVirtualMachines")


def find_java(environment=None, where=WHERE):
    """Find a Java that Spark and Kafka run on.

    ``JAVA_HOME`` is looked at first, then ``PATH``, then the usual folders of Linux and macOS;
    each candidate is run and asked for its version.

    Parameters
    ----------
    environment : mapping, optional
        In place of ``os.environ``.
    where : iterable of str
        Folders with one Java home each.

    Returns
    -------
    pathlib.Path
        Its home; the executable is ``bin/java`` below.

    Raises
    ------
    SetupError
        None; the message lists what was found and says what to install.
    """
    environment = os.environ if environment is None else environment
    refused = []
    for home in _candidates(environment, where):
        version = version_of(home)
        if version is not None and OLDEST <= version <= NEWEST:
            return home
        refused.append(f"{home}: {'does not run' if version is None else f'version {version}'}")
    found = "; found " + ", ".join(refused) if refused else " and none was found"
    raise SetupError(f"Java {OLDEST} to {NEWEST} is needed{found}. {_advice()}")


def version_of(home):
    """Major version of the Java in this home, found by running it; None if it does not run."""
    try:
        answer = subprocess.run([home / "bin" / "java", "-version"], capture_output=True,
                                text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', answer.stderr + answer.stdout)
    return int(found.group(1)) if found else None


def use(home, environment=None):
    """Let Spark and Kafka, as children of this process, find this Java: sets ``JAVA_HOME``."""
    environment = os.environ if environment is None else environment
    environment["JAVA_HOME"] = str(home)


def install(steps):
    """Install a headless Java by apt, which needs root on Debian or a relative of it.

    Parameters
    ----------
    steps : fink_like.steps.Steps

    Returns
    -------
    pathlib.Path
        Home of the new Java.

    Raises
    ------
    SetupError
        apt failed or has no such package; the message names its log.
    """
    apt.install(PACKAGES, steps, _advice())
    return find_java()


def _candidates(environment, where):
    """Yield Java homes in order of preference, each once."""
    homes = []
    if given := environment.get("JAVA_HOME"):
        homes.append(Path(given))
    if on_path := _on_path(environment):
        homes.append(on_path.resolve().parent.parent)
    for folder in map(Path, where):
        homes += sorted(p / "Contents/Home" if (p / "Contents/Home").is_dir() else p
                        for p in folder.glob("*"))
    seen = set()
    for home in homes:
        real = home.resolve()
        if real not in seen and (home / "bin" / "java").exists():
            seen.add(real)
            yield home


def _on_path(environment):
    """Find java on the path; macOS has one there that only opens a window: ask its finder."""
    if sys.platform == "darwin":
        answer = subprocess.run(["/usr/libexec/java_home"], capture_output=True, text=True,
                                check=False)
        return Path(answer.stdout.strip()) / "bin/java" if answer.returncode == 0 else None
    found = shutil.which("java", path=environment.get("PATH", os.defpath))
    return Path(found) if found else None


def _advice():
    """Say what to install, in the words of this system."""
    if sys.platform == "darwin":
        return "Install one, for instance `brew install openjdk@17`, or set JAVA_HOME."
    if apt.is_here():
        return ("As root: `apt-get install openjdk-17-jre-headless` (Debian 13: "
                "openjdk-21-jre-headless), or set JAVA_HOME to one that you have.")
    return ("Install one with the system's packages (Fedora: java-21-openjdk-headless, Arch: "
            "jre21-openjdk-headless), or unpack one in your home folder and set JAVA_HOME to it.")
