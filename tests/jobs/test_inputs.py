"""Topics of other wire forms through the jobs: simulators' packets, and our own substreams again.

The two simulators (fink-alert-simulator 0.4.1, alert-stream-simulator) are on no package index
here; their bytes are made as their sources do: ``fastavro.schemaless_writer`` alone, without key or
headers, and the same behind ``struct.pack(">bi", 0, schema_id)``.
"""

import http.server
import io
import json
import struct
import threading
import uuid

import fastavro
import pytest

from fink_like import client, config, simulator
from fink_like.jobs import distribute, ingest
from fink_like.packets import schemas, wire
from fink_like.spark import kafka as kafka_tables

NEVER = "unknown schema id 1: "


def add_inputs(project, survey, *inputs):
    path = project / "conf" / "surveys" / f"{survey}.yaml"
    path.write_text(path.read_text() + "\ninputs:\n" + "".join(f"  - {one}\n" for one in inputs))


def bare(schema, record):
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, schema, record)
    return stream.getvalue()


def topic_of(street, name, partitions=1):
    """A topic without the street's prefix, which only its first pattern has."""
    kafka_tables.ensure_topics(street.settings, [name], partitions, street.settings.kafka.servers)
    return name


@pytest.mark.slow
def test_simulators_packets(project, make_street, real_messages):
    """12 bare packets by their schemavsn; 3 frames of id 1 with an alias, and 3 without."""
    run = uuid.uuid4().hex[:8]
    add_inputs(project, "ztf", f'{{topics: sim_{run}_ztf_public_.*, wire: bare, '
                               'schema: {"3.3": "3.3", "4.02": "4.02"}}')
    add_inputs(project, "lsst", f"{{topics: sim_{run}_alerts, wire: framed, aliases: {{1: 1100}}}}",
               f"{{topics: sim_{run}_stray, wire: framed}}")
    street = make_street()
    files = [m.value for m in real_messages if "ztf/wire/v3.3_series" in m.file
             or "ztf/wire/v4.02" in m.file][:12]
    sent = []
    for value in files:
        reader = fastavro.reader(io.BytesIO(value))
        record = next(reader)
        sent.append((record["candid"], bare(reader.writer_schema, record)))
    assert len(sent) == 12 and {datum[:4] for _, datum in sent} == {b"\x063.3", b"\x084.0"}
    street.publish(topic_of(street, f"sim_{run}_ztf_public_20200101", 10), [d for _, d in sent])
    frames = [m.value[5:] for m in real_messages if "v11_0" in m.file][:3]
    values = [struct.pack(">bi", 0, 1) + datum for datum in frames]
    for name in ("alerts", "stray"):
        street.publish(topic_of(street, f"sim_{run}_{name}"), values)
    street.run(ingest)
    rows = street.rows("bronze", "topic", "state", "lane", "reason", "detail", "diaSourceId",
                       "sync", "datum", "schema_key")
    assert len(rows) == 18
    of = {name: [r for r in rows if name in r.topic] for name in ("ztf", "alerts", "stray")}
    assert {(r.state, r.lane) for r in of["ztf"] + of["alerts"]} == {("ok", "fast")}
    assert {(r.diaSourceId, bytes(r.datum)) for r in of["ztf"]} == set(sent)
    assert sorted(bytes(r.sync) + bytes(r.datum) for r in of["alerts"]) == sorted(values)
    assert [(r.state, r.reason, r.schema_key) for r in of["stray"]] == [
        ("dead", "unknown_schema", "1")] * 3
    assert all(r.detail.startswith(NEVER) for r in of["stray"])


@pytest.mark.slow
def test_a_simulator_whose_schema_only_the_registry_has(project, make_street, fixtures):
    """alert-stream-simulator sends schema 4.0, with --schema-id 400 or with its default, 1."""
    (record,), schema = read_all(fixtures / "lsst" / "ocf-synthetic" / "fakeAlert_v4_0.avro")
    body = (fixtures / "lsst" / "registry" / "schemas" / "ids" / "400.json").read_bytes()
    asked = []

    class Registry(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200 if self.path == "/schemas/ids/400" else 404)
            self.end_headers()
            self.wfile.write(body if self.path == "/schemas/ids/400" else b"{}")

        def log_message(self, *words):
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    run = uuid.uuid4().hex[:8]
    add_inputs(project, "lsst", f"{{topics: sim_{run}_.*, wire: framed, aliases: {{1: 400}}}}")
    street = make_street(registry=f"http://127.0.0.1:{server.server_port}")
    topic, datum = topic_of(street, f"sim_{run}_v4"), bare(schema, record)
    frames = [struct.pack(">bi", 0, number) + datum for number in (400, 1)]
    street.publish(topic, frames)
    street.run(ingest)
    street.publish(topic, frames)
    street.run(ingest)
    server.shutdown()
    rows = street.rows("bronze", "offset", "state", "diaSourceId", "reason", "detail")
    assert "dead" not in {r.state for r in rows}, rows
    assert {r.diaSourceId for r in rows if r.offset >= 2 and r.state == "ok"} == {
        record["diaSource"]["diaSourceId"]}
    assert asked == ["/schemas/ids/400"]


def read_all(path):
    with path.open("rb") as file:
        reader = fastavro.reader(file)
        return list(reader), reader.writer_schema


@pytest.mark.slow
def test_our_own_substreams_as_an_input(project, street, kafka, spark, tmp_path):
    """What another broker's live topic is to us: ids and values identical, and sent on again."""
    sent = 0
    for survey, form, name in (("ztf", "container", "ztf_20250101_programid1"),
                               ("lsst", "framed", "lsst-alerts-v11")):
        model = simulator.open_survey(street.project, survey)
        book = schemas.SchemaBook(street.project / "schemas" / survey)
        values = [v for b in simulator.night(model, 40, seed=9, cutouts=False) for v in b.values]
        assert wire.split(values[0], form, book)
        sent += street.publish(street.topic(name), values)
    street.run()
    first = received(street)
    assert len(first) >= 40

    add_inputs(project, "ztf", f"{{topics: fink_{street.prefix}every_alert_ztf, wire: fink}}")
    add_inputs(project, "lsst", f"{{topics: fink_{street.prefix}every_alert_lsst, wire: auto}}")
    second = type(street)(project, kafka.servers, spark, tmp_path / "second")
    second.run()
    second.check_exactly_once(len(first))
    before, after = silver(street), silver(second)
    assert set(after) == set(first) and set(after) <= set(before)
    for alert_id, row in after.items():
        assert row == before[alert_id]
    assert {(r.state, r.key) for r in second.rows("bronze", "state", "key")} == {("ok", None)}
    values = {int(h["alert_id"]): v for t, h, _, v in street.received() if "every_alert" in t}
    frame = client.open_table(second.settings.data, "silver")
    for _, row in frame.iloc[::9].iterrows():
        assert client.packet(second.settings.data, row) == values[row["diaSourceId"]]
    again = received(second)
    assert set(again) == set(first)
    for alert_id, (record, key) in again.items():
        assert record["received_delivery"] == first[alert_id][0]["delivery"]
        assert record["delivery"]["filter"] == "every_alert"
        assert json.loads(key)["name"] == json.loads(first[alert_id][1])["name"]

    street.run(distribute)
    third = second.run(ingest)
    assert third == {"ingest": []}  # nothing came round in a circle


def silver(street):
    names = ("diaSourceId", "diaObjectId", "ssObjectId", "objectId", "midpointMjdTai", "ra", "dec",
             "band", "psfFlux", "psfFluxErr", "packet_status", "lc")
    return {row[0]: row for row in street.rows("silver", *names)}


def received(street):
    """Alert id -> (record, key) of the topics of the filter that every alert passes."""
    found = {}
    for topic, headers, key, value in street.received():
        if "every_alert" in topic:
            record = fastavro.schemaless_reader(io.BytesIO(value),
                                                fastavro.parse_schema(json.loads(key)))
            found[int(headers["alert_id"])] = record, key
    return found


@pytest.mark.slow
def test_a_substream_that_ingest_would_read_again_gets_nothing(project, street, spark, capfd):
    """``topics: fink_.*`` on the own server would send each alert round for ever."""
    from fink_like.jobs.distribute import FilterSet
    from fink_like.packets import survey as declarations

    add_inputs(project, "lsst", "{topics: fink_.*_lsst, wire: fink}")
    surveys = declarations.load_all(project / "conf" / "surveys")
    topics = [r["topic"] for r in FilterSet(street.settings, surveys, ()).routes()]
    assert topics and all(topic.endswith("_ztf") for topic in topics)
    assert "fink_" in (said := capfd.readouterr().err) and "conf/surveys/lsst.yaml reads" in said
    elsewhere = config.load(project, environment={}, **{"kafka.out_servers": "elsewhere:9092"})
    assert any(r["topic"].endswith("_lsst")
               for r in FilterSet(elsewhere, surveys, ()).routes())
