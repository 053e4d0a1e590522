"""Text to tree: precedence, places of nodes and errors, and whatever strangers may send."""

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fink_like.errors import FilterError
from fink_like.filters.language import MAX_DEPTH, parse
from fink_like.filters.tokens import KEYWORDS, MAX_CHARACTERS
from fink_like.filters.tree import Call, Kind, Literal, Name, written


@pytest.mark.parametrize("text, meaning", [
    ("a or b and not c", "(a or (b and (not c)))"),
    ("not a = 1 and b", "((not (a = 1)) and b)"),
    ("a and b and c or d or e", "((a and b and c) or d or e)"),
    ("(a and b) and c", "((a and b) and c)"),
    ("1 + 2 * 3 - 4 / 5", "((1 + (2 * 3)) - (4 / 5))"),
    ("a - b - c", "((a - b) - c)"),
    ("-a * b", "((- (a)) * b)"),
    ("-(a + b)", "(- (a + b))"),
    ("a - -5", "(a - -5)"),
    ("-2 < 3", "(-2 < 3)"),
    ("a + 1 between b - 2 and c * 3 and d", "(((a + 1) between (b - 2) and (c * 3)) and d)"),
    ("a not between 1 and 2", "(not (a between 1 and 2))"),
    ("band in ('g', 'r') or id not in (1, -2)", "((band in ('g', 'r')) or (not (id in (1, -2))))"),
    ("a is null or b is not null", "((a is null) or (not (b is null)))"),
    ("a == 1 and b <> 2", "((a = 1) and (b != 2))"),
    ("A.b_1 >= .5 AND TRUE", "((A.b_1 >= 0.5) and true)"),
    ("f() or f(a, b + 1)", "(f() or f(a, (b + 1)))"),
    ("name = 'it''s'", "(name = 'it''s')"),
    ("a.in = 1e3", "(a.in = 1000.0)"),
])
def test_reads_as(text, meaning):
    assert written(parse(text)) == meaning
    assert parse(meaning) == parse(text)


def test_integers_reals_and_booleans_stay_apart():
    kinds = [parse(text).kind for text in ("1", "1.0", "1e0", "true", "'1'")]
    assert kinds == [Kind.INTEGER, Kind.REAL, Kind.REAL, Kind.BOOLEAN, Kind.TEXT]
    assert parse("1") != parse("1.0") != parse("true")
    assert parse("9223372036854775807").value == 2**63 - 1
    assert parse("-9223372036854775808").value == -2**63


def test_nodes_know_their_place():
    tree = parse("a > 1\n  and abs(\n b) < 2")
    assert (tree.line, tree.column) == (2, 3)
    assert tree.arguments[0] == Call(">", (Name("a"), Literal(1, Kind.INTEGER)))
    call = tree.arguments[1].arguments[0]
    assert (call.line, call.column) == (2, 7)
    assert (call.arguments[0].line, call.arguments[0].column) == (3, 2)


@pytest.mark.parametrize("text, line, column, says", [
    ("", 1, 1, "expected a name, a value"),
    ("a >", 1, 4, "found the end"),
    ("a > 1 adn b < 2", 1, 7, "did you mean `and`?"),
    ("a >\n\n  * 2", 3, 3, "found `*`"),
    ("a < b < c", 1, 7, "comparisons do not chain"),
    ("a = null", 1, 5, "write `is null`"),
    ("a in 5", 1, 6, "expected `(`"),
    ("a in ()", 1, 7, "expected a number, 'text', true or false"),
    ("a in (b)", 1, 7, "expected a number, 'text', true or false"),
    ("a in ('x', -'y')", 1, 13, "expected a number"),
    ("a between 1 or 2", 1, 13, "expected `and`"),
    ("a not = 1", 1, 7, "expected `between` or `in`"),
    ("a is true", 1, 6, "expected `null`"),
    ("f(a", 1, 4, "expected `)`"),
    ("(a", 1, 3, "expected `)`"),
    ("a)", 1, 2, "found `)`"),
    ("3 arcsec", 1, 3, "found `arcsec`"),
    ('band = "g"', 1, 8, "single quotes"),
    ("a = 1\nand b = 'x", 2, 9, "no closing quote"),
    ("a && b", 1, 3, "write `and`"),
    ("a = 1; drop table b", 1, 6, "one condition"),
    ("ra ≥ 3", 1, 4, "unexpected character '\\u2265'"),
    ("a\x00b", 1, 2, "unexpected character '\\x00'"),
    ("a = 'x\x00'", 1, 5, "unprintable"),
    ("a = 'x\u202ey'", 1, 5, "unprintable"),
    ("a = '\ud800'", 1, 5, "unprintable"),
    ("a = 'two\nlines'", 1, 5, "unprintable"),
    ("a > 1e999", 1, 5, "beyond the largest number"),
    ("id = 9223372036854775808", 1, 6, "beyond a 64-bit integer"),
    ("id = " + "9" * 5000, 1, 6, "a number of 5000 characters"),
    ("ztf.", 1, 4, "unexpected character '.'"),
    ("١ = 1", 1, 1, "unexpected character"),
])
def test_error_has_its_place(text, line, column, says):
    with pytest.raises(FilterError) as caught:
        parse(text)
    assert says in str(caught.value)
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize("text", [
    "(" * 5000 + "a" + ")" * 5000,
    "not " * 4000 + "a",
    "- " * 8000 + "a",
    "+".join("a" * 5000),
    "a" + "/b" * 9000,
    "(" * 5000,
    "abs(" * 3000,
    "(((a+" * 2000,
    " or not(".join("a" * 2000),
    "a = 1 and " * 5000,
    "'" * 19_999,
    "a" * (MAX_CHARACTERS + 1),
])
def test_hostile_length_and_depth(text):
    with pytest.raises(FilterError):
        parse(text)


def test_long_flat_filters_are_welcome():
    ids = ", ".join(str(2**62 + i) for i in range(900))
    assert len(parse(f"diaObjectId in ({ids})").arguments) == 901
    assert len(parse(" and ".join(["a > 1"] * 1000)).arguments) == 1000


def test_deepest_tree_reads_back():
    tree = Name("a")
    for _ in range(MAX_DEPTH - 1):
        tree = Call("+", (Literal(1, Kind.INTEGER), tree))
    assert parse(written(tree)) == tree
    with pytest.raises(FilterError, match="deeper"):
        parse(written(Call("+", (tree, tree))))


def test_needs_little_stack():
    """A filter at the limit reads with 500 frames to spare below Python's default of 1000."""
    depth, frame = 0, sys._getframe()
    while frame:
        depth, frame = depth + 1, frame.f_back
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(depth + 450)
    try:
        with pytest.raises(FilterError, match="nested deeper"):
            parse("(" * 5000)
    finally:
        sys.setrecursionlimit(before)


@pytest.mark.parametrize("value", [None, 1, True, b"a > 1", ["a > 1"]])
def test_only_text(value):
    with pytest.raises(FilterError, match="a filter is text"):
        parse(value)


PIECES = st.sampled_from([*KEYWORDS, "a", "ztf.rb", "abs", "1", "2.5", "1e5", "'g'", "'", '"',
                          "`", ";", "--", "/*", "*/", "\\", "$", "{}", "%s", "\x00", "é", "(",
                          ")", ",", ".", "=", "<>", "<", "-", "+", "*", "/", "\n", " "])


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=60).map(" ".join),
                 st.lists(PIECES, max_size=60).map("".join)))
def test_any_text_gives_a_tree_or_a_filter_error(text):
    try:
        tree = parse(text)
    except FilterError as error:
        assert error.line >= 1 and error.column >= 1
    else:
        assert parse(written(tree)) == tree
