"""The whole street on simulated packets alone: what a stranger's clone can test."""

import collections
import dataclasses
import io
import json

import fastavro
import pytest

from fink_like import simulator
from fink_like.jobs import ingest

ALERTS = 60
FAULTS = {"truncated": 0.05, "flipped": 0.05, "unknown_schema": 0.05, "empty": 0.05,
          "duplicate": 0.05}
TOPICS = {"ztf": "ztf_20250101_programid1", "lsst": "lsst-alerts-v11.0"}


def night(root, survey, **more):
    """Values of a night's messages, and their truth."""
    batches = list(simulator.night(simulator.open_survey(root, survey), ALERTS, seed=3, **more))
    return [v for b in batches for v in b.values], [r for b in batches
                                                    for r in b.truth.to_dict("records")]


@pytest.fixture
def ran(street):
    """The street after a night of each survey, and what was true."""
    truth, produced = {}, 0
    for survey, name in TOPICS.items():
        values, rows = night(street.project, survey)
        produced += street.publish(street.topic(name), values)
        truth |= {(survey, row["diaSourceId"]): row for row in rows}
    street.run()
    return street, truth, produced


def test_every_alert_arrives_and_is_true(ran):
    street, truth, produced = ran
    street.check_exactly_once(produced)
    rows = street.rows("silver", "survey", "diaSourceId", "ra", "dec", "band", "packet_status",
                       "quality.status", "features.status", "rates.status")
    assert {(row.survey, row.diaSourceId) for row in rows} == set(truth)
    assert {row.packet_status for row in rows} == {0}
    assert all(status >= 0 for row in rows for status in row[-3:])

    sent = street.received()
    deliveries = street.rows("deliveries", "topic", "diaSourceId", "outcome")
    assert collections.Counter(d.topic for d in deliveries) == collections.Counter(
        topic for topic, *_ in sent)
    assert {d.outcome for d in deliveries} == {"sent"}
    every = [d.diaSourceId for d in deliveries if "every_alert" in d.topic]
    assert sorted(every) == sorted(row["diaSourceId"] for row in truth.values())
    for topic, headers, key, value in sent:
        stream = io.BytesIO(value)
        record = fastavro.schemaless_reader(stream, json.loads(key))
        assert stream.read() == b""
        assert topic.endswith(headers["survey"].decode())
        assert record["quality"]["status"] == 0 and record["broker"]["version"]

    before = {name: street.table(name).count() for name in ("bronze", "silver", "deliveries")}
    assert not any(street.run().values())  # nothing is left to do
    assert before == {name: street.table(name).count() for name in before}
    assert len(street.received()) == len(sent)


def test_faults_end_where_they_belong(street):
    """Damage of every kind, in both wire forms; what is whole arrives."""
    produced = whole = 0
    for survey, name in TOPICS.items():
        values, rows = night(street.project, survey, faults=FAULTS, cutouts=False)
        produced += street.publish(street.topic(name), [*values, None])
        whole += sum(row["fault"] in ("", "duplicate") for row in rows)
    street.run()
    street.check_exactly_once(produced)
    states = collections.Counter(row.state for row in street.rows("bronze", "state"))
    assert states["waiting"] == 0 and states["ok"] >= whole  # a flipped bit may hit a number
    reasons = {row.reason for row in street.rows("bronze", "reason")}
    assert {"empty", "truncated", "unknown_schema", "schema_invalid"} <= reasons
    assert all(row.value is not None for row in
               street.table("bronze").where("state = 'dead' AND bytes > 0").collect())


def test_a_batch_is_a_bounded_number_of_messages(make_street):
    street = make_street(**{"jobs.ingest_messages": 20})
    values, _ = night(street.project, "lsst", cutouts=False)
    produced = street.publish(street.topic(TOPICS["lsst"]), values)
    progress = street.run(ingest)["ingest"]
    assert all(p["numInputRows"] <= 21 for p in progress) and len(progress) >= 3
    assert sorted({row.batch_id for row in street.rows("bronze", "batch_id")}) == list(
        range(len(progress)))
    assert street.table("bronze").count() == produced


def test_a_message_that_is_too_large_is_noted(street):
    """What does not fit into a Kafka message is not sent, and the deliveries say so."""
    values, _ = night(street.project, "ztf")
    produced = street.publish(street.topic(TOPICS["ztf"]), values)
    small = dataclasses.replace(street.settings.kafka, max_message_bytes=20000)
    street.settings = dataclasses.replace(street.settings, kafka=small)
    street.run()
    street.check_exactly_once(produced)
    outcomes = {row.outcome for row in street.rows("deliveries", "outcome")}
    assert outcomes == {"too_large"} and street.received() == []
