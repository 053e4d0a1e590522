"""Every column of the neutral alert: name, type, unit, UCD and meaning.

One alert is one row of silver. Names in camelCase are the survey's, in Rubin's spelling
(https://sdm-schemas.lsst.io); names in snake_case are ours, and when they come from one of our
parts they sit in a struct named after it (``packet``, ``broker``, ``sky``, each science module).

Types are Spark SQL's. Missing is null, never a sentinel; ids are never null, 0 means "none".
"""

from dataclasses import dataclass, field
from enum import IntEnum


@dataclass(frozen=True)
class Field:
    """One column, in any table of ours.

    Parameters
    ----------
    name : str
    type : str
        Spark SQL type: ``double``, ``array<float>``, ...
    unit : str, optional
        As astropy.units writes it (``nJy``, ``deg``, ``mag / d``); empty: none.
    ucd : str, optional
        IVOA unified content descriptor.
    doc : str, optional
        What it means, one sentence.
    """

    name: str
    type: str
    unit: str = ""
    ucd: str = ""
    doc: str = ""


@dataclass(frozen=True)
class Struct:
    """A group of fields under one name."""

    name: str
    fields: tuple = field(default_factory=tuple)
    doc: str = ""

    @property
    def type(self):
        """Spark SQL type of the group."""
        return "struct<" + ",".join(f"`{f.name}`:{f.type}" for f in self.fields) + ">"


class Status(IntEnum):
    """Why a module's outputs are there or not: > 0 for a good reason, < 0 is our fault."""

    OK = 0
    NOT_APPLICABLE = 1
    TOO_FEW_POINTS = 2
    INPUT_MISSING = 3
    FAILED = -1
    TIMED_OUT = -2
    OFF = -3


class PacketStatus(IntEnum):
    """Whether science could read the packet again that ingest had read."""

    OK = 0
    UNDECODABLE = -1


DETECTION, FORCED, LIMIT = "detection", "forced", "limit"
BANDS = ("u", "g", "r", "i", "z", "y")

AB_ZEROPOINT = 31.4  # mag of 1 nJy: AB mag = 31.4 - 2.5 log10(flux / nJy)

DEAD_LETTER_REASONS = {
    "empty": "the message has no value (a tombstone) or zero bytes",
    "unknown_topic": "no survey in conf/surveys claims this topic",
    "not_this_wire_form": "the bytes are not in the wire form that the survey's YAML names",
    "truncated": "the bytes end before the packet does",
    "bad_container": "the Avro container's header, block or sync marker is damaged",
    "record_count": "a container must hold exactly one record",
    "unknown_codec": "the container is compressed in a way that cannot be read here",
    "schema_invalid": "the schema inside the container is not valid Avro",
    "unknown_schema": "no schema of this id in the folder, the cache or the registry",
    "schema_unreachable": "the schema registry has not answered yet; the row is kept, and waits",
    "undecodable": "the bytes do not follow their schema",
    "surplus_bytes": "bytes are left over behind the record",
    "keys_missing": "decoded, but without the alert id that every row needs",
}
"""Closed list of reasons, with what each means."""

STATES = ("ok", "waiting", "dead")
"""Bronze `state`: readable; unreadable for want of a schema; unreadable."""

KEYS = (
    Field("diaSourceId", "bigint", "", "meta.id;meta.main",
          "The alert's id: Rubin diaSourceId, ZTF candid."),
    Field("diaObjectId", "bigint", "", "meta.id.parent",
          "The static object it belongs to, 0: none. ZTF's text objectId as a number, see "
          "`fink_like.packets.conversions.text_id`."),
    Field("ssObjectId", "bigint", "", "meta.id.parent",
          "The Solar System object it belongs to, 0: none or not given as a number."),
    Field("objectId", "string", "", "meta.id.parent",
          "Text twin of the object's id, as the survey writes it."),
    Field("midpointMjdTai", "double", "d", "time.epoch",
          "Middle of the exposure, MJD in TAI."),
    Field("ra", "double", "deg", "pos.eq.ra;meta.main", "Right ascension, ICRS, 0 to 360."),
    Field("dec", "double", "deg", "pos.eq.dec;meta.main", "Declination, ICRS, -90 to 90."),
    Field("band", "string", "", "instr.bandpass", "Passband: u, g, r, i, z or y."),
    Field("psfFlux", "float", "nJy", "phot.flux",
          "Difference flux of the point-source fit; negative: fainter than the template."),
    Field("psfFluxErr", "float", "nJy", "stat.error;phot.flux", "Its 1-sigma error."),
    Field("snr", "float", "", "stat.snr", "psfFlux over psfFluxErr, absolute, as detected."),
)
"""What bronze knows of an alert, and silver repeats."""

DETAILS = (
    Field("raErr", "float", "deg", "stat.error;pos.eq.ra", "1-sigma error of ra (times cos dec)."),
    Field("decErr", "float", "deg", "stat.error;pos.eq.dec", "1-sigma error of dec."),
    Field("visit", "bigint", "", "meta.id;obs", "Exposure id as the survey gives it (ZTF: pid)."),
    Field("detector", "int", "", "meta.id;instr.det", "Detector or readout channel."),
    Field("reliability", "float", "", "stat.probability",
          "Rubin's real/bogus score, 0 to 1; other surveys' scores are in their own struct."),
    Field("total_flux", "float", "nJy", "phot.flux",
          "Flux in the science image: difference plus template."),
    Field("total_flux_err", "float", "nJy", "stat.error;phot.flux", "Its 1-sigma error."),
    Field("template_flux", "float", "nJy", "phot.flux",
          "Flux of the reference source at the position, null where there is none."),
    Field("template_flux_err", "float", "nJy", "stat.error;phot.flux", "Its 1-sigma error."),
    Field("n_det", "int", "", "meta.number",
          "Detections of the object over the whole survey, this one included, as the survey "
          "counts them; null: not given."),
    Field("age", "double", "d", "time.interval",
          "Days since the survey's first detection of the object; null: not given."),
    Field("exposure_assumed", "boolean", "", "meta.code",
          "True: the packet has no exposure time, the survey's default gave the midpoint."),
)
"""What only silver says of the difference source itself."""

LIGHT_CURVE = (
    Field("midpointMjdTai", "array<double>", "d", "time.epoch", "Middle of the exposure, MJD TAI."),
    Field("band", "array<string>", "", "instr.bandpass", "Passband of the point."),
    Field("psfFlux", "array<float>", "nJy", "phot.flux", "Difference flux; null in a limit."),
    Field("psfFluxErr", "array<float>", "nJy", "stat.error;phot.flux",
          "1-sigma error; in a limit the 5-sigma limiting flux divided by 5."),
    Field("kind", "array<string>", "", "meta.code", "detection, forced or limit."),
    Field("paired", "array<boolean>", "", "meta.code",
          "True: a forced point of an exposure that has a detection; leave it out of fits."),
)
"""`lc`: history and the alert's own point, one array per column, ascending in time."""

SKY = (
    Field("gal_l", "double", "deg", "pos.galactic.lon", "Galactic longitude."),
    Field("gal_b", "double", "deg", "pos.galactic.lat", "Galactic latitude."),
    Field("ecl_lat", "double", "deg", "pos.ecliptic.lat", "Ecliptic latitude, J2000 obliquity."),
)
"""`sky`: computed from the position."""

PACKET = (
    Field("topic", "string", "", "", "Kafka topic of the packet."),
    Field("partition", "int", "", "", "Kafka partition."),
    Field("offset", "bigint", "", "", "Kafka offset."),
    Field("schema_key", "string", "", "", "Which schema wrote the packet, see `packets.wire`."),
    Field("bytes", "int", "byte", "", "Size of the Kafka value."),
)
"""`packet`: where the bytes are; with `night` it finds them in bronze."""

BROKER = (
    Field("kafka_time", "timestamp", "", "time.epoch", "Timestamp of the Kafka record."),
    Field("ingest_time", "timestamp", "", "time.epoch", "When ingest wrote the packet to bronze."),
    Field("science_time", "timestamp", "", "time.epoch", "When science scored the alert."),
    Field("version", "string", "", "meta.version", "Version of this broker."),
    Field("retrospective", "boolean", "", "meta.code",
          "True: scored by a backfill of past nights, and not sent to substreams."),
)
"""`broker`: our own times and version."""

COUNTED = (
    Field("n_det_in_packet", "int", "", "meta.number", "Detections in `lc`, this one included."),
    Field("age_in_packet", "double", "d", "time.interval",
          "Days from the first detection in `lc` to this one."),
)
"""Counted by us in the packet, beside the survey's own `n_det` and `age`."""

NEUTRAL = (
    Field("survey", "string", "", "meta.id", "Name of the survey, as its YAML file is called."),
    Field("night", "int", "", "time.epoch",
          "Observing night YYYYMMDD, local noon to noon at the site."),
    *KEYS, *DETAILS, *COUNTED,
    Field("revision", "int", "", "meta.version", "0: first scoring; >= 1: scored again later."),
    Field("packet_status", "tinyint", "", "meta.code", "0: decoded; < 0: keys only."),
    Struct("lc", LIGHT_CURVE, "Light curve: history and this point."),
    Struct("sky", SKY, "Where on the sky."),
    Struct("packet", PACKET, "Where the bytes are."),
    Struct("broker", BROKER, "When we did what."),
)
"""Silver, before the surveys' own structs and the modules' structs are added."""

HISTORY = Struct("history", LIGHT_CURVE, "Light curve of the object from our own alerts before.")
"""What modules may take, and silver does not keep: it is in the table `history`."""

CUTOUTS = Struct("cutouts", (
    Field("science", "binary", "", "obs.image", "FITS file: the image in which it was detected."),
    Field("template", "binary", "", "obs.image", "FITS file: the reference image of that place."),
    Field("difference", "binary", "", "obs.image", "FITS file: science minus template."),
), "Images around the source, as in the packet.")
"""What modules may take of the packet, and silver does not keep."""

NOT_STORED = (HISTORY, CUTOUTS)
INPUTS = (*NEUTRAL, *NOT_STORED)
"""What a module may take of every survey's alerts."""


def leaves(fields=NEUTRAL, prefix=""):
    """Flatten structs to ``{dotted name: Field}``.

    Parameters
    ----------
    fields : iterable of Field or Struct
    prefix : str
        Put before each name.

    Returns
    -------
    dict
    """
    found = {}
    for entry in fields:
        if isinstance(entry, Struct):
            found.update(leaves(entry.fields, f"{prefix}{entry.name}."))
        else:
            found[prefix + entry.name] = entry
    return found

BRONZE = (
    Field("night", "int", "", "time.epoch", "Observing night YYYYMMDD; partition."),
    Field("state", "string", "", "meta.code", "ok, waiting or dead, see STATES; partition."),
    Field("survey", "string", "", "meta.id", "Survey that claims the topic; null: none does."),
    Field("topic", "string", "", "", "Kafka topic."),
    Field("partition", "int", "", "", "Kafka partition."),
    Field("offset", "bigint", "", "", "Kafka offset."),
    Field("kafka_time", "timestamp", "", "time.epoch", "Timestamp of the Kafka record."),
    Field("ingest_time", "timestamp", "", "time.epoch", "When ingest wrote the row."),
    Field("batch_id", "bigint", "", "", "Ingest batch that wrote the row; of a re-driven row the "
          "number of the re-drive."),
    Field("attempt", "int", "", "meta.version",
          "0: as it came; >= 1: the same coordinates, read again after something was mended."),
    Field("bytes", "int", "byte", "", "Size of the Kafka value."),
    Field("schema_key", "string", "", "", "Registry id; c + 16 hex digits of the SHA-256 of the "
          "header or key that brought the schema; v + name of the project's file."),
    Field("lane", "string", "", "meta.code", "fast: decoded in the JVM; slow: in Python."),
    Field("reason", "string", "", "meta.code", "Why not ok, see DEAD_LETTER_REASONS."),
    Field("detail", "string", "", "meta.note", "What was found, in words."),
    Field("night_assumed", "boolean", "", "meta.code",
          "True: the alert's time is damaged or unknown, the night is Kafka's."),
    *KEYS,
    Field("datum_hash", "bigint", "", "",
          "xxhash64 of the datum: a duplicate has the same, a revision has not."),
    Field("key", "binary", "", "", "Kafka key; null if it is the schema, kept by schema_key."),
    Field("headers", "array<struct<key:string,value:binary>>", "", "", "Kafka headers."),
    Field("sync", "binary", "", "", "Around the datum: a container's sync marker, 16 bytes; a "
          "frame with an alias, 5; nothing, 0; null: a frame of schema_key."),
    Field("header", "binary", "", "", "What brought the schema, where it is met the first time."),
    Field("datum", "binary", "", "", "The Avro record, without frame or container; of JSON: ours."),
    Field("value", "binary", "", "", "The whole message, where it cannot be put together from "
          "header, sync and datum."),
)
"""Bronze: one row a Kafka message, whatever it holds."""
