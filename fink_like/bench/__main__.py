"""``bin/bench [ingest | burst | modules | inputs]``: which benchmark, and how much of it."""

import argparse
import sys

from fink_like.bench import burst, ingest, inputs, modules, stages

KINDS = {"stages": stages.run, "ingest": ingest.run, "burst": burst.run, "modules": modules.run,
         "inputs": inputs.run}


def main(arguments=None):
    """Run a benchmark; see ``--help``."""
    options = argparse.ArgumentParser(
        prog="bin/bench", description="Send simulated packets through the jobs and measure. Kafka, "
        "Spark and Python share this machine. What is published is in conf/bench.yaml; all figures "
        "are also written to var/bench as JSON.",
        epilog="examples: bin/bench --alerts 6000 --repeats 3; bin/bench ingest --alerts 2000; "
        "bin/bench burst --alerts 10000")
    options.add_argument("kind", nargs="?", choices=KINDS, default="stages",
                         help="stages: all three jobs, one after the other (the default); ingest: "
                         "ingest alone, beside reading Kafka, fastavro in Python, and on one core; "
                         "burst: many alerts at once while ingest runs; modules: what the kit adds "
                         "to the science modules' own time, without Spark and Kafka; inputs: "
                         "science with a module that takes images, or own history")
    options.add_argument("--alerts", type=int, help="of each survey or stream, a repeat; of the "
                         "burst; of a batch. Default: 4000, conf/bench.yaml, 40000, 1000, 2000")
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--streams", nargs="+", help="ingest: of conf/bench.yaml; inputs: "
                         "surveys")
    given = options.parse_args(arguments)
    return KINDS[given.kind](given)


if __name__ == "__main__":
    sys.exit(main())
