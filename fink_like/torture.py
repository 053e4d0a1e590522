"""Torture: the three jobs are killed again and again while alerts stream; then all is counted.

Each job is a process of its own, as on a cluster, killed with SIGKILL together with its JVM and its
Python workers: at a random moment, or at a stage of its batch that the files tell. Kafka can be
killed, too. In the end every message that Kafka acknowledged must be accounted for, once.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from fink_like import config, java, ports, proof, simulator
from fink_like.kafka_server import KafkaServer
from fink_like.simulator import publish
from fink_like.spark import kafka
from fink_like.steps import Steps

JOBS = {"ingest": "bronze", "science": "silver", "distribute": "deliveries"}
STAGES = ("any moment", "planned", "written", "committing", "committed")
LONGEST_WAIT_S = 40.0  # for a stage; a job that has nothing to do reaches none
LOOK_S = 0.001
MORE_THAN_ENOUGH = 50_000  # alerts of a survey; sending ends with the kills
PIECE = 10  # messages between two looks whether to go on


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
                 "committed": lambda: _commits(table)}
        before, end = looks[stage](), time.monotonic() + LONGEST_WAIT_S
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
class Stream:
    """Packets of every survey, sent by a thread each until `end`."""

    settings: object
    plan: dict
    seed: int
    ending: threading.Event = field(default_factory=threading.Event)
    acknowledged: dict = field(default_factory=dict)
    failed: int = 0

    def start(self):
        """Start sending."""
        self.threads = [threading.Thread(target=self._send, args=(name, topic), daemon=True)
                        for name, topic in self.plan["topics"].items()]
        for thread in self.threads:
            thread.start()

    def end(self):
        """Stop, and wait for the last acknowledgement."""
        self.ending.set()
        for thread in self.threads:
            thread.join()

    def _send(self, name, topic):
        model = simulator.open_survey(Path(self.settings.root), name)
        batches = simulator.night(model, MORE_THAN_ENOUGH, seed=self.seed, cutouts=False,
                                  faults=self.plan["faults"])
        summary = publish.to_kafka(self._until_the_end(batches), self.settings.kafka.servers, topic,
                                   self.plan["rate"])
        self.acknowledged[topic] = summary.acknowledged
        self.failed += summary.failed

    def _until_the_end(self, batches):
        for batch in batches:
            for low in range(0, len(batch.values), PIECE):
                if self.ending.is_set():
                    return
                piece = slice(low, low + PIECE)
                yield replace(batch, values=batch.values[piece], keys=batch.keys[piece],
                              times=batch.times[piece], truth=batch.truth.iloc[piece])


def run(settings, folder, kills, seed, kafka_kills=0):
    """Torture the jobs, let them catch up, and count.

    Parameters
    ----------
    settings : Settings
        Only its root is used.
    folder : Path
        Made anew: Kafka's data, the tables, the logs of the jobs.
    kills : int
        Of the jobs, evenly spread over them; when and at which stage is drawn.
    seed : int
    kafka_kills : int
        Of the Kafka server, evenly spread over the run; it is started again at once.

    Returns
    -------
    proof.Proof
        What was sent and what became of it.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    plan = yaml.safe_load((settings.conf / "torture.yaml").read_text())
    java.use(java.find_java())
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(KafkaServer(folder / "kafka"))
        settings = config.load(settings.root, data=str(folder / "data"),
                               **{"kafka.servers": server.servers})
        kafka.ensure_topics(settings, plan["topics"].values(), partitions=2)
        victims = [Victim(name, settings, folder / f"{name}.log") for name in JOBS]
        stream = Stream(settings, plan, seed)
        stream.start()
        for victim in victims:
            victim.start()
            stack.callback(victim.kill)
        done = _kill_again_and_again(victims, kills, random.Random(seed), server, kafka_kills)
        stream.end()
        for victim in victims:
            victim.kill()
        _catch_up(settings, folder)
        return proof.make(settings, stream.acknowledged, done)


def _kill_again_and_again(victims, kills, dice, server, kafka_kills):
    """The kills; what each hit, as text."""
    done, steps = [], Steps()
    when = {(kills * (n + 1)) // (kafka_kills + 1) for n in range(kafka_kills)}
    for number in range(kills):
        victim, stage = victims[number % len(victims)], dice.choice(STAGES)
        if stage == STAGES[0]:
            time.sleep(dice.uniform(0.5, 15.0))
        elif not victim.reaches(stage):
            stage = f"{stage}, not reached"
        ended = victim.process.poll() is not None
        victim.kill()
        victim.start()
        done.append(f"{victim.name}: {'had ended by itself' if ended else stage}")
        if number in when:
            _kill_kafka(server)
            done.append("kafka: any moment")
        steps.progress(f"{number + 1} of {kills} kills, the last: {done[-1]}")
    return done


def _kill_kafka(server):
    port = int(server.servers.rpartition(":")[2])
    os.kill(server.status().pid, signal.SIGKILL)
    # The last of its threads to end gives the port back, a moment after the process has gone.
    while server.status() is not None or ports.is_taken(port):
        time.sleep(0.1)
    server.port = port
    server.start()


def _catch_up(settings, folder):
    """Let the three jobs do what is left, as the operator would."""
    with (folder / "catch_up.log").open("w") as log:
        subprocess.run([sys.executable, "-m", "fink_like", "run", "--until-caught-up", "--data",
                        settings.data, "--servers", settings.kafka.servers], check=True,
                       stdout=log, stderr=subprocess.STDOUT, cwd=settings.root,
                       env={**os.environ, "FINK_LIKE__SPARK__QUICK_START": "true"})


def main(arguments=None):
    """Run it; see ``--help``."""
    options = argparse.ArgumentParser(
        prog="bin/torture", description=__doc__, epilog="example: bin/torture --kills 50 --seed 1",
        formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kills", type=int, default=50, help="of the jobs; default 50")
    options.add_argument("--kafka-kills", type=int, default=2, help="of Kafka; default 2")
    options.add_argument("--seed", type=int, default=1, help="draws moments and stages; default 1")
    given = options.parse_args(arguments)
    began = time.monotonic()
    settings = config.load()
    found = run(settings, Path(settings.root) / "var" / "torture", given.kills, given.seed,
                given.kafka_kills)
    _tell(found)
    print(f"{time.monotonic() - began:.0f} s, seed {given.seed}")
    return int(bool(found.problems))


def _tell(found):
    hits = Table("job: stage", title="Kills")
    hits.add_column("times", justify="right")
    for name in sorted(set(found.kills)):
        hits.add_row(name, str(found.kills.count(name)))
    counts = Table("what", title="What became of the messages")
    counts.add_column("count", justify="right")
    for name, number in found.counts.items():
        counts.add_row(name, str(number))
    console = Console()
    console.print(hits)
    console.print(counts)
    for problem in found.problems:
        console.print(f"PROBLEM: {problem}")
    console.print("nothing is lost, nothing is there twice" if not found.problems else "NOT ZERO")


if __name__ == "__main__":
    sys.exit(main())
