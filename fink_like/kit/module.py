"""What a science module is: one decorated function, checked when it is defined.

::

    @science_module(version="1.0", inputs=LIGHT_CURVE, applies=at_least(3, "points"),
                    outputs=(Field("n_points", "int", doc="Points that count."),))
    def early_rise(*columns):
        '''Method, reference, limits.'''
        return {"n_points": LightCurve.of(*columns).usable().counts}

The function is given its inputs in the declared order (`columns` says in what form) and returns a
dict or DataFrame of exactly the declared outputs, one value a row. It may raise.
"""

import difflib
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass

from fink_like.errors import ModuleError
from fink_like.kit.applies import ALWAYS, Applies, from_survey, has
from fink_like.kit.columns import ARROW_TYPES
from fink_like.vocabulary import INPUTS, Field, Struct, leaves

ADDED = (
    Field("status", "tinyint", "", "meta.code", "0: ok; > 0: no value for a good reason; "
          "< 0: our fault. See vocabulary.Status."),
    Field("version", "string", "", "meta.version", "Version of the module."),
)
"""What the kit puts beside every module's outputs."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_NEUTRAL = leaves(INPUTS)
_OUR_STRUCTS = {name.split(".")[0] for name in _NEUTRAL if "." in name}


@dataclass(frozen=True)
class ModuleSpec:
    """A science module as declared.

    Parameters
    ----------
    name : str
        Of the function, the folder and the struct in silver.
    version : str
    inputs : tuple of str
        Dotted names, in the order of the function's arguments.
    outputs : tuple of Field
    applies : Applies
        Which rows it is computed for.
    surveys : tuple of str or None
        None: every survey.
    compute : callable
        Arrays in, dict or DataFrame out.
    doc : str
    budget : float
        Microseconds an alert that it may take; ten times that, and it is stopped.
    state : str
        ``live`` or ``shadow``, the operator's word; set by the registry.
    """

    name: str
    version: str
    inputs: tuple
    outputs: tuple
    applies: Applies
    surveys: tuple
    compute: Callable
    doc: str
    budget: float = 100.0
    state: str = "live"

    @property
    def struct(self):
        """Its struct column in silver: the outputs, then status and version."""
        return Struct(self.name, self.outputs + ADDED, self.doc.strip().partition("\n")[0])

    @property
    def needs(self):
        """Sorted names of all columns it looks at, the conditions' included."""
        survey = ("survey",) if self.surveys else ()
        return tuple(sorted({*self.inputs, *self.applies.inputs, *survey}))

    @property
    def conditions(self):
        """Conditions a row must meet, in order: survey, light curve present, `applies`."""
        survey = from_survey(*self.surveys) if self.surveys else ALWAYS
        lists = [name for name in self.needs if name.startswith(("lc.", "history."))]
        present = has(*lists) if lists else ALWAYS
        return (survey & present & self.applies).conditions


def science_module(*, version, inputs, outputs, applies=ALWAYS, surveys=None,
                   budget=ModuleSpec.budget):
    """Declare the decorated function a science module.

    Parameters
    ----------
    version : str
        Changes whenever a value may change.
    inputs : tuple of str
        Neutral columns (``psfFlux``, ``lc.band``), images (``cutouts.science``), the object's
        light curve from our own alerts before this one (``history.psfFlux``), survey-only ones
        (``survey.column``) or other modules' outputs (``quality.is_clean``). A row without a
        light curve, without a history, or whose other module gave nothing, is not computed
        (INPUT_MISSING) if these are inputs; other inputs may be null, unless
        ``applies=has(...)`` says otherwise.
    outputs : tuple of Field
        Types: those of `columns.ARROW_TYPES`.
    applies : Applies
    surveys : tuple of str, optional
        Alerts of other surveys get NOT_APPLICABLE.
    budget : float, optional
        Microseconds an alert that it may take on one core, of alerts that it applies to.

    Returns
    -------
    callable
        Function to `ModuleSpec`.

    Raises
    ------
    ModuleError
        The declaration is wrong.
    """
    def declare(function):
        spec = ModuleSpec(function.__name__, version, tuple(inputs), tuple(outputs), applies,
                          tuple(surveys) if surveys else None, function, function.__doc__ or "",
                          budget)
        problems = [*_header_problems(spec), *_input_problems(spec), *_output_problems(spec)]
        if problems:
            raise ModuleError(f"science module {spec.name}: " + "; ".join(problems))
        return spec

    return declare


def _header_problems(spec):
    if not _NAME.fullmatch(spec.name):
        yield f"{spec.name!r} is not a name for a column: letters, digits and _"
    if not isinstance(spec.version, str) or not spec.version:
        yield f"version {spec.version!r} is not a text such as '1.0'"
    if not isinstance(spec.applies, Applies):
        yield "applies must be made of at_least(...) and has(...), joined by &"
    if not (isinstance(spec.budget, (int, float)) and spec.budget > 0):
        yield f"budget {spec.budget!r} is not a number of microseconds an alert"
    try:
        inspect.signature(spec.compute).bind(*spec.inputs)
    except TypeError:
        yield f"the function does not take {len(spec.inputs)} inputs by position"


def _input_problems(spec):
    if not spec.inputs:
        yield "it declares no input"
    for name in spec.inputs:
        parts = name.split(".") if isinstance(name, str) else []
        if len(parts) not in (1, 2) or not all(map(_NAME.fullmatch, parts)):
            yield f"input {name!r} is not of the form a or a.b"
        elif parts[0] == spec.name:
            yield f"input {name} is its own output"
        elif (len(parts) == 1 or parts[0] in _OUR_STRUCTS) and name not in _NEUTRAL:
            near = difflib.get_close_matches(name, _NEUTRAL, 1)
            yield f"the neutral alert has no column {name}" + (f", did you mean {near[0]}?"
                                                               if near else "")


def _output_problems(spec):
    if not spec.outputs:
        yield "it declares no output"
    seen = {field.name for field in ADDED}
    for output in spec.outputs:
        if not isinstance(output, Field):
            yield f"output {output!r} is not a Field"
            continue
        if not _NAME.fullmatch(output.name):
            yield f"output {output.name!r}: letters, digits and _ only"
        if output.name.lower() in seen:  # Spark does not tell capitals apart
            yield f"output {output.name} is declared twice, or is the kit's own"
        if output.type not in ARROW_TYPES:
            yield f"output {output.name}: type {output.type!r} is not one of {list(ARROW_TYPES)}"
        seen.add(output.name.lower())
