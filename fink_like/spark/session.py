"""The one place that builds a Spark session."""

import os
import sys
from pathlib import Path

from pyspark.sql import SparkSession

from fink_like.config import in_bytes

# A flipped bit in a text's length makes Avro allocate up to 2 GB before it reads: one damaged
# packet would end the JVM, again at each restart. A packet has at most 10 MiB.
AVRO_LIMITS = {"org.apache.avro.limits.string.maxLength": 16 * 1024 * 1024,
               "org.apache.avro.limits.bytes.maxLength": 16 * 1024 * 1024,
               "org.apache.avro.limits.collectionItems.maxLength": 1_000_000}

# Java decides once whether a call becomes part of its caller. Where it looked too early, the hash
# of a packet made a call for each 8 bytes: 0.9 instead of 9 GB/s, a fifth of the time for ZTF.
INLINE = "-XX:CompileCommand=quiet -XX:CompileCommand=inline,java.lang.Long::rotateLeft"

LOG = Path(__file__).resolve().parent.parent / "spark_log.properties"

# The JVM's optimising compiler takes half of two cores for the first minute; a demo or a test is
# over before that pays (14 instead of 32 s from start to first batch, once each).
QUICK_START = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m"

# Each setting with its reason. What spark-submit or the settings file says wins over these.
OPTIONS = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    # Survey data overflow and divide by zero; ANSI would end the stream, null is what we want.
    "spark.sql.ansi.enabled": "false",
    "spark.sql.session.timeZone": "UTC",
    # Rows carry up to 0.9 MB; 64 MiB Arrow batches cost memory and time (1.3 to 1.45 times slower).
    "spark.sql.execution.arrow.maxBytesPerBatch": str(4 * 1024 * 1024),
    # The vectorised Parquet reader's 4,096 rows of 50 kB ran out of a 4 GB heap.
    "spark.sql.parquet.columnarReaderBatchSize": "64",
    # Decoding makes wide rows: the code of a whole stage passes the JVM's 64 KB limit, and the
    # batch's number and time are constants in it, so that each batch would compile it anew:
    # 4.3 instead of 5.3 s CPU for a batch of 431 packets of 22 schemas, 3 runs each.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    # Few, small shuffles: 200 partitions would be 200 tasks for a handful of rows.
    "spark.sql.shuffle.partitions": "2",
    # Bronze has few partitions a batch; open a writer each instead of sorting rows of 100 kB.
    "spark.sql.maxConcurrentOutputFileWriters": "16",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # One packet is fetched by reading its row group: 0.035 instead of 0.19 s and 137 instead of
    # 599 MB with deltalake (median of 12 from 200 MB files), for 9 % more CPU of compaction.
    "spark.hadoop.parquet.block.size": str(16 * 1024 * 1024),
    # A dictionary of unique 50 kB values is wasted work: 490 -> 1,000 LSST packets/s written.
    **{f"spark.hadoop.parquet.enable.dictionary#{name}": "false"
       for name in ("datum", "value", "sync")},
    "spark.databricks.delta.snapshotPartitions": "1",
    # Compacted files, see fink_like/spark/packing.py; Delta's 1 GB is much for one task's memory.
    "spark.databricks.delta.optimize.maxFileSize": str(256 * 1024 * 1024),
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "4",
    "spark.databricks.delta.stats.collect.using.tableSchema": "true",
    # What a consumer had fetched beyond its batch is kept, a partition and query, for 5 minutes by
    # default: 320 MB of 1,500 after 26 short queries, and a full collection every 0.3 s.
    **{f"spark.kafka.consumer.{cache}.timeout": "30s" for cache in ("cache", "fetchedData.cache")},
    **{f"spark.kafka.consumer.{cache}.evictorThreadRunInterval": "10s"
       for cache in ("cache", "fetchedData.cache")},
    "spark.sql.streaming.numRecentProgressUpdates": "20",
    "spark.sql.streaming.metricsEnabled": "true",
    # Three jobs share a laptop's session: none may starve another.
    "spark.scheduler.mode": "FAIR",
    # Python's numerical libraries would start a thread a core in each worker.
    **{f"spark.executorEnv.{name}": "1" for name in
       ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")},
    "spark.sql.execution.pyspark.udf.faulthandler.enabled": "true",
    "spark.python.worker.faulthandler.enabled": "true",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # What a session remembers of past batches: with Spark's 1,000 executions, each with its plan,
    # half of a heap of 1,500 MB after a hundred queries.
    "spark.sql.ui.retainedExecutions": "10",
    "spark.ui.retainedJobs": "100",
    "spark.ui.retainedStages": "100",
    "spark.ui.retainedTasks": "1000",
    # The parallel collectors' threads would take the cores from the tasks.
    "spark.driver.extraJavaOptions": f"-XX:+UseSerialGC -XX:MaxMetaspaceSize=512m {INLINE} "
                                     f"-Dlog4j2.configurationFile={LOG.as_uri()}",
    "spark.executor.extraJavaOptions": " ".join((INLINE, *(f"-D{name}={limit}" for name, limit
                                                           in AVRO_LIMITS.items()))),
}

# Of tables and checkpoints on a local disk. Hadoop starts a process, chmod or readlink, for nearly
# every file (87 a batch, 0.2 s): half of them for checksum files, which Delta, Parquet and Kafka
# do without, most of the others to rename by ways that only a cluster needs.
LOCAL_FILES = {
    "spark.hadoop.fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
    "spark.hadoop.fs.AbstractFileSystem.file.impl": "org.apache.hadoop.fs.local.RawLocalFs",
    "spark.sql.streaming.checkpointFileManagerClass": "org.apache.spark.sql.execution.streaming."
                                                      "checkpointing."
                                                      "FileSystemBasedCheckpointFileManager",
}


def _young(memory):
    """Java's option for a heap of so much: half of it for what is young.

    A batch's packets and pages die young where there is room: of Java's third, growing from 130
    MB, collections took 1.3 of the 5.1 s of a batch of 10,000 packets; of half of it 0.25 s.
    """
    half = in_bytes(memory) // 2**21
    return f" -Xms{2 * half}m -Xmn{half}m"


def build(settings, name, jars=()):
    """Start, or get, the session.

    Parameters
    ----------
    settings : Settings
    name : str
        Of the application.
    jars : iterable of Path
        Connectors and Delta; empty under spark-submit, which brings its own.

    Returns
    -------
    SparkSession
    """
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")  # a laptop's name may resolve to nowhere
    builder = SparkSession.builder.appName(name)
    options = dict(OPTIONS)
    if "://" not in settings.data or settings.data.startswith("file:"):
        options |= LOCAL_FILES
    submitted = "PYSPARK_GATEWAY_PORT" in os.environ  # started by spark-submit
    if not submitted:
        builder = builder.master(settings.spark.master)
        memory = settings.spark.options.get("spark.driver.memory", settings.spark.driver_memory)
        options["spark.driver.memory"] = memory
        options["spark.driver.extraJavaOptions"] += _young(memory)
        if settings.spark.quick_start:
            options["spark.driver.extraJavaOptions"] += f" {QUICK_START}"
        if jars:
            options["spark.jars"] = ",".join(str(path) for path in jars)
            options["spark.driver.extraClassPath"] = ":".join(str(path) for path in jars)
    else:
        from pyspark import SparkConf
        given = dict(SparkConf().getAll())
        options = {k: v for k, v in options.items() if k not in given}
    for key, value in {**options, **settings.spark.options}.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    for name, limit in AVRO_LIMITS.items():  # of the driver, whose JVM may have been there before
        spark._jvm.java.lang.System.setProperty(name, str(limit))
    return spark
