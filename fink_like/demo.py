"""The demo: a simulated night of every survey, from Kafka to Kafka, while one watches.

Everything lies in var/demo and is made anew: a Kafka server, the tables, the truth. It ends when
every packet sent has become a row of bronze, every readable one a row of silver, and distribute
has seen them all; then it reconciles the counts from the tables themselves.
"""

import contextlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

import yaml

from fink_like import config, jars, java, summary
from fink_like.display import Display
from fink_like.errors import BrokerError, SetupError
from fink_like.kafka_server import KafkaServer
from fink_like.jobs import distribute, ingest, science, supervisor
from fink_like.memory import PeakMemory
from fink_like.spark import kafka, session

PATIENCE_S = 300  # without any progress the demo gives up and says so


def run(settings, keep=False):
    """Play the demo.

    Parameters
    ----------
    settings : Settings
        Only its root is used: the demo has its own Kafka and tables.
    keep : bool
        Leave everything running until Ctrl-C.

    Returns
    -------
    int
        0 if all counts reconcile.
    """
    began = time.monotonic()
    folder = Path(settings.root) / "var" / "demo"
    night = yaml.safe_load((settings.conf / "demo.yaml").read_text())
    surveys = list(night["topics"])
    _make_room(folder)
    java.use(java.find_java())
    with contextlib.ExitStack() as stack:
        memory = stack.enter_context(PeakMemory())
        server = stack.enter_context(KafkaServer(folder / "kafka"))
        settings = config.load(settings.root, data=str(folder / "data"),
                               **{"kafka.servers": server.servers,
                                  "spark.quick_start": True})
        show = stack.enter_context(Display(settings, night["topics"], f"Kafka at {server.servers}"))
        kafka.ensure_topics(settings, [t["topic"] for t in night["topics"].values()], partitions=2)
        spark = _spark(settings, stack)
        code = _play(settings, spark, show, _Senders(settings, night, folder, stack), keep)
    summary.show(settings, surveys, folder)
    print(f"\n{time.monotonic() - began:.0f} s in all, {memory.peak / 1e9:.1f} GB of memory at the "
          "peak (Kafka, Spark, Python, simulators).")
    return code or int(not summary.reconciles(settings, surveys))


def _make_room(folder):
    state = KafkaServer(folder / "kafka").status() if (folder / "kafka").exists() else None
    if state:
        raise SetupError(f"another demo is running (Kafka pid {state.pid}, {state.servers}): end "
                         "it with Ctrl-C where it runs, or end that process")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


class _Senders:
    """One simulator a survey, each a process as a user would start it."""

    def __init__(self, settings, night, folder, stack):
        self.settings, self.night, self.folder, self.stack = settings, night, folder, stack
        self.processes = {}

    def start(self):
        """Start those that are not running yet."""
        for survey, what in self.night["topics"].items():
            if survey not in self.processes:
                log = self.stack.enter_context(self._log(survey).open("w"))
                process = subprocess.Popen(self._command(survey, what), stdout=log,
                                           stderr=subprocess.STDOUT, cwd=self.settings.root)
                self.stack.callback(_end, process)
                self.processes[survey] = process

    def all_sent(self):
        """Whether all have sent everything.

        Raises
        ------
        BrokerError
            One has failed; with the end of its log.
        """
        for survey, process in self.processes.items():
            if process.poll():
                tail = "\n".join(self._log(survey).read_text().splitlines()[-5:])
                raise BrokerError(f"the simulator of {survey} ended with {process.returncode}:\n"
                                  f"{tail}")
        return all(process.poll() == 0 for process in self.processes.values())

    def _log(self, survey):
        return self.folder / f"simulate_{survey}.log"

    def _command(self, survey, what):
        numbers = {"alerts": what["alerts"], "nights": what["nights"], "rate": what["rate"],
                   "seed": self.night["seed"], "topic": what["topic"],
                   "servers": self.settings.kafka.servers,
                   "truth": self.folder / "truth" / f"{survey}.parquet"}
        faults = [f"--fault={kind}={share}" for kind, share in self.night["faults"].items()]
        return [sys.executable, "-m", "fink_like", "simulate", "--survey", survey, *faults,
                *(word for name, value in numbers.items() for word in (f"--{name}", str(value)))]


def _end(process):
    if process.poll() is None:
        process.terminate()
        process.wait(20)


def _spark(settings, stack):
    spark = session.build(settings, "fink_like demo", jars.paths("spark"))
    stack.callback(spark.stop)
    return spark


def _play(settings, spark, show, senders, keep):
    """Run the three jobs until all is done, or for ever."""
    latest = {"state": None, "at": time.monotonic(), "looks": 0}

    def watch():
        latest["looks"] += 1
        if latest["looks"] == 2:  # the jobs have been started between the first and second look
            senders.start()
        seen, sent = show.refresh(), senders.processes and senders.all_sent()
        if seen != latest["state"]:
            latest.update(state=seen, at=time.monotonic())
        if time.monotonic() - latest["at"] > PATIENCE_S:
            raise BrokerError(f"no progress for {PATIENCE_S} s; look into {settings.data}/..")
        return not keep and sent and show.is_all_done()

    return supervisor.supervise([ingest, science, distribute], settings, spark, watch=watch)
