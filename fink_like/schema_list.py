"""The packet schemas that the broker knows: where each comes from, and what is new in it."""

import datetime
import json

from pyarrow import fs
from rich.console import Console
from rich.table import Table

from fink_like.errors import ConfigError
from fink_like.packets import differences, schemas
from fink_like.packets import survey as survey_declarations
from fink_like.reports import filesystem

SHOWN_FIELDS, SHOWN_DIGITS = 3, 12
MARKS = {"new": "+", "gone": "-", "changed": "~"}


def schema_list(settings, survey=None):
    """What is known of each schema of the project, and of each that packets have brought.

    Parameters
    ----------
    settings : Settings
    survey : str, optional
        Only this one's.

    Returns
    -------
    list of dict
        ``survey``; ``key`` (column schema_key of bronze); ``name`` (of the project's file, else of
        the record); ``fingerprint`` (SHA-256 of the Parsing Canonical Form); ``source`` (project
        folder, packet header, message key, registry with its URL); ``first_seen`` (seconds since
        1970, None for the project's own); ``decoded`` (false: silver has only the keys of its
        packets); ``fields`` (their number); ``new``, ``gone`` {path: type} and ``changed``
        {path: [there, here]} against ``newest``, the project's newest file.
    """
    names = (survey,) if survey else ()
    return [entry for name in survey_declarations.load_all(settings.conf / "surveys", names)
            for entry in _of_survey(settings, name)]


def _of_survey(settings, survey):
    book = schemas.SchemaBook(settings.schemas / survey)
    newest = book.newest() if book.named else None
    own = [(schema.key, schema.name, schema.avro, {})
           for schema in sorted(book.known.values(), key=lambda s: (len(s.key), s.key))]
    kept = [(content["key"], content["avro"]["name"], content["avro"], content)
            for content in _kept(settings.data, survey)]
    for key, name, avro, content in own + sorted(kept, key=lambda k: k[3].get("first_seen", 0)):
        yield {"survey": survey, "key": key, "name": name,
               "fingerprint": content.get("fingerprint") or schemas.fingerprint(avro),
               "source": content.get("source", "packet header" if content else "project folder"),
               "first_seen": content.get("first_seen"), "decoded": content.get("fast", True),
               "fields": len(differences.fields(avro)), "newest": newest and newest.name,
               **differences.difference(avro, newest.avro if newest else avro)}


def _kept(data, survey):
    """Contents of the files that jobs keep beside the tables."""
    files, root = filesystem(data)
    folder = fs.FileSelector(f"{root}/schemas/{survey}", allow_not_found=True)
    for entry in files.get_file_info(folder):
        if entry.base_name.endswith(".json") and not entry.base_name.startswith((".", "_")):
            with files.open_input_file(entry.path) as stream:
                yield json.loads(stream.read())


def show(settings, survey=None, fields=None, as_json=False):
    """Print the schemas, or all differences of one.

    Parameters
    ----------
    settings : Settings
    survey : str, optional
        Only this one's.
    fields : str, optional
        Key of a schema: print its fields that are new, gone or changed.
    as_json : bool

    Raises
    ------
    ConfigError
        No schema has this key.
    """
    found = schema_list(settings, survey)
    if fields:
        found = [entry for entry in found if entry["key"] == fields]
        if not found:
            raise ConfigError(f"no schema {fields} in {settings.schemas} or "
                              f"{settings.path('schemas')}; `fink-like schemas` lists them")
    if as_json:
        print(json.dumps(found, indent=1))
    elif fields:
        for entry in found:
            print("\n".join(_difference_lines(entry)))
    else:
        _print_table(found)


def _print_table(found):
    table = Table(title="Packet schemas")
    for name in ("survey", "key", "name", "fingerprint", "source", "first seen (UTC)"):
        table.add_column(name, no_wrap=True)
    for name in ("fields", "new", "gone"):
        table.add_column(name, justify="right", no_wrap=True)
    for entry in found:
        source = entry["source"] + ("" if entry["decoded"] else ", keys only")
        counts = (entry["fields"], len(entry["new"]), len(entry["gone"]))
        table.add_row(entry["survey"], entry["key"], entry["name"],
                      entry["fingerprint"][:SHOWN_DIGITS], source, _when(entry["first_seen"]),
                      *map(str, counts))
    # A terminal that is too narrow may wrap the lines; keys and names stay whole.
    Console(highlight=False, width=Console(width=1000).measure(table).maximum).print(table)
    for entry in found:
        if entry["first_seen"] is not None and (entry["new"] or entry["gone"]):
            print(f"{entry['survey']} {entry['key']} against {entry['newest']}: "
                  f"new {_few(entry['new'])}; gone {_few(entry['gone'])}")


def _when(seconds):
    if seconds is None:
        return ""
    return f"{datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc):%Y-%m-%d %H:%M}"


def _few(paths):
    shown = list(paths)[:SHOWN_FIELDS]
    more = len(paths) - len(shown)
    return (", ".join(shown) or "none") + (f" and {more} more" if more else "")


def _difference_lines(entry):
    yield (f"{entry['survey']} {entry['key']} ({entry['name']}, {entry['source']}) against "
           f"schemas/{entry['survey']}/{entry['newest']}.yaml:")
    for what, mark in MARKS.items():
        for path, kind in entry[what].items():
            changed = f"{kind[0]} -> {kind[1]}" if what == "changed" else kind
            yield f"  {mark} {path}: {changed}"
    if not any(entry[what] for what in MARKS):
        yield "  the same fields and types"
