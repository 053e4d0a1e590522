"""``python -m fink_like``: the command line."""

import sys

from fink_like.cli import main

sys.exit(main())
