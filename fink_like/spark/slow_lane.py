"""The slow lane: packets that the JVM could not read, one by one in Python.

It takes any codec, any header, JSON, and says of the rest exactly what is wrong. Between 30 and
1,500 packets a second, so it serves the first packets of a new schema; from the next batch on that
schema takes the fast lane. It asks no registry: a packet of an id not met before waits, see
`fink_like.spark.learning`.
"""

import uuid

import pyarrow as pa
from pyspark.sql import functions as F

from fink_like.errors import PacketError
from fink_like.packets import reference, schemas, wire
from fink_like.packets.survey import every_input
from fink_like.spark.tables import ddl
from fink_like.vocabulary import KEYS, Field

BOOKS = {}  # of a Python worker, for the plan in hand

RESULT = (
    Field("schema_key", "string"), Field("header", "binary"), Field("datum", "binary"),
    Field("sync", "binary"), Field("exact", "boolean"),
    Field("reason", "string"), Field("detail", "string"), *KEYS)

ARROW = {"string": pa.string(), "binary": pa.binary(), "boolean": pa.bool_(),
         "bigint": pa.int64(), "double": pa.float64(), "float": pa.float32()}
KEYS_ROW = pa.struct([(f.name, ARROW[f.type]) for f in KEYS])


def slow_lane(surveys, known, registry, absent):
    """The UDF (value or null, input, Kafka key) -> struct of `RESULT`; null in, null out.

    Parameters
    ----------
    surveys : dict
        Name -> Survey.
    known : dict
        Survey name -> list of PacketSchema.
    registry : str
        URL, or empty; only named in details.
    absent : dict
        Survey name -> ids that the registry does not have.
    """
    result = pa.struct([(f.name, ARROW[f.type]) for f in RESULT])
    sources = every_input(surveys)
    plan = uuid.uuid4().hex  # a batch may be planned twice, with other schemas known

    @F.arrow_udf(ddl(RESULT))
    def read_slowly(values: pa.Array, numbers: pa.Array, keys: pa.Array) -> pa.Array:
        if values.null_count == len(values):
            return pa.nulls(len(values), result)
        if plan not in BOOKS:
            BOOKS.clear()
            BOOKS[plan] = {n: schemas.SchemaBook(None, known[n], registry, absent.get(n, ()))
                           for n in surveys}
        rows = []
        for value, number, key in zip(values.to_pylist(), numbers.to_pylist(), keys.to_pylist()):
            survey, source = sources[number] if number is not None else (None, None)
            rows.append(None if value is None else
                        read_one((value, key), survey, source, BOOKS[plan][survey.name]))
        return pa.array(rows, result)

    return read_slowly


def read_one(message, survey, source, book):
    """Read one message, or say why it cannot be read.

    Parameters
    ----------
    message : tuple of (bytes, bytes or None)
        Value and key.
    survey : Survey
    source : Input
        By which the message came.
    book : SchemaBook

    Returns
    -------
    dict
        Of the names in `RESULT`; ``reason`` is null if it was read.
    """
    value, key = message
    try:
        packet = wire.split(value, source, book, key)
        keys = read_keys(survey, wire.decode(packet.datum, packet.schema))
    except PacketError as error:
        return {"schema_key": error.schema_key, "reason": error.reason,
                "detail": error.detail[:1000]}
    return {"schema_key": packet.schema.key, "header": packet.schema.header or None,
            "datum": packet.datum, "sync": packet.sync,
            "exact": wire.join(packet.schema, packet.datum, packet.sync) == value, **keys}


def read_keys(survey, record):
    """Key columns of a decoded packet, each of the type that bronze has.

    Raises
    ------
    PacketError
        ``keys_missing``: no alert id, or the packet's fields are not what the survey's YAML says;
        a schema that came with a packet may be anything.
    """
    try:
        keys = reference.keys(survey, record)
        pa.array([keys], KEYS_ROW)
    except (TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise PacketError("keys_missing", f"fields unlike {survey.name}'s: {error!r}") from error
    if keys["diaSourceId"] is None:
        raise PacketError("keys_missing", f"no diaSourceId for survey {survey.name}")
    return keys
