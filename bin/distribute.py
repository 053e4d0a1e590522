"""Distribute for spark-submit: alerts that pass a filter go to its topic. See docs/cluster.md."""

import sys

from fink_like import submit
from fink_like.jobs import distribute

if __name__ == "__main__":
    sys.exit(submit.main(distribute))
