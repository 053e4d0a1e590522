"""What may be deleted: rows by their night, files that no version in use has any more.

Compaction and deletes leave the old files where they are; VACUUM removes those that were replaced
longer ago than some hours. A stream, though, reads the files that a commit added even if they were
replaced since: so none may go that was replaced after the oldest version that a consumer has yet
to read. A consumer that stands for long keeps them all.
"""

import json
import math
import time
from dataclasses import dataclass

import yaml
from delta.tables import DeltaTable
from pyspark.sql import DataFrame

from fink_like.errors import ConfigError
from fink_like.spark import commits, tables
from fink_like.spark.control import ControlFolder
from fink_like.spark.offsets import OffsetLog

LEAST_FILES_DAYS = 7  # Delta's own rule: readers without a checkpoint keep a version for days
MARGIN_HOURS = 24  # a file's removal bears the time at which its compaction began
READERS = "readers"
DELETABLE = (tables.BRONZE_TABLE, tables.SILVER_TABLE, tables.RESCORES_TABLE,
             tables.SHADOW_TABLE, tables.DELIVERIES_TABLE)

# Table -> who reads it as a stream: job, and which of its sources it is.
STREAMS = {tables.BRONZE_TABLE: [("science", 0)], tables.SILVER_TABLE: [("distribute", 0)],
           tables.RESCORES_TABLE: [("distribute", 1)]}


@dataclass(frozen=True)
class Policy:
    """``conf/retention.yaml``."""

    files_days: float
    readers_days: float
    keep_days: dict  # table -> days; a table that is not named is kept for ever


def load(path):
    """Read the policy.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ConfigError
        A name or a number that cannot be.
    """
    given = yaml.safe_load(path.read_text())
    if set(given) != set(Policy.__dataclass_fields__):
        raise ConfigError(f"{path}: has {sorted(given)}, needs "
                          f"{sorted(Policy.__dataclass_fields__)}")
    policy = Policy(given["files_days"], given["readers_days"], given["keep_days"] or {})
    if policy.files_days < LEAST_FILES_DAYS:
        raise ConfigError(f"{path}: files_days {policy.files_days} is less than "
                          f"{LEAST_FILES_DAYS}: readers would lose the version that they read")
    for table, days in policy.keep_days.items():
        if table not in DELETABLE or not isinstance(days, int) or days < 1:
            raise ConfigError(f"{path}: keep_days {table}: {days}: give whole days, of one of "
                              f"{', '.join(DELETABLE)}; the ledger is kept for ever")
    return policy


def consumers(spark, settings, table, readers_days):
    """Who still reads from which version of a table.

    Parameters
    ----------
    spark : SparkSession
    settings : Settings
    table : str
    readers_days : float
        A registered reader that has said nothing for so long is forgotten.

    Returns
    -------
    dict
        Name -> oldest version that it has yet to read; 0 if it has read nothing.
    """
    found = {job: _next_version(spark, settings, table, job, source)
             for job, source in STREAMS.get(table, ())}
    folder = ControlFolder(spark, settings.path(READERS))
    for name in folder.names():
        reader = folder.read(name)
        if reader["table"] == table and time.time() - reader["at"] < 86400 * readers_days:
            found[f"reader {name.removesuffix('.json')}"] = reader["version"]
    return found


def _next_version(spark, settings, table, job, source):
    """First version that a job has yet to read, behind those that hold nothing for it."""
    log = OffsetLog(spark, settings.path("jobs", job, "checkpoint"))
    sources = log.sources(log.done())
    offset = json.loads(sources[source]) if sources and sources[source] != "-" else None
    if offset is None:
        return 0
    version, path = offset["reservoirVersion"], settings.path(table)
    if not offset["isStartingVersion"]:
        while (commit := commits.actions(spark, path, version)) and not _has_rows(commit):
            version += 1
    return version


def _has_rows(commit):
    return any(action["add"]["dataChange"] for action in commit if "add" in action)


def hours_to_keep(spark, path, readers, files_days):
    """How long ago a file must have been replaced to be deleted.

    Parameters
    ----------
    spark : SparkSession
    path : str
    readers : dict
        Of `consumers`.
    files_days : float

    Returns
    -------
    int or None
        Hours; None: nothing may be deleted, a reader's version is not in the log any more.
    """
    hours, newest = 24 * files_days, commits.version_of(spark, path)
    for version in readers.values():
        if version <= newest:
            commit = commits.actions(spark, path, version)
            if not commit:
                return None
            made = next(a["commitInfo"]["timestamp"] for a in commit if "commitInfo" in a) / 1000
            hours = max(hours, (time.time() - made) / 3600 + MARGIN_HOURS)
    return math.ceil(hours)


def vacuum(spark, path, hours):
    """Delete files that were replaced, or left behind by a kill, so many hours ago."""
    DeltaTable.forPath(spark, path).vacuum(hours)


def nights_to_expire(spark, settings, table, policy, before):
    """Nights of a table that are past their time and that every consumer has read.

    Parameters
    ----------
    spark : SparkSession
    settings : Settings
    table : str
    policy : Policy
    before : int
        Nights YYYYMMDD below it are past their time.

    Returns
    -------
    list of int
    """
    old = [night for night in nights(spark, settings.path(table)) if night < before]
    # Distribute fetches the packets of silver's rows from bronze.
    for read in ((table, tables.SILVER_TABLE) if table == tables.BRONZE_TABLE else (table,)):
        versions = consumers(spark, settings, read, policy.readers_days).values()
        have = nights(spark, settings.path(read)) if old and versions else []
        old = [night for night in old if night not in have or
               min(versions) > _last_version(spark, settings, read, night)]
    return old


def nights(spark, path):
    """Nights that a table has rows of, sorted."""
    values = (DataFrame(commits.snapshot(spark, path).allFiles().toDF(), spark)
              .selectExpr("partitionValues['night'] AS night").distinct().collect())
    return sorted(int(row.night) for row in values)


def _last_version(spark, settings, table, night):
    """Version in which rows of a night were last added, by the ledger; infinite: it has no line."""
    job = {tables.BRONZE_TABLE: "ingest", tables.SILVER_TABLE: "science"}.get(table)
    if job is None:
        return math.inf
    lines = tables.read(spark, tables.create_ledger(spark, settings, job))
    row = lines.where(f"array_contains(nights, {night})").agg({"table_version": "max"}).first()
    return math.inf if row[0] is None else row[0]


def expire(spark, path, old):
    """Delete nights of a table."""
    DeltaTable.forPath(spark, path).delete(f"night IN ({', '.join(map(str, old))})")
