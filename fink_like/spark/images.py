"""Images of alerts for the modules that take them: decoded only then, and never kept in silver."""

from pyspark.sql import functions as F

from fink_like.kit.registry import takes
from fink_like.packets import normalise
from fink_like.spark import tables
from fink_like.spark.avro import Decoder
from fink_like.spark.schema_store import SchemaStore
from fink_like.vocabulary import CUTOUTS

BYTES = 32 * 2**20
"""Most of an Arrow batch with images, 300 alerts. The session's 4 MB are 40, and each module is
called for each batch."""

PLACE = ("topic", "partition", "offset")


def are_taken(specs):
    """Whether one of the modules takes cutouts."""
    return takes(specs, CUTOUTS)


def sql(decoder):
    """SQL of the struct ``cutouts``; null where a packet, or its survey, has none."""
    pairs = (f"'{f.name}', CAST({decoder.by_survey(lambda a, n=f.name: a.stamps().get(n, 'NULL'))} "
             "AS BINARY)" for f in CUTOUTS.fields)
    return f"named_struct({', '.join(pairs)})"


def with_cutouts(alerts, night, settings, surveys):
    """Add the struct ``cutouts`` to alerts of silver, from their packets in bronze.

    Parameters
    ----------
    alerts : DataFrame
        Of one night.
    night : int
    settings : Settings
    surveys : dict

    Returns
    -------
    DataFrame
        No alert less: of one whose packet is not kept any more the struct is null.
    """
    spark, keys = alerts.sparkSession, {}
    for survey, key in alerts.select("survey", "packet.schema_key").distinct().collect():
        keys.setdefault(survey, []).append(key)
    store = SchemaStore(spark, settings, surveys)
    store.refresh()
    decoder = Decoder(surveys, store.pick(keys), lambda survey: normalise.wanted_paths(
        survey, light_curve=False, own=False, stamps=True))
    bronze = tables.read(spark, settings.path(tables.BRONZE_TABLE))
    packets = bronze.where((F.col("night") == int(night)) & (F.col("state") == "ok")).select(
        *(F.col(name).alias(f"_{name}") for name in PLACE), "survey", "schema_key", "datum")
    found = decoder.decode(packets).selectExpr(*(f"_{name}" for name in PLACE),
                                               f"{sql(decoder)} AS {CUTOUTS.name}")
    same = [F.col(f"packet.{name}") == F.col(f"_{name}") for name in PLACE]
    return alerts.join(found, on=same, how="left").drop(*(f"_{name}" for name in PLACE))
