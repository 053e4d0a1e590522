"""What exactly a science module is: hashes of its code and models, its constants, its libraries.

Two runs of a module with the same `Identity` say the same of the same alerts.
"""

import ast
import hashlib
import json
import platform
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

LIBRARIES = ("numpy", "pandas", "pyarrow", "numba", "scipy")
NO_MODEL = (".py", ".md", ".png", ".pyc")


@dataclass(frozen=True)
class Identity:
    """One module as it is run.

    Parameters
    ----------
    module, version : str
    code_hash : str
        SHA-256 of its Python files but the tests.
    models : str
        JSON: its other files -> SHA-256.
    parameters : str
        JSON: the constants of module.py (names in capitals) -> value.
    libraries : str
        JSON: Python, this broker and what the kit computes with -> version.
    """

    module: str
    version: str
    code_hash: str
    models: str
    parameters: str
    libraries: str


def identity(folder, spec):
    """The identity of the module in a folder.

    Parameters
    ----------
    folder : str or Path
    spec : ModuleSpec

    Returns
    -------
    Identity
    """
    files = sorted(path for path in Path(folder).rglob("*")
                   if path.is_file() and "__pycache__" not in path.parts)
    code = hashlib.sha256()
    for path in files:
        if path.suffix == ".py" and not path.name.startswith("test_"):
            code.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    models = {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
              for path in files if path.suffix not in NO_MODEL}
    return Identity(spec.name, spec.version, code.hexdigest(), json.dumps(models),
                    json.dumps(_constants(Path(folder) / "module.py", spec)),
                    json.dumps(_libraries()))


def _constants(path, spec):
    """Capital names that module.py gives a plain value."""
    found = {}
    for node in ast.parse(path.read_text()).body:
        for target in node.targets if isinstance(node, ast.Assign) else ():
            if isinstance(target, ast.Name) and target.id.isupper():
                value = spec.compute.__globals__.get(target.id)
                try:
                    found[target.id] = json.loads(json.dumps(value))
                except TypeError:
                    found[target.id] = f"a {type(value).__name__}"
    return found


def _libraries():
    found = {"python": platform.python_version()}
    for name in ("fink_like", *LIBRARIES):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
