"""The manifests of k8s/: valid for Kubernetes, whole among themselves, true to the project."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from fink_like import config

ROOT = Path(__file__).resolve().parents[2]
K8S = ROOT / "k8s"
JOBS = ("ingest", "science", "distribute")
VERSIONS = ("1.30", "1.34", "1.37")
YOU_BRING = {
    ("Secret", "fink-like-kafka"),         # optional: Kafka client options with passwords
    ("ConfigMap", "fink-like-surveys"), ("ConfigMap", "fink-like-filters"),
    ("ConfigMap", "fink-like-modules"),    # the rest of conf/, made by command
}
"""Named by the manifests, made by the operator; docs/cluster.md says how."""


def documents(text):
    return [document for document in yaml.safe_load_all(text) if document]


def load():
    """All objects, the executors' pod template among them."""
    found = [d for path in sorted(K8S.glob("*.yaml")) for d in documents(path.read_text())]
    spark = next(d for d in found if d["metadata"]["name"] == "fink-like-spark")
    return [*found, *documents(spark["data"]["executor.yaml"])]


OBJECTS = load()


def of_kind(*kinds):
    return [found for found in OBJECTS if found["kind"] in kinds]


def named(kind, name):
    return next(d for d in of_kind(kind) if d["metadata"]["name"] == name)


def pods():
    """Pod specs: of the three drivers, of an executor and of the nightly job."""
    return [*(d["spec"] if d["kind"] == "Pod" else d["spec"]["template"]["spec"]
              for d in of_kind("StatefulSet", "Pod")), nightly()]


def nightly():
    """Pod spec of the job that the CronJob makes."""
    return named("CronJob", "nightly")["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def containers():
    return [container for pod in pods() for container in pod["containers"]]


def walk(tree):
    """Yield every mapping below."""
    if isinstance(tree, dict):
        yield tree
    branches = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    for branch in branches:
        yield from walk(branch)


def spark_defaults():
    lines = named("ConfigMap", "fink-like-spark")["data"]["spark-defaults.conf"].splitlines()
    return dict(line.split(None, 1) for line in lines if line.strip() and line[0] != "#")


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid(version):
    validate = pytest.importorskip("kubernetes_validate").validate
    for found in OBJECTS:
        validate(found, version, strict=True)


def test_validation_sees_a_misspelt_field():
    kubernetes = pytest.importorskip("kubernetes_validate")
    wrong = json.loads(json.dumps(named("StatefulSet", "ingest")))
    wrong["spec"]["replicaz"] = 1
    with pytest.raises(kubernetes.ValidationError):
        kubernetes.validate(wrong, VERSIONS[-1], strict=True)


def test_each_job_is_one_driver_and_the_three_differ_by_name_only():
    texts = {job: (K8S / f"{job}.yaml").read_text() for job in JOBS}
    assert len({text.replace(job, "JOB") for job, text in texts.items()}) == 1
    assert [d["metadata"]["name"] for d in of_kind("StatefulSet")] == sorted(JOBS)
    assert all(d["spec"]["replicas"] == 1 for d in of_kind("StatefulSet"))


@pytest.mark.parametrize("job", JOBS)
def test_selectors_match_the_pods_and_the_driver_is_where_executors_look(job):
    drivers, service = named("StatefulSet", job), named("Service", job)
    labels = drivers["spec"]["template"]["metadata"]["labels"]
    assert drivers["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert service["spec"]["selector"].items() <= labels.items()
    others = [named("StatefulSet", other)["spec"]["template"]["metadata"]["labels"]
              for other in JOBS if other != job]
    assert not any(service["spec"]["selector"].items() <= other.items() for other in others)
    container, = drivers["spec"]["template"]["spec"]["containers"]
    given = dict(text[len("--conf="):].split("=", 1)
                 for text in container["args"] if text.startswith("--conf="))
    assert drivers["spec"]["serviceName"] == service["metadata"]["name"]
    assert service["spec"]["clusterIP"] == "None"
    assert given["spark.driver.host"] == f"{job}-0.{job}"  # pod.service, of the same namespace
    assert given["spark.kubernetes.driver.pod.name"] == f"{job}-0"
    wanted = {int(spark_defaults()[f"spark.{n}.port"]) for n in ("driver", "driver.blockManager")}
    assert {port["port"] for port in service["spec"]["ports"]} == wanted
    assert {port["containerPort"] for port in container["ports"]} == wanted


def test_every_object_that_is_named_exists_or_is_yours_to_bring():
    there = {(d["kind"], d["metadata"].get("name")) for d in OBJECTS} | YOU_BRING
    wanted = {("Namespace", d["metadata"]["namespace"]) for d in OBJECTS
              if "namespace" in d["metadata"]}
    wanted.add(("Namespace", spark_defaults()["spark.kubernetes.namespace"]))
    for pod in pods():
        wanted.add(("ServiceAccount", pod["serviceAccountName"]))
        for part in walk(pod):
            wanted |= {(kind, part[key]["name"]) for kind, key in
                       (("ConfigMap", "configMap"), ("Secret", "secretKeyRef")) if key in part}
            if "persistentVolumeClaim" in part:
                wanted.add(("PersistentVolumeClaim", part["persistentVolumeClaim"]["claimName"]))
    binding, = of_kind("RoleBinding")
    wanted |= {(s["kind"], s["name"]) for s in (*binding["subjects"], binding["roleRef"])}
    assert wanted <= there
    assert YOU_BRING <= wanted, "nothing is asked of the operator that is not used"


def test_what_the_operator_brings_is_explained():
    told = (ROOT / "docs" / "cluster.md").read_text()
    assert all(name in told or name.removeprefix("fink-like-") in told for _, name in YOU_BRING)


def test_volumes_are_mounted_where_the_settings_look():
    for pod in pods():
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        mounted = {m["mountPath"]: m for m in pod["containers"][0]["volumeMounts"]}
        assert {m["name"] for m in mounted.values()} == set(volumes)
        for mount in mounted.values():
            source = volumes[mount["name"]].get("configMap", {}).get("name")
            if "subPath" in mount and ("ConfigMap", source) not in YOU_BRING:
                assert mount["subPath"] in named("ConfigMap", source)["data"]
    site = named("ConfigMap", "fink-like-site")["data"]["site.yaml"]
    assert yaml.safe_load(site)["data"] in mounted
    template = Path(spark_defaults()["spark.kubernetes.executor.podTemplateFile"])
    driver = named("StatefulSet", "ingest")["spec"]["template"]["spec"]["containers"][0]
    folder = next(e["value"] for e in driver["env"] if e["name"] == "SPARK_CONF_DIR")
    assert str(template.parent) == folder
    assert template.name in named("ConfigMap", "fink-like-spark")["data"]


def test_settings_and_variables_are_real_ones(tmp_path):
    (tmp_path / "conf").mkdir()
    site = named("ConfigMap", "fink-like-site")["data"]["site.yaml"]
    (tmp_path / "conf" / "site.yaml").write_text(site)
    names = {e["name"] for c in containers() for e in c.get("env", ())}
    values = {name: "{}" if name.endswith("OPTIONS") else "x" for name in names}
    settings = config.load(tmp_path, environment=values)
    assert settings.data == "/data" and settings.kafka.servers
    image = (K8S / "Dockerfile").read_text()
    ours = set(re.findall(r"FINK_LIKE__\w+", image))
    assert ours == {config.PREFIX + "ROOT"}


def test_no_secret_stands_in_a_manifest():
    text = "".join(path.read_text() for path in K8S.glob("*.yaml"))
    assert not of_kind("Secret") and not re.search(r"(password|sasl\.jaas\.config)\s*[:=]", text)


def test_everything_runs_without_rights():
    for pod in pods():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            rights = container["securityContext"]
            assert rights["allowPrivilegeEscalation"] is False
            assert rights["readOnlyRootFilesystem"] is True
            assert rights["capabilities"] == {"drop": ["ALL"]}
    executor, = of_kind("Pod")
    assert executor["spec"]["automountServiceAccountToken"] is False
    user = f"--uid {executor['spec']['securityContext']['runAsUser']} "
    assert user in (K8S / "Dockerfile").read_text()


def test_the_same_image_everywhere():
    images = {container["image"] for container in containers()}
    assert images == {spark_defaults()["spark.kubernetes.container.image"]}


def test_commands_exist():
    """What the pods run is in the image: entries of bin/, and the command line's own commands."""
    entry = ROOT.joinpath("setup.py").read_text()
    assert "fink-like = fink_like.cli:main" in entry
    for job in JOBS:
        container = named("StatefulSet", job)["spec"]["template"]["spec"]["containers"][0]
        script = Path(container["args"][-1])
        assert script.parent == Path("/opt/fink_like/bin") and (ROOT / "bin" / script.name).exists()
        assert container["command"][-1] == "spark-submit"


@pytest.mark.parametrize("job", JOBS)
def test_the_command_line_knows_the_hooks_and_probes(job):
    cli = pytest.importorskip("fink_like.cli")
    container = named("StatefulSet", job)["spec"]["template"]["spec"]["containers"][0]
    commands = [container["lifecycle"]["preStop"]["exec"]["command"],
                container["startupProbe"]["exec"]["command"],
                container["livenessProbe"]["exec"]["command"]]
    for program, *arguments in commands:
        assert program == "fink-like" and job in arguments
        assert cli.parser().parse_args(arguments)


def test_the_nightly_job_is_one_and_has_its_command():
    """Two at once would ask for the same work; the drivers do it, so its rights are none."""
    cli = pytest.importorskip("fink_like.cli")
    pod = nightly()
    container, = pod["containers"]
    assert container["command"][-1] == "fink-like" and cli.parser().parse_args(container["args"])
    assert named("CronJob", "nightly")["spec"]["concurrencyPolicy"] == "Forbid"
    assert pod["automountServiceAccountToken"] is False and pod["restartPolicy"] == "Never"


def test_the_image_copies_what_is_there():
    for line in (K8S / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY"):
            *sources, _ = [word for word in line.split()[1:] if not word.startswith("--")]
            assert all((ROOT / source).exists() for source in sources), line


def test_configmaps_are_made_from_conf_as_the_page_says():
    """kubectl makes them without a server; the pods find each file where the settings look."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("no kubectl on this machine")
    for part in ("surveys", "filters", "modules.yaml"):
        command = [kubectl, "create", "configmap", f"fink-like-{Path(part).stem}",
                   f"--from-file={ROOT / 'conf' / part}", "--dry-run=client", "-o", "yaml"]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        made = yaml.safe_load(answer.stdout)
        source = ROOT / "conf" / part
        files = sorted(source.iterdir()) if source.is_dir() else [source]
        assert made["data"] == {path.name: path.read_text() for path in files}
        assert ("ConfigMap", made["metadata"]["name"]) in YOU_BRING
