"""What two schemas of a survey do not share: fields by their path, and their types."""

from fink_like.packets.projection import ITEMS, named_records

TWO_BRANCHES = 2


def fields(avro):
    """Every field of a schema, records opened.

    Parameters
    ----------
    avro : dict
        Names and types only.

    Returns
    -------
    dict
        Path (``diaSource.ra``, ``prvDiaSources[].ra``) -> type in the notation of `schemas/`; what
        is inside a record that is named again is listed each time.
    """
    found, names = {}, named_records(avro)
    for field in avro["fields"]:
        _collect(field["type"], field["name"], names, found)
    return found


def _collect(kind, path, names, found):
    found[path] = _written(kind)
    inner, path = _inside(kind, path)
    record = names.get(inner) if isinstance(inner, str) else inner
    for field in (record or {}).get("fields", ()):
        _collect(field["type"], f"{path}.{field['name']}", names, found)


def _inside(kind, path):
    """The record or primitive below unions with null and arrays, and its path."""
    if isinstance(kind, list):
        return _inside(next((b for b in kind if b != "null"), "null"), path)
    if isinstance(kind, dict) and kind["type"] == "array":
        return _inside(kind["items"], path + ITEMS)
    return kind, path


def _written(kind):
    if isinstance(kind, list):
        others = [_written(branch) for branch in kind if branch != "null"]
        if "null" not in kind or len(kind) != TWO_BRANCHES:
            return "|".join(map(_written, kind))
        return f"{others[0]}?" if kind[0] == "null" else f"?{others[0]}"
    if isinstance(kind, dict):
        if kind["type"] == "array":
            return _written(kind["items"]) + ITEMS
        return _written(kind["name"]) if "name" in kind else kind["type"]
    return kind.rpartition(".")[2]


def difference(avro, project):
    """What a schema has that another has not.

    Parameters
    ----------
    avro, project : dict

    Returns
    -------
    dict
        ``new`` {path: type}, ``gone`` {path: type}, ``changed`` {path: [type there, type here]}.
    """
    here, there = fields(avro), fields(project)
    return {"new": {p: t for p, t in here.items() if p not in there},
            "gone": {p: t for p, t in there.items() if p not in here},
            "changed": {p: [there[p], t] for p, t in here.items() if there.get(p, t) != t}}
