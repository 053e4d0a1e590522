"""Alerts in Parquet become packets again; what was rounded or lost is refused."""

import datetime
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fink_like import config, parquet_packets
from fink_like.errors import ConfigError, PacketError
from fink_like.packet_files import PacketFiles
from fink_like.packets import schemas, wire

BIG = 2**60 + 1  # no float holds it
INNER = {"type": "record", "name": "inner", "fields": [
    {"name": "id", "type": "long"}, {"name": "flux", "type": ["null", "float"]}]}
AVRO = {"type": "record", "name": "alert", "fields": [
    {"name": "id", "type": "long"}, {"name": "n", "type": ["null", "int"]},
    {"name": "flux", "type": "double"}, {"name": "one", "type": ["null", INNER]},
    {"name": "many", "type": ["null", {"type": "array", "items": "inner"}]},
    {"name": "text", "type": ["null", "string"]}, {"name": "when", "type": ["null", "long"]}]}
ROW = {"id": BIG, "n": 3, "flux": 1.5, "one": {"id": BIG, "flux": 0.5},
       "many": [{"id": BIG + 1, "flux": None}], "text": "a", "when": None}


def one(row, missing_float=None, table=None, tmp_path=None):
    """The record that comes of a row, or the error."""
    path = tmp_path / "x.parquet"
    pq.write_table(table or pa.Table.from_pylist([row]), path)
    schema = schemas.PacketSchema("7", AVRO)
    [value] = parquet_packets.packets(path, parquet_packets.Target(schema, missing_float))
    if isinstance(value, PacketError):
        return str(value)
    assert value[:5] == b"\x00\x00\x00\x00\x07"
    return wire.decode(value[5:], schema)


@pytest.fixture
def fit(tmp_path):
    return lambda row, *more, **named: one(row, *more, tmp_path=tmp_path, **named)


def test_a_row_comes_back_and_other_columns_are_left_out(fit):
    assert fit({**ROW, "broker_score": 0.3, "t": {"x": 1}}) == ROW


def test_records_of_nulls_are_null_again(fit):
    assert fit({**ROW, "one": {"id": None, "flux": None}})["one"] is None
    assert fit({**ROW, "one": {"id": None, "flux": math.nan}})["one"] is None
    assert fit({**ROW, "many": []})["many"] == []
    assert fit({**ROW, "many": None})["many"] is None
    lacking = fit({n: ROW[n] for n in ("id", "flux")})
    assert lacking == {**dict.fromkeys(ROW), "id": BIG, "flux": 1.5}


def test_missing_floats(fit):
    assert fit(ROW)["many"][0]["flux"] is None
    assert math.isnan(fit(ROW, math.nan)["many"][0]["flux"])
    assert math.isnan(fit({**ROW, "flux": None})["flux"])  # where null is not allowed


def test_integers_are_exact_or_refused(fit):
    assert fit({**ROW, "n": 3.0})["n"] == 3
    assert fit({**ROW, "n": math.nan})["n"] is None
    assert "many[].id is 1.15" in fit({**ROW, "many": [{"id": float(BIG), "flux": 1.0}]})
    assert "id is 2.5, a float" in fit({**ROW, "id": 2.5})
    assert "n is 4294967296, too large" in fit({**ROW, "n": 2**32})
    assert "one.id is missing" in fit({**ROW, "one": {"id": None, "flux": 1.0}})
    assert "undecodable: does not go into alert" in fit({**ROW, "id": "12"})


def test_times_are_microseconds(fit):
    when = datetime.datetime(2026, 3, 11, 3, 0, 0, 123457)
    expected = 1773198000123457
    for unit in ("us", "ns"):
        table = pa.Table.from_pylist([ROW]).set_column(6, "when", pa.array([when],
                                                                            pa.timestamp(unit)))
        assert fit(None, table=table)["when"] == expected


@pytest.fixture
def settings():
    return config.load(environment={})


def test_a_schema_that_is_not_there(settings):
    survey = sorted(p.name for p in settings.schemas.iterdir())[0]
    with pytest.raises(ConfigError, match=rf"no schema {survey}/0.1 .*there are \['{survey}/"):
        parquet_packets.target(settings, f"{survey}/0.1")


def read(path, wanted):
    complaints = []
    reader = PacketFiles(parquet_as=wanted, report=complaints.append)
    return [m.value for m in reader.messages([path])], complaints


def test_real_alerts_of_another_brokers_archive_byte_for_byte(fixtures, settings):
    """The packets that the fixtures' makers rebuilt from the same file, with Rubin's NaN.

    In their three of Solar System objects missing floats of the orbit alone are null.
    """
    path = fixtures / "lsst" / "parquet" / "fink_lsst_v10_0_27.parquet"
    wanted = parquet_packets.target(settings, "lsst/10.0", nan=True)
    values, complaints = read(path, wanted)
    ids = pq.read_table(path, columns=["diaSourceId"])["diaSourceId"].to_pylist()
    assert len(values) == len(ids) == 27 and not complaints
    folder = fixtures / "lsst" / "wire-reencoded" / "v10_0"
    pairs = [(value, (folder / f"{n}.msg").read_bytes()) for n, value in zip(ids, values)]
    others = [[wire.decode(value[5:], wanted.schema) for value in pair]
              for pair in pairs if pair[0] != pair[1]]
    assert len(others) == 3
    for ours, theirs in others:
        orbits = ours.pop("mpc_orbits"), theirs.pop("mpc_orbits")
        assert str(ours) == str(theirs)  # NaN is not equal to itself
        assert [None if v != v else v for v in orbits[0].values()] == [*orbits[1].values()]


@pytest.mark.parametrize("name, good, bad", [
    ("fink_v3.3_simbad_67.parquet", 67, 0), ("fink_v3.3_TDE_ZTF20abfcszi_21.parquet", 21, 0),
    ("fink_v4.02_hostless_72.parquet", 0, 72)])
def test_real_alerts_become_containers_or_are_refused(fixtures, settings, name, good, bad):
    """In the third file the ids of the history went through a float, so they are others."""
    path = fixtures / "ztf" / "parquet" / name
    values, complaints = read(path, parquet_packets.target(settings, "ztf"))
    assert (len(values), len(complaints)) == (good, bad)
    assert all("prv_candidates[].candid is" in c and "rounded" in c for c in complaints)
    rows = pq.read_table(path).to_pylist()
    for row, value in zip(rows, values):
        packet = wire.split(value, wire.CONTAINER, None)
        record = wire.decode(packet.datum, packet.schema)
        assert record["candidate"] == {n: row["candidate"].get(n) for n in record["candidate"]}
        assert record["candid"] == row["candid"] and record["fp_hists"] is None
        assert [p["candid"] for p in record["prv_candidates"] or ()] == [
            p["candid"] for p in row["prv_candidates"] or ()]
        assert record["cutoutScience"] == row["cutoutScience"]
