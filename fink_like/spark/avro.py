"""Kafka messages -> decoded columns: the JVM's fast lane.

A message is taken apart with SQL, and its datum decoded by ``from_avro`` with the writer schema
chosen **by its id, its container's header or its key, never "latest"**: a real
Rubin packet of schema 9.0 decodes completely, and wrongly, with 10.0. What the fast lane does
not know or cannot read goes, that message only, to the slow lane in `fink_like.spark.slow_lane`.

A guard, 8 bytes of a constant behind the datum and a field ``_end`` behind the schema's last,
shows that the record ended exactly where the bytes do: ``from_avro`` alone ignores a surplus.
"""

import json

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.avro.functions import from_avro

from fink_like.packets import projection, schemas, wire
from fink_like.packets.normalise import AlertSql
from fink_like.packets.survey import every_input
from fink_like.spark import message_forms

GUARD_VALUE = 0x5EED0FA1E27  # any number that needs several bytes
GUARD_FIELD = {"name": "_end", "type": "long"}


def zigzag(number):
    """Avro's variable-length bytes of a number."""
    number, out = (number << 1) ^ (number >> 63), bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))


GUARD = zigzag(GUARD_VALUE)


def name_survey(surveys):
    """Column: the survey that claims the row's topic, the first by name; null if none does."""
    column = F.lit(None).cast("string")
    for survey in reversed(surveys.values()):
        column = F.when(F.col("topic").rlike(f"^({survey.topics})$"), survey.name).otherwise(column)
    return column


def number_input(sources):
    """Column: which of the inputs a row of a survey came by."""
    column = F.lit(None).cast("int")
    for number, (survey, source) in reversed(list(enumerate(sources))):
        here = F.col("survey") == survey.name
        if len(survey.inputs) > 1:
            here &= F.col("topic").rlike(f"^({source.topics})$")
        column = F.when(here, number).otherwise(column)
    return column


def take_apart(frame, surveys, known):
    """Add bytes (of the value), input, schema_key, datum, sync; null for messages of unknown form.

    Spark copies the whole value each time an expression looks at it, so what needs few bytes looks
    at ``head``, ``block`` and ``tail``.

    Parameters
    ----------
    frame : DataFrame
        With value, key and survey.
    surveys : dict
        Name -> Survey.
    known : dict
        Survey name -> list of PacketSchema that the fast lane may use.
    """
    sources = every_input(surveys)
    named = F.lit(None).cast(message_forms.FOUND)
    for number, (survey, source) in enumerate(sources):
        found = message_forms.find(source, known[survey.name])
        named = F.when(F.col("input") == number, found).otherwise(named)
    pieces = (f"substring(value, 1, {message_forms.HEAD_BYTES}) AS head",
              "coalesce(length(value), 0) AS bytes",
              f"{message_forms.brought_key(sources)} AS brought")
    block = f"substring(value, start + 1, {wire.SYNC_BYTES + 1 + MOST_DIGITS})"
    tail = f"substring(value, bytes - {wire.SYNC_BYTES - 1}, {wire.SYNC_BYTES})"
    first = f"start + {wire.SYNC_BYTES + 2} + digits"
    return (frame.withColumn("input", number_input(sources)).selectExpr("*", *pieces)
            .select("*", named.alias("named"))
            .selectExpr("* EXCEPT (named)", "named.schema_key AS named_key", "named.start AS start",
                        "named.around AS around", "named.boxed AS boxed")
            .selectExpr("*", f"bytes - start - {2 * wire.SYNC_BYTES + 1} AS rest",
                        f"CASE WHEN boxed THEN {block} END AS block",
                        f"CASE WHEN boxed THEN {tail} END AS tail")
            .selectExpr("*", "CASE WHEN rest <= 64 THEN 1 WHEN rest <= 8193 THEN 2 "
                             "WHEN rest <= 1048578 THEN 3 ELSE 4 END AS digits")
            .selectExpr("*", f"CASE WHEN NOT boxed OR ({_block_fits()}) THEN named_key END "
                             "AS schema_key")
            .selectExpr("* EXCEPT (head, brought, named_key, start, rest, around, block, tail, "
                        "digits, boxed)",
                        "CASE WHEN schema_key IS NULL THEN NULL "
                        "WHEN NOT boxed THEN substring(value, start + 1) "
                        f"ELSE substring(value, {first}, rest - digits) END AS datum",
                        f"CASE WHEN boxed THEN substring(block, 1, {wire.SYNC_BYTES}) "
                        "ELSE around END AS sync"))


MOST_DIGITS = 4
"""Bytes of the largest block size that the fast lane reads: 134 MB."""


def _block_fits():
    """SQL: behind the header there is one block of one record, and the sync marker again.

    ``block`` is the sync marker, the count and the size. The size is a varint whose number of
    digits follows from the message's length; only the shortest form is taken, so that the message
    can be put together again byte for byte.
    """
    z = "shiftleft(rest - digits, 1)"
    low = [f"(shiftright({z}, {7 * i}) & 127)" for i in range(MOST_DIGITS)]
    varint = (f"CASE digits WHEN 1 THEN {low[0]} "
              f"WHEN 2 THEN shiftleft({low[0]} | 128, 8) | {low[1]} "
              f"WHEN 3 THEN shiftleft({low[0]} | 128, 16) | shiftleft({low[1]} | 128, 8) "
              f"| {low[2]} "
              f"ELSE shiftleft(bigint({low[0]} | 128), 24) | shiftleft({low[1]} | 128, 16) "
              f"| shiftleft({low[2]} | 128, 8) | {low[3]} END")
    found = f"bigint(conv(hex(substring(block, {wire.SYNC_BYTES + 2}, digits)), 16, 10))"
    return (f"rest > digits AND hex(substring(block, {wire.SYNC_BYTES + 1}, 1)) = '02' "
            f"AND {found} = ({varint}) AND tail = substring(block, 1, {wire.SYNC_BYTES})")


class Decoder:
    """Adds ``p_<survey>`` columns: the packet, decoded as far as it is needed.

    Parameters
    ----------
    surveys : dict
        Name -> Survey.
    known : dict
        Survey name -> list of PacketSchema.
    wanted : callable
        Survey -> set of paths, see `fink_like.packets.normalise.wanted_paths`.
    """

    def __init__(self, surveys, known, wanted):
        self.surveys = surveys
        self.known = {name: [schema for schema in known[name] if schema.fast] for name in surveys}
        self.types = {name: projection.leaf_types((k.avro for k in self.known[name]),
                                                  wanted(survey))
                      for name, survey in surveys.items()}
        self.sql = {name: AlertSql(survey, self.types[name]) for name, survey in surveys.items()}

    def decode(self, frame: DataFrame) -> DataFrame:
        """Add the decoded columns; null where the datum does not follow its schema."""
        return frame.select("*", *(self._decoded(name).alias(f"p_{name}")
                                   for name in self._readable()))

    def _readable(self):
        """Surveys of which a schema is known; of a new one the slow lane meets the first."""
        return [name for name in self.surveys if self.known[name]]

    def _decoded(self, name) -> Column:
        reader = projection.reader_schema(self.types[name])
        reader["fields"].append(GUARD_FIELD)
        options = {"mode": "PERMISSIVE", "avroSchema": json.dumps(reader)}
        guarded = F.concat(F.col("datum"), F.lit(bytearray(GUARD)))
        column = F.lit(None)
        for schema in self.known[name]:
            decoded = from_avro(guarded, schemas.text(_with_guard(schema.avro)), options)
            column = F.when(F.col("schema_key") == schema.key, decoded).otherwise(column)
        return F.when(F.col("survey") == name, column)

    def read(self):
        """SQL condition: the packet was decoded, to its last byte."""
        whole = [f"(survey = '{name}' AND p_{name}._end = {GUARD_VALUE}L)"
                 for name in self._readable()]
        return f"coalesce({' OR '.join(whole) or 'NULL'}, false)"

    def by_survey(self, sql):
        """One SQL expression out of one a survey.

        Parameters
        ----------
        sql : callable
            `AlertSql` -> SQL text.
        """
        cases = " ".join(f"WHEN '{name}' THEN {sql(alert)}" for name, alert in self.sql.items())
        return f"(CASE survey {cases} END)"


def _with_guard(avro):
    return {**avro, "fields": [*avro["fields"], GUARD_FIELD]}
