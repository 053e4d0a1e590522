"""Modules in shadow: scored with the others, written beside them, seen by no filter.

Both tables are written from one evaluation: the batch is kept on disk in between. Each write
carries the batch's number, so that a batch that is repeated after a crash adds to neither twice.
"""

from contextlib import contextmanager

from pyspark import StorageLevel

from fink_like.kit.registry import SHADOW
from fink_like.spark import tables


class Shadow:
    """The table of shadow results; there is none while no module is in shadow.

    Parameters
    ----------
    spark : SparkSession
    settings : Settings
    specs : list of ModuleSpec
        That are on.
    """

    def __init__(self, spark, settings, specs):
        mine = [spec for spec in specs if spec.state == SHADOW]
        self._names = [spec.name for spec in mine]
        self._columns = [field.name for field in tables.shadow_fields(mine)]
        self._path = tables.create_shadow(spark, settings, mine) if mine else None

    @contextmanager
    def beside(self, frame, app_id, batch):
        """The rows for silver, in a ``with``; behind it those of the shadow are written.

        Parameters
        ----------
        frame : DataFrame
            From `fink_like.spark.silver.rows`.
        app_id : str
        batch : int
        """
        if not self._names or not set(self._names) <= set(frame.columns):
            yield frame
            return
        frame = frame.persist(StorageLevel.DISK_ONLY)
        try:
            yield frame.drop(*self._names)
            tables.append(frame.select(*self._columns), self._path, app_id, batch,
                          {"shadow": self._names, "batch": batch})
        finally:
            frame.unpersist()
