"""Columns of the tables in which the broker keeps its books; the alerts' are in `vocabulary`."""

from fink_like.vocabulary import Field

PLACE = ("topic", "partition", "offset")
"""Kafka's coordinates: what names a message."""

DELIVERIES = (
    Field("night", "int", "", "time.epoch", "Observing night; partition."),
    Field("survey", "string", "", "", "Survey of the alert."),
    Field("diaSourceId", "bigint", "", "meta.id", "The alert."),
    Field("revision", "int", "", "", "Its revision."),
    Field("filter", "string", "", "", "Filter that it passed."),
    Field("topic", "string", "", "", "Substream topic that it was sent to."),
    Field("kafka_time", "timestamp", "", "time.epoch", "When the packet reached the survey topic."),
    Field("sent_at", "timestamp", "", "time.epoch", "When it was handed to the substream topic."),
    Field("batch_id", "bigint", "", "", "Distribute batch."),
    Field("outcome", "string", "", "", "sent, too_large or no_schema."),
)
"""What was sent where, and when."""

LEDGER = (
    Field("job", "string", "", "", "ingest, science or distribute."),
    Field("kind", "string", "", "meta.code", "batch, or redrive: dead letters read again."),
    Field("batch", "bigint", "", "", "Number of the batch or of the re-drive."),
    Field("table_version", "bigint", "", "", "Version of the job's table that the batch made."),
    Field("read_version", "bigint", "", "",
          "Versions of the table before it below this one have been read (science, distribute)."),
    Field("committed_at", "timestamp", "", "time.epoch", "When the batch was committed."),
    Field("seconds", "double", "s", "time.duration", "From the batch's start to its commit."),
    Field("topic", "string", "", "", "Kafka topic read; of distribute the one written."),
    Field("partition", "int", "", "", "Kafka partition read."),
    Field("start_offset", "bigint", "", "", "First offset of the batch (ingest)."),
    Field("end_offset", "bigint", "", "", "Offset behind its last one (ingest)."),
    Field("rows", "bigint", "", "meta.number", "Rows that the batch wrote."),
    Field("ok", "bigint", "", "meta.number", "Of these: readable; scored; sent."),
    Field("dead", "bigint", "", "meta.number", "Of these: unreadable; keys only; not sent."),
    Field("waiting", "bigint", "", "meta.number", "Of these: waiting for their schema."),
    Field("duplicates", "bigint", "", "meta.number",
          "Of these: packets that an earlier message of the night brought already (ingest)."),
    Field("gap", "bigint", "", "meta.number", "Offsets of the range without a row (ingest)."),
    Field("cause", "string", "", "meta.note", "Why there is a gap, and who accepted it."),
    Field("bytes", "bigint", "byte", "", "Kafka values read (ingest)."),
    Field("bytes_p95", "bigint", "byte", "", "95 % of them are smaller (ingest)."),
    Field("nights", "array<int>", "", "time.epoch", "Nights that the rows belong to."),
    Field("night_rows", "array<bigint>", "", "meta.number", "How many of each of these nights."),
    Field("latency_p50", "double", "s", "time.duration",
          "Median from the survey's topic to this table (of distribute: to the substream)."),
    Field("latency_p95", "double", "s", "time.duration", "95 % are faster."),
    Field("latency_max", "double", "s", "time.duration", "The slowest."),
)
"""The ledger: what each batch did, a row for each topic and partition, read off the tables."""

DUPLICATES = (
    Field("night", "int", "", "time.epoch", "Observing night of the later message; partition."),
    Field("survey", "string", "", "meta.id", "Survey of the alert."),
    Field("diaSourceId", "bigint", "", "meta.id", "The alert."),
    Field("kind", "string", "", "meta.code",
          "duplicate: an earlier message has these very bytes; revision: none has, but the id."),
    Field("topic", "string", "", "", "Kafka topic of the later message."),
    Field("partition", "int", "", "", "Its partition."),
    Field("offset", "bigint", "", "", "Its offset."),
    Field("first_topic", "string", "", "", "Kafka topic of the first message with this id."),
    Field("first_partition", "int", "", "", "Its partition."),
    Field("first_offset", "bigint", "", "", "Its offset."),
)
"""One row for each later message of an alert."""

MODULE_RUNS = (
    Field("module", "string", "", "meta.id", "Science module."),
    Field("state", "string", "", "meta.code", "live, shadow or off from this batch on."),
    Field("version", "string", "", "meta.version", "Its version."),
    Field("code_hash", "string", "", "meta.id", "SHA-256 of its Python files but the tests."),
    Field("models", "string", "", "meta.id", "JSON: its other files and their SHA-256."),
    Field("parameters", "string", "", "meta.note", "JSON: the constants of its module.py."),
    Field("libraries", "string", "", "meta.version", "JSON: versions of what it computes with."),
    Field("first_batch", "bigint", "", "", "First batch of science that was scored so."),
    Field("began_at", "timestamp", "", "time.epoch", "When that job started."),
)
"""One row whenever a science module has changed, or was put on or off."""

LABELS = (
    Field("object", "string", "", "meta.id", "The object, as the survey writes its id (objectId)."),
    Field("class", "string", "", "src.class", "What it is, such as SN Ia."),
    Field("source", "string", "", "meta.bib", "Who says so: a survey, a paper, a person."),
    Field("date", "string", "", "time.epoch", "When they said it, YYYY-MM-DD; null: not known."),
    Field("confidence", "double", "", "stat.probability", "How sure, 0 to 1; null: not given."),
)
"""What is known of objects, brought by the operator."""
