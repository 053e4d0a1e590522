"""Text of a filter → tree, with line and column in every node and every error.

The grammar, loosest first; words in any case, names as in the vocabulary::

    or          a or b
    and         a and b
    not         not a
    comparison  a = b  (== != <> < <= > >=)   a [not] between b and c
                a [not] in (1, 2)   a is [not] null
    sum         a + b   a - b
    product     a * b   a / b
    sign        -a
    value       12  1.5e-3  'text' ('' is a quote)  true  false  ztf.drb  abs(a)  (a)

It is read by precedence climbing (V. Pratt, 1973, doi:10.1145/512927.512931). What is read here
comes from strangers: length, depth and numbers are limited before they cost anything.
"""

import difflib

from fink_like.errors import FilterError
from fink_like.filters.tokens import KEYWORDS, number, tokens
from fink_like.filters.tree import Call, Kind, Literal, Name, children

# Levels of the tree. Spark's planning time doubles with every conditional inside another: nested
# coalesce(a + 1, b) took 1 s with 4 of them, 3 s with 10; 16 levels have room for 7.
MAX_DEPTH = 16
MAX_NESTING = 2 * MAX_DEPTH + 2  # while reading; a tree of MAX_DEPTH, written out, needs so many

COMPARISON = 4
POWERS = {"or": 1, "and": 2, "+": 5, "-": 5, "*": 6, "/": 6, **dict.fromkeys(
    ("=", "!=", "<", "<=", ">", ">=", "between", "in", "is", "not"), COMPARISON)}
NOT_POWER, SIGN_POWER = 3, 7


def parse(text):
    """Tree of a filter's text.

    Parameters
    ----------
    text : str

    Returns
    -------
    Literal, Name or Call

    Raises
    ------
    FilterError
        With line, column and what was expected; no other error, whatever the text.
    """
    reader = _Reader(tokens(text))
    tree = reader.expression(0)
    reader.expect_end()
    _refuse_deep(tree)
    return tree


def nearest(word, known):
    """``, did you mean `x`?`` for the known name most like ``word``, or empty text.

    A name that ends in the word comes first: ``drb`` finds ``ztf.drb``.
    """
    lower = word.lower()
    for name in known:
        if name.lower() == lower or name.lower().endswith("." + lower):
            return f", did you mean `{name}`?"
    close = difflib.get_close_matches(word, list(known), n=1)
    return f", did you mean `{close[0]}`?" if close else ""


def _refuse_deep(tree):
    level, depth = [tree], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise FilterError(f"nested or chained deeper than {MAX_DEPTH} levels; split it up",
                              level[0].line, level[0].column)
        level = [child for node in level for child in children(node)]


class _Reader:
    """Position in the tokens; each method reads one part of the grammar."""

    def __init__(self, tokens):
        self.tokens = tokens
        self.position = 0
        self.nesting = 0

    @property
    def token(self):
        return self.tokens[self.position]

    def take(self):
        self.position += 1
        return self.tokens[self.position - 1]

    def accept(self, value):
        """The next token if it is this keyword or symbol, and step over it."""
        is_it = self.token.kind in ("keyword", "symbol") and self.token.value == value
        return self.take() if is_it else None

    def expect(self, value):
        return self.accept(value) or self.refuse(f"expected `{value}`")

    def refuse(self, expected, token=None):
        token = token or self.token
        hint = nearest(token.value, KEYWORDS) if token.kind == "name" else ""
        raise FilterError(f"{expected}, found {token}{hint}", token.line, token.column)

    def expect_end(self):
        if self.token.kind != "end":
            self.refuse("expected `and`, `or`, an operator or the end")

    def power(self):
        return POWERS.get(self.token.value, 0) if self.token.kind in ("keyword", "symbol") else 0

    def expression(self, power):
        """Everything that binds tighter than ``power``."""
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            raise FilterError(f"nested deeper than {MAX_NESTING} brackets or signs; split it up",
                              self.token.line, self.token.column)
        left = self.value()
        while self.power() > power:
            left = self.operator(left, self.take())
        self.nesting -= 1
        return left

    def value(self):
        token = self.take()
        if token.kind in ("number", "text") or token.value in ("true", "false"):
            return self.literal(token, 1)
        if token.kind == "name":
            place = (token.line, token.column)
            return self.call(token) if self.accept("(") else Name(token.value, *place)
        return self.prefixed(token)

    def prefixed(self, token):
        if token.kind == "end" or token.value not in ("(", "not", "-"):
            hint = "; write `is null` to ask for missing values" if token.value == "null" else ""
            self.refuse(f"expected a name, a value, `not`, `-` or `(`{hint}", token)
        if token.value == "(":
            inside = self.expression(0)
            self.expect(")")
            return inside
        if token.value == "not":
            return Call("not", (self.expression(NOT_POWER),), token.line, token.column)
        if self.token.kind == "number":
            return self.literal(self.take(), -1)
        return Call("minus sign", (self.expression(SIGN_POWER),), token.line, token.column)

    def literal(self, token, sign):
        place = (token.line, token.column)
        if token.kind == "text":
            return Literal(token.value, Kind.TEXT, *place)
        if token.kind == "number":
            return number(token, sign)
        return Literal(token.value == "true", Kind.BOOLEAN, *place)

    def call(self, token):
        arguments = []
        if not self.accept(")"):
            arguments.append(self.expression(0))
            while self.accept(","):
                arguments.append(self.expression(0))
            self.expect(")")
        return Call(token.value, tuple(arguments), token.line, token.column)

    def operator(self, left, token):
        place, power = (token.line, token.column), POWERS[token.value]
        if power == COMPARISON:
            return self.comparison(left, token)
        parts = [left, self.expression(power)]
        while token.value in ("and", "or") and self.accept(token.value):
            parts.append(self.expression(power))
        return Call(token.value, tuple(parts), *place)

    def comparison(self, left, token):
        place, negated = (token.line, token.column), token.value == "not"
        word = token.value
        if negated:
            word = (self.accept("between") or self.accept("in")
                    or self.refuse("expected `between` or `in` after `not`")).value
        if word == "is":
            negated = bool(self.accept("not"))
            self.expect("null")
            made = Call("is null", (left,), *place)
        else:
            made = Call(word, (left, *self.compared_with(word)), *place)
        if self.power() == COMPARISON:
            self.refuse("comparisons do not chain: join them with `and`, or use brackets; "
                        "expected `and`, `or` or the end")
        return Call("not", (made,), *place) if negated else made

    def compared_with(self, word):
        """What stands right of a comparison: a list, two bounds or one value."""
        if word == "in":
            return self.choices()
        right = [self.expression(COMPARISON)]
        if word == "between":
            self.expect("and")
            right.append(self.expression(COMPARISON))
        return right

    def choices(self):
        self.expect("(")
        found = [self.choice()]
        while self.accept(","):
            found.append(self.choice())
        self.expect(")")
        return found

    def choice(self):
        sign = -1 if self.accept("-") else 1
        token = self.take()
        wanted = token.kind == "number" or (sign == 1 and (
            token.kind == "text" or token.kind == "keyword" and token.value in ("true", "false")))
        if not wanted:
            self.refuse("expected a number, 'text', true or false in the list", token)
        return self.literal(token, sign)
