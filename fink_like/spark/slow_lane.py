"""The slow lane: packets that the JVM could not read, one by one in Python.

It takes any codec, any container header, ids that only the registry knows, and says of the rest
exactly what is wrong. Between 30 and 1,500 packets a second, so it serves the first packets of a
new schema; from the next batch on that schema takes the fast lane.
"""

import json
import urllib.error
import urllib.request

import pyarrow as pa
from pyspark.sql import functions as F

from fink_like.errors import PacketError, SchemaError
from fink_like.packets import reference, schemas, wire
from fink_like.spark.tables import ddl
from fink_like.vocabulary import KEYS, Field

REGISTRY_TIMEOUT_S = 10
BOOKS = {}  # of a Python worker, for the batch in hand

RESULT = (
    Field("schema_key", "string"), Field("header", "binary"), Field("datum", "binary"),
    Field("sync", "binary"), Field("exact", "boolean"),
    Field("reason", "string"), Field("detail", "string"), *KEYS)

ARROW = {"string": pa.string(), "binary": pa.binary(), "boolean": pa.bool_(),
         "bigint": pa.int64(), "double": pa.float64(), "float": pa.float32()}
KEYS_ROW = pa.struct([(f.name, ARROW[f.type]) for f in KEYS])


def slow_lane(surveys, known, registry, batch_id):
    """The UDF (value or null, survey) -> struct of `RESULT`; null in, null out.

    Parameters
    ----------
    surveys : dict
        Name -> Survey.
    known : dict
        Survey name -> list of PacketSchema.
    registry : str
        URL, or empty.
    batch_id : int
        A registry that does not answer is asked once an id, batch and worker.
    """
    result = pa.struct([(f.name, ARROW[f.type]) for f in RESULT])
    fetch = registry_fetch(registry) if registry else None

    @F.arrow_udf(ddl(RESULT))
    def read_slowly(values: pa.Array, names: pa.Array) -> pa.Array:
        if values.null_count == len(values):
            return pa.nulls(len(values), result)
        if batch_id not in BOOKS:
            BOOKS.clear()
            BOOKS[batch_id] = {n: schemas.SchemaBook(None, known[n], fetch) for n in surveys}
        books = BOOKS[batch_id]
        rows = [None if value is None else read_one(value, surveys[name], books[name])
                for value, name in zip(values.to_pylist(), names.to_pylist())]
        return pa.array(rows, result)

    return read_slowly


def read_one(value, survey, book):
    """Read one message, or say why it cannot be read.

    Parameters
    ----------
    value : bytes
    survey : Survey
    book : SchemaBook

    Returns
    -------
    dict
        Of the names in `RESULT`; ``reason`` is null if it was read.
    """
    try:
        packet = wire.split(value, survey.wire, book)
        keys = read_keys(survey, wire.decode(packet.datum, packet.schema))
    except PacketError as error:
        return {"reason": error.reason, "detail": error.detail[:1000]}
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


def registry_fetch(url):
    """A ``fetch(id)`` for `SchemaBook` that asks a Confluent-style registry.

    Parameters
    ----------
    url : str
        Base; ``<url>/schemas/ids/<id>`` answers ``{"schema": "<JSON text>"}``.
    """
    def fetch(number):
        address = f"{url.rstrip('/')}/schemas/ids/{number}"
        try:
            with urllib.request.urlopen(address, timeout=REGISTRY_TIMEOUT_S) as answer:
                return json.loads(answer.read())["schema"]
        except urllib.error.HTTPError as error:
            failure = SchemaError(f"{address} answered {error.code}")
            failure.waits = error.code >= 500
        except (OSError, ValueError, KeyError, TypeError) as error:
            failure = SchemaError(f"{address}: {error!r}")
            failure.waits = True
        raise failure

    return fetch
