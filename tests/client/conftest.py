"""A small broker without Spark: simulated alerts of two surveys as tables and as messages."""

import base64
import datetime
import io
import json
from dataclasses import dataclass, field
from pathlib import Path

import fastavro
import pyarrow as pa
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from deltalake import write_deltalake

from fink_like import config, simulator
from fink_like.kit import registry
from fink_like.kit.columns import ARROW_TYPES
from fink_like.kit.run import run
from fink_like.packets import enriched, reference, schemas, wire
from fink_like.packets import survey as survey_declarations
from fink_like.spark.substreams import sent_columns
from fink_like.spark.tables import silver_fields
from fink_like.vocabulary import BRONZE, Struct, leaves

ROOT = Path(__file__).resolve().parents[2]
ALERTS = 60
NOW = datetime.datetime(2026, 11, 21, 3, 0, tzinfo=datetime.timezone.utc)
ARROW = {**ARROW_TYPES, "timestamp": pa.timestamp("us", "UTC"), "binary": pa.binary(),
         "bigint": pa.int64(), "array<double>": pa.list_(pa.float64()),
         "array<string>": pa.list_(pa.string()), "array<boolean>": pa.list_(pa.bool_()),
         "array<float>": pa.list_(pa.float32()),
         "array<struct<key:string,value:binary>>":
             pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())]))}


@dataclass
class Broker:
    """What the tests compare with."""

    data: Path
    specs: list
    values: dict = field(default_factory=dict)  # alert id -> Kafka value of its packet
    packets: dict = field(default_factory=dict)  # alert id -> (survey, schema, record, datum)
    silver: list = field(default_factory=list)  # nested rows


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    """Silver and bronze of `ALERTS` alerts of each survey, in a path with spaces."""
    settings = config.load(ROOT, environment={})
    surveys = survey_declarations.load_all(settings.conf / "surveys")
    specs = registry.load(settings.modules, settings.conf / "modules.yaml", tuple(surveys))
    made = Broker(tmp_path_factory.mktemp("a broker's") / "data folder", specs)
    bronze = [row for survey in surveys.values()
              for row in _receive(made, survey, settings.schemas / survey.name)]
    _score(made, silver_fields(surveys, ()))
    _write(made.data / "bronze", BRONZE, bronze, ["night", "state"])
    _write(made.data / "silver", silver_fields(surveys, specs), made.silver, ["night"])
    return made


def _receive(made, survey, folder):
    """Rows of bronze; rows of silver and packets go into ``made``."""
    model, book = simulator.open_survey(ROOT, survey.name), schemas.SchemaBook(folder)
    values = [v for b in simulator.night(model, ALERTS, seed=3) for v in b.values]
    for offset, value in enumerate(values):
        packet = wire.split(value, survey.wire, book)
        record = wire.decode(packet.datum, packet.schema)
        neutral = reference.alert(survey, record)
        place = {"topic": f"{survey.name}_packets", "partition": 0, "offset": offset,
                 "schema_key": packet.schema.key, "bytes": len(value)}
        night = _night(neutral["midpointMjdTai"], survey.utc_offset_hours)
        made.silver.append({
            **neutral, "survey": survey.name, "night": night, "revision": 0, "packet_status": 0,
            "packet": place, "sky": {"gal_l": 10.0, "gal_b": 42.0, "ecl_lat": 5.0},
            "broker": {"kafka_time": NOW, "ingest_time": NOW, "science_time": NOW, "version": "t"}})
        made.values[neutral["diaSourceId"]] = value
        made.packets[neutral["diaSourceId"]] = survey.name, packet.schema, record, packet.datum
        yield {**neutral, **place, "survey": survey.name, "night": night, "state": "ok",
               "sync": packet.sync, "datum": packet.datum, "kafka_time": NOW, "ingest_time": NOW}
    if packet.schema.header:  # as ingest keeps schemas that packets bring along
        kept = made.data / "schemas" / survey.name / f"{packet.schema.key}.json"
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps({
            "key": packet.schema.key, "avro": packet.schema.avro, "codec": packet.schema.codec,
            "header": base64.b64encode(packet.schema.header).decode()}))


def _night(mjd_tai, utc_offset_hours):
    noon = datetime.date(1858, 11, 17) + datetime.timedelta(
        days=int(mjd_tai + utc_offset_hours / 24 - 0.5))
    return noon.year * 10000 + noon.month * 100 + noon.day


def _score(made, fields):
    """Add the modules' structs to the rows of silver."""
    columns = {name: pa.array([_at(row, name) for row in made.silver], ARROW[one.type])
               for name, one in leaves(fields).items()}
    scores, outcomes = run(made.specs, columns)
    assert not any(outcome.message for outcome in outcomes)
    for row, scored in zip(made.silver, scores.to_pylist(), strict=True):
        row.update(scored)


def _at(row, name):
    for part in name.split("."):
        row = (row or {}).get(part)
    return row


def _arrow(column):
    if isinstance(column, Struct):
        return pa.struct([(one.name, _arrow(one)) for one in column.fields])
    return ARROW[column.type]


def _write(path, fields, rows, partitions):
    schema = pa.schema([(one.name, _arrow(one)) for one in fields])
    rows = [{one.name: row.get(one.name) for one in fields} for row in rows]
    write_deltalake(str(path), pa.Table.from_pylist(rows, schema), partition_by=partitions)


def message(broker, alert_id, revision=0, filter_name="test"):
    """Key, value and headers of an alert in the fink-live profile."""
    survey, schema, _, datum = broker.packets[alert_id]
    row = next(r for r in broker.silver if r["diaSourceId"] == alert_id)
    columns = sent_columns(broker.specs)
    ours = {**row, "cdsxmatch": None, "delivery": {"filter": filter_name, "revision": revision}}
    behind = io.BytesIO()
    fastavro.schemaless_writer(behind, enriched.appended_schema(columns),
                               {c.name: ours[c.name] for c in columns})
    headers = {"alert_id": str(alert_id), "revision": str(revision), "survey": survey,
               "filter": filter_name}
    return {"key": schemas.text(enriched.extended_schema(schema.avro, columns)).encode(),
            "value": datum + behind.getvalue(),
            "headers": [(name, text.encode()) for name, text in headers.items()]}


@pytest.fixture(scope="session")
def send(kafka, broker):
    """Make a topic and send alerts to it: ``send(topic, [message, ...])``."""
    producer = Producer({"bootstrap.servers": kafka.servers, "log_level": 0})
    admin = AdminClient({"bootstrap.servers": kafka.servers, "log_level": 0})

    def to(topic, messages, partitions=3):
        if topic not in admin.list_topics(timeout=20).topics:
            admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(20)
        for place, one in enumerate(messages):
            producer.produce(topic, partition=place % partitions, **one)
        assert producer.flush(30) == 0

    return to


@pytest.fixture(scope="session")
def as_message(broker):
    """``as_message(alert_id, revision=0)`` gives key, value and headers."""
    return lambda alert_id, revision=0: message(broker, alert_id, revision)
