"""Ingest alone: beside reading Kafka, decoding with fastavro in Python, and one core."""

import json
import statistics
import time
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition
from rich.console import Console
from rich.table import Table

from fink_like.bench import measured
from fink_like.bench.street import Street
from fink_like.errors import BrokerError
from fink_like.jobs import ingest
from fink_like.packets import schemas, survey
from fink_like.spark import bronze, slow_lane, tables, two_looks
from fink_like.spark.avro import name_survey, number_input
from fink_like.spark.schema_store import SchemaStore

WIDTH = 150  # of a table of nine columns, in a log too
IN_PYTHON = 200  # packets decoded by fastavro, one by one
ONE_IN = 10  # messages by fastavro in Spark's workers
COLUMNS = {  # of the table: title, figure, form
    "alerts/s": ("ingest", "alerts_per_s", "{:.0f}"),
    "in batches/s": ("ingest", "batches_per_s", "{:.0f}"),
    "MB/s": ("ingest", "mb_per_s", "{:.0f}"),
    "CPU ms/alert": ("ingest", "cpu_ms_per_alert", "{:.2f}"),
    "read only/s": ("read", "alerts_per_s", "{:.0f}"),
    "CPU ms": ("read", "cpu_ms_per_alert", "{:.2f}"),
    "latency p50/p95 s": ("ingest", "latency", "{}"),
    "stored/wire": ("ingest", "stored_ratio", "{:.2f}"),
}


def run(given):
    """Measure ingest.

    Parameters
    ----------
    given : argparse.Namespace
        alerts, repeats, streams.
    """
    with Street() as street:
        plan = street.plan["streams"]
        streams = {name: plan[name] for name in given.streams or plan}
        street.make_topics([what["topic"] for what in streams.values()])
        sizes = {name: given.alerts or what["alerts"] for name, what in streams.items()}
        repeats = given.repeats
        figures = _on_cores(street, streams, sizes, repeats)
        for name, what in streams.items():
            figures[name]["python"] = _in_python(street, what["topic"])
        street.steps.say("· the same on one core")
        measured.keep_to_cores(1)  # Kafka and the simulator, too
        street.begin("one_core", **{"spark.master": "local[1,4]"})
        alone = _on_cores(street, streams, sizes, repeats, seed=500)
        for name, found in figures.items():
            found["one_core"] = alone[name]["ingest"]
    _tell(figures, sizes, repeats)
    measured.write(street.folder, "ingest", {"alerts": sizes, "streams": figures}, street.peak)


def _on_cores(street, streams, sizes, repeats, seed=0):
    """Figures of each stream: cold (the session's first batch), ingest and read, of each repeat."""
    figures = {name: {"ingest": [], "read": [], "decode": []} for name in streams}
    warm_up = street.plan["warm_up"]
    for number, (name, what) in enumerate(streams.items()):
        for trial in ("cold", "second"):  # a container's schema takes the fast lane from the second
            with street.steps.step(f"{name}: {warm_up} alerts, {trial} batch"):
                street.publish(what["recipe"], what["topic"], warm_up, seed + number)
                done = measured.timed(lambda: _catch_up(street))
            figures[name][trial] = measured.per_alert(done, warm_up)
    for repeat in range(1 + repeats):
        for name, what in streams.items():
            with street.steps.step(f"{name}: {sizes[name]} alerts, "
                                   + (f"repeat {repeat} of {repeats}" if repeat else "warm-up")):
                one = _one(street, what, sizes[name], seed + 100 + repeat)
            for kind, found in one.items():
                if repeat:  # the first only warms up: Java compiles for a minute
                    figures[name][kind].append(found)
    return figures


def _catch_up(street):
    """Ingest what is there; seconds in its batches, without the start of the job."""
    query = ingest.run(street.settings, street.spark, until_caught_up=True)
    query.awaitTermination()
    return sum(json.loads(p.json)["durationMs"]["triggerExecution"]
               for p in query.recentProgress if p.numInputRows) / 1000


def _one(street, what, alerts, seed):
    """One repeat: publish, read without keeping, ingest; rates, bytes and latency."""
    topic, before = what["topic"], _ends(street, what["topic"])
    sent = street.publish(what["recipe"], topic, alerts, seed)
    frame = (street.spark.read.format("kafka").option("subscribe", topic)
             .option("kafka.bootstrap.servers", street.settings.kafka.servers)
             .option("startingOffsets", json.dumps({topic: before}))
             .option("endingOffsets", json.dumps({topic: _ends(street, topic)}))
             .option("includeHeaders", "true").load())
    read = measured.timed(frame.selectExpr("sum(length(value))").collect)
    ingest.errands(street.settings, street.spark).run()  # the ledger: of what size packets are
    stored, began, in_batches = _stored(street), time.time(), []
    done = measured.per_alert(measured.timed(lambda: in_batches.append(_catch_up(street))), alerts)
    rows = (tables.read(street.spark, street.settings.path("bronze"))
            .where(f"topic = '{topic}' AND ingest_time >= timestamp_millis({int(1000 * began)})"))
    count, p50, p95 = rows.selectExpr(
        "count(*)", *(f"percentile(unix_micros(ingest_time) - unix_micros(kafka_time), {q}) / 1e6"
                      for q in (0.5, 0.95))).first()
    if count != alerts:
        raise RuntimeError(f"{topic}: {alerts} alerts were published, {count} are in bronze")
    return {"read": measured.per_alert(read, alerts),
            "decode": _decoding(street, frame, alerts), "ingest": {
        **done, "batches_per_s": alerts / in_batches[0],
        "mb_per_s": sent.bytes / done["wall_s"] / 1e6, "latency_p50_s": p50,
        "latency_p95_s": p95, "latency": f"{p50:.1f}/{p95:.1f}",
        "stored_ratio": (_stored(street) - stored) / sent.bytes}}


def _decoding(street, messages, alerts):
    """CPU per alert to make bronze's columns of messages, beyond that to read them.

    By the JVM, and, of one message in ten, by fastavro in Spark's Python workers.
    """
    for name, value in two_looks.WRITING.items():
        street.spark.conf.set(name, value)
    street.spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", bronze.QUEUE_ROWS)
    surveys = survey.load_all(street.settings.conf / "surveys")
    store = SchemaStore(street.spark, street.settings, surveys)
    known = store.pick(store.keys())
    some = (messages.where(f"offset % {ONE_IN} = 0").withColumn("survey", name_survey(surveys))
            .withColumn("input", number_input(survey.every_input(surveys))))
    in_python = slow_lane.slow_lane(surveys, known, "", {})("value", "input", "key")
    found = {"cpu_ms_per_alert": (messages, bronze.first_look(messages, surveys, known, 0), 1),
             "in_python_cpu_ms": (some, some.select(in_python), ONE_IN)}
    return {what: 1000 * (_spent(rows) - _spent(read)) * share / alerts
            for what, (read, rows, share) in found.items()}


def _spent(frame):
    """CPU seconds to compute a frame and throw it away."""
    return measured.timed(frame.write.format("noop").mode("append").save)["cpu_s"]


def _ends(street, topic):
    """Partition -> offset behind its last message."""
    client = _consumer(street)
    ends = {str(p): client.get_watermark_offsets(TopicPartition(topic, p), timeout=20)[1]
            for p in range(street.plan["partitions"])}
    client.close()
    return ends


def _consumer(street):
    return Consumer({"bootstrap.servers": street.settings.kafka.servers, "group.id": "bench",
                     "enable.auto.commit": False})


def _stored(street):
    """Bytes of bronze's data files."""
    return sum(path.stat().st_size
               for path in Path(street.settings.path("bronze")).rglob("*.parquet"))


def _in_python(street, topic):
    """CPU per alert of the slow lane: fastavro, in Python, one packet at a time."""
    surveys = survey.load_all(street.settings.conf / "surveys")
    ours = survey.of_topic(surveys, topic)
    source = ours.input_of(topic)
    book = schemas.SchemaBook(street.settings.schemas / ours.name)
    client = _consumer(street)
    client.assign([TopicPartition(topic, 0, 0)])
    values = _some(client)
    client.close()
    slow_lane.read_one((values[0], None), ours, source, book)  # parses the schema
    began = time.process_time()
    for value in values:
        slow_lane.read_one((value, None), ours, source, book)
    return {"cpu_ms_per_alert": 1000 * (time.process_time() - began) / len(values)}


def _some(client):
    """Up to `IN_PYTHON` messages: all that come until none has come for a second.

    Raises
    ------
    BrokerError
        Not one came in a minute.
    """
    values, until = [], time.monotonic() + 60
    while len(values) < IN_PYTHON and time.monotonic() < until:
        found = client.consume(IN_PYTHON - len(values), timeout=1)
        if values and not found:
            break
        values += [message.value() for message in found if not message.error()]
    if not values:
        raise BrokerError("Kafka gave not one message in a minute: it is too busy to measure")
    return values


def _tell(figures, sizes, repeats):
    table = Table("stream", title=f"ingest: {sizes} alerts, {repeats} repeats: median (least to "
                  "most)", *COLUMNS)
    for name, found in figures.items():
        table.add_row(name, *(found[kind][0][what] if what == "latency" else
                              measured.spread(found[kind], what, form)
                              for kind, what, form in COLUMNS.values()))
    Console(width=WIDTH).print(table)
    more = Table("stream", "ingest/read", "cold: first 300, s", "one core: in batches/s",
                 "two cores: efficiency", "decode: CPU ms", "fastavro in workers", "fastavro alone")
    for name, found in figures.items():
        more.add_row(name, *_compared(found))
    Console(width=WIDTH).print(more)


def _compared(found):
    """Ingest beside reading, one core and fastavro: medians."""
    def median(kind, what):
        return statistics.median(row[what] for row in found[kind])

    batches = median("ingest", "batches_per_s")
    return (f"{batches / median('read', 'alerts_per_s'):.2f}", f"{found['cold']['wall_s']:.1f}",
            measured.spread(found["one_core"], "batches_per_s", "{:.0f}"),
            f"{batches / median('one_core', 'batches_per_s') / 2:.2f}",
            measured.spread(found["decode"], "cpu_ms_per_alert", "{:.2f}"),
            measured.spread(found["decode"], "in_python_cpu_ms", "{:.2f}"),
            f"{found['python']['cpu_ms_per_alert']:.2f}")
