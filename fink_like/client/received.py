"""One alert of a substream: decoded, and told in a few lines."""

import datetime
import io
import json
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import fastavro
import numpy as np
import pandas as pd

from fink_like.client import declared, stored_packets
from fink_like.client.archive import MAGNITUDE_SNR, light_curve, magnitude
from fink_like.errors import PacketError
from fink_like.packets import reference
from fink_like.packets.conversions import DAY, tai_minus_utc
from fink_like.packets.enriched import NAMESPACE
from fink_like.vocabulary import BANDS, Status

NOT_SCORES = ("broker", "delivery")  # structs of ours that no module wrote
YEAR_10000 = 2_973_484  # its MJD, where Python's dates end; a damaged packet may say more
MJD_EPOCH = datetime.datetime(1858, 11, 17, tzinfo=datetime.timezone.utc)
SHOWN = 8  # values of one module in a description


@dataclass(frozen=True)
class Alert:
    """One alert, as a substream sends it.

    Parameters
    ----------
    topic : str
    partition, offset : int
        Where it is in Kafka.
    survey : str
    alert_id : str
        As text; the number is in ``row["diaSourceId"]``.
    revision : int
        0: first scoring; greater: scored again later.
    headers : dict
        Kafka headers, texts.
    record : dict
        The survey's packet with our columns behind it, decoded; integers are exact.
    scores : dict
        Module -> its outputs, ``status`` and ``version``.
    """

    topic: str
    partition: int
    offset: int
    survey: str
    alert_id: str
    revision: int
    headers: dict = field(repr=False)
    record: dict = field(repr=False)
    scores: dict = field(repr=False)

    @cached_property
    def row(self):
        """The alert's columns by their names in silver, structs flattened.

        What the packet and the modules say; not where our tables keep it (``night``, ``packet``).
        """
        neutral = reference.alert(declared.survey(self.survey), self.record)
        return {"survey": self.survey, "revision": self.revision,
                **_flatten({**neutral, **self.scores})}

    @property
    def cutouts(self):
        """Cutout images, as `fink_like.client.cutouts`."""
        return stored_packets.of_record(declared.survey(self.survey), self.record)


def read(message):
    """Decode a Kafka message of the fink-live profile: schema JSON as key, bare Avro as value.

    Parameters
    ----------
    message : confluent_kafka.Message

    Returns
    -------
    Alert

    Raises
    ------
    PacketError
        The key is no schema, or the value does not follow it.
    """
    headers = {name: (value or b"").decode("utf-8", "replace")
               for name, value in message.headers() or ()}
    schema, modules = _schema(message.key() or b"")
    try:
        record = fastavro.schemaless_reader(io.BytesIO(message.value() or b""), schema)
    except Exception as error:  # damaged bytes raise nearly anything
        raise PacketError("undecodable", repr(error)[:200]) from error
    place = f"{message.partition()}:{message.offset()}"
    return Alert(message.topic(), message.partition(), message.offset(),
                 headers.get("survey", ""), headers.get("alert_id", place),
                 int(headers.get("revision", 0)), headers, record,
                 {name: record[name] for name in modules if record[name] is not None})


@lru_cache(maxsize=256)  # to parse a schema takes as long as to decode hundreds of alerts
def _schema(key):
    """The parsed schema of a message's key, and the names of the modules in it."""
    try:
        avro = json.loads(key)
        modules = [f["name"] for f in avro["fields"]
                   if f["name"] not in NOT_SCORES and _is_ours(f["type"])]
        return fastavro.parse_schema(avro), modules
    except Exception as error:  # fastavro raises SchemaParseException, KeyError, TypeError, ...
        detail = f"the key is no Avro schema: {error!r}"[:200]
        raise PacketError("schema_invalid", detail) from error


def _is_ours(kind):
    branches = kind if isinstance(kind, list) else [kind]
    return any(isinstance(b, dict) and str(b.get("name", "")).startswith(f"{NAMESPACE}.")
               for b in branches)


def _flatten(row):
    flat = {}
    for name, value in row.items():
        if isinstance(value, dict):
            flat.update({f"{name}.{inner}": v for inner, v in value.items()})
        else:
            flat[name] = value
    return flat


def describe(alert):
    """A few lines about an alert, for people.

    Parameters
    ----------
    alert : Alert or mapping
        Received, or a row of silver.

    Returns
    -------
    str
        Who, when and how bright, where, history, and what each module that had an answer says.
    """
    received = isinstance(alert, Alert)
    row = alert.row if received else dict(alert)
    thing = row["objectId"] or "no object"
    lines = [f"{row['survey']} alert {row['diaSourceId']}  object {thing}"
             + (f"  revision {row['revision']}" if row["revision"] else "")
             + (f"  from {alert.topic}" if received else ""),
             f"{moment(row)}  {brightness(row)}", f"{position(row)}  {_history(row)}"]
    return "\n  ".join([*lines, *_scores(row)])


def moment(row):
    """Date and time of a row in UTC, as text."""
    mjd = row["midpointMjdTai"]
    if pd.isna(mjd) or not 0 <= mjd < YEAR_10000:
        return "time unknown"
    seconds = tai_minus_utc(mjd - tai_minus_utc(mjd) / DAY)
    return f"{MJD_EPOCH + datetime.timedelta(days=mjd - seconds / DAY):%Y-%m-%d %H:%M:%S} UTC"


def position(row):
    """Right ascension and declination of a row in degrees, as text."""
    if pd.isna(row["ra"]) or pd.isna(row["dec"]):
        return "position unknown"
    return f"RA {row['ra']:.5f}  Dec {row['dec']:+.5f}"


def brightness(row):
    """Band, difference flux and its magnitude, as text."""
    flux, error, band = row["psfFlux"], row["psfFluxErr"], row["band"] or "no band"
    if pd.isna(flux) or pd.isna(error):
        return f"{band}  no flux"
    text = f"{band}  {flux:,.0f} +- {error:,.0f} nJy"
    if not abs(flux) > MAGNITUDE_SNR * error:
        return text
    below = ", below the template" if flux < 0 else ""
    return f"{text}  ({magnitude(abs(flux)):.2f} mag{below})"


def _history(row):
    points = light_curve(row)
    if points.empty:
        return "no light curve"
    counts = [f"{count} {kind}{'s' if count > 1 and kind != 'forced' else ''}"
              for kind, count in points["kind"].value_counts().items()]
    bands = "".join(b for b in BANDS if b in set(points["band"]))
    return f"{', '.join(counts)} in {bands}, {np.ptp(points['mjd']):.1f} d"


def _scores(row):
    """One line a module that has an answer; what is null or plumbing is left out."""
    for module in [name.removesuffix(".status") for name in row if name.endswith(".status")]:
        if row[f"{module}.status"] != Status.OK:
            continue
        values = {name.removeprefix(f"{module}."): value for name, value in row.items()
                  if name.startswith(f"{module}.") and _says_something(name, value)}
        shown = [f"{n} {_short(v)}" for n, v in values.items() if n not in ("status", "version")]
        more = f", and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
        yield f"{module}: {', '.join(shown[:SHOWN])}{more}"


def _says_something(name, value):
    """A value that is there; of zeros and noes only the answers to a question."""
    if np.ndim(value) or pd.isna(value):
        return False
    return bool(value) or name.rpartition(".")[2].startswith(("is_", "has_"))


def _short(value):
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, (float, np.floating)) else str(value)
