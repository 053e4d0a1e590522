"""An embedded Kafka server: one real KRaft node on this machine's loopback, in a folder.

The default of laptop, demo and tests. It is a process of its own, in its own session, so that
Ctrl-C in a terminal reaches its parent only and the server is stopped cleanly afterwards. Other
processes find it through the state file in the folder.
"""

import base64
import json
import os
import signal
import subprocess
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from fink_like import cache, jars, java, ports
from fink_like.errors import SetupError

STATE, PROPERTIES, LOG, DATA = "state.json", "server.properties", "server.log", "data"
SHIPPED, LOG_SETTINGS = "kafka_server.properties", "kafka_log.properties"  # beside this file
# Measured, Java 17, after 240 MB in and out: serial collector with the quick compiler only 285 MB
# and 2.3 s to start, with both compilers 334 MB and 2.8 s, G1 with both 284 MB and 2.9 s.
JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
       "-XX:+ExitOnOutOfMemoryError", "-Djava.awt.headless=true")


@dataclass(frozen=True)
class Running:
    """A server that has been started in a folder; another process can find it by this."""

    pid: int
    port: int
    cluster_id: str

    @property
    def servers(self):
        """Address for Kafka clients, ``127.0.0.1:port``."""
        return f"{ports.LOOPBACK}:{self.port}"


class KafkaServer:
    """A Kafka server whose data, settings, log and state are in one folder.

    Use as context manager, or `start` and `stop`, which may be in different processes. Topics
    and messages survive a stop.

    Parameters
    ----------
    folder : str or Path
        Made if it is missing.
    port : int, optional
        If not given: the folder's former port when it is free, else any free one.
    heap : str
        Java's largest heap, ``-Xmx``.
    settings : dict, optional
        Server settings that overrule ``kafka_server.properties``.
    """

    def __init__(self, folder, port=None, heap="384m", settings=None):
        self.folder = Path(folder).resolve()
        self.port = port
        self.heap = heap
        self.settings = settings or {}
        self._process = None

    @property
    def servers(self):
        """Address for Kafka clients, ``127.0.0.1:port``; SetupError if it does not run."""
        running = self.status()
        if running is None:
            raise SetupError(f"no Kafka server runs in {self.folder}: run `fink-like kafka start`")
        return running.servers

    def start(self, timeout=60.0):
        """Start the server and wait until it answers.

        Parameters
        ----------
        timeout : float
            Seconds to wait.

        Returns
        -------
        Running

        Raises
        ------
        SetupError
            It runs already, the port is taken, Java or jars are missing, or it did not come up:
            the message has the end of its log.
        """
        cache.make_folder(self.folder, "choose another folder for Kafka")
        # a second start at the same time must not write over the state of the first
        with cache.one_at_a_time(self.folder / "start.lock", lambda line: None, "starting"):
            if running := self.status():
                raise SetupError(f"a Kafka server runs already in {self.folder}, process "
                                 f"{running.pid} at {running.servers}: use it, or stop it with "
                                 "`fink-like kafka stop`")
            running = self._launch(self._choose_port(), self._cluster_id())
            try:
                self._wait_until_it_answers(running, timeout)
            except BaseException:  # Ctrl-C too: no server is left behind half started
                self.stop()
                raise
        return running

    def stop(self, timeout=30.0):
        """Stop the server cleanly; kill it if it has not ended after ``timeout`` seconds.

        Returns
        -------
        bool
            False: none was running.
        """
        running = self.status()
        if running is None:
            return False
        os.kill(running.pid, signal.SIGTERM)
        if not self._ended(timeout):
            os.kill(running.pid, signal.SIGKILL)
            self._ended(timeout)
        return True

    def status(self):
        """Find the server that runs in this folder.

        A state file left by a server that died is no server, even if its process id has gone to
        another program: the cluster's id is looked for on the command line.

        Returns
        -------
        Running or None
        """
        if self._process is not None:
            self._process.poll()  # a child that has ended must be asked, or it stays a zombie
        running = self._read_state()
        is_ours = running and running.cluster_id in _command_line(running.pid)
        return running if is_ours else None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *failure):
        self.stop()

    def _ended(self, timeout):
        """Wait for the server's end; False if it still runs after ``timeout`` seconds."""
        until = time.monotonic() + timeout
        while self.status() is not None:
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        return True

    def _choose_port(self):
        former = self._read_state()
        port = self.port or (former.port if former else None)
        if port is None or (self.port is None and ports.is_taken(port)):
            return ports.free_port()
        if ports.is_taken(port):
            raise SetupError(f"port {port} of {ports.LOOPBACK} is taken by {ports.owner(port)}: "
                             "stop that, or give Kafka another port")
        return port

    def _cluster_id(self):
        """Id the folder's data were formatted with, or a new one."""
        known = self.folder / DATA / "meta.properties"
        if known.exists():
            pairs = dict(line.split("=", 1) for line in known.read_text().splitlines()
                         if "=" in line)
            return pairs["cluster.id"]
        return "F" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]

    def _launch(self, port, cluster_id):
        """Write settings, format an empty folder, start the process and write its state."""
        (self.folder / PROPERTIES).write_text(self._properties(port))
        (self.folder / LOG_SETTINGS).write_text(_shipped(LOG_SETTINGS))
        if not (self.folder / DATA / "meta.properties").exists():
            self._format(cluster_id)
        with (self.folder / LOG).open("ab") as log:
            self._process = self._java(["kafka.Kafka", PROPERTIES], cluster_id, log)
        running = Running(self._process.pid, port, cluster_id)
        half = self.folder / (STATE + ".part")
        half.write_text(json.dumps(asdict(running)))
        half.replace(self.folder / STATE)
        return running

    def _properties(self, port):
        """Settings as shipped, overruled by the user's, those by the addresses on loopback."""
        controller = ports.free_port(other_than=port)
        later = {  # of a name that comes twice, Java takes the last
            **self.settings,
            "log.dirs": DATA,  # relative to the folder, where the server runs: any path will do
            "listeners": f"PLAINTEXT://{ports.LOOPBACK}:{port},"
                         f"CONTROLLER://{ports.LOOPBACK}:{controller}",
            "advertised.listeners": f"PLAINTEXT://{ports.LOOPBACK}:{port}",
            "controller.quorum.voters": f"1@{ports.LOOPBACK}:{controller}",
        }
        return _shipped(SHIPPED) + "".join(f"{name}={value}\n" for name, value in later.items())

    def _format(self, cluster_id):
        """Write the cluster's id and first metadata into the data folder."""
        arguments = ["kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", PROPERTIES]
        with (self.folder / LOG).open("ab") as log:
            if self._java(arguments, cluster_id, log).wait():
                raise SetupError(f"Kafka could not format {self.folder / DATA}; {self._tail()}")

    def _java(self, arguments, cluster_id, log):
        """Run a class of Kafka's in the folder, apart from our terminal's signals."""
        environment = {**os.environ, "CLASSPATH": ":".join(map(str, jars.paths("kafka")))}
        command = [java.find_java() / "bin" / "java", f"-Xmx{self.heap}", *JVM,
                   f"-Dfink_like.cluster={cluster_id}",
                   f"-Dlog4j2.configurationFile={LOG_SETTINGS}", *arguments]
        return subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log,
                                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                start_new_session=True)

    def _wait_until_it_answers(self, running, timeout):
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            if self._process.poll() is not None:
                raise SetupError(f"Kafka ended while starting; {self._tail()}")
            if ports.answers(running.port) and _has_a_broker(running.servers):
                return
            time.sleep(0.05)
        raise SetupError(f"Kafka did not answer within {timeout:.0f} s; {self._tail()}")

    def _tail(self, lines=12):
        log = self.folder / LOG
        said = [line for line in log.read_text(errors="replace").splitlines()
                if not line.startswith("\tat ")]  # a Java stack trace hides what happened
        return f"the end of {log}:\n  " + "\n  ".join(said[-lines:])

    def _read_state(self):
        path = self.folder / STATE
        return Running(**json.loads(path.read_text())) if path.exists() else None


def _shipped(name):
    return Path(__file__).with_name(name).read_text()


def _has_a_broker(servers):
    try:
        return bool(AdminClient({"bootstrap.servers": servers}).list_topics(timeout=5).brokers)
    except KafkaException:
        return False


def _command_line(pid):
    """Command line of a process, empty if there is none (or only its zombie)."""
    proc = Path("/proc")
    if (proc / "self").exists():
        path = proc / str(pid) / "cmdline"
        return path.read_bytes().decode(errors="replace") if path.exists() else ""
    answer = subprocess.run(["ps", "-ww", "-p", str(pid), "-o", "command="],
                            capture_output=True, text=True, check=False)
    return answer.stdout
