"""``bin/torture``: kill the three jobs again and again while alerts stream; then count all."""

import argparse
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fink_like import config, torture


def main(arguments=None):
    """Run it; see ``--help``."""
    options = argparse.ArgumentParser(
        prog="bin/torture", description=torture.__doc__,
        epilog="example: bin/torture --kills 50 --seed 1",
        formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kills", type=int, default=50, help="of the jobs; default 50")
    options.add_argument("--kafka-kills", type=int, default=2, help="of Kafka; default 2")
    options.add_argument("--seed", type=int, default=1, help="draws moments and stages; default 1")
    given = options.parse_args(arguments)
    began = time.monotonic()
    settings = config.load()
    found = torture.run(settings, Path(settings.root) / "var" / "torture", given.kills, given.seed,
                        given.kafka_kills)
    _tell(found)
    print(f"{time.monotonic() - began:.0f} s, seed {given.seed}")
    return int(bool(found.problems))


def _tell(found):
    hits = Table("job: stage", title="Kills")
    hits.add_column("times", justify="right")
    for name in sorted(set(found.kills)):
        hits.add_row(name, str(found.kills.count(name)))
    counts = Table("what", title="What became of the messages")
    counts.add_column("count", justify="right")
    for name, number in found.counts.items():
        counts.add_row(name, str(number))
    console = Console()
    console.print(hits)
    console.print(counts)
    for problem in found.problems:
        console.print(f"PROBLEM: {problem}")
    console.print("nothing is lost, nothing is there twice" if not found.problems else "NOT ZERO")


if __name__ == "__main__":
    sys.exit(main())
