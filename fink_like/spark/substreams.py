"""Rows of silver -> messages of the substreams: routed in one pass, sent with the full packet.

The packet of a matched alert is fetched from bronze by its Kafka coordinates; see
`fink_like.packets.enriched` for how our columns go behind it.
"""

from pyspark.sql import Window
from pyspark.sql import functions as F
from pyspark.sql.avro.functions import to_avro

from fink_like.packets import enriched, schemas
from fink_like.spark.tables import by_name
from fink_like.vocabulary import Field, Struct

ENVELOPE = 1024  # bytes of headers and framing that a message needs beside key and value

SENT_COLUMNS = (
    Field("cdsxmatch", "string", doc="SIMBAD type; fink-client shows it. Null: not matched."),
    Struct("broker", (Field("kafka_time", "timestamp"), Field("ingest_time", "timestamp"),
                      Field("science_time", "timestamp"), Field("version", "string"))),
    Struct("delivery", (Field("filter", "string"), Field("revision", "int"))),
)
"""What each message says besides the packet and the module outputs."""


NEEDED = ("night", "survey", "diaSourceId", "diaObjectId", "ssObjectId", "midpointMjdTai",
          "revision", "packet", "broker")
"""Columns of silver that a message is made of, besides the modules'."""


def sent_columns(specs):
    """All columns behind the survey's packet, in their order."""
    return (*SENT_COLUMNS, *(spec.struct for spec in specs))


def route(frame, routes, specs):
    """One row per (alert, filter that it passes), with its topic.

    Parameters
    ----------
    frame : DataFrame
        Silver.
    routes : list of dict
        ``filter``, ``topic``, ``sql``, and ``partitions`` of the topic.
    specs : list of ModuleSpec
        Whose results are sent; columns that are not are not read.
    """
    passed = ", ".join(f"CASE WHEN {r['sql']} THEN named_struct('filter', '{r['filter']}', "
                       f"'topic', '{r['topic']}', 'partitions', {r['partitions']}) END"
                       for r in routes)
    return (frame.selectExpr("*", f"explode(filter(array({passed}), r -> r IS NOT NULL)) AS route")
            .selectExpr(*NEEDED, *(spec.name for spec in specs), "route.filter AS filter",
                        "route.topic AS to_topic", "route.partitions AS partitions"))


def not_sent_before(matched, deliveries):
    """Leave out what repeats, where alerts have been scored again.

    Of the revisions of an alert that pass a filter in one batch the newest is sent, unless one was
    sent before. An alert that the survey has sent twice is two alerts, as without scoring again.

    Parameters
    ----------
    matched : DataFrame
        From `route`.
    deliveries : DataFrame
    """
    same = ["night", "survey", "diaSourceId", "filter"]
    sent = deliveries.where("outcome = 'sent'")
    newest = Window.partitionBy(*same)
    newest = (matched.withColumn("newest", F.max("revision").over(newest))
              .where("revision = newest").drop("newest"))
    first = newest.where("revision = 0").join(
        sent.where("revision > 0").select(*same).distinct(), on=same, how="left_anti")
    again = newest.where("revision > 0").join(sent.select(*same).distinct(), on=same,
                                              how="left_anti")
    return first.select(matched.columns).unionByName(again.select(matched.columns))


def with_packets(matched, bronze):
    """Add each alert's ``datum``.

    Parameters
    ----------
    matched : DataFrame
        Few rows, cached.
    bronze : DataFrame
    """
    spans = (matched.groupBy("night", "packet.topic", "packet.partition")
             .agg(F.min("packet.offset"), F.max("packet.offset")).collect())
    # Literal bounds let Delta skip files by their statistics; the join then picks the rows.
    near = " OR ".join(f"(night = {night} AND topic = '{topic}' AND partition = {partition} "
                       f"AND offset BETWEEN {first} AND {last})"
                       for night, topic, partition, first, last in spans) or "false"
    packets = bronze.where("state = 'ok'").where(near).selectExpr(
        "night", "topic AS p_topic", "partition AS p_partition", "offset AS p_offset", "datum")
    alerts = matched.selectExpr("*", "packet.topic AS p_topic",
                                "packet.partition AS p_partition", "packet.offset AS p_offset")
    on = ["night", "p_topic", "p_partition", "p_offset"]
    return packets.join(F.broadcast(alerts), on)


def messages(found, known, specs):
    """Kafka rows in the fink-live profile: bare Avro value, the schema's JSON as key.

    The partition is set by the object's id: the same key everywhere would put everything into
    one partition (40 of 40 tried), and an object's alerts stay in order.

    Parameters
    ----------
    found : DataFrame
        From `with_packets`.
    known : dict
        Survey name -> list of PacketSchema.
    specs : list of ModuleSpec

    Returns
    -------
    DataFrame
        topic, partition, key, value, headers, and what `deliveries` notes.
    """
    columns = sent_columns(specs)
    ours = found.selectExpr("*", "CAST(NULL AS string) AS cdsxmatch",
                            "named_struct('filter', filter, 'revision', revision) AS delivery")
    record = F.struct(*(F.expr(by_name(c)).alias(c.name) for c in columns))
    behind = to_avro(record, schemas.text(enriched.appended_schema(columns)))
    thing = ("CASE WHEN diaObjectId != 0 THEN diaObjectId WHEN ssObjectId != 0 THEN ssObjectId "
             "ELSE diaSourceId END")
    headers = ", ".join(f"named_struct('key', '{n}', 'value', CAST({sql} AS binary))" for n, sql in
                        (("alert_id", "string(diaSourceId)"), ("revision", "string(revision)"),
                         ("survey", "survey"), ("filter", "filter")))
    sent = (ours.withColumn("value", F.concat("datum", behind))
            .withColumn("key", _key(known, columns))
            .selectExpr("night", "survey", "diaSourceId", "revision", "filter",
                        "broker.kafka_time AS kafka_time", "midpointMjdTai", f"{thing} AS thing",
                        "to_topic AS topic", "key", "value", f"array({headers}) AS headers",
                        f"int(pmod(xxhash64({thing}), partitions)) AS partition"))
    return sent.repartition("topic", "partition").sortWithinPartitions("thing", "midpointMjdTai")


def fits(max_bytes):
    """SQL: the message is small enough for its topic."""
    return f"length(key) + length(value) + {ENVELOPE} <= {max_bytes}"


def _key(known, columns):
    column = F.lit(None).cast("binary")
    for survey, versions in known.items():
        for schema in (version for version in versions if version.fast):
            text = schemas.text(enriched.extended_schema(schema.avro, columns))
            same = (F.col("survey") == survey) & (F.col("packet.schema_key") == schema.key)
            column = F.when(same, F.lit(bytearray(text.encode()))).otherwise(column)
    return column
