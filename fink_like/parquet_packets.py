"""Alerts in Parquet, such as another broker's archive -> packets of a survey's schema.

The columns must be nested and named as the survey's packets are; columns that the schema does not
have are left out. What Spark and Arrow do to a packet is undone: a record of nulls is null again
where the schema allows it. A number that was rounded on its way is refused: it is another number.
"""

import datetime
import hashlib
import io
import math
from dataclasses import dataclass

import fastavro
import pyarrow.parquet as pq

from fink_like.errors import ConfigError, PacketError
from fink_like.packets import container, container_files, schemas, wire
from fink_like.packets import survey as survey_declarations

ROWS_A_READ = 64  # rows of up to 0.9 MB
EXACT_IN_DOUBLE = 2**53
LARGEST = {"int": 2**31, "long": 2**63}
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
MICROSECOND = datetime.timedelta(microseconds=1)


@dataclass(frozen=True)
class Target:
    """The packets to make.

    Parameters
    ----------
    schema : PacketSchema
        With the header of its containers; without one packets are framed.
    missing_float : float or None
        What stands for a missing float where the schema allows null: None, or NaN as some surveys
        write.
    """

    schema: schemas.PacketSchema
    missing_float: float | None = None


def target(settings, name, nan=False):
    """Packets of ``survey/version``, a file of ``schemas/``.

    Parameters
    ----------
    settings : Settings
    name : str
        ``survey/version``, or ``survey`` alone for its newest.
    nan : bool
        Write NaN for a missing float.

    Returns
    -------
    Target

    Raises
    ------
    ConfigError
        There is no such file.
    """
    survey_name, _, version = name.partition("/")
    found = {p.stem: p for p in sorted((settings.schemas / survey_name).glob("*.yaml"))}
    if not version and found:
        version = schemas.SchemaBook(settings.schemas / survey_name).newest().name
    if version not in found:
        raise ConfigError(f"no schema {name} in {settings.schemas}; there are "
                          f"{[f'{survey_name}/{v}' for v in found] or 'none of that survey'}")
    avro, number = schemas.read_notation(found[version])
    survey = survey_declarations.load(settings.conf / "surveys" / f"{survey_name}.yaml")
    missing = math.nan if nan else None
    if survey.wire == wire.FRAMED:
        return Target(schemas.PacketSchema(str(number), avro), missing)
    header = container_files.header(schemas.text(avro).encode())
    return Target(schemas.PacketSchema(wire.header_key(header), avro, header), missing)


def packets(path, wanted):
    """Packets of a Parquet file, row after row.

    Parameters
    ----------
    path : str or Path
    wanted : Target

    Yields
    ------
    bytes or PacketError
        An error for a row that is no such packet, with the column.

    Raises
    ------
    OSError, pyarrow.ArrowInvalid
        It is no Parquet file, or damaged.
    """
    fit = fitter(wanted.schema.avro, wanted.missing_float)
    with pq.ParquetFile(path) as file:
        names = {field["name"] for field in wanted.schema.avro["fields"]}
        columns = [name for name in file.schema_arrow.names if name in names]
        for batch in file.iter_batches(ROWS_A_READ, columns=columns):
            for row in batch.to_pylist():
                yield _packet(row, fit, wanted.schema)


def _packet(row, fit, schema):
    stream = io.BytesIO()
    try:
        fastavro.schemaless_writer(stream, schema.parsed, fit(row, ""))
    except PacketError as error:
        return error
    except (ValueError, TypeError, OverflowError) as error:  # a text where a number should be, ...
        return PacketError("undecodable", f"does not go into {schema.avro['name']}: {error}"[:500])
    datum = stream.getvalue()
    sync = hashlib.sha256(datum).digest()[:container.SYNC_BYTES] if schema.header else None
    return wire.join(schema, datum, sync)


def fitter(avro, missing_float=None, records=None):
    """A function that makes a value of Arrow's fit an Avro type: ``fit(value, path)``.

    Parameters
    ----------
    avro : dict, list or str
        Names and types only.
    missing_float : float or None
        See `Target`.
    records : dict, optional
        Records met so far, by name.

    Returns
    -------
    callable
        Raises PacketError with the path of the column that does not fit.
    """
    records = {} if records is None else records
    if isinstance(avro, list):
        return _nullable([t for t in avro if t != "null"], missing_float, records)
    if isinstance(avro, dict) and avro["type"] == "array":
        item = fitter(avro["items"], missing_float, records)
        return lambda values, path: [item(v, f"{path}[]") for v in _present(values, path)]
    if isinstance(avro, dict):
        return _record(avro, missing_float, records)
    if avro in LARGEST:
        return lambda value, path: _integer(value, path, LARGEST[avro])
    if avro in ("float", "double"):
        return lambda value, path: math.nan if value is None else value
    return records.get(avro, _present)


def _nullable(types, missing_float, records):
    if len(types) != 1:
        raise ConfigError(f"a union of {types} cannot be written from columns")
    inner = fitter(types[0], missing_float, records)
    if types[0] in ("float", "double"):
        return lambda value, path: missing_float if value is None else value
    return lambda value, path: None if _is_nothing(value) else inner(value, path)


def _record(avro, missing_float, records):
    fields = []
    records[avro["name"]] = lambda row, path: {
        name: fit(_present(row, path).get(name), f"{path}.{name}" if path else name)
        for name, fit in fields}
    fields += [(f["name"], fitter(f["type"], missing_float, records)) for f in avro["fields"]]
    return records[avro["name"]]


def _is_nothing(value):
    """Null, or what became of it: NaN in a column that became float, a record of nulls."""
    if isinstance(value, dict):
        return all(map(_is_nothing, value.values()))
    return value is None or value != value


def _present(value, path):
    if value is None:
        raise PacketError("undecodable", f"{path} is missing, and may not be null")
    return value


def _integer(value, path, largest):
    if isinstance(_present(value, path), datetime.datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc)
        value = (aware - EPOCH) // MICROSECOND
    if isinstance(value, float):
        if not value.is_integer() or abs(value) > EXACT_IN_DOUBLE:
            raise PacketError("undecodable", f"{path} is {value!r}, a float: the integer that it "
                                             "was has been rounded")
        value = int(value)
    if not -largest <= value < largest:
        raise PacketError("undecodable", f"{path} is {value}, too large for its type")
    return value
