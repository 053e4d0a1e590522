"""A wrong declaration is refused when the module is defined, and says what is wrong."""

import pytest

from fink_like.errors import ModuleError
from fink_like.kit import LIGHT_CURVE, Field, at_least, has, science_module

GOOD = {"version": "1.0", "inputs": ("ra", "lc.band", "ztf.drb"),
        "outputs": (Field("a", "float"), Field("b", "boolean"))}


def declare(function=None, **changes):
    def early_rise(*columns):
        """First line.

        Second.
        """

    return science_module(**(GOOD | changes))(function or early_rise)


def test_a_spec_knows_its_struct_and_its_needs():
    spec = declare(applies=at_least(3, "points") & has("sky.gal_b"), surveys=["ztf"])
    assert spec.name == "early_rise"
    assert spec.struct.type == ("struct<`a`:float,`b`:boolean,`status`:tinyint,"
                                "`version`:string>")
    assert spec.struct.doc == "First line."
    assert set(spec.needs) == {*GOOD["inputs"], *LIGHT_CURVE, "sky.gal_b", "survey"}


@pytest.mark.parametrize("changes, says", [
    ({"outputs": (Field("a", "float"), Field("a", "int"))}, "declared twice"),
    ({"outputs": (Field("a", "float"), Field("A", "int"))}, "declared twice"),
    ({"outputs": (Field("status", "int"),)}, "the kit's own"),
    ({"outputs": (Field("version", "string"),)}, "the kit's own"),
    ({"outputs": (Field("a", "decimal(3,1)"),)}, "not one of"),
    ({"outputs": (Field("a b", "int"),)}, "letters, digits"),
    ({"outputs": ("a",)}, "not a Field"),
    ({"outputs": ()}, "no output"),
    ({"inputs": ()}, "no input"),
    ({"inputs": ("a.b.c",)}, "form a or a.b"),
    ({"inputs": ("drop table",)}, "form a or a.b"),
    ({"inputs": (3,)}, "form a or a.b"),
    ({"inputs": ("lc.bnad",)}, "did you mean lc.band"),
    ({"inputs": ("psfflux",)}, "did you mean psfFlux"),
    ({"inputs": ("early_rise.a",)}, "its own output"),
    ({"version": 1.0}, "not a text"),
    ({"applies": lambda batch: True}, "at_least"),
])
def test_wrong_declarations_are_refused(changes, says):
    with pytest.raises(ModuleError, match=says) as caught:
        declare(**changes)
    assert "early_rise" in str(caught.value)


def test_the_function_must_take_the_inputs():
    with pytest.raises(ModuleError, match="3 inputs"):
        declare(lambda ra, band: None)


def test_at_least_counts_points_or_detections():
    with pytest.raises(ModuleError, match="detections"):
        at_least(3, "photons")
