"""What may not leave does not; what only a registry knows is asked for once, or waits."""

import copy
import http.server
import io
import json
import threading

import fastavro
import pytest

from fink_like import simulator
from fink_like.jobs import ingest, science
from fink_like.packets import schemas, wire

NEW_ID = 1199  # no schema of schemas/ has it


def packets(root, survey, count=12):
    """Simulated messages of a survey, taken apart: (Packet, record)."""
    model = simulator.open_survey(root, survey)
    book = schemas.SchemaBook(root / "schemas" / survey)
    form = "container" if survey == "ztf" else "framed"
    values = [v for b in simulator.night(model, count, seed=8, cutouts=False) for v in b.values]
    parts = [wire.split(value, form, book) for value in values]
    return [(packet, wire.decode(packet.datum, packet.schema)) for packet in parts]


def encoded(record, schema):
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, schema, record)
    return stream.getvalue()


def test_alerts_of_private_programmes_are_kept_and_never_sent(street):
    """ZTF programmes 2 and 3 belong to the collaboration and to Caltech."""
    values, programmes = [], {}
    for number, (packet, record) in enumerate(packets(street.project, "ztf")):
        record["candidate"]["programid"] = programmes[record["candid"]] = 1 + number % 3
        datum = encoded(record, packet.schema.avro)
        values.append(wire.join(packet.schema, datum, packet.sync))
    produced = street.publish(street.topic("ztf_20250101_programid1"), values)
    street.run()
    street.check_exactly_once(produced)
    in_silver = {r.diaSourceId: r.programid
                 for r in street.table("silver").select("diaSourceId", "ztf.programid").collect()}
    assert in_silver == programmes and set(programmes.values()) == {1, 2, 3}
    sent = {int(headers["alert_id"]) for _, headers, _, _ in street.received()}
    assert sent == {candid for candid, programme in programmes.items() if programme == 1}


@pytest.fixture
def registry():
    """A schema registry on loopback: answers what is put into it, else 404 or, broken, 500."""
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            body = json.dumps(known.get(self.path, {"error_code": 40403})).encode()
            self.send_response(500 if state["broken"] else 200 if self.path in known else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words):
            """Quiet."""

    asked, known, state = [], {}, {"broken": False}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", known, state, asked
    server.shutdown()


@pytest.mark.slow
def test_a_schema_that_only_the_registry_knows(make_street, registry):
    """Known fields arrive although one was inserted in mid-record; it is asked for once."""
    address, known, state, asked = registry
    street = make_street(registry=address)
    topic = street.topic("lsst-alerts-v11.0")
    made = packets(street.project, "lsst")
    newer = copy.deepcopy(made[0][0].schema.avro)
    newer["fields"].insert(1, {"name": "exposureTime", "type": ["null", "float"]})
    frame = b"\x00" + NEW_ID.to_bytes(4, "big")
    values = [frame + encoded({**record, "exposureTime": 30.0}, newer) for _, record in made]

    state["broken"] = True
    street.publish(topic, values[:4])
    street.run(ingest)
    assert {(r.state, r.reason) for r in street.rows("bronze", "state", "reason")} == {
        ("waiting", "schema_unreachable")}

    state["broken"] = False
    known[f"/schemas/ids/{NEW_ID}"] = {"schema": schemas.text(newer)}
    for part in (values[4:8], values[8:]):
        street.publish(topic, part)
        street.run(ingest)
    assert asked == [f"/schemas/ids/{NEW_ID}"] * 2  # the broken answer, and the good one
    newest = [(r.state, r.lane) for r in street.rows("bronze", "state", "lane", "batch_id")
              if r.batch_id == 2]
    assert newest == [("ok", "fast")] * 4
    again = [row.state for row in street.rows("bronze", "state", "attempt") if row.attempt]
    assert again == ["ok"] * 8  # all that waited, by themselves
    street.run(science)
    found = {r.diaSourceId: r.ra for r in street.rows("silver", "diaSourceId", "ra")}
    expected = {record["diaSourceId"]: record["diaSource"]["ra"] for _, record in made}
    assert found == expected
