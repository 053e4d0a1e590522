"""The jobs as processes that are killed at a stage of their batch; their extra work."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from fink_like.ask import ask
from fink_like.errors import BrokerError, NotNow
from fink_like.jobs.errands import DOING
from fink_like.nightly import nights

JOBS = {"ingest": "bronze", "science": "silver", "distribute": "deliveries"}
ANY_MOMENT, COMPACTING = "any moment", "compacting"
STAGES = (ANY_MOMENT, "planned", "written", "committing", "committed", COMPACTING)
LONGEST_WAIT_S = 40.0  # for a stage; a job that has nothing to do reaches none
LOOK_S = 0.001


@dataclass
class Victim:
    """One job as a process."""

    name: str
    settings: object
    log: Path
    process: subprocess.Popen = None

    def start(self):
        """Start it, in a process group of its own."""
        command = [sys.executable, "-m", "fink_like", self.name, "--data", self.settings.data,
                   "--servers", self.settings.kafka.servers]
        quick = {"FINK_LIKE__SPARK__QUICK_START": "true", "FINK_LIKE__SPARK__DRIVER_MEMORY": "800m",
                 "FINK_LIKE__JOBS__INGEST_MESSAGES": "100"}
        with self.log.open("a") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT,
                                            cwd=self.settings.root, start_new_session=True,
                                            env={**os.environ, **quick})

    def kill(self):
        """Kill -9 the whole group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def reaches(self, stage):
        """Wait until the files show that a batch is at a stage; whether it came to that."""
        table = Path(self.settings.path(JOBS[self.name]))
        offsets = Path(self.settings.path("jobs", self.name, "checkpoint", "offsets"))
        looks = {"planned": lambda: _names(offsets), "written": lambda: _parts(table),
                 "committing": lambda: _names(table / "_delta_log"),
                 "committed": lambda: _commits(table),
                 COMPACTING: lambda: _names(offsets.parents[1]) & {DOING}}
        before = set() if stage == COMPACTING else looks[stage]()
        end = time.monotonic() + LONGEST_WAIT_S
        while time.monotonic() < end:
            if looks[stage]() - before:
                return True
            time.sleep(LOOK_S)
        return False


def _names(folder):
    return set(os.listdir(folder)) if folder.is_dir() else set()


def _parts(table):
    return {str(path) for path in table.glob("night=*/**/*.parquet")}


def _commits(table):
    return {name for name in _names(table / "_delta_log") if name[:1].isdigit()}


@dataclass
class Housekeeper:
    """Asks the jobs to compact every night that has packets, again and again."""

    settings: object
    ending: threading.Event = field(default_factory=threading.Event)
    compacted: list = field(default_factory=list)  # the jobs that have answered
    first: threading.Event = field(default_factory=threading.Event)  # one has

    def start(self):
        """Start asking, each job by a thread: one that was killed does not hold up the others."""
        self.threads = [threading.Thread(target=self._ask, args=(job,), daemon=True)
                        for job in JOBS]
        for thread in self.threads:
            thread.start()

    def end(self):
        """Stop."""
        self.ending.set()
        for thread in self.threads:
            thread.join()

    def _ask(self, job):
        while not self.ending.wait(1.0):
            for night in nights.closed(self.settings):
                with contextlib.suppress(BrokerError):  # it was killed, and is asked again
                    ask(self.settings, job, {"do": "compact", "night": night}, _nobody, 15.0)
                    self.compacted.append(job)
                    self.first.set()
                if self.ending.is_set():
                    return


@contextlib.contextmanager
def _nobody():
    raise NotNow("the job does not run now")
    yield
