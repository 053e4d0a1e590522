"""Science modules as one Spark column: one UDF, so one Python worker sees each alert once."""

import sys

import pyarrow as pa
from pyspark.sql import functions as F

from fink_like.kit import registry
from fink_like.kit.run import run
from fink_like.vocabulary import Struct


def score(specs, present):
    """Column: a struct with one struct a module.

    Parameters
    ----------
    specs : list of ModuleSpec
        Not empty.
    present : set of str
        Dotted columns of the frame; inputs that no survey here has are left out.

    Returns
    -------
    Column
    """
    names = [name for name in registry.external_inputs(specs) if name in present]
    result = Struct("modules", tuple(spec.struct for spec in specs)).type

    @F.arrow_udf(result)
    def run_modules(*columns: pa.Array) -> pa.Array:
        scores, failures = run(specs, dict(zip(names, columns)))
        for failure in failures:
            print(f"science module {failure.module}: {failure.rows} rows failed: "
                  f"{failure.message}", file=sys.stderr, flush=True)
        return scores

    return run_modules(*(F.col(name) for name in names))
