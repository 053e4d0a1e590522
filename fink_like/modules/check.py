"""Whether a science module keeps the contract: every rule tried, in processes of their own."""

import ast
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from fink_like.client.archive import open_delta
from fink_like.errors import ModuleError, SetupError
from fink_like.kit import registry
from fink_like.kit.classifier import FILE as MODEL
from fink_like.kit.contract import RULES as TRIED
from fink_like.kit.model_file import MOST_BYTES
from fink_like.packets import survey as survey_declarations
from fink_like.spark.tables import silver_fields
from fink_like.vocabulary import NOT_STORED, leaves

ALONE = {
    "state": "a run changes nothing that the next one sees, and it can be sent to a worker",
    "network": "it asks no network",
    "processes": "it starts no process",
    "file writes": "it writes no file",
    "silence": "it prints nothing",
    "time": "it keeps to its budget of CPU time an alert",
    "memory": "it keeps no memory, and needs little at once",
}
FILES = {
    "imports": "it imports the kit, and neither Spark, network, clock nor chance",
    "README": "README.md tells method, reference and limits",
    "tests": "test_module.py has a hit, a miss and a too-few test, and they pass",
    "model": "its files are small and no pickles; model.npz has its card.json, of this version",
    "grows": "it still has every output that the table of alerts has, of the same type",
}
RULES = {**TRIED, **ALONE, **FILES}
"""Closed list: rule -> its meaning."""

NOT_IMPORTED = {"pyspark", "py4j", "delta", "socket", "ssl", "urllib", "http", "requests",
                "confluent_kafka", "subprocess", "multiprocessing", "threading", "time",
                "datetime", "random", "secrets", "uuid", "os", "sys", "shutil", "tempfile"}
OURS = ("fink_like.kit", "fink_like.vocabulary", "fink_like.sky")
TELLS = ("method", "reference", "limits")
CASES = {"hit": "hit", "miss": "miss", "too few": "too_few|null|missing"}
CARD = "card.json"
PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".sav")
PATIENCE_S = 600.0


def check(settings, name):
    """Try a module.

    Parameters
    ----------
    settings : Settings
    name : str
        Of its folder in ``science_modules/``.

    Returns
    -------
    dict of str to str
        Every one of `RULES` -> what is wrong; empty: nothing is.

    Raises
    ------
    ModuleError
        There is no such module.
    """
    folder = folder_of(settings, name)
    types = input_types(settings, name)
    found = dict.fromkeys(RULES, "") | alone(settings, folder, types)
    return found | {"imports": _imports(folder), "README": _readme(folder),
                    "tests": _tests(folder), "model": _model(folder),
                    "grows": _grows(settings, folder)}


def folder_of(settings, name):
    """Folder of a module.

    Raises
    ------
    ModuleError
        It is not there.
    """
    folder = settings.modules / name
    if not (folder / "module.py").is_file():
        raise ModuleError(f"{folder} has no module.py; there are "
                          f"{registry.names(settings.modules)}")
    return folder


def input_columns(settings, but=None):
    """Dotted column -> Field, of all that a module may take: alert, surveys, other modules.

    Parameters
    ----------
    settings : Settings
    but : str, optional
        Module whose outputs are left out: its own.
    """
    surveys = survey_declarations.load_all(settings.conf / "surveys")
    specs = []
    for name in sorted({*registry.names(settings.modules)} - {but}):
        try:
            specs.append(registry.read_module(settings.modules / name / "module.py"))
        except ModuleError as error:  # somebody else's, or not finished
            print(f"left out: {error}", file=sys.stderr)
    return leaves((*silver_fields(surveys, specs), *NOT_STORED))


def input_types(settings, name):
    """Dotted column -> Spark SQL type, of all that the module `name` may take."""
    return {column: field.type for column, field in input_columns(settings, name).items()}


def alone(settings, folder, types):
    """What `fink_like.modules.alone` finds; a module that hangs or dies there breaks a rule."""
    surveys = sorted(path.stem for path in (settings.conf / "surveys").glob("*.yaml"))
    with tempfile.TemporaryDirectory() as scratch:
        answer = Path(scratch) / "answer.json"  # not the output, where a module may print
        given = {"path": str(folder / "module.py"), "types": types, "surveys": surveys,
                 "answer": str(answer)}
        try:
            done = subprocess.run([sys.executable, "-m", "fink_like.modules.alone"], text=True,
                                  input=json.dumps(given), capture_output=True,
                                  timeout=PATIENCE_S, check=False)
        except subprocess.TimeoutExpired:
            return {"time": f"it has not come to an end within {PATIENCE_S:.0f} s"}
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["without a word"])[-1]
            return {"state": f"its process ended with code {done.returncode}: {last[:300]}"}
        silence = f"it prints: {done.stdout[:100]!r}" if done.stdout else ""
        return {**json.loads(answer.read_text()), "silence": silence}


def _imports(folder):
    for path in sorted(folder.glob("*.py")):
        test = path.name.startswith("test_")
        try:
            tree = ast.parse(path.read_text(), str(path))
        except SyntaxError as error:
            return f"{path.name}:{error.lineno}: {error.msg}"
        for line, name in _imported(tree):
            mine = name.split(".")[0] == "fink_like"
            if mine and not name.startswith(OURS + (("fink_like.errors",) if test else ())):
                return f"{path.name}:{line}: {name} is not for modules; only {', '.join(OURS)} are"
            if not test and name.split(".")[0] in NOT_IMPORTED:
                return f"{path.name}:{line}: {name}: a module is a function of its inputs alone"
    return ""


def _imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")


def _readme(folder):
    path = folder / "README.md"
    text = path.read_text().lower() if path.is_file() else ""
    absent = [word for word in TELLS if not re.search(rf"\b{word}\b", text)]
    return f"README.md does not speak of {', '.join(absent)}" if absent else ""


def _tests(folder):
    path = folder / "test_module.py"
    names = re.findall(r"def (test_\w+)", path.read_text()) if path.is_file() else []
    absent = [case for case, words in CASES.items()
              if not any(re.search(words, name) for name in names)]
    if absent:
        return f"test_module.py has no test with `{'`, `'.join(absent)}` in its name"
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "--no-header", "-p",
                           "no:cacheprovider", str(path)], capture_output=True, text=True,
                          timeout=PATIENCE_S, check=False)
    last = (done.stdout.strip() or done.stderr.strip()).splitlines()[-1:]
    return f"its tests fail: {' '.join(last)[:300]}" if done.returncode else ""


def _model(folder):
    """A pickle may execute anything; a model without a card, nobody knows how good."""
    files = [path for path in folder.rglob("*") if path.suffix in PICKLES]
    large = [path for path in folder.rglob("*") if path.is_file() and
             path.stat().st_size > MOST_BYTES and "__pycache__" not in path.parts]
    if files or large:
        return (f"{(files + large)[0].name}: a model is npz, JSON or ONNX, of {MOST_BYTES:,} bytes "
                "at most")
    return _card(folder / MODEL, folder / CARD)


def _card(model, card):
    folder = card.parent
    again = f"`fink-like module train {folder.name}` writes both"
    if not model.is_file():
        return ""
    if not card.is_file():
        return f"{MODEL} has no {CARD}: {again}"
    try:
        told = json.loads(card.read_text())
        sha256, version = told["model"]["sha256"], told["version"]
    except (ValueError, KeyError, TypeError) as error:
        return f"{CARD} cannot be read ({error!r}): {again}"
    if sha256 != hashlib.sha256(model.read_bytes()).hexdigest():
        return f"{CARD} is of another {MODEL}: {again}"
    mine = registry.read_module(folder / "module.py").version
    return "" if version == mine else f"{CARD} is of version {version}, this is {mine}: {again}"


def _grows(settings, folder):
    """Design: outputs only grow; another type or meaning is a new name."""
    try:
        schema = open_delta(settings.data, "silver").schema()
    except SetupError:
        return ""  # nothing has been scored yet
    kept = next((field.type for field in schema.fields if field.name == folder.name), None)
    spec = registry.read_module(folder / "module.py")
    mine = {field.name: _delta_type(field.type) for field in spec.struct.fields}
    for field in kept.fields if kept else ():
        kind = getattr(field.type, "type", "array")
        if mine.get(field.name) != kind:
            return (f"the table has {folder.name}.{field.name} as {kind}, the module "
                    + (f"as {mine[field.name]}" if field.name in mine else "not at all")
                    + ": keep it, and give what is new a new name")
    return ""


def _delta_type(kind):
    """Delta's name of a Spark SQL type."""
    names = {"int": "integer", "bigint": "long", "tinyint": "byte", "smallint": "short"}
    return "array" if kind.startswith("array") else names.get(kind, kind)
