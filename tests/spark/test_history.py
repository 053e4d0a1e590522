"""Cells of the sky: every position in one, neighbours within the margin in each other's."""

import numpy as np
import pytest

from fink_like.kit import HISTORY, Field, science_module
from fink_like.spark.history import MARGIN_DEG, cell_sql, cells_sql, is_taken


def test_only_for_modules_that_take_it():
    def declared(*inputs):
        @science_module(version="1", inputs=inputs, outputs=(Field("x", "float"),))
        def some(*columns):
            """Some."""
        return some

    assert is_taken([declared("psfFlux"), declared(*HISTORY)])
    assert not is_taken([declared("psfFlux", "lc.psfFlux")])


@pytest.fixture(scope="module")
def positions(spark):
    """Pairs of positions nearer than the margin, many at borders, at the poles and at RA 0."""
    rng = np.random.default_rng(2)
    n = 3000
    ra = np.concatenate([rng.uniform(0, 360, n), rng.choice([0.0, 360.0, 4.0, 180.0], n),
                         [0.0, 10.0, 359.9999, 0.0]])
    dec = np.concatenate([np.degrees(np.arcsin(rng.uniform(-1, 1, n))),
                          4.0 * rng.integers(-22, 23, n), [90.0, -90.0, 90.0, -90.0]])
    away, angle = 0.6 * MARGIN_DEG * rng.random(len(ra)), rng.uniform(0, 2 * np.pi, len(ra))
    dec2 = np.clip(dec + away * np.sin(angle), -90, 90)
    ra2 = (ra + away * np.cos(angle) / np.maximum(np.cos(np.radians(dec2)), 1e-3)) % 360
    rows = np.stack([ra, dec, ra2, dec2], axis=1).tolist()
    return spark.createDataFrame(rows, "ra double, dec double, ra2 double, dec2 double")


def test_an_alert_finds_its_object_across_a_border(positions):
    found = positions.selectExpr(f"{cells_sql()} AS kept", f"{cell_sql('ra2', 'dec2')} AS asked",
                                 f"{cell_sql()} AS own").toPandas()
    assert all(asked in kept for asked, kept in zip(found["asked"], found["kept"]))
    assert all(own in kept for own, kept in zip(found["own"], found["kept"]))
    assert found["kept"][:3000].map(len).mean() < 1.01 and found["kept"].map(len).max() <= 4


def test_cells_are_alike_in_size(spark):
    """In square degrees: 41,253 over the number of cells."""
    rng = np.random.default_rng(3)
    n = 100_000
    rows = zip(rng.uniform(0, 360, n).tolist(),
               np.degrees(np.arcsin(rng.uniform(-1, 1, n))).tolist())
    counts = (spark.createDataFrame(list(rows), "ra double, dec double")
              .groupBy(cells_sql_column()).count().toPandas()["count"])
    area = 41253 * counts / n
    assert len(counts) > 2000 and area.median() == pytest.approx(16, rel=0.1)
    assert area.quantile(0.99) < 35


def cells_sql_column():
    from pyspark.sql import functions as F
    return F.expr(cell_sql())
