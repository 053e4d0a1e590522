"""The survey's packet with our columns behind it: no re-encoding, two byte strings joined.

An Avro record is its fields' bytes, one after the other. So the survey's datum followed by the
Avro of our fields is a record of the survey's schema with our fields appended; a reader with only
the survey's schema still reads it, and ignores the rest (tried with Rubin's own package; putting
fields in front breaks it).
"""

from fink_like.errors import SchemaError
from fink_like.vocabulary import Struct

AVRO_TYPES = {"bigint": "long", "int": "int", "tinyint": "int", "double": "double",
              "float": "float", "string": "string", "boolean": "boolean",
              "timestamp": {"type": "long", "logicalType": "timestamp-micros"}}
NAMESPACE, RECEIVED = "fink_like", "received"
OUR_RECORDS = (f"{NAMESPACE}.", f"{RECEIVED}.{NAMESPACE}.", f"{RECEIVED}.{RECEIVED}.")


def appended_fields(columns):
    """Avro fields of our columns, each nullable, each struct a record of its own.

    Parameters
    ----------
    columns : iterable of Field or Struct

    Returns
    -------
    list of dict

    Raises
    ------
    SchemaError
        A column of a type that packets do not carry.
    """
    return [{"name": c.name, "type": ["null", _type(c, f"{NAMESPACE}.{c.name}")]}
            for c in columns]


def extended_schema(avro, columns):
    """The survey's schema with our fields at the end of its first record.

    A packet that came by way of another broker, or of this one, may have fields and records of
    our names; ``received`` goes before those. On the wire there are no names.

    Parameters
    ----------
    avro : dict
        Writer schema of a packet, names and types only.
    columns : iterable of Field or Struct

    Returns
    -------
    dict
    """
    ours = {c.name for c in columns}
    theirs = [{"name": _other_name(f["name"], ours), "type": _other_records(f["type"])}
              for f in avro["fields"]]
    return {**avro, "fields": [*theirs, *appended_fields(columns)]}


def _other_name(name, ours):
    first_hand = name
    while first_hand.startswith(RECEIVED + "_"):
        first_hand = first_hand.removeprefix(RECEIVED + "_")
    return f"{RECEIVED}_{name}" if first_hand in ours else name


def _other_records(kind):
    if isinstance(kind, list):
        return [_other_records(branch) for branch in kind]
    if isinstance(kind, str):
        return f"{RECEIVED}.{kind}" if kind.startswith(OUR_RECORDS) else kind
    changed = {key: _other_records(value) for key, value in kind.items()
               if key in ("name", "items", "values")}
    if "fields" in kind:
        changed["fields"] = [{"name": f["name"], "type": _other_records(f["type"])}
                             for f in kind["fields"]]
    return {**kind, **changed}


def appended_schema(columns):
    """The record of our fields alone: what is written behind the survey's datum."""
    return {"type": "record", "name": f"{NAMESPACE}.appended", "fields": appended_fields(columns)}


def _type(column, name):
    if isinstance(column, Struct):
        return {"type": "record", "name": name,
                "fields": [{"name": f.name, "type": ["null", _type(f, f"{name}_{f.name}")]}
                           for f in column.fields]}
    try:
        return AVRO_TYPES[column.type]
    except KeyError:
        raise SchemaError(f"column {column.name} of type {column.type} cannot go into a packet; "
                          f"{sorted(AVRO_TYPES)} can") from None
