"""What ran when: a row in the table `module_runs` whenever a science module has changed."""

import hashlib
import json
from dataclasses import astuple

from pyspark.sql import functions as F

from fink_like.bookkeeping import MODULE_RUNS
from fink_like.kit.identity import Identity, identity
from fink_like.kit.registry import OFF
from fink_like.spark import tables

LAST = "module_runs.json"  # module -> its newest row, so that a start that changes nothing is quick


def note(spark, settings, specs, files, first_batch):
    """Note what differs from what ran before; nothing does after most restarts.

    Parameters
    ----------
    spark : SparkSession
    settings : Settings
    specs : list of ModuleSpec
        That are on.
    files : ControlFolder
        Of the science job.
    first_batch : int
        The first that they will score.

    Returns
    -------
    int
        Rows that were added.
    """
    last = files.read(LAST) or {}
    now = {spec.name: _row(identity(settings.modules / spec.name, spec), spec.state)
           for spec in specs}
    now |= {name: _row(Identity(*row[:1], *row[2:]), OFF) for name, row in last.items()
            if name not in now}
    changed = [[*row, first_batch] for name, row in sorted(now.items()) if row != last.get(name)]
    if changed:
        _append(spark, settings, changed)
        files.write(LAST, now)
    return len(changed)


def _row(one, state):
    module, *others = astuple(one)
    return [module, state, *others]


def _append(spark, settings, rows):
    """One commit, which makes the table if need be; the same rows again write nothing."""
    fields = [field for field in MODULE_RUNS if field.name != "began_at"]
    named = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
    (spark.createDataFrame([tuple(row) for row in rows], tables.schema(fields)).coalesce(1)
     .withColumn("began_at", F.current_timestamp())
     .write.format("delta").mode("append").options(**tables.PROPERTIES)
     .option("txnAppId", f"module_runs-{named}").option("txnVersion", 0)
     .save(settings.path(tables.MODULE_RUNS_TABLE)))
