"""Columns to Avro, many rows at a time.

`compile_record` turns a schema into a flat list of fields; `encode` writes rows of columns into one
buffer. A record inside a record, or an array of records, is encoded before as rows
of its own and then copied in: Avro writes a record as its fields without anything around them.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fink_like.errors import SchemaError
from fink_like.kit.compiled import kernel

LONG, DOUBLE, FLOAT, BOOLEAN, BYTES, RECORD, ARRAY = range(7)
KINDS = {"int": LONG, "long": LONG, "double": DOUBLE, "float": FLOAT, "boolean": BOOLEAN,
         "string": BYTES, "bytes": BYTES}
WORDS = np.array([1, 1, 1, 1, 2, 2, 3])
"""64-bit words that describe a value: its bits; start and length; start, length and count."""

LARGEST = np.array([10, 8, 4, 1, 5, 0, 11])
"""Bytes of a value besides those that are copied."""


@dataclass(frozen=True)
class Field:
    """One field: its kind, and whether it is a union with null first."""

    name: str
    kind: int
    nullable: bool
    child: object = None


@dataclass(frozen=True)
class Record:
    """A record's fields in wire order."""

    name: str
    fields: tuple

    @cached_property
    def kinds(self):
        """Kind of each field, by name."""
        return {field.name: field.kind for field in self.fields}

    def children(self):
        """Records in fields of this one, by field name."""
        return {field.name: field.child for field in self.fields if field.child}


@dataclass(frozen=True)
class Blobs:
    """Stretches of one byte buffer; ``count`` rows in each, for an array of records."""

    pool: np.ndarray
    start: np.ndarray
    length: np.ndarray
    count: np.ndarray | None = None

    def group(self, parents, n):
        """Rows of the same parent as one stretch; rows ascend by parent.

        Parameters
        ----------
        parents : numpy.ndarray of int
        n : int
            Number of parents.
        """
        count = np.bincount(parents, minlength=n)
        ends = np.concatenate([[0], np.cumsum(self.length)])
        last = np.cumsum(count)
        start = ends[last - count]
        return Blobs(self.pool, start, ends[last] - start, count)


def compile_record(schema, known=None):
    """Prepare a schema of records, arrays of records and unions with null.

    Parameters
    ----------
    schema : dict
        An Avro record schema; later uses of a record by its name only are understood.

    Returns
    -------
    Record

    Raises
    ------
    SchemaError
        Something else occurs in it.
    """
    known = {} if known is None else known
    record = Record(schema["name"], tuple(_field(f, known) for f in schema["fields"]))
    known[schema["name"]] = record
    return record


def _field(entry, known):
    name, kind = entry["name"], entry["type"]
    nullable = isinstance(kind, list)
    if nullable:
        if len(kind) != 2 or kind[0] != "null":
            raise SchemaError(f"{name}: only unions of null and one type are encoded, not {kind}")
        kind = kind[1]
    if isinstance(kind, dict) and kind["type"] == "array":
        return Field(name, ARRAY, nullable, _child(kind["items"], known))
    if isinstance(kind, str) and kind in KINDS:
        return Field(name, KINDS[kind], nullable)
    return Field(name, RECORD, nullable, _child(kind, known))


def _child(kind, known):
    if isinstance(kind, str):
        if kind not in known:
            raise SchemaError(f"type {kind!r} is used before it is defined")
        return known[kind]
    if kind["type"] != "record":
        raise SchemaError(f"{kind['type']!r} is not encoded, only records are")
    return compile_record(kind, known)


def encode(record, columns, n):
    """Encode rows.

    Parameters
    ----------
    record : Record
    columns : dict
        By field: array (masked where null), scalar, None, or `Blobs` for nested rows and for bytes.
        A field that is absent is null. A NaN is written as NaN.
    n : int
        Number of rows.

    Returns
    -------
    Blobs
        One stretch a row, contiguous.

    Raises
    ------
    SchemaError
        A missing value in a field that has no null.
    """
    kinds = np.array([field.kind for field in record.fields])
    nullable = np.array([field.nullable for field in record.fields])
    words, missing, pools, copied = _describe(record, columns, n, kinds)
    pool = pools[0] if len(pools) == 1 else np.concatenate([np.empty(0, np.uint8), *pools])
    out = np.empty(n * int(np.sum(LARGEST[kinds] + nullable)) + copied, dtype=np.uint8)
    ends = _write(kinds, nullable, words, missing, pool, out)
    start = np.concatenate([[0], ends[:-1]]).astype(np.int64)
    return Blobs(out[:ends[-1] if n else 0], start, ends - start)


def _describe(record, columns, n, kinds):
    """Words of all values, where they are missing, and the bytes that are to be copied."""
    firsts = np.concatenate([[0], np.cumsum(WORDS[kinds])])
    words = np.zeros((n, firsts[-1]), dtype=np.int64)
    missing = np.zeros((n, len(kinds)), dtype=np.bool_)
    pools, filled, copied = [], 0, 0
    for position, field in enumerate(record.fields):
        value, missing[:, position] = _masked(columns.get(field.name), n)
        if missing[:, position].any() and not field.nullable:
            raise SchemaError(f"{record.name}.{field.name} has no value and cannot be null")
        if missing[:, position].all():
            continue
        target = words[:, firsts[position]:firsts[position + 1]]
        if field.kind < BYTES:
            target[:, 0] = _bits(field.kind, value)
            continue
        blobs = value if isinstance(value, Blobs) else _blobs(value, n)
        target[:, 0], target[:, 1] = blobs.start + filled, blobs.length
        if field.kind == ARRAY:
            target[:, 2] = blobs.count
        pools.append(blobs.pool)
        filled += blobs.pool.size
        copied += int(np.sum(blobs.length))
    return words, missing, pools, copied


def _masked(value, n):
    if value is None:
        return None, np.ones(n, dtype=np.bool_)
    if isinstance(value, tuple):  # Blobs and where it is missing
        return value
    if isinstance(value, Blobs):
        return value, np.zeros(n, dtype=np.bool_)
    missing = np.broadcast_to(np.ma.getmaskarray(value), n)
    return np.broadcast_to(np.ma.getdata(value), n), missing


def _bits(kind, value):
    if kind == DOUBLE:
        return value.astype(np.float64).view(np.int64)
    if kind == FLOAT:
        return value.astype(np.float32).view(np.int32)
    return value.astype(np.int64)


def _blobs(value, n):
    text = np.ascontiguousarray(np.asarray(value).astype("S"))
    length = np.char.str_len(text).astype(np.int64)
    return Blobs(text.view(np.uint8), np.arange(n, dtype=np.int64) * text.itemsize, length)


@kernel
def _write(kinds, nullable, words, missing, pool, out):
    """One pass over the rows; returns where each ends."""
    ends = np.empty(len(words), dtype=np.int64)
    at = 0
    for row in range(len(words)):
        word = 0
        for field in range(len(kinds)):
            kind = kinds[field]
            here = word
            word += 1 if kind < BYTES else (3 if kind == ARRAY else 2)
            if nullable[field]:
                out[at] = 0 if missing[row, field] else 2
                at += 1
                if missing[row, field]:
                    continue
            value = words[row, here]
            if kind == LONG:
                at = _varint(value, out, at)
            elif kind == DOUBLE or kind == FLOAT:
                for byte in range(8 if kind == DOUBLE else 4):
                    out[at] = (value >> (8 * byte)) & 0xFF
                    at += 1
            elif kind == BOOLEAN:
                out[at] = value
                at += 1
            else:
                at = _copy(kind, words[row, here:word], pool, out, at)
        ends[row] = at
    return ends


@kernel
def _copy(kind, described, pool, out, at):
    start, length = described[0], described[1]
    if kind == BYTES:
        at = _varint(length, out, at)
    elif kind == ARRAY and described[2] > 0:
        at = _varint(described[2], out, at)
    out[at:at + length] = pool[start:start + length]
    at += length
    if kind == ARRAY:
        out[at] = 0
        at += 1
    return at


@kernel
def _varint(value, out, at):
    """Zigzag, then seven bits a byte, low ones first."""
    word = np.uint64((value << 1) ^ (value >> 63))
    while word >= np.uint64(0x80):
        out[at] = (word & np.uint64(0x7F)) | np.uint64(0x80)
        word >>= np.uint64(7)
        at += 1
    out[at] = word
    return at + 1
