"""Notebooks run on the tables of a broker, use the client only, and carry no outputs."""

import ast
import base64
import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CELL_TIMEOUT_S = 120


def codes(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_the_repository_holds_no_outputs(path):
    for cell in codes(nbformat.read(path, as_version=4)):
        assert not cell.outputs and cell.execution_count is None, (
            f"{path.name}: clear all outputs before committing")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_of_the_project_only_the_client_is_used_and_the_kit_where_a_module_is_written(path):
    lines = "\n".join(cell.source for cell in codes(nbformat.read(path, as_version=4)))
    python = "\n".join(line for line in lines.splitlines() if not line.startswith("%"))
    imports = {f"{node.module}.{name.name}" for node in ast.walk(ast.parse(python))
               if isinstance(node, ast.ImportFrom) for name in node.names}
    ours = {name for name in imports if name.startswith("fink_like")}
    kit = {name for name in ours if name.startswith("fink_like.kit")}
    assert ours - kit == {"fink_like.client"} and "pyspark" not in python
    assert not kit or path.name == "write_a_module.ipynb"


@pytest.fixture
def execute(broker, monkeypatch):
    """Run a notebook on the broker's tables; it, and what each cell has shown."""
    monkeypatch.setenv("FINK_LIKE__DATA", str(broker.data))
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")

    def run(name):
        notebook = nbformat.read(ROOT / "notebooks" / name, as_version=4)
        NotebookClient(notebook, timeout=CELL_TIMEOUT_S, kernel_name="python3",
                       resources={"metadata": {"path": ROOT / "notebooks"}}).execute()
        return notebook, {cell.id: "".join(text_of(output) for output in cell.outputs)
                          for cell in codes(notebook)}

    return run


def test_a_module_is_written_and_tried(execute, broker):
    notebook, shown = execute("write_a_module.ipynb")
    assert "struct<`g_r`:float" in shown["module"]
    assert "-0.75" in shown["by_hand"] and "too_few_points" in shown["by_hand"]
    assert shown["stored"].startswith(f"{len(broker.values):,} alerts")
    assert "first error: none" in shown["stored"]
    (picture,) = [o for cell in notebook.cells if cell.id == "picture" for o in cell.outputs]
    assert len(base64.b64decode(picture.data["image/png"])) > 5_000


def test_read_silver_runs(execute, broker):
    notebook, shown = execute("read_silver.ipynb")
    assert shown["open"].startswith(f"{len(broker.values):,} alerts")
    assert all(survey in shown["counts"] for survey, *_ in broker.packets.values())
    alert_id = next(word for word in shown["one"].split() if word.isdigit())
    assert len(broker.values[int(alert_id)]) == int(
        shown["pixels"].split()[-2].replace(",", ""))
    (picture,) = [o for cell in notebook.cells if cell.id == "picture" for o in cell.outputs]
    assert len(base64.b64decode(picture.data["image/png"])) > 20_000


def text_of(output):
    return output.get("text") or output.get("data", {}).get("text/plain", "")
