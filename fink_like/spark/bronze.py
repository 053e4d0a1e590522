"""Kafka messages -> rows of bronze, in one plan: every message becomes exactly one row."""

from pyspark.sql import functions as F

from fink_like.packets import inputs, normalise
from fink_like.packets.survey import every_input
from fink_like.spark.avro import Decoder, name_survey, take_apart
from fink_like.spark.slow_lane import RESULT, slow_lane
from fink_like.spark.two_looks import UNREAD
from fink_like.vocabulary import BRONZE, KEYS, Struct

KEY_NAMES = tuple(f.name for f in KEYS)
QUEUE_ROWS = 200  # rows of up to 0.9 MB that wait in the JVM for Python's answer


def keys_only(survey):
    """Paths that the key columns need."""
    return normalise.wanted_paths(survey, light_curve=False, own=False)


def rows(frame, settings, surveys, known, batch_id, absent=None):
    """Bronze rows of a batch of messages.

    Parameters
    ----------
    frame : DataFrame
        From `fink_like.spark.kafka.stream`.
    settings : Settings
    surveys : dict
    known : dict
        Survey name -> list of PacketSchema.
    batch_id : int
    absent : dict, optional
        Survey name -> schema ids that the registry does not have, see `SchemaStore.absent`.

    Returns
    -------
    DataFrame
        Columns of `fink_like.vocabulary.BRONZE`.
    """
    frame.sparkSession.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", QUEUE_ROWS)
    decoder = Decoder(surveys, known, keys_only)
    read_slowly = slow_lane(surveys, known, settings.registry, absent or {})
    messages = take_apart(frame.withColumn("survey", name_survey(surveys)), surveys, known)
    fast = decoder.decode(messages).select("*", F.expr(_fast_keys(decoder)).alias("fast"))
    failed = "fast IS NULL AND survey IS NOT NULL AND bytes > 0"
    parted = fast.select(
        "survey", "input", "topic", "partition", "offset", "timestamp", "key", "headers",
        "schema_key", "datum", "sync", "fast", "bytes",
        F.expr("CASE WHEN fast IS NULL THEN value END").alias("value"),
        F.expr(f"CASE WHEN {failed} THEN value END").alias("unread"),
        F.expr(f"CASE WHEN {failed} AND {_may_bring_schema(surveys)} THEN key END")
        .alias("unread_key"))
    read = parted.select("*", read_slowly("unread", "input", "unread_key").alias("slow"))
    return _finish(read, surveys, batch_id)


def _may_bring_schema(surveys):
    """SQL: the message came by an input where the Kafka key may be the schema."""
    numbers = [str(n) for n, (_, source) in enumerate(every_input(surveys))
               if source.wire in (inputs.FINK, inputs.AUTO)]
    return f"input IN ({', '.join(numbers) or 'NULL'})"


def first_look(frame, surveys, known, batch_id):
    """As `rows`, but what the fast lane cannot read is in state ``unread``, with its bytes."""
    decoder = Decoder(surveys, known, keys_only)
    messages = take_apart(frame.withColumn("survey", name_survey(surveys)), surveys, known)
    fast = decoder.decode(messages).select("*", F.expr(_fast_keys(decoder)).alias("fast"))
    read = fast.selectExpr("* EXCEPT (value)", "CASE WHEN fast IS NULL THEN value END AS value",
                           f"CAST(NULL AS {Struct('slow', RESULT).type}) AS slow")
    return _finish(read, surveys, batch_id)


def look_again(unread, settings, surveys, known, batch_id, absent=None):
    """Rows of bronze, by both lanes, of those that `first_look` left in state ``unread``."""
    messages = unread.withColumnRenamed("kafka_time", "timestamp").select(
        "topic", "partition", "offset", "timestamp", "key", "value", "headers")
    return rows(messages, settings, surveys, known, batch_id, absent)


def _fast_keys(decoder):
    """SQL: struct of key columns if the fast lane read the packet and found its id."""
    def keys(alert):
        return "named_struct(" + ", ".join(f"'{n}', {s}" for n, s in alert.keys().items()) + ")"

    found = decoder.by_survey(lambda alert: alert.keys()["diaSourceId"])
    return (f"CASE WHEN {decoder.read()} AND {found} IS NOT NULL "
            f"THEN {decoder.by_survey(keys)} END")


def _finish(read, surveys, batch_id):
    lane = ("CASE WHEN fast IS NOT NULL THEN 'fast' "
            "WHEN slow.diaSourceId IS NOT NULL THEN 'slow' END")
    reason = ("CASE WHEN lane IS NOT NULL THEN NULL WHEN survey IS NULL THEN 'unknown_topic' "
              "WHEN bytes = 0 THEN 'empty' ELSE slow.reason END")
    state = ("CASE WHEN lane IS NOT NULL THEN 'ok' WHEN reason = 'schema_unreachable' "
             f"THEN 'waiting' WHEN reason IS NULL THEN '{UNREAD}' ELSE 'dead' END")
    chosen = {name: f"CASE lane WHEN 'fast' THEN {name} WHEN 'slow' THEN slow.{name} END"
              for name in ("datum", "sync")}
    chosen["schema_key"] = "CASE lane WHEN 'fast' THEN schema_key ELSE slow.schema_key END"
    keys = {name: f"CASE lane WHEN 'fast' THEN fast.{name} WHEN 'slow' THEN slow.{name} END"
            for name in KEY_NAMES}
    named = (read.selectExpr("*", f"{lane} AS lane").selectExpr("*", f"{reason} AS reason")
             .selectExpr("* EXCEPT (schema_key, datum, sync)",
                         *(f"{sql} AS {name}" for name, sql in {**chosen, **keys}.items())))
    nights, assumed = _night(surveys)
    final = {
        "night": f"int({nights})", "state": state, "kafka_time": "timestamp",
        "ingest_time": _same_code("current_timestamp()"), "batch_id": _same_code(f"{batch_id}L"),
        "attempt": "0",
        "detail": "CASE WHEN lane IS NULL THEN slow.detail END", "night_assumed": assumed,
        "datum_hash": "CASE WHEN datum IS NOT NULL THEN xxhash64(datum) END",
        "header": "CASE lane WHEN 'slow' THEN slow.header END",
        "key": "CASE WHEN schema_key LIKE 'c%' AND length(sync) = 0 THEN NULL ELSE key END",
        "value": "CASE WHEN lane IS NULL OR (lane = 'slow' AND NOT slow.exact) THEN value END"}
    return named.selectExpr(*(f"CAST({final.get(f.name, f'`{f.name}`')} AS {f.type}) "
                              f"AS `{f.name}`" for f in BRONZE))


def _same_code(constant):
    """SQL of what changes with each batch, so that the code generated of it does not.

    A constant number stands in the code, which would be compiled anew for each batch (1.5 s CPU);
    an array is handed over beside it, and its element is looked up in each row.
    """
    return f"get(array({constant}), int(partition < 0))"


def _night(surveys):
    """SQL of the night and of whether it is assumed, for any survey or none."""
    nights, assumed = "", ""
    for survey in surveys.values():
        night, guess = normalise.night_sql(survey)
        nights += f"WHEN '{survey.name}' THEN {night} "
        assumed += f"WHEN '{survey.name}' THEN {guess} "
    by_kafka = "year(timestamp) * 10000 + month(timestamp) * 100 + day(timestamp)"
    return f"CASE survey {nights}ELSE {by_kafka} END", f"CASE survey {assumed}ELSE true END"
