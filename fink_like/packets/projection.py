"""Which fields of the packet are needed, and one reader schema for all writers of a survey.

Avro can decode bytes of any writer schema into the shape of one reader schema: fields it lacks
come out null, the rest is skipped. So all versions of a survey's packets become the same struct,
and what nobody reads (two thirds of the bytes are stamps) is not decoded at all: 2 to 3 times
faster, and history costs nothing until it is asked for.
"""

from fink_like.errors import SchemaError

ITEMS = "[]"
"""Stands in a path for "each element of this array"."""

WIDER = {frozenset(("int", "long")): "long", frozenset(("float", "double")): "double",
         frozenset(("int", "double")): "double", frozenset(("int", "float")): "float",
         frozenset(("long", "double")): "double", frozenset(("long", "float")): "float"}


def leaf_types(schemas, wanted):
    """Types of the wanted fields, wide enough for every schema.

    Parameters
    ----------
    schemas : iterable of dict
        Avro writer schemas.
    wanted : iterable of tuple
        Paths; ``("prv_candidates", "[]", "magpsf")`` reaches into an array.

    Returns
    -------
    dict
        Path -> Avro primitive; paths that no schema has are absent.

    Raises
    ------
    SchemaError
        Two schemas give one field types that do not go together.
    """
    found = {}
    for schema in schemas:
        names = named_records(schema)
        for path in wanted:
            kind = _type_at(schema, path, names)
            if kind is not None:
                found[path] = _wider(found.get(path, kind), kind, path)
    return found


def reader_schema(types):
    """The Avro reader schema that holds just these fields, each nullable.

    Parameters
    ----------
    types : dict
        From `leaf_types`.

    Returns
    -------
    dict
    """
    tree = {}
    for path, kind in sorted(types.items()):
        branch = tree
        for part in path[:-1]:
            branch = branch.setdefault(part, {})
        branch[path[-1]] = kind
    return _record(tree, "alert")


def _record(tree, name):
    fields = []
    for part, content in tree.items():
        if isinstance(content, dict):
            inner = f"{name}_{part}"
            kind = ({"type": "array", "items": ["null", _record(content[ITEMS], inner)]}
                    if ITEMS in content else _record(content, inner))
        else:
            kind = content
        fields.append({"name": part, "type": ["null", kind], "default": None})
    return {"type": "record", "name": name, "fields": fields}


def named_records(schema, found=None):
    """Full name -> record, of all records of a schema, which names them after their first use."""
    found = {} if found is None else found
    if isinstance(schema, list):
        for branch in schema:
            named_records(branch, found)
    elif isinstance(schema, dict):
        if schema["type"] == "record":
            found[schema["name"]] = schema
            for field in schema["fields"]:
                named_records(field["type"], found)
        else:
            named_records(schema.get("items", schema.get("values", "null")), found)
    return found


def _type_at(schema, path, names):
    schema = _not_null(schema, names)
    if not path:
        return schema if isinstance(schema, str) else None
    if not isinstance(schema, dict):
        return None
    if path[0] == ITEMS:
        return _type_at(schema["items"], path[1:], names) if schema["type"] == "array" else None
    for field in schema.get("fields", ()):
        if field["name"] == path[0]:
            return _type_at(field["type"], path[1:], names)
    return None


def _not_null(schema, names):
    if isinstance(schema, list):
        schema = next((branch for branch in schema if branch != "null"), "null")
    if isinstance(schema, str):
        return names.get(schema, schema)
    return schema


def _wider(one, other, path):
    if one == other:
        return one
    wider = WIDER.get(frozenset((one, other)))
    if wider is None:
        raise SchemaError(f"field {'.'.join(path)} is {one} in one schema and {other} in another")
    return wider
