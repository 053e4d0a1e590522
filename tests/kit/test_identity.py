"""A module's identity changes with whatever may change what it says, and with nothing else."""

import hashlib
import json
import shutil

import pytest

from fink_like.kit.identity import identity
from fink_like.kit.registry import read_module
from fink_like.modules import scaffold

MODEL = b"weights"


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "tried"
    made.mkdir()
    for template in scaffold.TEMPLATE.glob("*.txt"):
        (made / template.stem).write_text(template.read_text().replace("$name", "tried"))
    (made / "model.npz").write_bytes(MODEL)
    return made


def of(folder):
    return identity(folder, read_module(folder / "module.py"))


def test_it_tells_code_models_constants_and_libraries(folder):
    found = of(folder)
    assert (found.module, found.version) == ("tried", "1.0") and len(found.code_hash) == 64
    assert json.loads(found.models) == {"model.npz": hashlib.sha256(MODEL).hexdigest()}
    assert json.loads(found.parameters) == {"RECENT": 5.0}
    assert {"python", "numpy", "numba", "pyarrow"} <= set(json.loads(found.libraries))


@pytest.mark.parametrize("file, before, after, changed", [
    ("module.py", "RECENT = 5.0", "RECENT = 6.0", {"code_hash", "parameters"}),
    ("module.py", 'version="1.0"', 'version="1.1"', {"code_hash", "version"}),
    ("model.npz", "weights", "others!", {"models"}),
    ("README.md", "Method", "Way", set()),
    ("test_module.py", "2.0", "3.0", set()),
])
def test_it_changes_with_what_counts(folder, file, before, after, changed):
    first = of(folder)
    text = (folder / file).read_text()
    assert before in text
    (folder / file).write_text(text.replace(before, after))
    second = of(folder)
    assert {name for name in vars(first) if getattr(first, name) != getattr(second, name)} == changed


def test_it_does_not_change_with_its_place(folder, tmp_path):
    assert of(shutil.copytree(folder, tmp_path / "elsewhere" / "tried")) == of(folder)
