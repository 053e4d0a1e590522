"""A batch of messages into bronze in two looks, and one commit.

The first look is the JVM's alone. What it cannot read it writes, message and all, under the state
``unread``: files of no commit, so nobody sees them. If there are any, the second look reads those
files, in Python, and the commit takes its rows in their place. A packet in the same plan as a
Python function costs twice as much even if the function never gets it: each row passes a queue of
whole rows (1.1 instead of 0.6 ms CPU per packet of 62 kB, 3 runs each).

Each message is looked at once by each, and what the first wrote decides what the second gets: no
second evaluation can route a row otherwise. Delta's own stream sink writes and commits in the
same calls (``DeltaSink.addBatch`` of Delta 4.4).
"""

import json

from fink_like.spark.commits import delta_log, last_in

UNREAD = "unread"  # a state of bronze that no commit has
# Packets are two thirds gzipped stamps, or stamps that lz4 halves: zstd saves 1 to 5 % of the
# bytes more for 10 % more time.
CODEC = "lz4_raw"

# Of the session that writes, each with its reason.
WRITING = {
    # Each operator would copy the packet: 12 projections cost 0.3 ms more per packet of 62 kB than
    # one loop that hands it on (the code is compiled once a session and set of schemas: batch
    # number and time are no constants in it, see `bronze`).
    "spark.sql.codegen.wholeStage": "true",
    "spark.sql.codegen.factoryMode": "FALLBACK",
    # A row group is kept in memory until it is full: 2 x 128 MiB filled the old generation of the
    # heap, and a full collection came every 0.3 s (0.58 to 0.31 ms CPU per packet).
    "parquet.block.size": str(16 * 1024 * 1024),
    # Looked at after each 4 to 16 rows instead of 100 to 10,000: rows have 60 to 900 kB.
    "parquet.page.size.row.check.min": "4",
    "parquet.page.size.row.check.max": "16",
}


def append(frame, look_again, path, app_id, batch_id, note):
    """Append a batch, once: a repeated (app_id, batch_id) writes nothing.

    Parameters
    ----------
    frame : DataFrame
        Of bronze, from the first look.
    look_again : callable
        Unread rows of bronze -> rows of bronze.
    path : str
        Of the table.
    app_id : str
        Identity of the checkpoint that counts the batches.
    batch_id : int
    note : dict
        Kept with the commit, as its ``userMetadata``.
    """
    spark = frame.sparkSession
    for name, value in WRITING.items():
        spark.conf.set(name, value)
    transaction = delta_log(spark, path).startTransaction()
    if last_in(transaction.snapshot(), path, app_id) >= batch_id:
        return
    transaction.readTxn().append(app_id)  # the same number from elsewhere is a conflict
    files = _write(spark, transaction, frame)
    unread = [file for file in files if file.partitionValues().get("state").get() == UNREAD]
    if unread:
        places = [_place(spark, path, file) for file in unread]
        again = look_again(spark.read.parquet(*map(str, places)))
        files = [file for file in files if file not in unread] + _write(spark, transaction, again)
    _commit(spark, transaction, files, (app_id, batch_id), note)
    for place in places if unread else ():
        place.getFileSystem(spark._jsc.hadoopConfiguration()).delete(place, False)


def _write(spark, transaction, frame):
    """Write files; the ``AddFile`` actions."""
    jvm = spark._jvm
    conf = spark._jsparkSession.sessionState().conf()
    options = jvm.org.apache.spark.sql.delta.DeltaOptions(
        jvm.PythonUtils.toScalaMap({"compression": CODEC}), conf)
    written = transaction.writeFiles(frame._jdf, jvm.scala.Option.apply(options))
    return list(jvm.scala.jdk.javaapi.CollectionConverters.asJava(written))


def _commit(spark, transaction, files, batch, note):
    jvm, (app_id, batch_id) = spark._jvm, batch
    none = jvm.scala.Option.empty()
    delta = jvm.org.apache.spark.sql.delta
    mark = delta.actions.SetTransaction(app_id, batch_id, none)
    operation = getattr(delta, "DeltaOperations$StreamingUpdate")(
        jvm.org.apache.spark.sql.streaming.OutputMode.Append(), app_id, batch_id,
        jvm.scala.Option.apply(json.dumps(note)))
    transaction.commit(jvm.PythonUtils.toSeq([mark, *files]), operation)


def _place(spark, path, file):
    hadoop = spark._jvm.org.apache.hadoop.fs
    return hadoop.Path(hadoop.Path(path), hadoop.Path(spark._jvm.java.net.URI(file.path())))
