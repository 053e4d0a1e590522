"""The house's own rules: who may import whom, what may be named, how long things are."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HOUSE = ROOT / "fink_like"
FILES = sorted(path for path in HOUSE.rglob("*.py") if "__pycache__" not in path.parts)
MODULES = sorted(path for path in (ROOT / "science_modules").iterdir() if path.is_dir()
                 and not path.name.startswith(("_", ".")))

# The rooms of fink_like/__init__.py, from the ground up. A file that is named nowhere is a door.
GROUND = {"vocabulary", "bookkeeping", "errors", "effects", "config", "metrics", "__init__"}
PURE = {"packets", "kit", "filters"}
FLOORS = {**dict.fromkeys(GROUND, 0), **dict.fromkeys(PURE, 1), "spark": 2, "jobs": 3}
DOORS = 4
SET_UP = {"apt", "cache", "download", "environment", "jars", "java", "kafka_server", "logged",
          "ports", "prepare", "steps"}  # runs before anything is installed: no floor but errors
SPEAKS_SPARK = {"pyspark", "delta", "py4j"}
NETWORK = {"socket", "urllib", "http", "requests", "confluent_kafka", "ssl"}
CLOCK = {"time", "datetime"}
NOT_NAMED = {"utils", "util", "common", "helpers", "helper", "base", "manager", "misc"}

LONGEST_FILE, LONGEST_FUNCTION, MOST_PARAMETERS = 300, 40, 6
LONG_LINE = 100
# Who may have more, and why.
ALLOWED_PARAMETERS = {
    # The simulator's door: all but two have defaults, and each is a choice of the user's.
    "fink_like/simulator/nights.py:night": 7}
COMPILED_PARAMETERS = 9  # a numba kernel takes its arrays one by one
ALLOWED_NAMES = {
    **dict.fromkeys([f"fink_like/cli/{n}.py" for n in ("packets", "looks", "copies")],
                    "the examples in --help are commands that work"),
    "fink_like/filters/tokens.py": "an error message shows how a name is written"}
PURE_MAY_IMPORT = {
    # A filter's expiry is a date: the type, never the clock.
    "filters": {"datetime"},
}


def room(path):
    """First part of a file's name inside the package: ``packets``, ``config``, ..."""
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


def floor(name):
    return FLOORS.get(name, DOORS)


def parsed(path):
    return ast.parse(path.read_text(), filename=str(path))


def imports(tree):
    """Dotted names that a file imports, at any depth."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            if node.module == "fink_like":
                yield from (f"fink_like.{alias.name}" for alias in node.names)


def ours(tree):
    """Rooms of the package that a file imports."""
    return {name.split(".")[1] for name in imports(tree) if name.startswith("fink_like.")}


def functions(tree):
    return [n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]


def name_of(path):
    return str(path.relative_to(ROOT))


@pytest.fixture(scope="module")
def survey_names():
    names = {path.stem for path in (ROOT / "conf" / "surveys").glob("*.yaml")}
    assert len(names) >= 2
    return names | {"rubin"}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_go_down(path):
    mine = room(path)
    for other in ours(parsed(path)) - {mine, "__version__"}:
        assert floor(other) <= floor(mine), f"{mine} stands below {other}"
        if floor(mine) == FLOORS["packets"]:
            assert floor(other) < floor(mine), f"pure rooms do not import each other: {other}"


@pytest.mark.parametrize("path", [p for p in FILES if room(p) in SET_UP], ids=name_of)
def test_set_up_runs_before_the_rest_is_installed(path):
    assert ours(parsed(path)) <= SET_UP | {"errors", "config", "__version__"}


BELOW_SPARK = [p for p in FILES if floor(room(p)) < FLOORS["spark"]]


@pytest.mark.parametrize("path", BELOW_SPARK, ids=name_of)
def test_below_spark_there_is_no_spark_network_or_clock(path):
    packages = {name.split(".")[0] for name in imports(parsed(path))}
    assert not packages & SPEAKS_SPARK
    forbidden = packages & (NETWORK | CLOCK) - PURE_MAY_IMPORT.get(room(path), set())
    assert not forbidden


def test_spark_is_spoken_on_two_floors_only():
    speakers = {room(p) for p in FILES
                if {n.split(".")[0] for n in imports(parsed(p))} & SPEAKS_SPARK}
    assert speakers <= {"spark", "jobs"}


def literals_and_names(tree):
    """Identifiers and string literals; docstrings may say what they like."""
    documents = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            documents.add(id(node.body[0].value) if node.body and isinstance(node.body[0], ast.Expr)
                          else None)
        if isinstance(node, (ast.Module, ast.ClassDef)):  # a string below an assignment, too
            documents |= {id(n.value) for n in node.body if isinstance(n, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in documents:
                yield node.lineno, node.value
        for attribute in ("id", "attr", "name", "arg"):
            name = getattr(node, attribute, None)
            if isinstance(name, str):
                yield getattr(node, "lineno", 0), name


# Words of the Column.doc kind are docstrings in another form: the vocabulary's last argument.
DOCUMENT_CALLS = {"Field", "Struct", "Option", "add_argument", "add_parser"}


def documents_in_calls(tree):
    """Texts handed over as documentation: ``Field(..., doc)``, argparse's help and epilog."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if function in DOCUMENT_CALLS:
                given = [*node.args[1:], *(k.value for k in node.keywords)]
                found |= {n.value for a in given for n in ast.walk(a)
                          if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    return found


@pytest.mark.parametrize("path", [p for p in FILES if name_of(p) not in ALLOWED_NAMES], ids=name_of)
def test_no_survey_is_named_in_code(path, survey_names):
    tree = parsed(path)
    documents = documents_in_calls(tree)
    named = [f"line {line}: {text[:60]!r}" for line, text in literals_and_names(tree)
             if any(survey in text.lower() for survey in survey_names) and text not in documents]
    assert not named, "survey differences are data in conf/surveys: " + "; ".join(named)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_and_lines_are_short(path):
    lines = path.read_text().splitlines()
    assert len(lines) <= LONGEST_FILE
    long = [n for n, line in enumerate(lines, 1) if len(line) > LONG_LINE]
    assert not long, f"lines {long} are longer than {LONG_LINE}"


@pytest.mark.parametrize("path", [*FILES, *(m / "module.py" for m in MODULES)], ids=name_of)
def test_functions_are_short_and_take_few_parameters(path):
    for function in functions(parsed(path)):
        where = f"{name_of(path)}:{function.name}"
        body = function.body
        first = body[1] if isinstance(body[0], ast.Expr) and len(body) > 1 else body[0]
        length = function.end_lineno - first.lineno + 1
        assert length <= LONGEST_FUNCTION, f"{where}: {length} lines"
        taken = [a.arg for a in (*function.args.posonlyargs, *function.args.args,
                                 *function.args.kwonlyargs) if a.arg not in ("self", "cls")]
        most = COMPILED_PARAMETERS if is_compiled(function) else MOST_PARAMETERS
        assert len(taken) <= ALLOWED_PARAMETERS.get(where, most), f"{where}: {taken}"


def is_compiled(function):
    return any("jit" in ast.unparse(decorator) or ast.unparse(decorator) == "kernel"
               for decorator in function.decorator_list)


def test_nothing_is_called_by_what_it_is_not():
    bad = [name_of(p) for p in FILES if NOT_NAMED & set(p.relative_to(HOUSE).with_suffix("").parts)]
    assert not bad


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_what_is_public_says_what_it_does(path):
    tree = parsed(path)
    if path.read_text().strip() == "":
        return
    assert ast.get_docstring(tree), "the file itself"
    public = [n for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))]
    public += [m for c in public if isinstance(c, ast.ClassDef) and not c.name.startswith("_")
               for m in c.body if isinstance(m, ast.FunctionDef)]
    silent = [n.name for n in public if not n.name.startswith("_") and not ast.get_docstring(n)]
    assert not silent


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_error_is_swallowed(path):
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ExceptHandler):
            blanket = node.type is None or getattr(node.type, "id", "") in ("Exception",
                                                                            "BaseException")
            silent = all(isinstance(s, ast.Pass) for s in node.body)
            assert node.type is not None, f"line {node.lineno}: a bare except"
            assert not (blanket and silent), f"line {node.lineno}: swallows everything"


@pytest.mark.parametrize("folder", MODULES, ids=lambda p: p.name)
def test_a_science_module_is_whole_and_stands_alone(folder):
    assert {"module.py", "README.md", "test_module.py"} <= {p.name for p in folder.iterdir()}
    for path in folder.glob("*.py"):
        allowed = {"vocabulary", "kit"} | ({"errors"} if path.name == "test_module.py" else set())
        assert ours(parsed(path)) <= allowed, path
        packages = {name.split(".")[0] for name in imports(parsed(path))}
        assert not packages & (SPEAKS_SPARK | NETWORK), path


def test_nothing_imports_a_science_module():
    names = {"science_modules", *(m.name for m in MODULES)}
    for path in FILES:
        assert not {n.split(".")[0] for n in imports(parsed(path))} & names, path


def test_tests_mirror_the_rooms():
    """Each folder of tests belongs to a room, to the set-up, or is what tests share."""
    more = {"setup", "helpers", "surveys_extra", "doors", "interop", "cluster", "k8s", "notebooks", "readme"}
    folders = {p.name for p in (ROOT / "tests").iterdir() if p.is_dir()
               and not p.name.startswith(("_", "."))}
    rooms = {p.name for p in HOUSE.iterdir() if p.is_dir()}
    assert folders <= rooms | more, folders - rooms - more


def test_the_rules_catch_a_planted_violation(survey_names):
    """A rule that finds nothing anywhere would pass as well."""
    tree = ast.parse("from fink_like.jobs import ingest\nif survey == 'ztf':\n    pass\n")
    assert ours(tree) == {"jobs"} and floor("jobs") > floor("packets")
    assert any(s in text for _, text in literals_and_names(tree) for s in survey_names)
