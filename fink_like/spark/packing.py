"""Compaction: the many small files of a closed night become few large ones.

Tables without packets are left to Delta's OPTIMIZE. Bronze shall stay in (topic, partition, offset)
order, by which packets are fetched, and OPTIMIZE takes files by their size: of 32 files of four
Kafka partitions it made four that span all partitions and three quarters of the offsets each, with
rows in any order inside, and another codec (tried, 4.4.0). A packet would be looked for in all of
them. So a run of files that are neighbours in that order is read, sorted and written as one file,
through Delta's own transaction: the commit says "no data change", removes just these files, fails
if anybody else removed one, and lets appends pass. A kill leaves a file that VACUUM finds.
"""

import json
import math
import time

from delta.tables import DeltaTable
from pyspark.sql import DataFrame

from fink_like.errors import BrokerError
from fink_like.spark import commits

TARGET = 256 * 1024 * 1024  # bytes of a file; see docs/architecture.md, "Nightly", for others
PACKED = "fink_like.packed"  # tag of a file that is as it shall be
ORDER = ("topic", "partition", "offset")
STATISTICS_CHARACTERS = 32  # Delta keeps so many of a text's minimum and maximum


def pack(spark, path, night, seconds=60.0, compression="lz4_raw"):
    """Pack a night's files, for some seconds; what is left is for the next call.

    Parameters
    ----------
    spark : SparkSession
    path : str
        Of a table that is partitioned by ``night`` and holds Kafka coordinates.
    night : int
    seconds : float
        No new file is begun after them.
    compression : str

    Returns
    -------
    dict
        ``before``, ``after`` {files, bytes} of the night, ``left``: files still to be made.
    """
    snapshot = commits.snapshot(spark, path)
    files = night_files(spark, snapshot, night)
    found = [group for part in _by_partition(files) for group in bins(part)]
    many, single = [g for g in found if len(g) > 1], [g[0] for g in found if len(g) == 1]
    end, made = time.monotonic() + seconds, []
    for group in many:
        if made and time.monotonic() > end:
            break
        made.append(_rewrite(spark, path, snapshot, group, compression))
    left = len(many) - len(made)
    if single and not left:
        _commit(spark, _transaction(spark, path, snapshot),
                [_action({**file["add"], "tags": {PACKED: "1"}}) for file in single], [])
    gone = {file["path"] for group in many[:len(made)] for file in group}
    kept = [file for file in files if file["path"] not in gone]
    return {"before": size(files), "after": size([*kept, *made]), "left": left}


def optimize(spark, path, night, columns=()):
    """Let Delta compact a night of a table without packets, Z-ordered by columns if there are.

    A night of as few files as its size asks for is left as it is: Delta would Z-order it anew.

    Returns
    -------
    dict
        ``before``, ``after``, as `pack`.
    """
    before = size(night_files(spark, commits.snapshot(spark, path), night))
    if before["files"] > max(1, math.ceil(before["bytes"] / TARGET)):
        table = DeltaTable.forPath(spark, path).optimize().where(f"night = {int(night)}")
        table.executeZOrderBy(*columns) if columns else table.executeCompaction()
    return {"before": before, "after": size(night_files(spark, commits.snapshot(spark, path),
                                                        night))}


def merge(spark, path):
    """Let Delta make few files of a small table, if there is one."""
    if commits.exists(spark, path):
        DeltaTable.forPath(spark, path).optimize().executeCompaction()


def night_files(spark, snapshot, night):
    """Files of a night in a snapshot of a table.

    Returns
    -------
    list of dict
        ``path``, ``size``, ``rows``, ``state``, ``packed``, ``first`` and ``last`` coordinates
        (column by column; texts cut), and ``add``, the action.
    """
    rows = (DataFrame(snapshot.allFiles().toDF(), spark)
            .where(f"partitionValues['night'] = '{int(night)}'")
            .select("path", "partitionValues", "size", "modificationTime", "stats", "tags"))
    return [_file(row.asDict()) for row in rows.collect()]


def _file(add):
    known = json.loads(add["stats"])
    first, last = (tuple(known[side].get(name) for name in ORDER)
                   for side in ("minValues", "maxValues"))
    return {"path": add["path"], "size": add["size"], "rows": known["numRecords"],
            "state": add["partitionValues"].get("state"), "first": first, "last": last,
            "packed": PACKED in (add["tags"] or {}), "add": add}


def size(files):
    """``{files, bytes}`` of `night_files`."""
    return {"files": len(files), "bytes": sum(file["size"] for file in files)}


def _by_partition(files):
    for state in sorted({file["state"] for file in files}, key=str):
        yield [file for file in files if file["state"] == state]


def bins(files, target=None):
    """Which files become one: neighbours, of one Kafka partition where that fills a file.

    Parameters
    ----------
    files : list of dict
        Of `night_files`, one table partition; packed ones are left out.
    target : int, optional
        Bytes, `TARGET` if not given.

    Returns
    -------
    list of lists of dict
    """
    target = TARGET if target is None else target
    found = []
    files = [file for file in files if not file["packed"]]
    for files in ([f for f in files if _is_one_place(f)],  # what a re-drive wrote spans several
                  [f for f in files if not _is_one_place(f)]):
        group, total = [], 0
        for file in sorted(files, key=lambda f: f["first"]):
            elsewhere = group and group[-1]["first"][:2] != file["first"][:2]
            if group and (total + file["size"] > target or elsewhere and total > target // 4):
                found.append(group)
                group, total = [], 0
            group.append(file)
            total += file["size"]
        found += [group] if group else []
    return found


def _is_one_place(file):
    """Whether a file's rows are of one topic and partition."""
    (topic, partition, _), (last_topic, last_partition, _) = file["first"], file["last"]
    return (partition == last_partition
            and topic[:STATISTICS_CHARACTERS] == last_topic[:STATISTICS_CHARACTERS])


def _rewrite(spark, path, snapshot, group, compression):
    """Write a group of files as one; the new file, as in `night_files`."""
    jvm = spark._jvm
    old = [_java(spark, _action(file["add"])) for file in group]
    transaction = _transaction(spark, path, snapshot)
    frame = DataFrame(commits.delta_log(spark, path).createDataFrame(
        snapshot, _seq(spark, old), False, jvm.scala.Option.empty()), spark)
    partitions = sorted(group[0]["add"]["partitionValues"])
    ordered = frame.coalesce(1).sortWithinPartitions(*partitions, *ORDER)
    options = jvm.org.apache.spark.sql.delta.DeltaOptions(
        jvm.PythonUtils.toScalaMap({"compression": compression}),
        spark._jsparkSession.sessionState().conf())
    written = jvm.scala.jdk.javaapi.CollectionConverters.asJava(
        transaction.writeFiles(ordered._jdf, jvm.scala.Option.apply(options)))
    adds = [json.loads(action.json())["add"] for action in written]
    made = [_file({**add, "tags": {PACKED: "1"}}) for add in adds]
    if sum(file["rows"] for file in made) != sum(file["rows"] for file in group):
        raise BrokerError(f"{path}: compaction read {sum(f['rows'] for f in group)} rows of "
                          f"{group[0]['path']} and {len(group) - 1} more files, and wrote "
                          f"{sum(f['rows'] for f in made)}; nothing was changed. Report this.")
    _commit(spark, transaction, [_action(file["add"]) for file in made], old)
    return {**made[0], "size": sum(file["size"] for file in made)}


def _transaction(spark, path, snapshot):
    """A transaction that sees, at its commit, all that was committed since the snapshot."""
    option = spark._jvm.scala.Option
    return commits.delta_log(spark, path).startTransaction(option.empty(), option.apply(snapshot))


def _commit(spark, transaction, adds, old):
    now = int(1000 * time.time())
    actions = [*(_java(spark, add) for add in adds),
               *(file.removeWithTimestamp(now, False) for file in old)]
    empty, jvm = _seq(spark, []), spark._jvm
    operation = getattr(jvm.org.apache.spark.sql.delta, "DeltaOperations$Optimize")(
        empty, empty, False, jvm.scala.Option.empty(), False)
    transaction.commit(_seq(spark, actions), operation)


def _action(add):
    """A file's action, as the log writes it; the rows are not new."""
    return json.dumps({"add": {**add, "dataChange": False}})


def _java(spark, text):
    return getattr(spark._jvm.org.apache.spark.sql.delta.actions, "Action").fromJson(text)


def _seq(spark, values):
    return spark._jvm.PythonUtils.toSeq(list(values))
