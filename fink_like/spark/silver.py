"""Rows of bronze -> rows of silver: the packet decoded in full, scored by all modules at once."""

from pyspark.sql import functions as F

from fink_like import __version__
from fink_like.kit.registry import SHADOW
from fink_like.packets import normalise
from fink_like.spark import images
from fink_like.spark.avro import Decoder
from fink_like.spark.tables import silver_fields
from fink_like.spark.udfs import score
from fink_like.vocabulary import BROKER, CUTOUTS, DETAILS, KEYS, NOT_STORED, PacketStatus, leaves

SCORED_ROWS = 1000  # alerts Python sees at once: modules are as fast per alert as with 10,000
COORDINATES = ("survey", "night", "topic", "partition", "offset", "schema_key", "bytes",
               "kafka_time", "ingest_time")


def rows(frame, surveys, known, specs, history=None, **scoring):
    """Silver rows of a batch of readable bronze rows; every alert in is an alert out.

    Parameters
    ----------
    frame : DataFrame
        Bronze rows of state ``ok``.
    surveys : dict
    known : dict
        Survey name -> list of PacketSchema, all that occur in the batch.
    specs : list of ModuleSpec
        Those in shadow get columns behind silver's own.
    history : History, optional
        Of objects, for modules that take it.
    **scoring
        Of `fink_like.spark.udfs.score`: limits, what is off, the tally.

    Returns
    -------
    DataFrame
    """
    taken = images.are_taken(specs)
    frame.sparkSession.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", SCORED_ROWS)
    if taken:
        frame.sparkSession.conf.set("spark.sql.execution.arrow.maxBytesPerBatch", images.BYTES)
    alerts = neutral(frame, surveys, known, taken)
    if history:
        alerts = history.beside(alerts, frame)
    fields = silver_fields(surveys, sorted(specs, key=lambda spec: spec.state == SHADOW))
    if specs:
        present = set(leaves((*fields, *(s for s in NOT_STORED if s.name in alerts.columns))))
        alerts = (alerts.select("*", score(specs, present, **scoring).alias("modules"))
                  .select("*", *(F.col(f"modules.{spec.name}").alias(spec.name) for spec in specs)))
    return alerts.selectExpr(*(f"CAST(`{f.name}` AS {f.type}) AS `{f.name}`" for f in fields))


def neutral(frame, surveys, known, stamps=False):
    """Neutral alerts, before any module; with ``cutouts`` if these are wanted.

    Parameters and returns as `rows`.
    """
    decoder = Decoder(surveys, known,
                      lambda survey: normalise.wanted_paths(survey, stamps=stamps))
    keys = [f.name for f in KEYS]
    decoded = decoder.decode(frame.select(*COORDINATES, *keys, "datum"))
    details = {f.name: decoder.by_survey(lambda alert, n=f.name: alert.details()[n])
               for f in DETAILS}
    own = {name: f"CASE WHEN survey = '{name}' THEN {alert.own()} END"
           for name, alert in decoder.sql.items()}
    points = f"CASE WHEN {decoder.read()} THEN {decoder.by_survey(lambda a: a.points())} END"
    read = f"CASE WHEN {decoder.read()} THEN {PacketStatus.OK} ELSE {PacketStatus.UNDECODABLE} END"
    columns = {**details, **own, "points": points, "packet_status": read}
    if stamps:
        columns[CUTOUTS.name] = images.sql(decoder)
    spread = decoded.selectExpr(*COORDINATES, *keys, *(f"{sql} AS `{n}`"
                                                       for n, sql in columns.items()))
    return spread.selectExpr("* EXCEPT (points)", *(f"{sql} AS {n}" for n, sql in _ours().items()))


def _ours():
    """Column -> SQL of what we add to what the packet says."""
    broker = broker_sql("kafka_time", "ingest_time", retrospective=False)
    place = ", ".join(f"'{n}', `{n}`" for n in ("topic", "partition", "offset", "schema_key",
                                                "bytes"))
    return {**normalise.counted_sql(), "lc": normalise.light_curve_sql(),
            "sky": normalise.sky_sql(), "revision": "0", "packet": f"named_struct({place})",
            "broker": broker}


def broker_sql(kafka_time, ingest_time, retrospective):
    """SQL of the struct `broker` of an alert that is scored now.

    Parameters
    ----------
    kafka_time, ingest_time : str
        SQL of these times.
    retrospective : bool
    """
    values = {"kafka_time": kafka_time, "ingest_time": ingest_time,
              "science_time": "current_timestamp()", "version": f"'{__version__}'",
              "retrospective": str(retrospective).lower()}
    pairs = ", ".join(f"'{f.name}', {values[f.name]}" for f in BROKER)
    return f"named_struct({pairs})"
