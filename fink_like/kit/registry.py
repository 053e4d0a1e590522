"""Find science modules by folder, and put those that are on in the order they can run.

``science_modules/<name>/module.py`` must hold one `ModuleSpec` called ``<name>``. What runs is the
operator's choice, in ``conf/modules.yaml``: one line ``<name>: live``, ``shadow`` or ``off``.
"""

import importlib.util
import logging
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import yaml

from fink_like.errors import ModuleError
from fink_like.kit.module import ModuleSpec
from fink_like.vocabulary import NEUTRAL

LIVE, SHADOW, OFF = "live", "shadow", "off"

_NAME = re.compile("[a-z][a-z0-9_]*")

log = logging.getLogger(__name__)


def load(folder, states, reserved=()):
    """The modules that are on, each after those it takes outputs from.

    Parameters
    ----------
    folder : str or Path
        With one folder a module.
    states : mapping, str or Path
        Module name to ``live``, ``shadow`` or ``off``; or the YAML file that says so. A module
        not named is off, which is logged.
    reserved : iterable of str
        Names of survey structs, which no module may have.

    Returns
    -------
    list of ModuleSpec
        With `state` set. By name where dependencies leave a choice.

    Raises
    ------
    ModuleError
        A module cannot be imported or breaks the contract, a state or a module in `states` is
        unknown, names clash, an input is the output of a module that is off or absent, or modules
        need each other in a circle.
    """
    found = find(folder)
    states = read_states(states) if isinstance(states, (str, Path)) else _checked_states(states)
    unknown = sorted(set(states) - set(found))
    if unknown:
        raise ModuleError(f"modules.yaml names {unknown}, but {folder} holds {sorted(found)}")
    for name in sorted(set(found) - set(states)):
        log.warning("science module %s is off: conf/modules.yaml does not name it", name)
    specs = {name: replace(spec, state=states[name]) for name, spec in found.items()
             if states.get(name, OFF) != OFF}
    _refuse_clashes(specs, reserved)
    return [specs[name] for name in _order(specs, found)]


def find(folder):
    """Every module of the folder, on or off: name to `ModuleSpec`."""
    files = sorted(Path(folder).glob("*/module.py"))
    return {path.parent.name: read_module(path) for path in files}


def needed(found, name):
    """A module and those it takes outputs from, theirs too; names, of `find`'s modules."""
    names, left = set(), [name]
    while left:
        one = left.pop()
        if one in found and one not in names:
            names.add(one)
            left += [source for source in map(_source, found[one].needs) if source]
    return sorted(names)


def dependents(specs, name):
    """A module and those that take outputs from it, and from those; in the order of `specs`."""
    names = {name}
    for spec in specs:  # each behind those it needs
        if names & {_source(need) for need in spec.needs}:
            names.add(spec.name)
    return [spec for spec in specs if spec.name in names]


def external_inputs(specs):
    """Sorted names of the columns that the alert's row must bring for these modules."""
    ours = {spec.name for spec in specs}
    return sorted({name for spec in specs for name in spec.needs if name.split(".")[0] not in ours})


def read_states(path):
    """Module name to state, from a YAML file.

    Raises
    ------
    ModuleError
        No such file, not YAML, or a state that is none of live, shadow and off.
    """
    try:
        content = yaml.safe_load(Path(path).read_text()) or {}
    except (OSError, yaml.YAMLError) as error:
        raise ModuleError(f"{path}: cannot be read: {error}") from error
    return _checked_states(content, path)


def _checked_states(states, where="modules.yaml"):
    if not isinstance(states, Mapping):
        raise ModuleError(f"{where}: should hold lines `module: live`, shadow or off")
    states = {name: OFF if state is False else state  # YAML reads a bare `off` as false
              for name, state in states.items()}
    wrong = {name: state for name, state in states.items() if state not in (LIVE, SHADOW, OFF)}
    if wrong:
        raise ModuleError(f"{where}: a module is live, shadow or off, not {wrong}")
    return states


def read_module(path):
    """The `ModuleSpec` of one ``module.py``.

    Its name stays in sys.modules only while it runs: what cloudpickle does not find there it
    carries by value, so that a Spark worker needs no folder of modules.

    Raises
    ------
    ModuleError
        It cannot be imported, or holds no spec named as the folder.
    """
    path = Path(path).resolve()
    name = path.parent.name
    import_name = f"fink_like_science_module_{name}"
    import_spec = importlib.util.spec_from_file_location(import_name, path)
    python_module = importlib.util.module_from_spec(import_spec)
    sys.modules[import_name] = python_module
    try:
        import_spec.loader.exec_module(python_module)
    except Exception as error:  # noqa: BLE001  any fault of a contributor's code
        raise ModuleError(f"{path}: {type(error).__name__}: {error}") from error
    finally:
        del sys.modules[import_name]
    spec = getattr(python_module, name, None)
    if not isinstance(spec, ModuleSpec) or spec.name != name:
        raise ModuleError(f"{path}: should define one function {name} under @science_module; "
                          "folder and function have the same name")
    return spec


def is_free(name, reserved=()):
    """Whether a new module may have this name."""
    return bool(_NAME.fullmatch(name)) and name not in _taken(reserved)


def _taken(reserved):
    return {entry.name.lower() for entry in NEUTRAL} | {name.lower() for name in reserved}


def _refuse_clashes(specs, reserved):
    taken = _taken(reserved)
    for name in specs:
        if name.lower() in taken:  # Spark does not tell capitals apart
            raise ModuleError(f"science module {name}: the alert has a column or struct, or the "
                              "folder another module, of that name; call it otherwise")
        taken.add(name.lower())


def _order(specs, found):
    needed = {name: {dependency for dependency in map(_source, spec.needs) if dependency in found}
              for name, spec in sorted(specs.items())}
    for name, dependencies in needed.items():
        for dependency in sorted(dependencies):
            _check_dependency(specs[name], found[dependency], specs.get(dependency))
    try:
        return list(TopologicalSorter(needed).static_order())
    except CycleError as error:
        raise ModuleError(f"science modules need each other in a circle: "
                          f"{' <- '.join(error.args[1])}; one of them must do without") from error


def _source(input_name):
    return input_name.split(".")[0] if "." in input_name else None


def _check_dependency(spec, found, running):
    if running is None or (running.state, spec.state) == (SHADOW, LIVE):
        state = OFF if running is None else SHADOW
        raise ModuleError(f"science module {spec.name} is {spec.state} but takes outputs of "
                          f"{found.name}, which is {state}; change one in conf/modules.yaml")
    offered = {f"{found.name}.{field.name}" for field in found.struct.fields}
    absent = [name for name in spec.needs if _source(name) == found.name and name not in offered]
    if absent:
        raise ModuleError(f"science module {spec.name} takes {absent}, but {found.name} offers "
                          f"{sorted(offered)}")
