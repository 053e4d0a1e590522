"""Distribute: alerts that pass a filter go to that filter's topic, packet and scores together."""

import datetime
import sys
from contextlib import contextmanager

from fink_like.filters import library
from fink_like.jobs.errands import Errands
from fink_like.jobs.science import live_modules
from fink_like.jobs.upkeep import Upkeep
from fink_like.packets import survey as survey_declarations
from fink_like.spark import commits, kafka, substreams, tables
from fink_like.spark.checkpoint import Checkpoint
from fink_like.spark.ledger import Ledger
from fink_like.spark.schema_store import SchemaStore
from fink_like.vocabulary import leaves

JOB = "distribute"
NOTED = ("night", "survey", "diaSourceId", "revision", "filter", "topic", "kafka_time")


def table(spark, settings):
    """Make the table that this job writes, if it is not there; its path."""
    return tables.create_deliveries(spark, settings)


def run(settings, spark, until_caught_up=False):
    """Start the job; parameters and return as `fink_like.jobs.ingest.run`."""
    surveys = survey_declarations.load_all(settings.conf / "surveys")
    specs = live_modules(settings, surveys)
    silver, rescores = tables.create_silver(spark, settings, tables.silver_fields(surveys, specs))
    deliveries = table(spark, settings)
    checkpoint = Checkpoint(spark, settings, JOB)
    checkpoint.check(deliveries)
    filters = FilterSet(settings, surveys, specs)
    kafka.ensure_topics(settings, [r["topic"] for r in filters.routes()])
    store = SchemaStore(spark, settings, surveys)

    def one_batch(alerts, batch_id):
        if commits.last_batch(spark, deliveries, checkpoint.app_id) >= batch_id:
            return  # sent and noted before a crash; only the checkpoint did not know
        alerts = alerts.where("NOT coalesce(broker.retrospective, false)")
        count = alerts.count()
        routes = count and checkpoint.freeze(batch_id, {"routes": filters.routes()})["routes"]
        if not routes:
            tables.append(tables.nothing(spark, deliveries), deliveries, checkpoint.app_id,
                          batch_id, checkpoint.note(batch_id))
            return
        matched = substreams.route(alerts, with_topics(settings, routes), specs)
        if commits.version_of(spark, rescores) > 0:
            matched = substreams.not_sent_before(matched, tables.read(spark, deliveries))
        with kept(matched) as matched, kept(messages(matched, settings, spark, store,
                                                     specs)) as sent:
            kafka.send(sent.where("outcome = 'sent'"), settings)
            noted = sent.selectExpr(*NOTED, "current_timestamp() AS sent_at",
                                    f"{batch_id}L AS batch_id", "outcome")
            tables.append(noted, deliveries, checkpoint.app_id, batch_id,
                          checkpoint.note(batch_id))
            checkpoint.report(batch_id, alerts=count, **summary(sent))

    trigger = None if until_caught_up else settings.jobs.trigger
    max_bytes = settings.jobs.distribute_bytes
    both = tables.stream(spark, silver, max_bytes).unionByName(
        tables.stream(spark, rescores, max_bytes))
    return checkpoint.start(both, one_batch, trigger)


@contextmanager
def kept(frame):
    """A frame that is computed once, in a ``with``; let go of behind it, whatever happens."""
    try:
        yield frame.persist()
    finally:
        frame.unpersist()


def with_topics(settings, routes):
    """Routes with the number of partitions of their topics; these are made if they are missing."""
    kafka.ensure_topics(settings, [r["topic"] for r in routes])
    partitions = kafka.topics(settings, kafka.out_servers(settings))
    return [{**route, "partitions": partitions[route["topic"]]} for route in routes]


def wants_restart(settings, checkpoint):
    """Never: its batches are cut by bytes."""
    return False


def errands(settings, spark):
    """What the job does besides its batches."""
    checkpoint = Checkpoint(spark, settings, JOB)
    ledger = Ledger(spark, settings, checkpoint, table(spark, settings))
    return Errands(spark, checkpoint.folder, [ledger.catch_up],
                   Upkeep(spark, settings, JOB).handlers())


def messages(matched, settings, spark, store, specs):
    """What is to be sent, and what cannot be (no schema known, too large), with the outcome.

    Sending is at-least-once, as Kafka's sink is: a crash between sending and `deliveries` sends
    the batch again. Each message says its ``alert_id`` and ``revision``, so that a reader can tell.
    """
    store.refresh()
    bronze = tables.read(spark, settings.path(tables.BRONZE_TABLE))
    found = substreams.with_packets(matched, bronze)
    made = substreams.messages(found, store.pick(store.keys()), specs)
    fits = substreams.fits(settings.kafka.max_message_bytes)
    return made.selectExpr("*", "CASE WHEN key IS NULL THEN 'no_schema' "
                           f"WHEN {fits} THEN 'sent' ELSE 'too_large' END AS outcome")


def summary(sent):
    """What one batch sent: per topic how many, and the seconds from Kafka to Kafka.

    Parameters
    ----------
    sent : DataFrame
        From `messages`, cached.

    Returns
    -------
    dict
        ``sent`` {topic: rows}, ``unsent`` rows, ``latency_s`` the sorted quantiles 0.5, 0.95
        and 1 of substream minus survey topic time, None where nothing was sent.
    """
    delay = "unix_millis(current_timestamp()) - unix_millis(kafka_time)"
    rows = sent.groupBy("topic", "outcome").count().collect()
    quantiles = (sent.where("outcome = 'sent'")
                 .selectExpr(f"percentile({delay}, array(0.5, 0.95, 1.0)) AS q").first())["q"]
    return {"sent": {topic: n for topic, outcome, n in rows if outcome == "sent"},
            "unsent": sum(n for _, outcome, n in rows if outcome != "sent"),
            "latency_s": quantiles and [q / 1000 for q in quantiles]}


class FilterSet:
    """The filters of ``conf/filters``: a new or changed one is live at the next batch.

    A file that has become invalid keeps its last good version, and is complained of once.
    """

    def __init__(self, settings, surveys, specs):
        self.folder = settings.conf / "filters"
        self.columns = leaves(tables.silver_fields(surveys, specs))
        self.public = {name: survey.public for name, survey in surveys.items()}
        self.inputs = surveys if kafka.out_servers(settings) == settings.kafka.servers else {}
        self.good, self.seen = {}, None

    def routes(self):
        """What to carry out: filter, topic and SQL, sorted, as plain values that can be kept."""
        today = datetime.datetime.now(datetime.timezone.utc).date()
        state = (today, library.fingerprint(self.folder))
        if state != self.seen:  # reading takes 11 ms a file
            self._read(today)
            self.seen = state
        return [{"filter": spec.name, "topic": route.topic, "sql": route.condition.sql}
                for _, spec in sorted(self.good.items())
                if not spec.off and today <= spec.expires for route in spec.routes
                if not survey_declarations.of_topic(self.inputs, route.topic)]

    def _read(self, today):
        specs, problems = library.load(self.folder, self.columns, today, self.public)
        broken = {problem.path.stem for problem in problems}
        self.good = {**{n: s for n, s in self.good.items() if n in broken},
                     **{s.name: s for s in specs}}
        for problem in [*problems, *self._circles()]:
            print(f"filter left as it was, or out: {problem}", file=sys.stderr, flush=True)

    def _circles(self):
        """Complaints of topics that ingest would read again, and send again, for ever."""
        for name, spec in sorted(self.good.items()):
            for route in spec.routes:
                survey = survey_declarations.of_topic(self.inputs, route.topic)
                if survey:
                    yield (f"{name}: nothing is sent to {route.topic}, since "
                           f"conf/surveys/{survey.name}.yaml reads that topic on the same server: "
                           "rename it, or read fewer topics")
