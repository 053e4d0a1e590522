"""Torture: the three jobs are killed again and again while alerts stream; then all is counted.

Each job is a process of its own, as on a cluster, killed with SIGKILL together with its JVM and its
Python workers: at a random moment, or at a stage of its batch that the files tell. Kafka can be
killed, too. In the end every message that Kafka acknowledged must be accounted for, once.
"""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import yaml

from fink_like import config, java, ports, proof
from fink_like.kafka_server import KafkaServer
from fink_like.spark import kafka
from fink_like.steps import Steps
from fink_like.torture.stream import Stream
from fink_like.torture.victims import (
    ANY_MOMENT, COMPACTING, JOBS, STAGES, Housekeeper, Victim)

FIRST_COMPACTION_S = 90.0  # until the killing begins, at most: a start takes half a minute


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
        settings = config.load(settings.root, data=str(folder / "data"), **{
            "kafka.servers": server.servers, "jobs.closed_after_hours": 0})
        kafka.ensure_topics(settings, plan["topics"].values(), partitions=2)
        victims = [Victim(name, settings, folder / f"{name}.log") for name in JOBS]
        stream = Stream(settings, plan, seed)
        housekeeper = Housekeeper(settings)
        stream.start()
        for victim in victims:
            victim.start()
            stack.callback(victim.kill)
        housekeeper.start()
        housekeeper.first.wait(FIRST_COMPACTION_S)  # else the jobs may never live to compact
        done = _kill_again_and_again(victims, kills, random.Random(seed), server, kafka_kills)
        stream.end()
        housekeeper.end()
        for victim in victims:
            victim.kill()
        _catch_up(settings, folder)
        return proof.make(settings, stream.acknowledged, done,
                          {"compactions asked and done": len(housekeeper.compacted)})


def _kill_again_and_again(victims, kills, dice, server, kafka_kills):
    """The kills; what each hit, as text."""
    done, steps = [], Steps()
    when = {(kills * (n + 1)) // (kafka_kills + 1) for n in range(kafka_kills)}
    for number in range(kills):
        victim, stage = victims[number % len(victims)], dice.choice(STAGES)
        if stage == ANY_MOMENT:
            time.sleep(dice.uniform(0.5, 15.0))
        elif not victim.reaches(stage):
            stage = f"{stage}, not reached"
        elif stage == COMPACTING:
            time.sleep(dice.uniform(0.0, 1.0))  # about as long as it takes
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
