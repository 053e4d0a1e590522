"""Tables in pandas: ids exact, structs flattened, light curves with magnitudes."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import write_deltalake

from fink_like import client
from fink_like.errors import ConfigError, SetupError

BIG = 2**62 + 1  # a float would make it 2**62


def test_silver_has_every_alert_with_its_exact_id(broker):
    silver = client.open_table(broker.data, "silver")
    assert len(silver) == len(broker.values)
    assert silver["diaSourceId"].dtype == silver["diaObjectId"].dtype == np.int64
    assert set(silver["diaSourceId"]) == set(broker.values)


def test_structs_are_flat_and_equal_what_was_written(broker):
    silver = client.open_table(broker.data, "silver").set_index("diaSourceId")
    for row in broker.silver:
        found = silver.loc[row["diaSourceId"]]
        assert found["quality.is_clean"] == row["quality"]["is_clean"]
        assert found["packet.offset"] == row["packet"]["offset"]
        assert list(found["lc.kind"]) == row["lc"]["kind"]


def test_only_the_nights_and_columns_asked_for(broker):
    every = client.open_table(broker.data, "silver", columns=["night", "diaSourceId"])
    night = every["night"].iloc[0]
    one = client.open_table(broker.data, "silver", nights=night,
                            columns=["diaSourceId", "rates", "night"])
    assert set(one["night"]) == {night} and len(one) == (every["night"] == night).sum()
    assert {"diaSourceId", "rates.slope", "rates.status"} <= set(one) and "ra" not in one
    assert client.open_table(broker.data, "silver", nights=[19990101], columns="ra").empty


def test_rows_by_a_condition(broker):
    alert_id = next(iter(broker.values))
    found = client.open_table(broker.data, "silver", where=pc.field("diaSourceId") == alert_id)
    assert found["diaSourceId"].tolist() == [alert_id]


def test_nulls_do_not_turn_integers_into_floats(tmp_path):
    rows = pa.table({"night": pa.array([1, 1], pa.int32()), "visit": pa.array([BIG, None]),
                     "q": pa.array([{"flag": True}, {"flag": None}])})
    write_deltalake(str(tmp_path / "silver"), rows, partition_by=["night"])
    table = client.open_table(tmp_path, "silver")
    assert table["visit"].dtype == "Int64" and table["visit"].iloc[0] == BIG
    assert table["visit"].isna().tolist() == [False, True]
    assert len(table[table["q.flag"]]) == 1  # a mask with nulls selects nothing there


def test_a_struct_that_has_grown_reads_null_in_old_files(tmp_path):
    old = pa.table({"night": pa.array([1], pa.int32()), "rates": pa.array([{"slope": 0.5}])})
    new = pa.table({"night": pa.array([2], pa.int32()),
                    "rates": pa.array([{"slope": 0.1, "is_rising": True}])})
    write_deltalake(str(tmp_path / "silver"), old, partition_by=["night"])
    write_deltalake(str(tmp_path / "silver"), new, mode="append", schema_mode="merge")
    table = client.open_table(tmp_path, "silver").set_index("night")
    assert table.loc[1, "rates.slope"] == 0.5 and pd.isna(table.loc[1, "rates.is_rising"])
    assert bool(table.loc[2, "rates.is_rising"])


def test_errors_say_what_to_do(broker, tmp_path):
    with pytest.raises(SetupError, match="no table silver in .*bin/demo"):
        client.open_table(tmp_path, "silver")
    with pytest.raises(ConfigError, match="no column rates.slop; did you mean rates.slope"):
        client.open_table(broker.data, "silver", columns=["rates.slop"])
    row = client.open_table(broker.data, "silver", columns=["ra"]).iloc[0]
    with pytest.raises(ConfigError, match="read the column `lc`"):
        client.light_curve(row)


def test_light_curve_of_a_row(broker):
    silver = client.open_table(broker.data, "silver").set_index("diaSourceId")
    for row in broker.silver:
        points = client.light_curve(silver.loc[row["diaSourceId"]])
        assert points["mjd"].tolist() == row["lc"]["midpointMjdTai"]
        assert points["mjd"].is_monotonic_increasing
        assert points["kind"].tolist() == row["lc"]["kind"]
        own = points[(points["mjd"] == row["midpointMjdTai"]) & (points["kind"] == "detection")]
        assert own["psfFlux"].iloc[-1] == pytest.approx(row["psfFlux"], rel=1e-6)


def test_magnitudes():
    """36,307.8 nJy is 20 mag AB (31.4 zero point); 1 % of flux is 0.01086 mag."""
    columns = {"midpointMjdTai": [1.0, 2.0, 3.0], "band": ["r"] * 3, "paired": [False] * 3,
               "psfFlux": [36307.8, -500.0, None], "psfFluxErr": [363.078, 363.078, 363.078],
               "kind": ["detection", "forced", "limit"]}
    points = client.light_curve({f"lc.{name}": value for name, value in columns.items()})
    assert points["mag"].iloc[0] == pytest.approx(20.0, abs=1e-4)
    assert points["mag_err"].iloc[0] == pytest.approx(0.010857, abs=1e-5)
    assert points["mag"].isna().tolist() == [False, True, True]
    assert points["mag_limit"].iloc[2] == pytest.approx(25 - 2.5 * np.log10(5), abs=1e-4)


def test_a_row_whose_packet_could_not_be_read_has_no_points():
    row = dict.fromkeys((f"lc.{n}" for n in ("midpointMjdTai", "band", "psfFlux", "psfFluxErr",
                                             "kind", "paired")))
    assert client.light_curve(row).empty
