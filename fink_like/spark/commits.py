"""What the commits of a Delta table tell: which batches it has, their files, their notes."""

import contextlib
import json

from py4j.protocol import Py4JJavaError

from fink_like.spark.control import ControlFolder


def last_batch(spark, path, app_id):
    """Last batch that a checkpoint's identity committed to a table, -1 if none."""
    found = snapshot(spark, path)
    return last_in(found, path, app_id) if found.version() >= 0 else -1


def last_in(found, path, app_id):
    """The same, of a snapshot.

    From the checksum that Delta writes beside each commit, if it tells; to read all of the log
    costs 0.5 s CPU a batch.
    """
    with _readable(path):
        told = found.setTransactionsIfKnown()
        if told.isDefined():
            marks = [told.get().apply(n) for n in range(told.get().size())]
            return max((mark.version() for mark in marks if mark.appId() == app_id), default=-1)
        number = found.transactions().get(app_id)
    return int(number.get()) if number.isDefined() else -1


@contextlib.contextmanager
def _readable(path):
    try:
        yield
    except Py4JJavaError as error:
        raise OSError(f"cannot read the Delta log of {path}: {error.java_exception}") from error


def delta_log(spark, path):
    """Delta's own object for the log of a table."""
    return spark._jvm.org.apache.spark.sql.delta.DeltaLog.forTable(spark._jsparkSession, path)


def snapshot(spark, path):
    """Delta's own object for the newest version of a table."""
    none = spark._jvm.scala.Option.empty()
    with _readable(path):
        return delta_log(spark, path).update(False, none, none)


def last_notes(spark, path, job, count):
    """The notes of the newest batches of a job, newest first, at most ``count``."""
    found = []
    for version in range(version_of(spark, path), -1, -1):
        note = note_of(actions(spark, path, version))
        if note and "batch" in note and note["job"] == job:
            found.append(note)
            if len(found) == count:
                break
    return found


def note_of(commit):
    """The note that a commit's actions carry, None if there is none."""
    for action in commit:
        text = action.get("commitInfo", {}).get("userMetadata")
        if text:
            return json.loads(text)
    return None


def commit_of(spark, path, app_id, number, kind="batch"):
    """Actions of the commit that wrote a batch, or a ``redrive``; from the newest one backwards.

    Costs the reading of one small file a commit, no Spark job; empty if there is none.
    """
    for version in range(version_of(spark, path), -1, -1):
        commit = actions(spark, path, version)
        note = note_of(commit)
        if note and note.get(kind) == number and note["app_id"] == app_id:
            return commit
    return []


def files_of(commit):
    """The ``add`` actions of a commit: path, partition values, size, statistics."""
    return [action["add"] for action in commit if "add" in action]


def count_rows(files, partition):
    """Rows of `files_of` by a partition column: ``{value: rows}``."""
    counts = {}
    for add in files:
        value = add["partitionValues"][partition]
        counts[value] = counts.get(value, 0) + json.loads(add["stats"])["numRecords"]
    return counts


def largest(files, column):
    """Largest value of a column in `files_of`, from their statistics; None if all are null."""
    found = [json.loads(add["stats"])["maxValues"].get(column) for add in files]
    return max((value for value in found if value is not None), default=None)


def version_of(spark, path):
    """Newest version of a table, -1 if there is none."""
    return snapshot(spark, path).version()


def exists(spark, path):
    """Whether there is a table.

    Delta's own test is content with a folder ``_delta_log``, which a kill may leave empty.
    """
    return version_of(spark, path) >= 0


def actions(spark, path, version):
    """Actions of one commit; none if its log file has been cleaned away."""
    folder, name = ControlFolder(spark, f"{path}/_delta_log"), f"{version:020d}.json"
    return [json.loads(line) for line in folder.read_lines(name)] if folder.exists(name) else []
