"""Ingest for spark-submit: packets from Kafka become bronze. See docs/cluster.md."""

import sys

from fink_like import submit
from fink_like.jobs import ingest

if __name__ == "__main__":
    sys.exit(submit.main(ingest))
