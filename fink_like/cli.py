"""The command line: each command is a few lines around one call of the library."""

import argparse
import contextlib
import json
import signal
import sys
from pathlib import Path

from fink_like import __version__, config, options
from fink_like.errors import BrokerError, ConfigError

EPILOG = ("Settings: conf/site.yaml, then FINK_LIKE__... variables, then flags; see "
          "fink_like/config.py.")


def main(arguments=None):
    """Run a command; errors meant for the user are printed without a traceback."""
    given = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        return given.command(given) or 0
    except BrokerError as error:
        print(f"fink-like: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("fink-like: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `| head` has seen enough
        sys.stderr.close()
        return 0


def _as_interrupt(number, frame):
    raise KeyboardInterrupt


def parser():
    """All commands with their options."""
    top = argparse.ArgumentParser(prog="fink-like", description="A community alert broker.",
                                  epilog=EPILOG)
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for function in COMMANDS:
        name, text = function.__name__, function.__doc__.strip()
        command = commands.add_parser(name, help=text, description=text,
                                      epilog=f"example: {options.EXAMPLES[name]}",
                                      formatter_class=argparse.RawDescriptionHelpFormatter)
        for flags, settings in options.OPTIONS[name]:
            command.add_argument(*flags, **settings)
        command.set_defaults(command=function)
    return top


def _settings(given, **more):
    flags = {"data": getattr(given, "data", None),
             "kafka.servers": getattr(given, "servers", None), **more}
    settings = config.load(**flags)
    if settings.kafka.servers == config.KafkaSettings.servers:  # none is configured
        running = _server(settings).status()
        if running:  # the one that `kafka start` started here
            return config.load(**{**flags, "kafka.servers": running.servers})
    return settings


def _server(settings, port=None):
    from fink_like.kafka_server import KafkaServer
    return KafkaServer(Path(settings.root) / "var" / "kafka", port=port)


def setup(given):
    """Find or install Java, and fetch the Java libraries."""
    from fink_like import prepare
    print(f"Java: {prepare.prepare()}")


def kafka(given):
    """Start, stop or look at the Kafka server of this machine (data in var/kafka)."""
    settings = config.load()
    server = _server(settings, given.port)
    running = server.status()
    if given.action == "start" and not running:
        _need_java()
        running = server.start()
    elif given.action == "stop":
        print("stopped" if server.stop() else "was not running")
        return 0
    print(f"running at {running.servers}, pid {running.pid}" if running else "not running")
    return 0 if running else 1


def _need_java():
    from fink_like import java
    java.use(java.find_java())


def simulate(given):
    """Simulate packets of a survey, to a Kafka topic or to files, with a truth table."""
    from fink_like import simulator
    from fink_like.simulator import publish as out
    settings = _settings(given)
    model = simulator.open_survey(Path(settings.root), given.survey)
    faults = dict(map(_fault, given.fault))
    batches = simulator.night(model, given.alerts, seed=given.seed, nights=given.nights,
                              start_mjd=given.start_mjd, faults=faults,
                              cutouts=not given.no_cutouts)
    batches = out.keep_truth(batches, given.truth) if given.truth else batches
    if given.folder:
        suffix = ".avro" if model.recipe["wire"]["form"] == "container" else ".msg"
        return _finish(out.to_files(batches, given.folder, suffix), given.folder)
    if not given.topic:
        raise ConfigError("simulate needs --topic NAME or --folder PATH")
    _need_topic(settings, given.topic)
    shown = _progress(given.alerts)
    summary = out.to_kafka(batches, settings.kafka.servers, given.topic, given.rate,
                           settings.kafka.options, shown)
    return _finish(summary, given.topic)


def _fault(text):
    kind, _, share = text.partition("=")
    try:
        return kind, float(share)
    except ValueError:
        raise ConfigError(f"--fault {text}: write KIND=SHARE, such as truncated=0.01") from None


def publish(given):
    """Publish packets from files or folders to a Kafka topic, byte for byte."""
    from fink_like import publish as door
    settings = _settings(given)
    _need_topic(settings, given.topic)
    files = door.files_of(given.files)
    kafka_options = {**settings.kafka.options, "bootstrap.servers": settings.kafka.servers}
    summary = door.publish(files, kafka_options, given.topic, given.rate, _progress(len(files)))
    return _finish(summary, given.topic)


def _need_topic(settings, topic):
    from fink_like.spark import kafka as topics
    topics.ensure_topics(settings, [topic], servers=settings.kafka.servers)


def _progress(expected):
    from fink_like.steps import Steps
    steps = Steps()

    def show(summary):
        rate = summary.sent / summary.seconds if summary.seconds else 0
        steps.progress(f"{summary.sent} of {expected} messages, {summary.bytes / 1e6:.0f} MB, "
                       f"{rate:.0f}/s")
    return show


def _finish(summary, where):
    rate = summary.acknowledged / summary.seconds if summary.seconds else 0
    print(f"{summary.acknowledged} messages, {summary.bytes / 1e6:.1f} MB in "
          f"{summary.seconds:.1f} s ({rate:.0f}/s) to {where}")
    if summary.failed:
        print(f"{summary.failed} failed: {summary.error}", file=sys.stderr)
    return int(summary.failed > 0)


def run(given):
    """Run ingest, science and distribute in one Spark session."""
    return _jobs(given, ("ingest", "science", "distribute"))


def ingest(given):
    """Run ingest: Kafka topics to bronze."""
    return _jobs(given, ("ingest",))


def science(given):
    """Run science: bronze to silver, with all live modules."""
    return _jobs(given, ("science",))


def distribute(given):
    """Run distribute: silver to substream topics."""
    return _jobs(given, ("distribute",))


def _jobs(given, names):
    import importlib

    from fink_like import jars
    from fink_like.jobs import supervisor
    from fink_like.spark import session
    _need_java()
    settings = _settings(given, **{"jobs.trigger": given.trigger})
    spark = session.build(settings, "fink_like", jars.paths("spark"))
    with contextlib.closing(_Stopping(spark)):
        jobs = [importlib.import_module(f"fink_like.jobs.{name}") for name in names]
        code = supervisor.supervise(jobs, settings, spark, given.until_caught_up)
    _print_totals(settings)
    return code


class _Stopping:
    """Closes a Spark session as `contextlib.closing` wants it."""

    def __init__(self, spark):
        self.close = spark.stop


def listen(given):
    """Print the alerts of substream topics as they come, decoded."""
    from fink_like import client
    settings = _settings(given)
    servers = settings.kafka.out_servers or settings.kafka.servers
    with client.Subscriber({**settings.kafka.options, "bootstrap.servers": servers}, given.topics,
                           given.group, state=given.state, start=given.start) as alerts:
        for alert in alerts.alerts(limit=given.limit, timeout=given.timeout):
            print(client.describe(alert), flush=True)


def status(given):
    """Show what the jobs have done; with a job, exit 1 if its last sign of life is too old."""
    from fink_like import reports
    settings = _settings(given)
    files = reports.JobFiles(settings.data)
    ages = {job: files.age(job) for job in ([given.job] if given.job else reports.JOBS)}
    for job, age in ages.items():
        print(f"{job:<11}" + ("no sign of life yet" if age is None else f"alive {age:.0f} s ago"))
    if given.job:
        return int(ages[given.job] is None or ages[given.job] > given.max_age)
    print("in the last 200 batches of each job:")
    _print_totals(settings)


def _print_totals(settings):
    from fink_like import reports
    totals = reports.totals(reports.JobFiles(settings.data))
    print(json.dumps(totals, indent=2, sort_keys=True))


def stop(given):
    """Ask a running job to end after its batch (or `all` of them)."""
    import time

    from fink_like import reports
    settings = _settings(given)
    files = reports.JobFiles(settings.data)
    jobs = reports.JOBS if given.job == "all" else (given.job,)
    for job in jobs:
        files.ask_to_stop(job)
    end = time.monotonic() + given.wait
    while any(files.is_asked_to_stop(job) for job in jobs) and time.monotonic() < end:
        time.sleep(0.2)
    still = [job for job in jobs if files.is_asked_to_stop(job)] if given.wait else []
    print(f"still running, or was not: {', '.join(still)}" if still else "asked to stop"
          if not given.wait else "stopped")
    return int(bool(still))


def trace(given):
    """Show the way of one alert: packet, scores, filters passed and missed, topics, times."""
    from fink_like import trace as door
    print("\n".join(door.trace(_settings(given), given.alert_id)))


def demo(given):
    """Play a simulated night of all surveys from Kafka to Kafka, in var/demo."""
    from fink_like import demo as door
    return door.run(config.load(), keep=given.keep)


COMMANDS = (setup, kafka, simulate, publish, run, ingest, science, distribute, listen, status, stop,
            trace, demo)
