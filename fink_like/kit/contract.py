"""What every science module must keep to, as rules that are tried on it.

``breaches(spec, types)`` runs the module on `specimens` of all kinds and says which rules it
breaks, and how. What needs a process of its own (network, files, clock, time, memory) is tried
by `fink_like.modules.check`, which `fink-like module check` calls.
"""

import numpy as np
import pyarrow as pa

from fink_like.errors import ModuleError
from fink_like.kit.run import run
from fink_like.kit.specimens import KINDS, alerts, points_in_other_order

MANY = 10_000
SOME = 300
RELATIVE = 1e-4  # numbers may differ by so much where sums are taken in another order

RULES = {
    "declared": "outputs and their units are declared in full, each with a meaning",
    "empty batch": "a batch of no alert gives no row and no error",
    "one alert": "a batch of one alert is like any other",
    f"{MANY:,} alerts": "so is a large one",
    **{kind: f"no error where {meaning}" for kind, meaning in KINDS.items() if kind != "plain"},
    "slice": "a slice of an Arrow array gives what its rows give",
    "split": "the answer for an alert does not depend on those it comes with",
    "order": "nor on the order of alerts",
    "order of points": "nor on the order of the points of a light curve",
    "repeated": "the same alerts give the same answer again, with others between",
}
"""Closed list of the rules that are tried here."""


def breaches(spec, types, surveys=("a_survey",)):
    """Which rules a module breaks.

    Parameters
    ----------
    spec : ModuleSpec
    types : dict of str to str
        Spark SQL type of every column that it may declare.
    surveys : tuple of str
        Names of the surveys.

    Returns
    -------
    dict of str to str
        Every one of `RULES` -> what is wrong, empty if nothing is.
    """
    trial = Trial(spec, types, surveys)
    tried = {"declared": lambda: _undeclared(spec),
             "empty batch": lambda: trial.fault("plain", 0),
             "one alert": lambda: trial.fault("plain", 1),
             f"{MANY:,} alerts": lambda: trial.fault("plain", MANY),
             **{kind: lambda kind=kind: trial.fault(kind, SOME) for kind in KINDS
                if kind != "plain"},
             "slice": trial.slice, "split": trial.split, "order": trial.order,
             "order of points": trial.order_of_points, "repeated": trial.repeated}
    return {rule: tried[rule]() for rule in RULES}


def _undeclared(spec):
    from astropy import units
    for output in spec.outputs:
        if not output.doc:
            return f"output {output.name} has no doc: say what it means"
        try:
            units.Unit(output.unit)
        except ValueError as error:
            return f"output {output.name}: {error}".splitlines()[0]
    return "" if spec.doc else "the function has no docstring: method, reference, limits"


class Trial:
    """A module on made-up alerts."""

    def __init__(self, spec, types, surveys):
        absent = [name for name in spec.needs if name not in types]
        if absent:
            raise ModuleError(f"science module {spec.name} takes {absent}, which neither a survey "
                              "here nor another module has; see `fink-like module inputs`")
        self.spec = spec
        self.types = {name: types[name] for name in spec.needs}
        self._surveys = spec.surveys or surveys
        self.some = self.alerts("plain", SOME)

    def alerts(self, kind, n_rows, seed=7):
        """Specimens of the columns that it needs."""
        return alerts(self.types, n_rows, seed, kind, self._surveys)

    def answer(self, columns):
        """What it says, and its outcome."""
        scores, (outcome,) = run([self.spec], columns)
        return scores.field(0), outcome

    def fault(self, kind, n_rows):
        """What goes wrong on alerts of a kind."""
        return self.answer(self.alerts(kind, n_rows))[1].message

    def slice(self):
        """Whether a slice is taken as what it is."""
        part = {name: column[100:150] for name, column in self.some.items()}
        return self._differs(self.answer(part)[0], self.answer(self.some)[0][100:150])

    def split(self):
        """Whether parts give what the whole gives."""
        cuts = (0, 1, 1, 151, SOME)
        parts = [self.answer({n: c[first:last] for n, c in self.some.items()})[0]
                 for first, last in zip(cuts, cuts[1:])]
        return self._differs(pa.concat_arrays(parts), self.answer(self.some)[0])

    def order(self):
        """Whether alerts in another order give the same."""
        order = pa.array(np.random.default_rng(0).permutation(SOME))
        other = self.answer({name: column.take(order) for name, column in self.some.items()})[0]
        return self._differs(other, self.answer(self.some)[0].take(order))

    def order_of_points(self):
        """Whether points in another order give the same."""
        other = points_in_other_order(self.some, seed=1)
        return self._differs(self.answer(other)[0], self.answer(self.some)[0])

    def repeated(self):
        """Whether it remembers what it saw before."""
        first = self.answer(self.some)[0]
        self.answer(self.alerts("extreme", SOME))
        return self._differs(self.answer(self.some)[0], first)

    def _differs(self, found, expected):
        """The first value that is another one, in words; empty: none is."""
        for field in self.spec.struct.fields:
            mine, others = found.field(field.name), expected.field(field.name)
            row = first_difference(mine, others)
            if row is not None:
                return (f"{field.name} of alert {row} is {mine[row].as_py()}, but "
                        f"{others[row].as_py()} otherwise")
        return ""


def first_difference(found, expected):
    """Place of the first value that differs; floats may by `RELATIVE`; None: there is none."""
    same_null = np.equal(*(each.is_null().to_numpy(zero_copy_only=False)
                           for each in (found, expected)))
    if pa.types.is_floating(found.type):
        mine, others = (each.to_numpy(zero_copy_only=False) for each in (found, expected))
        size = np.nanmedian(np.abs(others)) if np.isfinite(others).any() else 0.0
        same = np.isclose(mine, others, rtol=RELATIVE, atol=1e-7 * size, equal_nan=True)
    else:
        same = np.array([a == b for a, b in zip(found.to_pylist(), expected.to_pylist())], bool)
    wrong = np.flatnonzero(~(same & same_null))
    return int(wrong[0]) if len(wrong) else None
