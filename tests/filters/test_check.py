"""Names, types and numbers of arguments: what is refused, where, and with what advice."""

import pytest

from fink_like.errors import FilterError
from fink_like.filters.check import Apply, Column, Constant, check, columns_used
from fink_like.filters.functions import FUNCTIONS, OPERATIONS
from fink_like.filters.language import parse
from fink_like.filters.tree import Kind
from fink_like.vocabulary import Field, leaves

COLUMNS = {**leaves(), "ztf.drb": Field("drb", "float"),
           "quality.is_clean": Field("is_clean", "boolean"),
           "quality.status": Field("status", "tinyint"), "rates.status": Field("status", "tinyint")}


def checked(text):
    return check(parse(text), COLUMNS)


@pytest.mark.parametrize("text, column, says", [
    ("drb > 0.5", 1, "no column `drb`, did you mean `ztf.drb`?"),
    ("psfflux > 1", 1, "did you mean `psfFlux`?"),
    ("1 < ztf.drp", 5, "did you mean `ztf.drb`?"),
    ("quite.unknown > 1", 1, "no column `quite.unknown`"),
    ("sky > 1", 1, "it is a group, with sky.ecl_lat, sky.gal_b, sky.gal_l"),
    ("lc.psfFlux > 1", 1, "`lc.psfFlux` is an array"),
    ("broker.kafka_time > 1", 1, "of type timestamp"),
    ("band > 1", 6, "`>` needs values of one type, found text and an integer"),
    ("ra = 'g'", 4, "found a number and text"),
    ("ra in (1, 'g')", 4, "`in` needs values of one type"),
    ("ra between 1 and 'g'", 4, "`between` needs values of one type"),
    ("quality.is_clean = 1", 18, "found true or false and an integer"),
    ("quality.is_clean < true", 1, "`<` does not work on true or false; it takes a number or text"),
    ("band + 1 > 2", 1, "`+` does not work on text; it takes a number"),
    ("-band = 'g'", 2, "does not work on text"),
    ("ra", 1, "a filter must be true or false, this is a number"),
    ("ra and dec > 1", 1, "`and` does not work on a number"),
    ("not 1", 5, "`not` does not work on an integer"),
    ("abs(ra, dec) > 1", 1, "`abs` takes 1 arguments, found 2"),
    ("least(ra) > 1", 1, "`least` takes 2 or more arguments, found 1"),
    ("abs() > 1", 1, "`abs` takes 1 arguments, found 0"),
    ("absolute(ra) > 1", 1, "no function `absolute`"),
    ("logg10(ra) > 1", 1, "did you mean `log10`?"),
    ("widen(ra) > 1", 1, "no function `widen`"),
    ("coalesce(ra, 'g') = 1", 1, "`coalesce` needs values of one type"),
    ("status(qualty) = 0", 8, "did you mean `quality`?; there are quality, rates"),
    ("status(1) = 0", 8, "takes the name of a module"),
    ("status(quality) = 'ok'", 17, "needs values of one type"),
])
def test_refuses(text, column, says):
    with pytest.raises(FilterError) as caught:
        checked(text)
    assert says in str(caught.value)
    assert (caught.value.line, caught.value.column) == (1, column)


def test_integers_stay_integers_until_they_meet_reals():
    same = checked("diaObjectId = 9007199254740993")
    assert same.arguments == (Column("diaObjectId", Kind.INTEGER),
                              Constant(9007199254740993, Kind.INTEGER))
    mixed = checked("n_det > 1.5")
    assert [part.kind for part in mixed.arguments] == [Kind.REAL, Kind.REAL]
    assert checked("coalesce(ssObjectId, 0) != 0").arguments[0].kind is Kind.INTEGER
    assert checked("least(n_det, age) > 0").arguments[0].kind is Kind.REAL
    assert checked("n_det + 1 > 0").arguments[0].kind is Kind.REAL


def test_status_is_the_modules_column():
    typed = checked("status(rates) > 0")
    assert isinstance(typed.arguments[0], Apply)
    assert columns_used(typed) == ("rates.status",)


def test_columns_used_are_sorted_and_named_once():
    assert columns_used(checked("ra > dec and abs(ra) < 3 or band = 'g'")) == ("band", "dec", "ra")


def test_every_function_can_be_written_and_says_what_it_does():
    for name, function in FUNCTIONS.items():
        assert function.doc.startswith(name + "(") and OPERATIONS[name] is function
        arguments = ("quality",) if name == "status" else ("ra",) * function.arity[0]
        assert checked(f"{name}({', '.join(arguments)}) = 1").kind is Kind.BOOLEAN
