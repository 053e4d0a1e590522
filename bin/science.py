"""Science for spark-submit: bronze becomes silver. See docs/cluster.md."""

import sys

from fink_like import submit
from fink_like.jobs import science

if __name__ == "__main__":
    sys.exit(submit.main(science))
