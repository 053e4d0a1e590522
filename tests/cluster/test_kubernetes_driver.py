"""The ingest driver of k8s/ against a stand-in API: its rights suffice, its executors work.

The driver takes its settings from the ConfigMap of k8s/; each pod that it posts is checked against
Kubernetes' schema and started by the image's entry point, as a process of this machine.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import kubernetes_api
import pyspark
import pytest
import yaml
from deltalake import DeltaTable

from fink_like import config, jars, java, ports, simulator
from fink_like.simulator import publish
from fink_like.spark import kafka as topics

pytestmark = [pytest.mark.slow, pytest.mark.spark, pytest.mark.kafka]

ROOT = Path(__file__).resolve().parents[2]
SPARK_HOME = Path(pyspark.__file__).parent
MESSAGES = 40
QUICK_JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # short lives: no second compiler
ELSEWHERE = {  # what differs from a cluster: addresses, sizes, and no volumes
    "spark.driver.host": ports.LOOPBACK, "spark.driver.bindAddress": ports.LOOPBACK,
    "spark.driver.port": "0", "spark.driver.blockManager.port": "0",
    "spark.executor.instances": "1", "spark.executor.memory": "900m",
    "spark.kubernetes.executor.apiPollingInterval": "1s",
    "spark.driver.extraJavaOptions": QUICK_JVM, "spark.executor.extraJavaOptions": QUICK_JVM}


@pytest.fixture
def api(tmp_path):
    """The stand-in, with the rights of k8s/rbac.yaml."""
    objects = [o for o in yaml.safe_load_all((ROOT / "k8s" / "rbac.yaml").read_text())]
    rules = next(o for o in objects if o["kind"] == "Role")["rules"]
    image = {"JAVA_HOME": str(java.find_java()), "SPARK_HOME": str(SPARK_HOME),
             "PYSPARK_PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}

    executors = []

    def run_pod(pod):
        """The first executor dies at once: its driver must take it away and make another."""
        executors.append(pod)
        entry = ROOT / "k8s" / "executor.sh" if len(executors) > 1 else Path("/no/such/file")
        return kubernetes_api.as_process(pod, entry, image, tmp_path)

    with kubernetes_api.KubernetesApi(rules, run_pod) as started:
        yield started


def spark_settings():
    """File name -> text of the drivers' ConfigMap."""
    found = yaml.safe_load_all((ROOT / "k8s" / "configmap.yaml").read_text())
    return next(o for o in found if o["metadata"]["name"] == "fink-like-spark")["data"]


def settings_folder(folder):
    """The spark-conf folder as the ConfigMap makes it, the template's path as it is here."""
    folder.mkdir()
    for name, text in spark_settings().items():
        (folder / name).write_text(text.replace("/opt/fink_like/spark-conf", str(folder)))
    return folder


def publish_some(servers, tmp_path):
    """A project whose only survey listens to a topic of this test's own; messages on it."""
    settings = config.load(ROOT, environment={}, **{"kafka.servers": servers})
    model = simulator.open_survey(ROOT, "ztf")
    topic = "kubernetes_driver"  # which no other test listens to
    topics.ensure_topics(settings, [topic], partitions=1)
    publish.to_kafka(simulator.night(model, MESSAGES, seed=3), servers, topic)
    project = tmp_path / "project"
    (project / "conf" / "surveys").mkdir(parents=True)
    declared = (ROOT / "conf" / "surveys" / "ztf.yaml").read_text()
    lines = [f"topics: {topic}" if line.startswith("topics:") else line
             for line in declared.splitlines()]
    (project / "conf" / "surveys" / "ztf.yaml").write_text("\n".join(lines))
    (project / "schemas").symlink_to(ROOT / "schemas")
    return project


def submit(api, project, servers, tmp_path):
    """Run the ingest entry as its pod does; return its exit code and what it said."""
    conf = {**ELSEWHERE, "spark.kubernetes.driver.pod.name": "ingest-0",
            "spark.kubernetes.executor.podNamePrefix": "ingest"}
    command = [SPARK_HOME / "bin" / "spark-submit", "--master", f"k8s://{api.url}",
               "--jars", ",".join(map(str, jars.paths("spark"))),
               *(f"--conf={name}={value}" for name, value in conf.items()),
               ROOT / "bin" / "ingest.py", "--until-caught-up", "--data", tmp_path / "data"]
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("FINK_LIKE", "PYSPARK"))}
    environment = {**kept, "SPARK_HOME": str(SPARK_HOME), "JAVA_HOME": str(java.find_java()),
                   "SPARK_CONF_DIR": str(settings_folder(tmp_path / "spark-conf")),
                   "PYSPARK_PYTHON": sys.executable, "PYTHONPATH": str(ROOT),
                   "FINK_LIKE__ROOT": str(project), "FINK_LIKE__KAFKA__SERVERS": servers}
    log = tmp_path / "driver.log"
    with log.open("wb") as said:
        driver = subprocess.Popen([str(word) for word in command], env=environment, stdout=said,
                                  stderr=subprocess.STDOUT, cwd=tmp_path, start_new_session=True)
    try:
        code = driver.wait(timeout=240)
    finally:
        if driver.poll() is None:
            os.killpg(driver.pid, signal.SIGKILL)
            driver.wait()
    return code, log.read_text(errors="replace")


def test_a_driver_with_these_rights_makes_executors_that_do_the_work(api, kafka, tmp_path):
    validate = pytest.importorskip("kubernetes_validate").validate
    api.put("pods", {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "ingest-0"},
                     "status": {"phase": "Running", "conditions": [
                         {"type": "Ready", "status": "True"}]}})
    project = publish_some(kafka.servers, tmp_path)
    code, said = submit(api, project, kafka.servers, tmp_path)
    logs = "".join(path.read_text(errors="replace") for path in tmp_path.glob("ingest-exec-*.log"))
    assert code == 0, said[-4000:] + logs[-4000:]
    bronze = DeltaTable(str(tmp_path / "data" / "bronze")).to_pyarrow_table(columns=["state"])
    assert bronze["state"].to_pylist() == ["ok"] * MESSAGES

    assert not api.forbidden
    executors = [o for o in api.created
                 if o["kind"] == "Pod" and o["metadata"]["name"].startswith("ingest-exec-")]
    assert len(executors) > 1
    for pod in executors:
        pod = json.loads(json.dumps(pod))
        pod.pop("status", None)
        validate(pod, "1.34", strict=True)
        check_executor(pod)


def check_executor(pod):
    """What the template asks for has survived Spark, and the driver's end takes it along."""
    template = yaml.safe_load(spark_settings()["executor.yaml"])
    container, = pod["spec"]["containers"]
    wanted, = template["spec"]["containers"]
    assert container["image"] == wanted["image"] and container["args"] == ["executor"]
    assert "command" not in container  # the image's entry point starts it
    assert container["securityContext"] == wanted["securityContext"]
    mounted = {m["mountPath"] for m in container["volumeMounts"]}
    assert {"/data", "/tmp"} <= mounted
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert pod["spec"]["serviceAccountName"] == "fink-like-executor"
    assert pod["spec"]["securityContext"].items() >= template["spec"]["securityContext"].items()
    owner, = pod["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("Pod", "ingest-0")
