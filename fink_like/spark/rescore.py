"""Alerts of a past night scored again by one module, and by those that build on it.

Nothing is replaced: each alert gets a row more in `rescores`, with the next revision. Carried out
by the science job beside its batches, see `fink_like.jobs.errands`, since a table has one writer.
"""

from pyspark import StorageLevel
from pyspark.sql import Window
from pyspark.sql import functions as F

from fink_like.errors import ModuleError
from fink_like.kit import registry
from fink_like.spark import images, tables
from fink_like.spark.history import History, is_taken
from fink_like.spark.scoring import Scoring
from fink_like.spark.silver import broker_sql
from fink_like.spark.udfs import score
from fink_like.vocabulary import NOT_STORED, leaves

ALERT = ("survey", "diaSourceId", "packet.topic", "packet.partition", "packet.offset")


class Rescore:
    """Scores nights again.

    Parameters
    ----------
    spark : SparkSession
    settings : Settings
    surveys : dict
    specs : list of ModuleSpec
        The live ones.
    checkpoint : Checkpoint
        Of the science job.
    """

    def __init__(self, spark, settings, surveys, specs, checkpoint):
        self._spark, self._settings, self._specs = spark, settings, specs
        self._surveys = surveys
        self._lease, self._folder = checkpoint.lease, checkpoint.folder
        self._fields = tables.silver_fields(surveys, specs)

    def night(self, module, night, request, failed=False, send=False):
        """Score the alerts of a night again.

        Parameters
        ----------
        module : str
            With it go the modules that take outputs from it.
        night : int
        request : str
            Names this request; the same one again writes nothing.
        failed : bool
            Only alerts where it failed, was stopped or was off.
        send : bool
            Let distribute send what passes a filter now and did not before.

        Returns
        -------
        dict
            ``alerts`` tried, ``scored`` of them with an answer or a good reason for none: these
            were written.

        Raises
        ------
        ModuleError
            It is not live, or is switched off.
        """
        again = registry.dependents(self._specs, module)
        scoring = Scoring(self._spark, self._settings, again, self._folder)
        self._refuse(module, again, scoring)
        alerts = self._newest(night).where("packet_status = 0")
        if failed:
            alerts = alerts.where(f"`{module}`.status < 0")
        if is_taken(again):
            alerts = History(self._spark, self._settings).beside(alerts, alerts)
        if images.are_taken(again):
            alerts = images.with_cutouts(alerts, night, self._settings, self._surveys)
        counts, good = {}, f"`{module}`.status >= 0"

        def write(frame):
            frame = frame.persist(StorageLevel.DISK_ONLY)
            try:  # counted first: the append changes a table that the frame reads
                counts.update(frame.selectExpr("count(*) AS alerts", f"count_if({good}) AS scored")
                              .first().asDict())
                self._lease.check()  # to score a night may take an hour
                tables.append(frame.where(good), self._settings.path(tables.RESCORES_TABLE),
                              f"rescore-{request}", 0, {"rescore": module, "night": night})
            finally:
                frame.unpersist()

        scoring.attempt(f"of night {night}",
                        lambda **how: self._scored(alerts, scoring.specs, send, how), write)
        return counts

    def _refuse(self, module, again, scoring):
        if not again or again[0].name != module:
            live = ", ".join(spec.name for spec in self._specs)
            raise ModuleError(f"{module} is not live: conf/modules.yaml says what is ({live}), and "
                              "is read when the science job starts")
        if module in scoring.breakers.off():
            raise ModuleError(f"{module} is switched off, because it failed: mend it, then "
                              f"`fink-like module resume {module}`")

    def _newest(self, night):
        """The newest revision of each alert."""
        silver, rescores = (tables.read(self._spark, self._settings.path(name))
                            .where(F.col("night") == int(night))
                            for name in (tables.SILVER_TABLE, tables.RESCORES_TABLE))
        keys = [F.col(name).alias(f"_{n}") for n, name in enumerate(ALERT)]
        newest = Window.partitionBy(*ALERT).orderBy(F.desc("revision"))
        last = (rescores.withColumn("_place", F.row_number().over(newest))
                .where("_place = 1").drop("_place"))
        same = [F.col(name).eqNullSafe(F.col(f"_{n}")) for n, name in enumerate(ALERT)]
        first = silver.join(last.select(*keys), on=same, how="left_anti")
        return first.unionByName(last)

    def _scored(self, alerts, again, send, how):
        module, *others = (spec.name for spec in again)
        mine = {module, *others}
        there = (*self._fields, *(s for s in NOT_STORED if s.name in alerts.columns))
        present = {name for name in leaves(there) if name.split(".")[0] not in mine}
        scored = alerts.select("*", score(again, present, **how).alias("modules"))
        values = {module: f"modules.`{module}`", "revision": "revision + 1",
                  "broker": broker_sql("broker.kafka_time", "broker.ingest_time", not send)}
        return scored.selectExpr(*(
            f"{_better(f) if f.name in others else tables.by_name(f, values.get(f.name))} "
            f"AS `{f.name}`" for f in self._fields))


def _better(field):
    """SQL of a dependent's new struct; of the old where that has a value and the new has not."""
    old, new = tables.by_name(field), tables.by_name(field, f"modules.`{field.name}`")
    worse = f"modules.`{field.name}`.status < 0 AND `{field.name}`.status >= 0"
    return f"IF({worse}, {old}, {new})"
