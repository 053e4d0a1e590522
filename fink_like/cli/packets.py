"""Commands that make packets and send them to topics."""

import sys
from pathlib import Path

from fink_like.cli.command import RATE, SERVERS, command, option
from fink_like.cli.machine import settings_of
from fink_like.errors import ConfigError


@command(option("--survey", required=True, help="a recipe of conf/simulator"),
         option("--alerts", type=int, default=1000, help="default 1000"),
         option("--nights", type=int, default=1, help="default 1"),
         option("--seed", type=int, default=1, help="same seed, same packets; default 1"),
         option("--start-mjd", type=float, help="evening of the first night"),
         option("--topic", help="Kafka topic; made if it is missing"),
         option("--folder", help="write files here instead"),
         option("--truth", help="Parquet file for what is really there"), RATE,
         option("--fault", action="append", default=[], metavar="KIND=SHARE",
                help="damage a share of messages: truncated, flipped, unknown_schema, empty, "
                     "duplicate; may be given several times"),
         option("--no-cutouts", action="store_true", help="packets without stamps"), SERVERS,
         example="fink-like simulate --survey ztf --alerts 5000 --topic ztf_20260311_programid1 "
                 "--truth truth.parquet --fault truncated=0.01")
def simulate(given):
    """Simulate packets of a survey, to a Kafka topic or to files, with a truth table."""
    from fink_like import simulator
    from fink_like.simulator import publish as out
    settings = settings_of(given)
    model = simulator.open_survey(Path(settings.root), given.survey)
    faults = dict(map(_fault, given.fault))
    batches = simulator.night(model, given.alerts, seed=given.seed, nights=given.nights,
                              start_mjd=given.start_mjd, faults=faults,
                              cutouts=not given.no_cutouts)
    batches = out.keep_truth(batches, given.truth) if given.truth else batches
    if given.folder:
        suffix = ".avro" if model.recipe["wire"]["form"] == "container" else ".msg"
        return finish(out.to_files(batches, given.folder, suffix), given.folder)
    if not given.topic:
        raise ConfigError("simulate needs --topic NAME or --folder PATH")
    need_topic(settings, given.topic)
    summary = out.to_kafka(batches, settings.kafka.servers, given.topic, given.rate,
                           settings.kafka.options, progress(given.alerts))
    return finish(summary, given.topic)


def _fault(text):
    kind, _, share = text.partition("=")
    try:
        return kind, float(share)
    except ValueError:
        raise ConfigError(f"--fault {text}: write KIND=SHARE, such as truncated=0.01") from None


@command(option("files", nargs="+", help="files, folders or tarballs"),
         option("--topic", required=True, help="made if it is missing"),
         option("--keep-damaged", action="store_true",
                help="send damaged packets as they are, for ingest to park"),
         option("--parquet-as", metavar="SURVEY/VERSION",
                help="schema of schemas/ to make of Parquet rows"),
         option("--missing-floats", choices=("null", "nan"), default="null",
                help="what stands for one in Parquet; default null"), RATE, SERVERS,
         example="fink-like publish packets/ --topic ztf_20231018_programid1")
def publish(given):
    """Publish packets from files, folders, tarballs or Parquet to a Kafka topic."""
    from fink_like import packet_files, parquet_packets
    from fink_like import publish as door
    from fink_like.steps import Steps
    settings = settings_of(given)
    wanted = given.parquet_as and parquet_packets.target(settings, given.parquet_as,
                                                         given.missing_floats == "nan")
    reader = packet_files.PacketFiles(given.keep_damaged, wanted, Steps().say)
    need_topic(settings, given.topic)
    kafka_options = {**settings.kafka.options, "bootstrap.servers": settings.kafka.servers}
    summary = door.publish(door.files_of(given.files), kafka_options, given.topic, given.rate,
                           progress("all"), reader)
    if reader.damaged:
        print(f"{reader.damaged} damaged, "
              + ("sent as they are" if given.keep_damaged else "not sent"), file=sys.stderr)
    return finish(summary, given.topic)


def need_topic(settings, topic):
    """Make a topic if it is missing."""
    from fink_like.spark import kafka as topics
    topics.ensure_topics(settings, [topic], servers=settings.kafka.servers)


def progress(expected):
    """A callable that shows a summary so far."""
    from fink_like.steps import Steps
    steps = Steps()

    def show(summary):
        rate = summary.sent / summary.seconds if summary.seconds else 0
        steps.progress(f"{summary.sent} of {expected} messages, {summary.bytes / 1e6:.0f} MB, "
                       f"{rate:.0f}/s")
    return show


def finish(summary, where):
    """Print a closing summary; the exit code."""
    rate = summary.acknowledged / summary.seconds if summary.seconds else 0
    print(f"{summary.acknowledged} messages, {summary.bytes / 1e6:.1f} MB in "
          f"{summary.seconds:.1f} s ({rate:.0f}/s) to {where}")
    if summary.failed:
        print(f"{summary.failed} failed: {summary.error}", file=sys.stderr)
    return int(summary.failed > 0)
