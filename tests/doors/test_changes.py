"""What is set, where it comes from, and what a change of it needs."""

import dataclasses
import json
import resource
import subprocess
import sys

import pytest
import yaml

from fink_like import changes, config, effects

SECRETS = {"sasl.username": "me", "sasl.password": "hunter2", "ssl.key.password": "hunter3"}


@pytest.fixture
def started(project, tmp_path):
    """Start jobs (they leave their settings), then say what changes with other settings."""
    def load(**flags):
        return config.load(project, environment={}, data=str(tmp_path / "data"), **flags)

    def start(*jobs, **flags):
        for job in jobs or effects.JOBS:
            folder = tmp_path / "data" / "jobs" / job
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "settings.json").write_text(json.dumps(effects.remember(load(**flags))))
        return lambda **now: (changes.diff(load(**now)), "\n".join(changes.lines(load(**now))))

    return start


def fields(kind=config.Settings, prefix=""):
    for one in dataclasses.fields(kind):
        if dataclasses.is_dataclass(one.type):
            yield from fields(one.type, f"{prefix}{one.name}.")
        else:
            yield prefix + one.name, one


def test_each_setting_says_what_a_change_of_it_means():
    known = {effects.NEXT_BATCH, effects.RESTART, effects.NEW_CHECKPOINT, effects.ONLY_NEW_TOPICS,
             effects.ONLY_NEW_CHECKPOINT}
    for name, one in fields():
        declared = one.metadata.get("effects")
        assert declared, f"{name}: declare its effects with fink_like.effects.setting"
        assert set(declared) <= set(effects.JOBS) and set(declared.values()) <= known, name


def test_nothing_has_changed(started):
    found, text = started(**{"kafka.options": SECRETS})(**{"kafka.options": SECRETS})
    assert found == {job: [] for job in effects.JOBS} and "to do" not in text


def effects_of(found, job):
    return {c.name: c.effect for c in found[job]}


def test_what_needs_what(started):
    found, text = started("ingest", "science", **{"kafka.servers": "a:1,b:1"})(**{
        "kafka.servers": "c:1", "kafka.retention_hours": 5, "kafka.starting_offsets": "latest",
        "jobs.science_bytes": "1m", "registry": "http://me:pw@r"})
    assert effects_of(found, "ingest") == {
        "kafka.servers": effects.NEW_CHECKPOINT, "registry": effects.RESTART,
        "kafka.starting_offsets": effects.ONLY_NEW_CHECKPOINT}
    assert effects_of(found, "science") == {"jobs.science_bytes": effects.RESTART,
                                            "registry": effects.RESTART}
    assert found["distribute"] is None and "distribute: has not started in" in text
    assert "  new checkpoint:       kafka.servers  a:1,b:1 -> c:1\n" in text and "pw" not in text
    assert "to do: new checkpoint for ingest; see docs" in text
    assert "to do: restart for science" in text


def test_topics_that_exist_are_not_altered(started):
    found, text = started()(**{"kafka.retention_hours": 5, "kafka.substream_partitions": 9})
    assert set(effects_of(found, "distribute").values()) == {effects.ONLY_NEW_TOPICS}
    assert not found["ingest"] and "to do" not in text


def test_another_address_of_the_same_cluster(started):
    found, _ = started(**{"kafka.servers": "a:1,b:1"})(**{"kafka.servers": "b:1,c:1"})
    assert effects_of(found, "ingest") == {"kafka.servers": effects.RESTART}


def test_secrets_are_compared_but_never_written(started, tmp_path):
    after = started(**{"kafka.options": SECRETS, "registry": "http://me:hunter4@r"})
    for path in (tmp_path / "data").rglob("settings.json"):
        assert "hunter" not in path.read_text() and '"me"' in path.read_text()
    now = {**SECRETS, "sasl.password": "changed", "new.password": "x"}
    found, text = after(**{"kafka.options": now, "registry": "http://me:hunter4@r"})
    assert effects_of(found, "ingest") == {"kafka.options.sasl.password": effects.RESTART,
                                           "kafka.options.new.password": effects.RESTART}
    assert "sasl.password  *** -> ***" in text and "new.password  not set -> ***" in text
    assert "changed" not in text.replace("has changed", "")


def test_files(started, project):
    after = started()
    [survey] = sorted((project / "conf" / "surveys").glob("*.yaml"))[:1]
    survey.write_text(survey.read_text() + "# a remark\n")
    (project / "conf" / "modules.yaml").write_text("quality: live\n")
    [filter_file, gone] = sorted((project / "conf" / "filters").glob("*.yaml"))[:2]
    filter_file.write_text(filter_file.read_text() + "\n")
    gone.unlink()
    found, text = after()
    mine, every = f"conf/surveys/{survey.name}", {"conf/modules.yaml": effects.RESTART}
    assert effects_of(found, "ingest") == {mine: effects.RESTART}
    assert effects_of(found, "distribute") == {
        mine: effects.RESTART, **every, f"conf/filters/{filter_file.name}": effects.NEXT_BATCH,
        f"conf/filters/{gone.name}": effects.NEXT_BATCH}
    assert f"next batch:           conf/filters/{gone.name}  is gone" in text


def test_where_a_setting_comes_from(project):
    (project / "conf" / "site.yaml").write_text(yaml.safe_dump({
        "kafka": {"servers": "a:1", "retention_hours": 5}, "registry": "http://x"}))
    environment = {"FINK_LIKE__KAFKA__OPTIONS": json.dumps(SECRETS),
                   "FINK_LIKE__REGISTRY": "http://y"}
    explained = config.explain(project, environment, **{"kafka.servers": "b:1", "data": None})
    found = {name: (value, origin) for name, value, origin in explained}
    assert found["kafka.servers"] == ("b:1", "flag")
    assert found["kafka.retention_hours"] == (5, "conf/site.yaml")
    assert found["registry"] == ("http://y", "environment FINK_LIKE__REGISTRY")
    assert found["kafka.options.sasl.password"] == ("***", "environment FINK_LIKE__KAFKA__OPTIONS")
    assert found["kafka.options.sasl.username"][0] == "me"
    assert found["jobs.trigger"] == ("1 second", "default")
    assert found["data"][1] == "default"
    text = "\n".join(changes.shown(explained))
    assert "hunter" not in text and "kafka.retention_hours" in text


def test_it_answers_quickly_and_without_spark(started, project, tmp_path):
    started(**{"kafka.options": SECRETS})
    data = str(tmp_path / "data")
    program = ("import sys; from fink_like import changes, config; "
               f"print(changes.lines(config.load({str(project)!r}, data={data!r}))); "
               "assert not {'pyspark', 'py4j', 'confluent_kafka'} & set(sys.modules)")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2.0  # CPU seconds
