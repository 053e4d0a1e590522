"""What silver does not keep, put beside stored alerts: history of earlier nights, images."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from fink_like.errors import PacketError, SchemaError
from fink_like.kit.handmade import alerts, light_curve
from fink_like.kit.lightcurve import LIGHT_CURVE
from fink_like.modules import stored
from fink_like.packets.survey import load

EARLY, LATE = 2**60 + 1, 2**60 + 3


def silver(rows):
    """A table of alerts: (object, night, MJD, points)."""
    objects, nights, mjd, points = zip(*rows)
    lists = alerts([light_curve(times, [1.0] * len(times), 1.0) for times in points])
    lc = pa.StructArray.from_arrays([lists[name] for name in LIGHT_CURVE],
                                    [name.split(".")[1] for name in LIGHT_CURVE])
    return pa.table({"survey": ["ztf"] * len(rows), "night": pa.array(nights, pa.int32()),
                     "diaObjectId": pa.array(objects, pa.int64()), "midpointMjdTai": mjd, "lc": lc})


def known(rows, **options):
    table = silver(rows)
    found = stored.histories(ds.dataset(table), table)
    assert set(found) == {name.replace("lc.", "history.") for name in LIGHT_CURVE}
    return found["history.midpointMjdTai"].to_pylist()


ROWS = [(EARLY, 20260101, 61000.2, [61000.1, 61000.2]),
        (EARLY, 20260101, 61000.3, [61000.1, 61000.2, 61000.3]),
        (LATE, 20260102, 61001.2, [61001.2]),
        (EARLY, 20260105, 61004.2, [60990.0, 61000.1, 61004.2]),  # brings an older point
        (EARLY, 20260107, 61006.2, [61004.2, 61006.2]),
        (0, 20260107, 61006.3, [61006.3]), (0, 20260108, 61007.3, [61007.3])]


@pytest.mark.parametrize("pairs", [1, 3, 20_000])
def test_history_is_what_earlier_nights_brought(monkeypatch, pairs):
    monkeypatch.setattr(stored, "PAIRS", pairs)
    assert known(ROWS) == [None, None, None, [61000.1, 61000.2, 61000.3],
                           [60990.0, 61000.1, 61000.2, 61000.3, 61004.2], None, None]


def test_of_no_alert_there_is_no_history():
    table = silver(ROWS).slice(0, 0)
    found = stored.histories(ds.dataset(silver(ROWS)), table)
    assert {len(column) for column in found.values()} == {0}
    assert known(ROWS[2:3]) == [None]


def test_lists_of_lists():
    lists = pa.array([[1.0, 2.0], None, [3.0], [], [4.0]])
    joined = stored._together(lists, np.array([2, 0, 3]))
    assert joined.to_pylist() == [[1.0, 2.0], [], [3.0, 4.0]]


@pytest.mark.parametrize("error", [PacketError("undecodable", "cut"), SchemaError("unknown")])
def test_a_packet_that_cannot_be_read_any_more_has_no_images(monkeypatch, error):
    def fail(*given):
        raise error

    monkeypatch.setattr(stored, "packet_schema", fail)
    row = {"survey": "ztf", "schema_key": "c1", "datum": b""}
    survey = load(Path(__file__).parents[2] / "conf" / "surveys" / "ztf.yaml")
    assert stored._cutouts("data", survey, row) == {}


def test_without_bronze_there_are_no_packets(tmp_path):
    assert [*stored._packets(tmp_path, ds.field("offset") == 1)] == []
