"""What ran when: a row in `module_runs` whenever a science module has changed."""

from dataclasses import astuple

from pyspark.sql import Window
from pyspark.sql import functions as F

from fink_like.bookkeeping import MODULE_RUNS
from fink_like.kit.identity import Identity, identity
from fink_like.kit.registry import OFF
from fink_like.spark import tables

WHAT = [field.name for field in MODULE_RUNS if field.name not in ("first_batch", "began_at")]


def note(spark, settings, specs, first_batch):
    """Note what differs from what ran before; nothing does after most restarts.

    Parameters
    ----------
    spark : SparkSession
    settings : Settings
    specs : list of ModuleSpec
        That are on.
    first_batch : int
        The first that they will score.

    Returns
    -------
    int
        Rows that were added.
    """
    path = tables.create_module_runs(spark, settings)
    last = _last(tables.read(spark, path))
    now = {spec.name: _row(identity(settings.modules / spec.name, spec), spec.state)
           for spec in specs}
    now |= {name: _row(Identity(*row[:1], *row[2:]), OFF) for name, row in last.items()
            if name not in now}
    changed = [(*row, first_batch) for name, row in sorted(now.items()) if row != last.get(name)]
    if changed:
        fields = [field for field in MODULE_RUNS if field.name != "began_at"]
        (spark.createDataFrame(changed, tables.schema(fields))
         .withColumn("began_at", F.current_timestamp())
         .write.format("delta").mode("append").save(path))
    return len(changed)


def _row(one, state):
    module, *others = astuple(one)
    return (module, state, *others)


def _last(runs):
    """Module -> its newest row."""
    newest = Window.partitionBy("module").orderBy(F.desc("first_batch"), F.desc("began_at"))
    rows = runs.withColumn("place", F.row_number().over(newest)).where("place = 1")
    return {row.module: tuple(row) for row in rows.select(*WHAT).collect()}
