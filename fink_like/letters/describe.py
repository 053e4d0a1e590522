"""All about one dead letter: what it is, why it could not be read, what to do."""

import base64
import io
from pathlib import Path

import fastavro

from fink_like.client.archive import open_dataset
from fink_like.errors import BrokerError, PacketError
from fink_like.letters.advice import ADVICE
from fink_like.letters.export import headers
from fink_like.letters.selection import Selection
from fink_like.packets import container, schemas, wire
from fink_like.packets import survey as survey_declarations
from fink_like.packets.inputs import CONTAINER_BEGINS
from fink_like.packets.walk import locate
from fink_like.reports import SmallFiles
from fink_like.vocabulary import DEAD_LETTER_REASONS

FIRST_BYTES, IN_A_LINE = 96, 16
HEAD = ("night", "state", "survey", "topic", "partition", "offset", "kafka_time", "ingest_time",
        "batch_id", "attempt", "bytes", "schema_key", "lane", "reason", "detail", "diaSourceId",
        "key", "headers", "value")


def describe(settings, place):
    """Lines that tell all about one message that could not be read.

    Parameters
    ----------
    settings : Settings
    place : str
        ``TOPIC:PARTITION:OFFSET``.

    Returns
    -------
    list of str

    Raises
    ------
    BrokerError
        Bronze has no such message.
    """
    surveys = survey_declarations.load_all(settings.conf / "surveys")
    here = Selection((), place=place).expression()
    rows = open_dataset(settings.data, "bronze").to_table(columns=list(HEAD),
                                                          filter=here).to_pylist()
    rows.sort(key=lambda row: row["attempt"])
    if not rows:
        raise BrokerError(f"bronze of {settings.data} has no message {place}: not read yet, or "
                          "past its retention")
    first, lines = rows[0], [f"message {place}"]
    lines += _head(first)
    for later in rows[1:]:
        lines.append(f"  attempt {later['attempt']}   {later['ingest_time']:%F %T} UTC: "
                     f"{later['state']}, alert {later['diaSourceId']}, night {later['night']}")
    if first["state"] != "ok":
        lines += _content(first["value"])
        lines += ["now"] + _now(first, settings, surveys, is_open=rows[-1]["state"] != "ok")
    return lines


def _head(row):
    lines = [f"  night       {row['night']}, survey {row['survey'] or '(no survey claims it)'}",
             f"  in Kafka    {row['kafka_time']:%F %T.%f} UTC, {row['bytes']} bytes",
             f"  in bronze   {row['ingest_time']:%F %T.%f} UTC, batch {row['batch_id']}, "
             f"state {row['state']}",
             f"  headers     {headers(row) or '(none)'}",
             f"  schema      {row['schema_key'] or '(not found out)'}"]
    if row["state"] != "ok":
        lines += [f"  reason      {row['reason']}: {DEAD_LETTER_REASONS[row['reason']]}",
                  f"  detail      {row['detail'] or '(none)'}"]
    return lines


def _content(value):
    if not value:
        return ["  value       " + ("none: a tombstone" if value is None else "zero bytes")]
    lines = [f"value, the first {min(FIRST_BYTES, len(value))} of {len(value)} bytes"]
    for at in range(0, min(FIRST_BYTES, len(value)), IN_A_LINE):
        part = value[at:at + IN_A_LINE]
        text = "".join(chr(b) if 32 <= b < 127 else "." for b in part)
        lines.append(f"  {at:06x}  {part.hex(' '):<{3 * IN_A_LINE}} {text}")
    if value[:4] == CONTAINER_BEGINS:
        lines += _container(value)
    elif value[:1] == b"\x00" and len(value) > wire.FRAME_BYTES:
        number = int.from_bytes(value[1:wire.FRAME_BYTES], "big")
        lines.append(f"  a frame of schema id {number}, {len(value) - wire.FRAME_BYTES} bytes")
    return lines


def _container(value):
    stream = io.BytesIO(value)
    try:
        head = fastavro.schemaless_reader(stream, container.HEADER_SCHEMA)
    except Exception as error:  # damaged bytes raise nearly anything
        return [f"  an Avro container whose header cannot be read: {error!r}"]
    meta = {name: len(text) for name, text in head["meta"].items()}
    codec = head["meta"].get("avro.codec", b"null").decode("ascii", "replace")
    key = wire.header_key(value[:stream.tell() - container.SYNC_BYTES])
    return [f"  an Avro container, its header {stream.tell()} bytes, schema key {key}, "
            f"codec {codec}",
            f"  header      {', '.join(f'{name} ({size} bytes)' for name, size in meta.items())}; "
            f"sync {head['sync'].hex()}"]


def _now(row, settings, surveys, is_open):
    """What would happen if it were read again, and what to do."""
    claimed = [s for s in surveys.values() if s.claims(row["topic"])]
    reason, said = row["reason"], "no survey claims the topic"
    if claimed and row["value"]:
        try:
            return _readable(_read(row, claimed[0], settings), row, is_open)
        except PacketError as error:
            reason, said = error.reason, error.detail
    elif claimed:
        said = "there is nothing to read"
    lines = [f"  cannot be read: {reason}: {said}"]
    if claimed and row["value"]:
        lines += _place_of_damage(row, claimed[0], settings)
    advice = ADVICE[reason].replace("REASON", reason)
    return [*lines, f"  what to do  {advice.replace('SURVEY', row['survey'] or 'SURVEY')}"]


def _readable(keys, row, is_open):
    found = f"alert {keys['diaSourceId']} at {keys['ra']}, {keys['dec']}"
    if not is_open:
        return [f"  was read later: {found}"]
    return [f"  CAN BE READ NOW: {found}",
            f"  what to do  fink-like dead-letters replay --place {row['topic']}:"
            f"{row['partition']}:{row['offset']}"]


def _read(row, survey, settings):
    """Key columns, by ingest's own slow lane; PacketError if that fails."""
    from fink_like.spark.slow_lane import read_keys
    packet = _split(row, survey, _book(survey.name, settings))
    return read_keys(survey, wire.decode(packet.datum, packet.schema))


def _split(row, survey, book):
    return wire.split(row["value"], survey.input_of(row["topic"]), book, row["key"])


def _place_of_damage(row, survey, settings):
    book = _book(survey.name, settings)
    try:
        packet = _split(row, survey, book)
    except PacketError as error:
        return _other_schemas(row["value"], book) if error.reason == "unknown_schema" else []
    stop = locate(packet.datum, packet.schema.avro)
    return [] if stop is None else [
        f"  stops at    field {stop.path or '(behind the last)'}, byte {stop.offset} of the "
        f"datum's {len(packet.datum)}: {stop.problem}"]


def _other_schemas(value, book):
    """A frame of an unknown id: whether a known schema happens to fit. Only a hint."""
    fitting = [key for key, schema in book.known.items()
               if locate(value[wire.FRAME_BYTES:], schema.avro) is None]
    return [f"  but         its bytes follow schema {', '.join(fitting)} to the last one; does the "
            "new one differ?"] if fitting else []


def _book(name, settings):
    """Schemas of the project and of packets met before."""
    kept = SmallFiles(settings.data, "schemas", name)
    known = [schemas.PacketSchema(one["key"], one["avro"], base64.b64decode(one["header"]),
                                  one["codec"]) for one in map(kept.read, kept.names())]
    folder = Path(settings.schemas) / name
    return schemas.SchemaBook(folder if folder.is_dir() else None, known, settings.registry)
