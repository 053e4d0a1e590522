"""Find science modules by folder, and put those that are on in the order they can run.

``science_modules/<name>/module.py`` must hold one `ModuleSpec` called ``<name>``. What runs is the
operator's choice, in ``conf/modules.yaml``: one line ``<name>: live``, ``shadow`` or ``off``.
"""

import difflib
import importlib.util
import keyword
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
from fink_like.vocabulary import INPUTS

LIVE, SHADOW, OFF = "live", "shadow", "off"

_NAME = re.compile("[a-z][a-z0-9_]*")
# Columns that stand beside the modules' on the way to silver, and in the messages of substreams.
_BESIDE = {"topic", "partition", "offset", "schema_key", "bytes", "kafka_time", "ingest_time",
           "datum", "points", "modules", "route", "to_topic", "partitions", "filter", "delivery",
           "cdsxmatch", "key", "value", "headers", "thing", "p_topic", "p_partition", "p_offset"}

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
    there = names(folder)
    states = read_states(states) if isinstance(states, (str, Path)) else _checked_states(states)
    unknown = sorted(set(states) - set(there))
    if unknown:
        raise ModuleError(f"modules.yaml names {unknown}, but {folder} holds {there}")
    for name in sorted(set(there) - set(states)):
        log.warning("science module %s is off: conf/modules.yaml does not name it", name)
    # What is off is not even read: somebody may be writing it.
    specs = {name: replace(read_module(Path(folder) / name / "module.py"), state=states[name])
             for name in there if states.get(name, OFF) != OFF}
    _refuse_clashes(specs, reserved)
    return [specs[name] for name in _order(specs, there)]


def names(folder):
    """Names of all modules of the folder, on or off, sorted."""
    return sorted(path.parent.name for path in Path(folder).glob("*/module.py"))


def with_sources(folder, name, reserved=()):
    """A module and those it takes outputs from, theirs too, all as live, in the order they run.

    Raises
    ------
    ModuleError
        As `load`.
    """
    there, specs, left = names(folder), {}, [name]
    while left:
        one = left.pop()
        if one in there and one not in specs:
            specs[one] = read_module(Path(folder) / one / "module.py")
            left += filter(None, map(_source, specs[one].needs))
    _refuse_clashes(specs, reserved)
    return [specs[each] for each in _order(specs, there)]


def dependents(specs, name):
    """A module and those that take outputs from it, and from those; in the order of `specs`."""
    with_it = {name}
    for spec in specs:  # each behind those it needs
        if with_it & {_source(need) for need in spec.needs}:
            with_it.add(spec.name)
    return [spec for spec in specs if spec.name in with_it]


def external_inputs(specs):
    """Sorted names of the columns that the alert's row must bring for these modules."""
    ours = {spec.name for spec in specs}
    return sorted({name for spec in specs for name in spec.needs if name.split(".")[0] not in ours})


def takes(specs, struct):
    """Whether one of the modules takes a column of a struct, as of `vocabulary.NOT_STORED`."""
    return any(_source(name) == struct.name for spec in specs for name in spec.needs)


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
    except BaseException as error:  # noqa: BLE001  any fault of a contributor's code
        raise ModuleError(f"{path}{_line(error, path)}: {type(error).__name__}: {error}") from error
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
    ours = {entry.name.lower() for entry in INPUTS} | _BESIDE | set(keyword.kwlist)
    return ours | {name.lower() for name in reserved}


def _line(error, path):
    """``:12`` of the last step of an error that is in a file."""
    lines, step = [], error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == str(path):
            lines.append(f":{step.tb_lineno}")
        step = step.tb_next
    return lines[-1] if lines else ""


def refuse_unknown(specs, columns):
    """Refuse an input that its survey or module, which are here, does not have.

    Parameters
    ----------
    specs : list of ModuleSpec
    columns : iterable of str
        Dotted columns of the alert, surveys and modules here. A survey that is not here is fine.

    Raises
    ------
    ModuleError
    """
    columns = set(columns)
    structs = {name.split(".")[0] for name in columns if "." in name}
    for spec in specs:
        for name in spec.needs:
            source = _source(name)
            if source in structs and name not in columns:
                near = difflib.get_close_matches(name, columns, 1)
                raise ModuleError(f"science module {spec.name}: {source} has no {name}" + (
                    f", did you mean {near[0]}?" if near else "; see `fink-like module inputs`"))


def _refuse_clashes(specs, reserved):
    taken = _taken(reserved)
    for name in specs:
        if name.lower() in taken:  # Spark does not tell capitals apart
            raise ModuleError(f"science module {name}: the alert has a column or struct, or the "
                              "folder another module, of that name; call it otherwise")
        taken.add(name.lower())


def _order(specs, there):
    needed_by = {name: {dependency for dependency in map(_source, spec.needs)
                        if dependency in there} for name, spec in sorted(specs.items())}
    for name, dependencies in needed_by.items():
        for dependency in sorted(dependencies):
            _check_dependency(specs[name], dependency, specs.get(dependency))
    try:
        return list(TopologicalSorter(needed_by).static_order())
    except CycleError as error:
        raise ModuleError(f"science modules need each other in a circle: "
                          f"{' <- '.join(error.args[1])}; one of them must do without") from error


def _source(input_name):
    return input_name.split(".")[0] if "." in input_name else None


def _check_dependency(spec, name, running):
    if running is None or (running.state, spec.state) == (SHADOW, LIVE):
        state = OFF if running is None else SHADOW
        raise ModuleError(f"science module {spec.name} is {spec.state} but takes outputs of "
                          f"{name}, which is {state}; change one in conf/modules.yaml")
    offered = {f"{name}.{field.name}" for field in running.struct.fields}
    absent = [need for need in spec.needs if _source(need) == name and need not in offered]
    if absent:
        raise ModuleError(f"science module {spec.name} takes {absent}, but {name} offers "
                          f"{sorted(offered)}")
