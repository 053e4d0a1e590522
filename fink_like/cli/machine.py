"""Commands that set this machine up, and what all commands need of it."""

from pathlib import Path

from fink_like import config
from fink_like.cli.command import command, option


@command(example="fink-like setup")
def setup(given):
    """Find or install Java, and fetch the Java libraries."""
    from fink_like import prepare
    print(f"Java: {prepare.prepare()}")


@command(option("action", choices=("start", "stop", "status")),
         option("--port", type=int, help="default: a free one"),
         example="fink-like kafka start --port 9092")
def kafka(given):
    """Start, stop or look at the Kafka server of this machine (data in var/kafka)."""
    server = _server(config.load(), given.port)
    running = server.status()
    if given.action == "start" and not running:
        need_java()
        running = server.start()
    elif given.action == "stop":
        print("stopped" if server.stop() else "was not running")
        return 0
    print(f"running at {running.servers}, pid {running.pid}" if running else "not running")
    return 0 if running else 1


@command(option("--keep", action="store_true",
                help="go on with everything running until Ctrl-C"), example="fink-like demo")
def demo(given):
    """Play a simulated night of all surveys from Kafka to Kafka, in var/demo."""
    from fink_like import demo as door
    return door.run(config.load(), keep=given.keep)


def settings_of(given, **more):
    """The settings, with the flags ``--data`` and ``--servers`` over them.

    Where no server is configured, the one that ``fink-like kafka start`` started is taken.
    """
    flags = {"data": getattr(given, "data", None),
             "kafka.servers": getattr(given, "servers", None), **more}
    settings = config.load(**flags)
    if settings.kafka.servers == config.KafkaSettings.servers:
        running = _server(settings).status()
        if running:
            return config.load(**{**flags, "kafka.servers": running.servers})
    return settings


def _server(settings, port=None):
    from fink_like.kafka_server import KafkaServer
    return KafkaServer(Path(settings.root) / "var" / "kafka", port=port)


def need_java():
    """Let Spark and Kafka use the Java that set-up found."""
    from fink_like import java
    java.use(java.find_java())
