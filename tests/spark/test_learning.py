"""A schema registry may be down, slow, wrong or lying: only packets of new ids wait, and not long.

The new schema is what Rubin's 11.1 does to 11.0: nullable fields inserted in mid-record.
"""

import copy
import http.server
import io
import json
import threading
import time

import fastavro
import pytest

from fink_like import config
from fink_like.packets import schemas, wire
from fink_like.spark import bronze, schema_registry, tables
from fink_like.spark.learning import learn
from fink_like.spark.schema_registry import SchemaRegistry
from fink_like.spark.schema_store import SchemaStore

NEW_ID, LSST = 1101, "lsst-alerts-v11"
SMALL = '{"type": "record", "name": "n", "doc": "prose", "fields": []}'
INSERTED = {7: ("exposureTime", "float"), 40: ("trailAlgorithm", "string"),
            41: ("trail_flag", "boolean"), 60: ("reliabilityVersion", "string")}


def answer(status=200, body=b"", wait=0.0, drip=0.0):
    return {"status": status, "body": body, "wait": wait, "drip": drip}


def schema_answer(text, **more):
    return answer(body=json.dumps({"schema": text, **more}).encode())


HTML = b"<!DOCTYPE html><html><body>It works!</body></html>"
MISBEHAVIOUR = {
    "500": answer(500, b"oops"), "503 html": answer(503, HTML), "401": answer(401, b"{}"),
    "html": answer(200, HTML), "empty": answer(200, b""), "list": answer(200, b"[1]"),
    "number": answer(200, b"7"), "no schema": answer(200, b'{"id": 7}'),
    "schema is no text": answer(200, b'{"schema": {"type": "record"}}'),
    "schema is no json": schema_answer("record alert"), "null": answer(200, b'{"schema": null}'),
    "schema is no avro": schema_answer('{"type": "recor"}'),
    "schema is no record": schema_answer('"string"'),
    "protobuf": schema_answer('syntax = "proto3";', schemaType="PROTOBUF"),
    "slow": answer(200, b"{}", wait=3.0), "dripping": answer(200, b"x" * 1000, drip=0.05),
    "no utf-8": answer(200, b"\xff\xfe\x00"), "deep": answer(200, b"[" * 100000),
}


@pytest.fixture
def server():
    """A registry on loopback: ``answers`` by path, else 404; ``asked`` are the paths."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            made.asked.append(self.path)
            given = made.answers.get(self.path, answer(404, b'{"error_code": 40403}'))
            time.sleep(given["wait"])
            self.send_response(given["status"])
            self.end_headers()
            try:
                for byte in given["body"] if given["drip"] else ():
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    time.sleep(given["drip"])
                self.wfile.write(b"" if given["drip"] else given["body"])
            except OSError:
                made.asked.append("went away")

        def log_message(self, *words):
            """Quiet."""

    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.asked, made.answers, made.daemon_threads = [], {}, True
    made.url = f"http://127.0.0.1:{made.server_port}"
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()


@pytest.fixture
def impatient(monkeypatch):
    """No pauses between questions, and a time-out of a second."""
    monkeypatch.setattr(schema_registry, "RETRY_S", 0)
    monkeypatch.setattr(schema_registry, "TIMEOUT_S", 0.5)


def settled(registry, key):
    """Whether the question is answered by now; it is asked if it was not."""
    for _ in range(60):
        answers = registry.ask([key])
        if answers or key not in registry._asked:
            return answers
        time.sleep(0.05)
    raise AssertionError("no answer, and no failure, in 3 s")


def test_an_id_is_asked_for_once(server):
    server.answers["/schemas/ids/9"] = schema_answer(SMALL)
    registry = SchemaRegistry(server.url + "/")
    assert registry.ask(["9", "9", "8"]) == {
        "9": {"type": "record", "name": "n", "fields": []}, "8": None}
    assert sorted(server.asked) == ["/schemas/ids/8", "/schemas/ids/9"]
    assert SchemaRegistry("").ask(["9"]) == {}


@pytest.mark.parametrize("wrong", list(MISBEHAVIOUR))
def test_nonsense_is_no_answer_and_the_next_one_counts(server, impatient, wrong, capfd):
    server.answers["/schemas/ids/9"] = MISBEHAVIOUR[wrong]
    registry = SchemaRegistry(server.url)
    assert settled(registry, "9") == {}
    assert "packets of schema id 9 wait: http://127.0.0.1:" in capfd.readouterr().err
    server.answers["/schemas/ids/9"] = schema_answer(SMALL, id=9, schemaType="AVRO")
    assert settled(registry, "9")["9"]["name"] == "n"


def test_a_registry_that_is_down_is_left_in_peace(monkeypatch, capfd):
    """The pauses double, up to a minute; a batch does not wait for them."""
    registry = SchemaRegistry("http://127.0.0.1:9")
    clock = [1000.0]
    monkeypatch.setattr(schema_registry.time, "monotonic", lambda: clock[0])
    asked = []
    monkeypatch.setattr(schema_registry, "_fetch", lambda address: asked.append(address) or fail())

    def fail():
        raise schema_registry.SchemaError("down")

    for second in range(300):
        clock[0] = 1000.0 + second
        settled(registry, "9")
    assert len(asked) == 7  # after 0, 10, 30, 70, 130, 190 and 250 s
    assert capfd.readouterr().err.count("wait: down") == len(asked)


def test_a_slow_registry_does_not_hold_up_a_batch(server):
    """It answers after 3 s; a call takes a second when the question is new, and then nothing."""
    server.answers["/schemas/ids/9"] = {**schema_answer(SMALL), "wait": 3.0}
    registry, took = SchemaRegistry(server.url), []
    for _ in range(3):
        before = time.monotonic()
        assert registry.ask(["9"]) == {}
        took.append(time.monotonic() - before)
    assert took[0] < 1.5 and max(took[1:]) < 0.3
    time.sleep(2.5)
    assert list(registry.ask(["9"])) == ["9"] and server.asked == ["/schemas/ids/9"]


def test_damaged_ids_do_not_flood_the_registry(server):
    server.answers = {f"/schemas/ids/{n}": answer(wait=2.0) for n in range(500)}
    registry = SchemaRegistry(server.url)
    for _ in range(2):
        registry.ask([str(n) for n in range(500)])
    time.sleep(3.0)  # a server that does not accept at once is called again after a second
    assert len(server.asked) == schema_registry.MOST_OPEN


@pytest.fixture(scope="module")
def newer(known):
    """Rubin's 11.0 with four fields inserted in mid-record."""
    made = copy.deepcopy(next(s.avro for s in known["lsst"] if s.key == "1100"))
    fields = next(f["type"] for f in made["fields"] if f["name"] == "diaSource")["fields"]
    for place, (name, kind) in INSERTED.items():
        fields.insert(place, {"name": name, "type": ["null", kind]})
    return made


@pytest.fixture(scope="module")
def new_packets(real_messages, newer, known):
    """Real 11.0 packets, written in it: list of (value, record)."""
    book = schemas.SchemaBook(None, known["lsst"])
    found = []
    for message in real_messages:
        if message.file.startswith("lsst/wire-reencoded/v11_0"):
            packet = wire.split(message.value, "framed", book)
            record = wire.decode(packet.datum, packet.schema)
            sources = [record["diaSource"], *(record["prvDiaSources"] or ())]
            for source in sources:
                source.update(exposureTime=30.0, trailAlgorithm="x", trail_flag=True)
            stream = io.BytesIO()
            fastavro.schemaless_writer(stream, newer, {**record})
            found.append((b"\x00" + NEW_ID.to_bytes(4, "big") + stream.getvalue(), record))
    return found


@pytest.fixture
def ingest(spark, tmp_path, surveys, messages, server):
    """Maker of a batch into a table: ``ingest(values) -> rows``; with its store and registry."""
    class Ingest:
        settings = config.load(environment={}, data=str(tmp_path / "data"), registry=server.url)

        def __init__(self):
            self.path = tables.create_bronze(spark, self.settings)
            self.registry, self.batch = SchemaRegistry(self.settings.registry), 0
            self.restart()

        def restart(self):
            self.store = SchemaStore(spark, self.settings, surveys)

        def __call__(self, values):
            self.batch += 1
            found = bronze.rows(messages([(LSST, v) for v in values]), self.settings, surveys,
                                self.store.pick(self.store.keys()), self.batch,
                                self.store.absent())
            tables.append(found, self.path, "tests", self.batch, {})
            return (tables.read(spark, self.path).where(f"batch_id = {self.batch}")
                    .orderBy("offset").collect())

        def learn(self):
            waiting = tables.read(spark, self.path).where("state = 'waiting'")
            return learn(waiting, self.store, self.registry)

    return Ingest()


@pytest.mark.slow
def test_a_new_minor_version_in_mid_night(ingest, server, new_packets, newer, real_messages,
                                          impatient):
    """Through a registry that is broken, then lies, then is healed; known ids are never delayed."""
    values = [value for value, _ in new_packets]
    known = next(m.value for m in real_messages if m.file.startswith("lsst/wire/v9_0"))
    path = f"/schemas/ids/{NEW_ID}"
    first = ingest([known, *values[:3], values[3][:-9], known])
    assert [(r.state, r.lane, r.reason, r.schema_key) for r in first] == [
        ("ok", "fast", None, "900"), *[("waiting", None, "schema_unreachable", "1101")] * 4,
        ("ok", "fast", None, "900")]
    assert first[1].detail.startswith("unknown schema id 1101: not met before; the registry")
    assert bytes(first[1].value) == values[0] and not server.asked  # no worker asks

    old = next(s.avro for s in ingest.store.pick(ingest.store.keys())["lsst"] if s.key == "1100")
    for wrong in (answer(500), answer(200, HTML), schema_answer(schemas.text(old)),
                  schema_answer(SMALL)):
        server.answers[path] = wrong
        assert ingest.learn() == (set(), set())
    assert str(NEW_ID) not in ingest.store.keys()["lsst"]

    server.answers[path] = schema_answer(schemas.text(newer))
    assert ingest.learn() == ({("lsst", "1101")}, set())
    asked = len(server.asked)
    again = ingest([value for value in values[:3]] + [values[3][:-9]])
    assert [(r.state, r.lane, r.reason) for r in again] == [("ok", "fast", None)] * 3 + [
        ("dead", None, "truncated")]
    for row, (value, record) in zip(again[:3], new_packets):
        assert (row.diaSourceId, row.ra) == (record["diaSourceId"], record["diaSource"]["ra"])
        assert row.psfFlux == pytest.approx(record["diaSource"]["psfFlux"], rel=1e-6)
        assert b"\x00" + NEW_ID.to_bytes(4, "big") + bytes(row.datum) == value

    ingest.restart()
    assert [r.lane for r in ingest(values)] == ["fast"] * len(values)
    assert ingest.learn() == ({("lsst", "1101")}, set()) and len(server.asked) == asked


@pytest.mark.slow
def test_an_id_that_the_registry_does_not_have(ingest, server, new_packets, monkeypatch):
    """Said once, believed for ten minutes by all batches and over a restart, and not for ever."""
    values = [value for value, _ in new_packets[:2]]
    assert {r.state for r in ingest(values)} == {"waiting"}
    assert ingest.learn() == (set(), {("lsst", "1101")})
    ingest.restart()
    dead = ingest(values)
    assert {(r.state, r.reason, r.schema_key) for r in dead} == {
        ("dead", "unknown_schema", "1101")}
    assert dead[0].detail.startswith("unknown schema id 1101: neither in the schemas folder nor in")
    assert ingest.learn() == (set(), {("lsst", "1101")}) and len(server.asked) == 1
    now = time.time()
    monkeypatch.setattr("fink_like.spark.schema_store.time.time", lambda: now + 601)
    assert {r.state for r in ingest(values)} == {"waiting"}


@pytest.mark.slow
def test_a_new_schema_that_java_does_not_take(ingest, server, new_packets, newer, capfd):
    """Its packets are read in Python, and are in bronze with their keys."""
    odd = json.loads(schemas.text(newer).replace("exposureTime", "exposure-time"))
    server.answers[f"/schemas/ids/{NEW_ID}"] = schema_answer(json.dumps(odd))
    values = [value for value, _ in new_packets[:2]]
    ingest(values)
    assert ingest.learn() == ({("lsst", "1101")}, set())
    assert "kept in bronze, but not decoded further" in capfd.readouterr().err
    ingest.restart()
    found = ingest(values)
    assert [(r.state, r.lane) for r in found] == [("ok", "slow")] * 2
    assert [r.diaSourceId for r in found] == [record["diaSourceId"] for _, record in
                                              new_packets[:2]]
