"""Datum to Kafka value: the container with its schema, or the registry frame."""

import numpy as np

from fink_like.errors import ConfigError
from fink_like.packets.schemas import text
from fink_like.packets.inputs import CONTAINER, CONTAINER_BEGINS, FRAMED
from fink_like.simulator import dice


def zigzag(number):
    """A non-negative integer as Avro writes a long."""
    word, out = number << 1, bytearray()
    while word >= 0x80:
        out.append(word & 0x7F | 0x80)
        word >>= 7
    out.append(word)
    return bytes(out)


def wrap(model, blobs, keys):
    """Kafka values of encoded alerts.

    Parameters
    ----------
    model : SurveyModel
        ``wire.form``: container or framed; ``wire.schema_id`` of a framed one.
    blobs : encoder.Blobs
        One datum a row.
    keys : numpy.ndarray of uint64
        From which a container's sync marker is made.

    Returns
    -------
    list of bytes
    """
    wire = model.recipe["wire"]
    stretches = zip(blobs.start.tolist(), (blobs.start + blobs.length).tolist(), strict=True)
    data = [blobs.pool[start:end].tobytes() for start, end in stretches]
    if wire["form"] == FRAMED:
        head = b"\x00" + int(wire["schema_id"]).to_bytes(4, "big")
        return [head + datum for datum in data]
    if wire["form"] != CONTAINER:
        raise ConfigError(f"{model.survey}: wire form {wire['form']!r} is not container or framed")
    head = container_header(model)
    words = np.stack([dice.combine(keys, 1), dice.combine(keys, 2)], axis=1)
    syncs = [pair.tobytes() for pair in words]
    return [b"".join((head, sync, b"\x02", zigzag(len(datum)), datum, sync))
            for datum, sync in zip(data, syncs, strict=True)]


def container_header(model):
    """Magic and metadata of a container: the schema and the codec null."""
    schema = text(model.schema).encode()
    entries = ((b"avro.schema", schema), (b"avro.codec", b"null"))
    body = b"".join(zigzag(len(part)) + part for entry in entries for part in entry)
    return CONTAINER_BEGINS + zigzag(len(entries)) + body + b"\x00"
