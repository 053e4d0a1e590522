"""Kafka: reading the surveys' topics, making and filling the substreams' topics."""

import re
import time

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from fink_like.errors import ConfigError, SetupError

ANSWER_S = 20
# Messages a consumer holds decompressed, between batches too: Kafka's 500 are 30 to 450 MB a
# partition, which outlive the young generation of the heap; 32 are read as fast.
POLLED = 32
# After each poll Spark asks for the ends of the partition. That waits behind the next fetch, which
# at the end of a partition the server holds for Kafka's 500 ms: once in each batch, for nothing.
FETCH_WAIT_MS = 10
SERVERS_DEFAULT = -1  # number of copies: what the server is set to


def pattern(settings, surveys, left_out=()):
    """Regular expression of the topics that ingest reads: parameters as `stream`."""
    read = [s for s in surveys.values() if not settings.surveys or s.name in settings.surveys]
    others = "".join(f"(?!{re.escape(name)}$)" for name in sorted(left_out))
    return f"^{others}(" + "|".join(f"({s.topics})" for s in read) + ")$"


def stream(spark, settings, surveys, messages, left_out=()):
    """The surveys' topics as a stream of messages.

    Topics are found by pattern, a new one within a minute. Offsets that are gone stop the job in
    `fink_like.spark.guard`, not here (``failOnDataLoss``).

    Parameters
    ----------
    spark : SparkSession
    settings : Settings
    surveys : dict
    messages : int
        Most of one batch.
    left_out : iterable of str
        Topics that are not read.

    Returns
    -------
    DataFrame
        key, value, topic, partition, offset, timestamp, timestampType, headers.
    """
    reader = (spark.readStream.format("kafka")
              .option("kafka.bootstrap.servers", settings.kafka.servers)
              .option("subscribePattern", pattern(settings, surveys, left_out))
              .option("startingOffsets", settings.kafka.starting_offsets)
              .option("failOnDataLoss", "false").option("includeHeaders", "true")
              .option("maxOffsetsPerTrigger", messages)
              .option("kafka.metadata.max.age.ms", "30000")
              .option("kafka.max.poll.records", POLLED)
              .option("kafka.max.partition.fetch.bytes", str(settings.kafka.max_message_bytes))
              .option("kafka.fetch.max.wait.ms", FETCH_WAIT_MS)
              .option("kafka.fetch.max.bytes", str(8 * settings.kafka.max_message_bytes)))
    for name, value in java_options(settings.kafka.options).items():
        reader = reader.option(f"kafka.{name}", value)
    return reader.load()


LOGIN_MODULES = {"PLAIN": "org.apache.kafka.common.security.plain.PlainLoginModule",
                 "SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule",
                 "SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule"}


def java_options(options):
    """Security options in librdkafka's names, as Kafka's Java client wants them.

    Parameters
    ----------
    options : dict
        ``security.protocol``, ``sasl.mechanism``, ``sasl.username``, ``sasl.password``,
        ``ssl.ca.location``, ...; what has the same name in Java passes as it is.

    Returns
    -------
    dict

    Raises
    ------
    ConfigError
        A user name with a mechanism that takes none.
    """
    given = dict(options)
    if "sasl.jaas.config" in given:
        raise ConfigError("kafka.options: sasl.jaas.config is Java's; give sasl.username and "
                          "sasl.password, both clients take them")
    user, password = given.pop("sasl.username", None), given.pop("sasl.password", "")
    authority = given.pop("ssl.ca.location", None)
    mechanism = given.pop("sasl.mechanisms", given.get("sasl.mechanism"))
    if mechanism:
        given["sasl.mechanism"] = mechanism
    if user is not None:
        if mechanism not in LOGIN_MODULES:
            raise ConfigError(f"kafka.options: sasl.mechanism {mechanism} takes no user name; "
                              f"{sorted(LOGIN_MODULES)} do")
        quoted = [text.replace("\\", "\\\\").replace('"', '\\"') for text in (user, password)]
        given["sasl.jaas.config"] = (f'{LOGIN_MODULES[mechanism]} required username="{quoted[0]}" '
                                     f'password="{quoted[1]}";')
    if authority is not None:
        given.update({"ssl.truststore.type": "PEM", "ssl.truststore.location": authority})
    return given


def send(frame, settings):
    """Write rows (topic, partition, key, value, headers) to the substreams' server."""
    writer = (frame.select("topic", "partition", "key", "value", "headers").write.format("kafka")
              .option("kafka.bootstrap.servers", out_servers(settings))
              .option("includeHeaders", "true")
              .option("kafka.max.request.size", str(settings.kafka.max_message_bytes))
              .option("kafka.compression.type", "zstd")  # the schema in each key costs 0.5 % then
              .option("kafka.linger.ms", "50").option("kafka.batch.size", str(1024 * 1024)))
    for name, value in java_options(settings.kafka.options).items():
        writer = writer.option(f"kafka.{name}", value)
    writer.save()


def out_servers(settings):
    """Servers of the substreams."""
    return settings.kafka.out_servers or settings.kafka.servers


def admin(settings, servers=None):
    """An admin client."""
    return AdminClient({"bootstrap.servers": servers or out_servers(settings),
                        **settings.kafka.options, "log_level": 0})


def topics(settings, servers=None):
    """Topic -> number of partitions.

    Raises
    ------
    SetupError
        No server answers.
    """
    servers = servers or settings.kafka.servers
    try:
        listed = admin(settings, servers).list_topics(timeout=ANSWER_S).topics
    except KafkaException as error:
        raise SetupError(f"no Kafka answers at {servers}: {error.args[0].str()}. "
                         "`fink-like kafka start` starts one here.") from error
    return {name: len(topic.partitions) for name, topic in listed.items()}


def ensure_topics(settings, names, partitions=None, servers=None):
    """Make the topics that are missing; a subscriber of a missing one crashes (fink-client).

    Returns
    -------
    list of str
        Those that were made.

    Raises
    ------
    SetupError
        A topic could not be made.
    """
    servers = servers or out_servers(settings)
    missing = sorted(set(names) - set(topics(settings, servers)))
    config = {"max.message.bytes": str(settings.kafka.max_message_bytes),
              "retention.ms": str(settings.kafka.retention_hours * 3600 * 1000),
              "cleanup.policy": "delete"}
    wanted = [NewTopic(name, partitions or settings.kafka.substream_partitions, SERVERS_DEFAULT,
                       config=config)
              for name in missing]
    client = admin(settings, servers)
    for name, future in (client.create_topics(wanted) if wanted else {}).items():
        try:
            future.result(ANSWER_S)
        except KafkaException as error:
            if "already exists" not in str(error):
                raise SetupError(f"topic {name} at {servers}: {error}") from error
    _wait_for(settings, missing, servers)
    return missing


def _wait_for(settings, names, servers):
    """A made topic has its leader a moment later; Spark's first look must not miss it."""
    end = time.monotonic() + ANSWER_S
    while set(names) - set(topics(settings, servers)):
        if time.monotonic() > end:
            raise SetupError(f"topics {names} were made at {servers} but do not appear")
        time.sleep(0.1)
