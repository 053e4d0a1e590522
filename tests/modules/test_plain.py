"""Plain light curves as alerts."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from fink_like import cli
from fink_like.errors import ConfigError
from fink_like.kit.columns import Batch
from fink_like.modules.plain import Plain, number
from fink_like.vocabulary import LIGHT_CURVE as FIELDS

TYPES = {"survey": pa.string(), "objectId": pa.string(), "diaObjectId": pa.int64(),
         "midpointMjdTai": pa.float64(), "band": pa.string(), "psfFlux": pa.float32(),
         "psfFluxErr": pa.float32(), "snr": pa.float32(), "n_det": pa.int32(), "age": pa.float64(),
         "ra": pa.float64()}
LISTS = {f"lc.{field.name}": pa.list_({"double": pa.float64(), "string": pa.string(), "float":
                                       pa.float32(), "boolean": pa.bool_()}[field.type[6:-1]])
         for field in FIELDS}


@pytest.fixture
def file(tmp_path):
    """Two objects, out of order; a line without a magnitude, one of no band of ours."""
    rows = [("b", 60002.0, 20.0, 0.1, "R"), ("a", 60001.0, 21.4, 0.05, "g"),
            ("a", 60031.0, 18.9, 0.02, "r"), ("a", 60011.0, 19.0, 0.02, "zg"),
            ("a", 60012.0, np.nan, 0.1, "g"), ("b", 60003.0, 20.0, 0.1, "clear")]
    path = tmp_path / "curves.csv"
    pd.DataFrame(rows, columns=["object_id", "time", "mag", "magerr", "band"]).to_csv(
        path, index=False)
    return path


def test_they_are_read_as_difference_flux_in_order(file):
    found = Plain.read(file)
    assert found.objects.tolist() == ["a", "b"] and found.lc.counts.tolist() == [3, 1]
    columns = found.columns("ztf", TYPES | LISTS)
    assert columns["psfFlux"].to_pylist() == pytest.approx([1e5, 10 ** (11.4 / 2.5)])  # 31.4 - 18.9
    assert columns["psfFluxErr"][0].as_py() == pytest.approx(1e5 * 0.02 * np.log(10) / 2.5)
    assert columns["diaObjectId"].to_pylist() == [number("a"), number("b")]
    assert columns["lc.band"].to_pylist() == [["g", "g", "r"], ["r"]]
    assert columns["n_det"].to_pylist() == [3, 1] and columns["age"].to_pylist() == [30.0, 0.0]
    assert columns["ra"].null_count == 2 and columns["survey"].to_pylist() == ["ztf"] * 2
    assert {name: column.type for name, column in columns.items()} == TYPES | LISTS
    assert Batch(columns).light_curve.usable().counts.tolist() == [3, 1]


def test_of_all_the_light_the_median_of_each_band_is_the_template(file):
    found = Plain.read(file, total=True).lc
    assert found.flux.row(0)[2] == 0.0 and found.flux.row(0)[0] == -found.flux.row(0)[1] < 0


def test_an_alert_is_at_a_point_that_fits(file):
    found = Plain.read(file)
    assert found.at(3).lc.counts.tolist() == [3] and found.at(3).objects.tolist() == ["a"]
    assert len(found.at(3, days=25)) == 0
    two = found.at(2, 2, days=25)
    assert len(two) == 1 and np.ptp(two.lc.mjd.row(0)) <= 25
    early = found.at(until=np.array([60005.0, 60000.0]))
    assert early.objects.tolist() == ["a"] and early.lc.mjd.row(0).tolist() == [60001.0]
    assert len(found.at(4).columns("ztf", TYPES)["ra"]) == 0


def test_every_point_that_fits_is_drawn(tmp_path):
    names = [f"o{number}" for number in range(200) for _ in range(4)]
    table = pd.DataFrame({"object_id": names, "time": np.tile(np.arange(60000.0, 60004), 200),
                          "mag": 20.0, "magerr": 0.1, "band": "g"})
    table.to_parquet(tmp_path / "many.parquet")
    found = Plain.read(tmp_path / "many.parquet").at(2)
    assert len(found) == 200 and (np.bincount(found.lc.counts)[2:] > 40).all()


def test_what_cannot_be_read_is_told(tmp_path, file):
    with pytest.raises(ConfigError, match="no such file"):
        Plain.read(tmp_path / "none.csv")
    table = pd.read_csv(file)
    table.drop(columns="magerr").to_csv(file, index=False)
    with pytest.raises(ConfigError, match="no column magerr"):
        Plain.read(file)
    table.assign(band="clear").to_csv(file, index=False)
    with pytest.raises(ConfigError, match="no line with a band"):
        Plain.read(file)


def test_a_module_is_tried_on_them(file, capsys):
    asked = ["module", "try", "rates", "--light-curves", str(file)]
    assert cli.main([*asked, "--survey", "ztf"]) == 0
    assert "rates 1.0: 2 alerts: 2 ok" in capsys.readouterr().out
    assert cli.main(asked) == 1
    assert "--light-curves needs --survey" in capsys.readouterr().err


def test_real_ones(fixtures):
    folder = fixtures / "lightcurves"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    found = Plain.read(folder / "bts_snia.parquet")
    known = pd.read_csv(folder / "bts_snia_labels.csv").set_index("object_id")
    peak = known["peak_mjd"].reindex(found.objects).to_numpy()
    early = found.at(3, 10, 30, peak)
    assert len(found) == 458 and len(early) > 370
    assert set(early.lc.counts) == set(range(3, 11))
    assert (known["peak_mjd"].reindex(early.objects) >= early.lc.mjd.last()).all()
    stars = Plain.read(folder / "s82_rrlyrae.parquet", total=True)
    assert len(stars) == 103 and set(np.unique(stars.lc.band.values)) == {0, 1, 2, 3, 4}
