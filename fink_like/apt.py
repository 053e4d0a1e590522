"""Packages of a Debian system, installed where set-up may do so: as root, with apt."""

import os
import re
import shutil
import subprocess
import time

from fink_like import cache, logged
from fink_like.errors import SetupError


def is_here():
    """Tell whether this system has apt."""
    return shutil.which("apt-get") is not None


def may_install():
    """Tell whether this process can install packages: root, and apt is there."""
    return os.geteuid() == 0 and is_here()


def install(choices, steps, advice):
    """Install the first of these packages that apt offers.

    Parameters
    ----------
    choices : iterable of str
        Names in order of preference: releases of Debian differ.
    steps : fink_like.steps.Steps
    advice : str
        Ends the message of a failure: what to do by hand.

    Raises
    ------
    SetupError
        apt failed or offers none of them; the message names the log.
    """
    log = cache.folder() / "apt.log"
    log.unlink(missing_ok=True)
    _apt(["update"], log, steps, advice)
    package = _offered(choices)
    if package is None:
        raise SetupError(f"apt offers none of {', '.join(choices)}. {advice}")
    _apt(["install", "-y", "--no-install-recommends", package], log, steps, advice)


def _offered(choices):
    """First package that has a candidate version; None if there is none."""
    for package in choices:
        answer = subprocess.run(["apt-cache", "policy", package], capture_output=True, text=True,
                                env={**os.environ, "LC_ALL": "C"}, check=False)
        if re.search(r"Candidate: (?!\(none\))\S", answer.stdout):
            return package
    return None


def _apt(arguments, log, steps, advice):
    """Run apt-get, its words into the log, the time on the screen; SetupError if it fails."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    began = time.monotonic()

    def told(line):
        steps.progress(f"apt-get {arguments[0]}, {time.monotonic() - began:.0f} s")

    if logged.run(["apt-get", *arguments], log, told, environment):
        tail = " / ".join(log.read_text(errors="replace").splitlines()[-3:])
        raise SetupError(f"`apt-get {' '.join(arguments)}` failed ({tail}); all of it is in {log}. "
                         f"{advice}")
