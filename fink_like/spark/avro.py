"""Kafka messages -> decoded columns: the JVM's fast lane.

A message is taken apart with SQL (frame or container), and its datum decoded by ``from_avro``
with the writer schema chosen **by its id or by its container's header, never "latest"**: a real
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
    """Column: the survey that claims the row's topic, null if none does."""
    column = F.lit(None).cast("string")
    for survey in surveys.values():
        column = F.when(F.col("topic").rlike(f"^({survey.topics})$"), survey.name).otherwise(column)
    return column


def take_apart(surveys, known):
    """Column: struct (schema_key, datum, sync) of messages in a known form, else null.

    Parameters
    ----------
    surveys : dict
        Name -> Survey.
    known : dict
        Survey name -> list of PacketSchema that the fast lane may use.
    """
    column = F.lit(None).cast("struct<schema_key:string,datum:binary,sync:binary>")
    for survey in surveys.values():
        parts = _containers(known[survey.name]) if survey.wire == wire.CONTAINER else (
            _frames(known[survey.name]))
        column = F.when(F.col("survey") == survey.name, parts).otherwise(column)
    return column


def _frames(known):
    ids = ", ".join(f"'{schema.key}'" for schema in known) or "NULL"
    number = "string(conv(hex(substring(value, 2, 4)), 16, 10))"
    is_frame = f"hex(substring(value, 1, 1)) = '00' AND length(value) > {wire.FRAME_BYTES}"
    parts = f"named_struct('schema_key', {number}, 'datum', substring(value, 6), 'sync', NULL)"
    return F.expr(f"CASE WHEN {is_frame} AND {number} IN ({ids}) THEN {parts} END")


def _containers(known):
    column = F.lit(None)
    for schema in known:
        if schema.header and schema.codec == "null":
            starts = F.startswith(F.col("value"), F.lit(bytearray(schema.header)))
            column = F.when(starts, _block(schema)).otherwise(column)
    return column


def _block(schema):
    """One block of one record behind a known header: count 1, size, datum, sync marker.

    The size is a varint whose length follows from the message's; only the shortest form is
    taken, so that the message can be put together again byte for byte.
    """
    start = len(schema.header)
    rest = f"(length(value) - {start + 2 * wire.SYNC_BYTES + 1})"
    digits = (f"(CASE WHEN {rest} <= 64 THEN 1 WHEN {rest} <= 8193 THEN 2 "
              f"WHEN {rest} <= 1048578 THEN 3 ELSE 4 END)")
    size = f"({rest} - {digits})"
    z = f"shiftleft({size}, 1)"
    low = [f"(shiftright({z}, {7 * i}) & 127)" for i in range(4)]
    varint = (f"CASE {digits} WHEN 1 THEN {low[0]} "
              f"WHEN 2 THEN shiftleft({low[0]} | 128, 8) | {low[1]} "
              f"WHEN 3 THEN shiftleft({low[0]} | 128, 16) | shiftleft({low[1]} | 128, 8) | {low[2]} "
              f"ELSE shiftleft(bigint({low[0]} | 128), 24) | shiftleft({low[1]} | 128, 16) "
              f"| shiftleft({low[2]} | 128, 8) | {low[3]} END")
    sync = f"substring(value, {start + 1}, {wire.SYNC_BYTES})"
    found = f"bigint(conv(hex(substring(value, {start + wire.SYNC_BYTES + 2}, {digits})), 16, 10))"
    fits = (f"{size} >= 0 AND hex(substring(value, {start + wire.SYNC_BYTES + 1}, 1)) = '02' "
            f"AND {found} = ({varint}) AND right_sync = {sync}")
    fits = fits.replace("right_sync",
                        f"substring(value, length(value) - {wire.SYNC_BYTES - 1}, {wire.SYNC_BYTES})")
    datum = f"substring(value, {start + wire.SYNC_BYTES + 2} + {digits}, {size})"
    return F.expr(f"CASE WHEN {fits} THEN named_struct('schema_key', '{schema.key}', "
                  f"'datum', {datum}, 'sync', {sync}) END")


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
        self.surveys, self.known = surveys, known
        self.types = {name: projection.leaf_types((k.avro for k in known[name]), wanted(survey))
                      for name, survey in surveys.items()}
        self.sql = {name: AlertSql(survey, self.types[name]) for name, survey in surveys.items()}

    def decode(self, frame: DataFrame) -> DataFrame:
        """Add the decoded columns; null where the datum does not follow its schema."""
        return frame.select("*", *(self._decoded(name).alias(f"p_{name}")
                                   for name in self.surveys))

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
        whole = (f"(survey = '{name}' AND p_{name}._end = {GUARD_VALUE}L)" for name in self.surveys)
        return f"coalesce({' OR '.join(whole)}, false)"

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
