"""The contract suite finds each fault, and nothing where there is none."""

import numpy as np
import pyarrow as pa
import pytest

from fink_like.errors import ModuleError
from fink_like.kit import LIGHT_CURVE, Field, LightCurve, at_least, science_module
from fink_like.kit.contract import RULES, breaches, first_difference
from fink_like.kit.specimens import KINDS, alerts, points_in_other_order
from fink_like.vocabulary import NEUTRAL, leaves

TYPES = {name: field.type for name, field in leaves(NEUTRAL).items()}
OUT = (Field("x", "double", "nJy", "phot.flux", "A number."),)
SEEN = []


def declared(function, inputs=("psfFlux",), outputs=OUT, **more):
    function.__name__ = "tried"
    function.__doc__ = function.__doc__ or "Tried."
    return science_module(version="1.0", inputs=inputs, outputs=outputs, **more)(function)


def broken(spec):
    """Rules that it breaks."""
    found = breaches(spec, TYPES)
    assert [*found] == [*RULES]
    return {rule for rule, fault in found.items() if fault}


def brightest(*columns):
    lc = LightCurve.of(*columns).usable()
    return {"x": lc.flux.max()}


def test_a_sound_module_breaks_no_rule():
    assert broken(declared(brightest, LIGHT_CURVE, applies=at_least(1, "points"))) == set()


def counted(flux):
    SEEN.append(len(flux))
    return {"x": flux + len(SEEN)}


def picky(flux):
    if not np.isfinite(flux).all():
        raise ValueError("not finite")
    return {"x": flux}


@pytest.mark.parametrize("function, inputs, rules", [
    (lambda flux: {"x": flux - np.nanmean(flux)}, ("psfFlux",),
     {"slice", "split"}),
    (lambda flux: {"x": np.nancumsum(flux)}, ("psfFlux",), {"slice", "split", "order"}),
    (lambda flux: {"x": flux.first()}, ("lc.psfFlux",), {"order of points"}),
    (counted, ("psfFlux",), {"slice", "split", "order", "repeated"}),
    (picky, ("psfFlux",), {"10,000 alerts", "nulls", "not a number", "extreme"}),
    (lambda flux: {"x": flux.values[flux.shape.offsets[:-1]]}, ("lc.psfFlux",),
     {"no points"}),
    (lambda flux: {"x": flux - flux[0]}, ("psfFlux",), {"slice", "split", "order"}),
    (lambda flux, n: {"x": np.array([f"{f:.0f}" for f in flux], dtype=object)},
     ("psfFlux", "snr"), {"one alert", "10,000 alerts", *KINDS} - {"plain"}),
], ids=["mean of the batch", "running sum", "first point unsorted", "counter", "picky", "no points",
        "first alert", "text for a number"])
def test_each_fault_breaks_its_rule(function, inputs, rules):
    assert rules <= broken(declared(function, inputs))


@pytest.mark.parametrize("output", [Field("x", "double", "nJy"), Field("x", "double", "nJys", "",
                                                                       "A number.")])
def test_what_an_output_means_must_be_said(output):
    assert broken(declared(lambda flux: {"x": flux}, outputs=(output,))) == {"declared"}


def test_an_input_that_nobody_has_is_named():
    with pytest.raises(ModuleError, match="a_survey.drb"):
        breaches(declared(lambda drb: {"x": drb}, ("a_survey.drb",)), TYPES)


@pytest.mark.parametrize("kind", KINDS)
def test_specimens_are_alerts(kind):
    made = alerts(TYPES, 50, seed=1, kind=kind)
    assert set(made) == set(TYPES) and {len(column) for column in made.values()} == {50}
    light_curve = LightCurve.of(*(_seen(made, name) for name in LIGHT_CURVE))
    assert light_curve.mjd.shape.offsets[-1] == len(light_curve.flux.values)
    assert (kind == "nulls") == all(column.null_count == 50 for column in made.values())
    assert first_difference(alerts(TYPES, 50, seed=1, kind=kind)["ra"], made["ra"]) is None


def test_shuffled_points_stay_together():
    made = alerts(TYPES, 40, seed=2)
    other = points_in_other_order(made, seed=3)
    assert not other["lc.midpointMjdTai"].equals(made["lc.midpointMjdTai"])
    for before, after in zip(*(zip(columns["lc.midpointMjdTai"].to_pylist(),
                                   columns["lc.psfFlux"].to_pylist())
                               for columns in (made, other))):
        pairs = [sorted(zip(*one), key=str) for one in (before, after)]
        assert pairs[0] == pairs[1]


def test_the_first_difference_is_found():
    assert first_difference(pa.array([1.0, None, 2.0]), pa.array([1.0, None, 2.1])) == 2
    assert first_difference(pa.array([1.0, None]), pa.array([1.0, 0.0])) == 1
    assert first_difference(pa.array(["a", None]), pa.array(["a", None])) is None


def _seen(columns, name):
    from fink_like.kit.columns import Batch
    return Batch(columns).values(name)
