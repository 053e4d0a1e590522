"""Set-up compiles every kernel that the house has: none is left to the first batch of a night."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = "from fink_like import warmup; warmup.warm_up()"


def kernels():
    """(module, function) of each that is compiled at its first call."""
    for path in sorted((ROOT / "fink_like").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and any(
                    isinstance(d, ast.Name) and d.id == "kernel" for d in node.decorator_list):
                yield path.stem, node.name


@pytest.mark.slow
def test_every_kernel_is_compiled(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, env=environment, check=True, timeout=300)
    kept = {tuple(path.name.split("-")[0].split(".")) for path in tmp_path.rglob("*.nbi")}
    wanted = set(kernels())
    assert len(wanted) > 15 and wanted <= kept, wanted - kept
