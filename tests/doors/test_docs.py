"""The documents are true: commands exist, code runs, files named are there."""

import re
import shlex
import textwrap
from pathlib import Path

import pytest

from fink_like.cli import COMMANDS
from fink_like.kit import handmade

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(document, language):
    """Code blocks of a language."""
    found = re.findall(rf"( *)```{language}\n(.*?)```", document.read_text(), re.DOTALL)
    return [textwrap.dedent(code) for _, code in found]


def commands(document):
    """Every command line of ours in a document, in code blocks and in the text."""
    found = re.findall(r"`((?:bin/)?fink-like [^`\n]+|bin/[a-z]+[^`\n]*)`", document.read_text())
    for block in re.findall(r"```(?:sh|console)?\n(.*?)```", document.read_text(), re.DOTALL):
        found += [line.removeprefix("$ ").split("#")[0].strip() for line in block.splitlines()
                  if line.removeprefix("$ ").startswith(("bin/", "fink-like "))]
    return sorted(set(found))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.name)
def test_commands_exist(document):
    for command in commands(document):
        words = [re.sub(r"^[A-Z_]{2,}$|^\.\.\.$", "1", word) for word in shlex.split(command)]
        if words[0] in ("bin/fink-like", "fink-like") and words[1] != "COMMAND":
            assert any(" ".join(words[1:]).startswith(c.name) for c in COMMANDS), command
        elif words[0].startswith("bin/") and "{" not in words[0]:
            assert (ROOT / words[0]).exists(), command


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.name)
def test_links_and_files_exist(document):
    for target in re.findall(r"\]\((?!http)([^)#]+)", document.read_text()):
        assert (document.parent / target).exists(), target


def test_the_module_of_contributing_runs(tmp_path):
    code, = [b for b in blocks(ROOT / "CONTRIBUTING.md", "python") if "science_module" in b]
    folder = tmp_path / "my_module"
    folder.mkdir()
    (folder / "module.py").write_text(code)
    alerts = handmade.alerts([handmade.light_curve(mjd=[1.0, 2.0, 3.0], flux=[5.0, 9.0, 7.0],
                                            flux_err=1.0)])
    scored = handmade.score(folder, alerts)
    assert scored["brightest"].tolist() == [9.0] and scored["status"].tolist() == [0]


def test_readme_is_short_and_shows_both_commands():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) < 200
    assert "bin/demo" in text and "bin/test" in text
