"""Packets and cutouts of rows, fetched from bronze by their Kafka coordinates."""

import gzip
import io
import warnings
import zlib

import numpy as np
import pyarrow.compute as pc
from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning

from fink_like.client import declared
from fink_like.client.archive import open_dataset
from fink_like.errors import BrokerError, ConfigError, PacketError
from fink_like.packets import wire
from fink_like.packets.container import SYNC_BYTES
from fink_like.packets.schemas import PacketSchema
from fink_like.packets.expressions import Evaluator

COORDINATES = {"night": "night", "topic": "packet.topic", "partition": "packet.partition",
               "offset": "packet.offset"}
"""Column of bronze -> column of silver."""

GZIPPED = "fits.gz"


def packet(data, row):
    """The packet of a row, byte for byte as it came from Kafka.

    Parameters
    ----------
    data : str or Path
        The broker's data folder.
    row : mapping
        A line of silver with ``survey``, ``night`` and ``packet``.

    Returns
    -------
    bytes

    Raises
    ------
    BrokerError
        Bronze holds it no longer (retention), or its schema is not known here.
    """
    return as_received(data, _stored(data, row))


REBUILT_FROM = ("survey", "schema_key", "datum", "sync", "header", "value")
"""Columns of bronze that `as_received` needs."""


def as_received(data, stored):
    """The Kafka value of a row of bronze, byte for byte.

    Parameters
    ----------
    data : str or Path
        The broker's data folder.
    stored : mapping
        A row of bronze with `REBUILT_FROM`.

    Returns
    -------
    bytes or None
        None: the message had no value.

    Raises
    ------
    SchemaError
        The schema of its container is not known here.
    """
    if stored["value"] is not None or stored["datum"] is None:
        return stored["value"]
    if stored["header"] is None and len(stored["sync"] or b"") == SYNC_BYTES:
        schema = declared.packet_schema(str(data), stored["survey"], stored["schema_key"])
    else:  # the row brings its container's header; the other forms need none
        schema = PacketSchema(stored["schema_key"], {}, stored["header"] or b"")
    return wire.join(schema, stored["datum"], stored["sync"])


def key_as_received(data, stored):
    """The Kafka key of a row of bronze: as kept, or the schema's text where that was the key.

    Parameters
    ----------
    data : str or Path
    stored : mapping
        A row of bronze with ``key`` and `REBUILT_FROM`.

    Returns
    -------
    bytes or None
    """
    brings_schema = str(stored["schema_key"]).startswith("c") and stored["sync"] == b""
    if stored["key"] is not None or not brings_schema:
        return stored["key"]
    return stored["header"] or declared.packet_schema(str(data), stored["survey"],
                                                      stored["schema_key"]).header


def cutouts(data, row):
    """Cutout images of a row.

    Parameters and errors as `packet`.

    Returns
    -------
    dict of str to numpy.ndarray
        ``science``, ``template``, ``difference``: 2-d, float, first index along the FITS file's
        second axis (``origin="lower"`` shows it as it is meant); NaN where there are no data. A
        cutout that the packet lacks is left out.
    """
    stored = _stored(data, row)
    record = wire.decode(stored["datum"], _schema(data, row, stored))
    return of_record(declared.survey(row["survey"]), record)


def of_record(survey, record):
    """Cutout images of a decoded packet.

    Parameters
    ----------
    survey : Survey
    record : dict

    Returns
    -------
    dict of str to numpy.ndarray
        As `cutouts`.

    Raises
    ------
    PacketError
        A cutout is not the FITS file that it should be.
    """
    reader = Evaluator({}, survey.sentinels)
    stamps = {name: reader.value(path, record) for name, path in survey.stamps.items()}
    return {name: _image(stamp, survey.stamps_form, name)
            for name, stamp in stamps.items() if stamp}


def _stored(data, row):
    lacking = [n for n in ("survey", *COORDINATES.values()) if n not in row]
    if lacking:
        raise ConfigError(f"the row has no {lacking}: read `survey`, `night` and `packet` of "
                          "silver too")
    place = {column: row[name] for column, name in COORDINATES.items()}
    here = pc.field("state") == "ok"
    for column, value in place.items():
        here &= pc.field(column) == (value if isinstance(value, str) else int(value))
    found = open_dataset(data, "bronze").to_table(
        columns=list(REBUILT_FROM), filter=here).to_pylist()
    if not found:
        raise BrokerError(f"bronze of {data} has no packet at {place}: it may be past its "
                          "retention")
    return found[0]


def _schema(data, row, stored):
    return declared.packet_schema(str(data), row["survey"], stored["schema_key"])


def _image(stamp, form, name):
    try:
        content = gzip.decompress(stamp) if form == GZIPPED else stamp
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VerifyWarning)  # some of Rubin's are not padded right
            with fits.open(io.BytesIO(content), memmap=False) as parts:
                image = next(part.data for part in parts if np.ndim(part.data) == 2)
                return np.array(image, dtype=float)
    except (OSError, EOFError, zlib.error, StopIteration) as error:
        raise PacketError("undecodable", f"the {name} cutout is no {form} image: {error!r}"
                          ) from error
