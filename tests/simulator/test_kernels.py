"""Compiled functions where nothing can be written."""

import subprocess
import sys

READ_ONLY = """
import tempfile
def refuse(*args, **kwargs):
    raise OSError(30, "Read-only file system")
tempfile.TemporaryFile = refuse  # how numba finds out where it may write
import numpy as np
from fink_like.simulator import dice
print(dice.uniform(dice.combine(1, np.arange(3)), "x").tolist())
"""


def test_a_read_only_disk_gives_the_same_numbers(repository):
    from fink_like.simulator import dice

    done = subprocess.run([sys.executable, "-c", READ_ONLY], capture_output=True, text=True,
                          cwd=repository, env={"PATH": "/usr/bin"}, timeout=120, check=True)
    expected = dice.uniform(dice.combine(1, [0, 1, 2]), "x").tolist()
    assert done.stdout.strip() == str(expected)
