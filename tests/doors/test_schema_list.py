"""`fink-like schemas`: each schema once, its source, and what is new and gone in it."""

import copy
import json

import pytest

from fink_like import config, schema_list
from fink_like.errors import ConfigError
from fink_like.packets import differences, schemas


@pytest.fixture
def settings(project, tmp_path):
    """A project whose ingest has learnt a schema with a field inserted, one gone, one changed."""
    given = config.load(project, environment={}, data=str(tmp_path / "a b" / "data"))
    avro = copy.deepcopy(schemas.SchemaBook(given.schemas / "lsst").by_id(1100).avro)
    source = next(f["type"] for f in avro["fields"] if f["name"] == "diaSource")
    source["fields"].insert(7, {"name": "exposureTime", "type": ["null", "float"]})
    source["fields"] = [f for f in source["fields"] if f["name"] != "isDipole"]
    next(f for f in source["fields"] if f["name"] == "visit")["type"] = "string"
    folder = tmp_path / "a b" / "data" / "schemas" / "lsst"
    folder.mkdir(parents=True)
    (folder / "1101.json").write_text(json.dumps({
        "key": "1101", "avro": avro, "codec": "null", "header": "", "fast": False,
        "fingerprint": schemas.fingerprint(avro), "first_seen": 1_790_000_000.0,
        "source": "registry http://registry"}))
    (folder.parent / "_absent" / "lsst").mkdir(parents=True)
    (folder.parent / "_absent" / "lsst" / "77-1790000000.json").write_text("{}")
    (folder / ".1102.json.part").write_text("{")
    return given


def test_fields_are_named_by_their_path():
    avro = {"type": "record", "name": "a.b", "fields": [
        {"name": "one", "type": {"type": "record", "name": "a.c", "fields": [
            {"name": "t", "type": "long"}]}},
        {"name": "many", "type": ["null", {"type": "array", "items": "a.c"}]},
        {"name": "last", "type": ["string", "null"]},
        {"name": "map", "type": {"type": "map", "values": "int"}}]}
    assert differences.fields(avro) == {
        "one": "c", "one.t": "long", "many": "c[]?", "many[].t": "long", "last": "?string",
        "map": "map"}


def test_every_schema_is_listed(settings, project):
    found = schema_list.schema_list(settings)
    files = {(p.parent.name, p.stem) for p in (project / "schemas").glob("*/*.yaml")}
    own = {(e["survey"], e["name"]) for e in found if e["source"] == "project folder"}
    assert own == files and len(found) == len(files) + 1
    newest = [e for e in found if e["name"] == e["newest"]]
    assert len(newest) == 2 and not any(e["new"] or e["gone"] or e["changed"] for e in newest)
    (learnt,) = (e for e in found if e["key"] == "1101")
    assert learnt["first_seen"] == 1_790_000_000.0 and not learnt["decoded"]
    assert learnt["new"] == {"diaSource.exposureTime": "float?",
                             "prvDiaSources[].exposureTime": "float?"}
    assert learnt["gone"] == {"diaSource.isDipole": "boolean?",
                              "prvDiaSources[].isDipole": "boolean?"}
    assert learnt["changed"] == {"diaSource.visit": ["long", "string"],
                                 "prvDiaSources[].visit": ["long", "string"]}
    assert {e["survey"] for e in schema_list.schema_list(settings, "ztf")} == {"ztf"}


def test_what_is_printed(settings, capsys):
    schema_list.show(settings)
    lines = capsys.readouterr().out.splitlines()
    (row,) = (line for line in lines if "1101 " in line and "│" in line)
    for text in ("registry http://registry, keys only", "2026-09-21 14:13", "lsst.v11_0.alert"):
        assert text in row
    assert row.replace(" ", "").endswith("│396│2│2│")
    assert lines[-1] == ("lsst 1101 against 11.0: new diaSource.exposureTime, "
                         "prvDiaSources[].exposureTime; gone diaSource.isDipole, "
                         "prvDiaSources[].isDipole")
    schema_list.show(settings, fields="1101")
    assert capsys.readouterr().out == (
        "lsst 1101 (lsst.v11_0.alert, registry http://registry) against schemas/lsst/11.0.yaml:\n"
        "  + diaSource.exposureTime: float?\n  + prvDiaSources[].exposureTime: float?\n"
        "  - diaSource.isDipole: boolean?\n  - prvDiaSources[].isDipole: boolean?\n"
        "  ~ diaSource.visit: long -> string\n  ~ prvDiaSources[].visit: long -> string\n")
    schema_list.show(settings, fields="1100")
    assert "the same fields and types" in capsys.readouterr().out
    schema_list.show(settings, survey="lsst", as_json=True)
    assert {entry["key"] for entry in json.loads(capsys.readouterr().out)} >= {"1100", "1101"}
    with pytest.raises(ConfigError, match="no schema 4711"):
        schema_list.show(settings, fields="4711")
