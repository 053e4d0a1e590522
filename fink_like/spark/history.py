"""The table `history`: one light curve an object, from all its alerts in silver.

Kept by the science job, night by night when `fink-like nightly` asks, and only if a module that is
on takes it. That is often enough: what came since is in the packet, which reaches back a month.

It is partitioned by cells of the sky of 16 square degrees, since a batch is of a few exposures: it
then reads a few cells, and a night rewrites those that it saw. An object whose position scatters
about a border stands in both cells.
"""

import pyarrow as pa
from pyspark.sql import functions as F

from fink_like.kit.lightcurve import LIGHT_CURVE
from fink_like.kit.own_history import merged
from fink_like.kit.registry import takes
from fink_like.spark import tables
from fink_like.spark.control import ControlFolder
from fink_like.vocabulary import HISTORY, Field

BAND_DEG = 4
MARGIN_DEG = 5 / 3600  # farther than the alerts of one object scatter
NIGHTS_AT_ONCE = 10  # when a module is new, and all nights are to be read
ADDED = "history.json"  # the nights that are in it
KEY = ("cell", "survey", "diaObjectId")
FIELDS = (Field("cell", "int"), Field("survey", "string"), Field("diaObjectId", "bigint"), HISTORY)
NAMES = [field.name for field in HISTORY.fields]


def is_taken(specs):
    """Whether one of the modules takes the object's history."""
    return takes(specs, HISTORY)


def cell_sql(ra="ra", dec="dec"):
    """SQL of the number of a position's cell."""
    band = f"least(floor(({dec} + 90) / {BAND_DEG}), {180 // BAND_DEG - 1})"
    middle = f"radians({band} * {BAND_DEG} + {BAND_DEG / 2} - 90)"
    round_the_sky = f"greatest(round({360 / BAND_DEG} * cos({middle})), 1)"
    return f"CAST({band} * 100 + floor(pmod({ra}, 360) / 360 * {round_the_sky}) AS INT)"


def cells_sql():
    """SQL of the cells that an object at this position may stand in."""
    corners = []
    for north in (-MARGIN_DEG, MARGIN_DEG):
        dec = f"least(greatest(dec + {north}, -90), 90)"
        east = f"{MARGIN_DEG} / greatest(cos(radians({dec})), 1e-3)"
        corners += [cell_sql(f"ra {sign} {east}", dec) for sign in "+-"]
    return f"array_distinct(array({', '.join(corners)}))"


class History:
    """The table.

    Parameters
    ----------
    spark : SparkSession
    settings : Settings
    """

    def __init__(self, spark, settings):
        self._spark, self._settings = spark, settings
        self._path = settings.path(tables.HISTORY_TABLE)
        self._control = ControlFolder(spark, settings.path("jobs", "science"))

    def beside(self, alerts, keys):
        """Add the struct ``history`` to alerts: points before each; null of an object not met.

        Parameters
        ----------
        alerts : DataFrame
            Neutral alerts.
        keys : DataFrame
            The same alerts, or the rows of bronze they come from: survey, diaObjectId, ra, dec.
        """
        path = tables.create_history(self._spark, self._settings, FIELDS)
        cells = [row.cell for row in keys.selectExpr(f"{cell_sql()} AS cell").distinct().collect()]
        mine = keys.where("diaObjectId != 0").select("survey", "diaObjectId").distinct()
        known = (tables.read(self._spark, path).where(F.col("cell").isin(cells))
                 .join(F.broadcast(mine), ["survey", "diaObjectId"], "left_semi")
                 .selectExpr(*(f"{name} AS _{name}" for name in (*KEY, HISTORY.name))))
        same = [F.expr(f"_survey = survey AND _diaObjectId = diaObjectId AND _cell = {cell_sql()}")]
        before = f"size(filter(_{HISTORY.name}.midpointMjdTai, t -> t < midpointMjdTai))"
        cut = ", ".join(f"'{name}', slice(_{HISTORY.name}.{name}, 1, _n)" for name in NAMES)
        return (alerts.join(F.broadcast(known), same, "left").selectExpr("*", f"{before} AS _n")
                .selectExpr("* EXCEPT (_n, _cell, _survey, _diaObjectId, _history)",
                            f"IF(_n > 0, named_struct({cut}), NULL) AS {HISTORY.name}"))

    def add(self, night):
        """Add a night, and those before it that are not in yet; again, and nothing changes.

        Returns
        -------
        dict
            ``nights`` added and ``objects`` with new points.
        """
        done = set((self._control.read(ADDED) or {}).get("nights", ()))
        silver = tables.read(self._spark, self._settings.path(tables.SILVER_TABLE))
        there = [row.night for row in silver.where(F.col("night") <= int(night))
                 .select("night").distinct().collect()]
        todo = sorted({*there} - done | {int(night)})
        objects = 0
        for start in range(0, len(todo), NIGHTS_AT_ONCE):
            some = todo[start:start + NIGHTS_AT_ONCE]
            objects += self._add(silver.where(F.col("night").isin(some)))
            done |= set(some)
            self._control.write(ADDED, {"nights": sorted(done)})
        return {"nights": len(todo), "objects": objects}

    def _add(self, alerts):
        """Rewrite the cells that these alerts are in."""
        path = tables.create_history(self._spark, self._settings, FIELDS)
        seen = (alerts.where("packet_status = 0 AND diaObjectId != 0 AND ra + dec IS NOT NULL")
                .selectExpr(f"explode({cells_sql()}) AS cell", "survey", "diaObjectId",
                            "struct(-midpointMjdTai AS age, lc) AS one")
                .groupBy(*KEY).agg(F.sort_array(F.collect_list("one")).alias("all"))
                .selectExpr(*KEY, *(f"flatten(transform(all, x -> x.lc.{name})) AS new_{name}"
                                    for name in NAMES)).persist())
        try:
            cells = [row.cell for row in seen.select("cell").distinct().collect()]
            old = tables.read(self._spark, path).where(F.col("cell").isin(cells))
            merge = F.arrow_udf(_merge, HISTORY.type)
            changed = seen.join(old, list(KEY), "left").select(
                *KEY, merge(*(f"new_{name}" for name in NAMES),
                             *(f"{HISTORY.name}.{name}" for name in NAMES)).alias(HISTORY.name))
            same = old.join(seen, list(KEY), "left_anti")
            rows = same.select(*changed.columns).unionByName(changed)
            if cells:
                (rows.repartition("cell").write.format("delta").mode("overwrite")
                 .option("replaceWhere", f"cell IN ({', '.join(map(str, cells))})").save(path))
            return seen.count()
        finally:
            seen.unpersist()


def _merge(*columns: pa.Array) -> pa.Array:
    half = len(LIGHT_CURVE)
    order = [NAMES.index(name.split(".")[1]) for name in LIGHT_CURVE]
    now, before = columns[:half], columns[half:]
    found = merged([now[place] for place in order], [before[place] for place in order])
    return pa.StructArray.from_arrays([found.field(name) for name in NAMES], NAMES)
