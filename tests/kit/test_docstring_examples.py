"""The worked examples in the kit's docstrings are run."""

import doctest
import importlib
from pathlib import Path

import pytest

import fink_like.kit

FOLDER = Path(fink_like.kit.__file__).parent
WITH_EXAMPLE = sorted(path.stem for path in FOLDER.glob("*.py") if ">>> " in path.read_text())


@pytest.mark.parametrize("name", WITH_EXAMPLE)
def test_the_examples_are_true(name):
    found = doctest.testmod(importlib.import_module(f"fink_like.kit.{name}"))
    assert found.attempted > 0 and found.failed == 0
