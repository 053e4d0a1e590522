"""Set-up behind the Python environment: Java and the jars, with the time of each step."""

import sys
import time

from fink_like import apt, jars, java
from fink_like.errors import SetupError
from fink_like.steps import Steps


def prepare(steps=None):
    """Find or bring what Spark and Kafka need, and export ``JAVA_HOME`` for them.

    Takes 0.1 s when all is there. Everything is said through ``steps``.

    Parameters
    ----------
    steps : fink_like.steps.Steps, optional

    Returns
    -------
    pathlib.Path
        Home of the Java to use.

    Raises
    ------
    SetupError
        Something is missing that could not be brought; the message says what to do.
    """
    steps = steps or Steps()
    home = _bring_java(steps)
    java.use(home)
    _bring_jars(steps)
    return home


def _bring_java(steps):
    try:
        return java.find_java()
    except SetupError:
        if not apt.may_install():
            raise
    with steps.step("install Java by apt"):
        return java.install(steps)


def _bring_jars(steps):
    lacking = jars.missing()
    if not lacking:
        return
    with steps.step(f"download {len(lacking)} jars, {sum(j.size for j in lacking) / 1e6:.0f} MB, "
                    f"into {jars.folder()}"):
        jars.fetch(steps)


def main():
    """Print Java's home for the shell; everything else goes to stderr."""
    began, steps = time.monotonic(), Steps()
    try:
        home = prepare(steps)
    except SetupError as error:
        return f"fink_like: {error}"
    except KeyboardInterrupt:
        return "fink_like: interrupted; what has arrived is kept, run the same command again"
    steps.say(f"· ready: Java {java.version_of(home)} in {home}, {len(jars.locked())} jars in "
              f"{jars.folder()} ({time.monotonic() - began:.1f} s)")
    print(home)
    return 0


if __name__ == "__main__":
    sys.exit(main())
