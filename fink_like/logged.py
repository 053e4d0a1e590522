"""Other programs, run with their words in a log, and their last line told as they go."""

import subprocess
import time

EVERY = 0.1  # seconds between two looks at the log
LAST = 2000  # bytes of it that are read


def run(command, log, told, environment):
    """Run a command to its end; Ctrl-C ends it too.

    Parameters
    ----------
    command : list of str
    log : pathlib.Path
        What it prints is added here.
    told : callable
        Takes the last line that it has printed, ten times a second.
    environment : dict

    Returns
    -------
    int
        Exit code.
    """
    with log.open("ab") as out:
        running = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment,
                                   stdin=subprocess.DEVNULL)
    try:
        while running.poll() is None:
            time.sleep(EVERY)
            told(_last_line(log))
    finally:
        if running.poll() is None:
            running.terminate()
            running.wait()
    return running.returncode


def _last_line(log):
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LAST))
        lines = file.read().decode(errors="replace").splitlines()
    return lines[-1] if lines else ""
