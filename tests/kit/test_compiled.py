"""Compiled functions: kept where something can be written, the same where nothing can."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULE = '''
from fink_like.kit.compiled import kernel

@kernel
def halves(value, parts):
    return value / parts
'''
READ_ONLY = '''
import tempfile
def refuse(*args, **kwargs):
    raise OSError(30, "Read-only file system")
tempfile.TemporaryFile = refuse  # how numba finds out where it may write
'''


def run(folder, before=""):
    code = before + "import halving; print(halving.halves(3.0, 2), halving.halves(3.0, 0))"
    clean = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True,
                          env=clean | {"PYTHONPATH": str(ROOT)}, timeout=120, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("before, kept", [("", 1), (READ_ONLY, 0)], ids=["writable", "read-only"])
def test_a_kernel_divides_as_numpy_and_is_kept_where_it_can_be(tmp_path, before, kept):
    (tmp_path / "halving.py").write_text(MODULE)
    assert run(tmp_path, before) == ["1.5", "inf"]
    assert len(list(tmp_path.rglob("*.nbi"))) == kept
