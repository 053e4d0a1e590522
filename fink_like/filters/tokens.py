"""Text of a filter → its words, with line and column.

What is read here comes from strangers: the length of the text and of numbers is limited before
they cost anything, and only printable characters get through.
"""

import re
from dataclasses import dataclass

from fink_like.errors import FilterError
from fink_like.filters.tree import Kind, Literal

MAX_CHARACTERS = 20_000  # room for an `in` list of a thousand 64-bit ids
MAX_NUMBER = 40  # characters of one number
LARGEST_INTEGER = 2**63 - 1  # of Spark's bigint

KEYWORDS = ("and", "or", "not", "between", "in", "is", "null", "true", "false")
SYNONYMS = {"==": "=", "<>": "!="}

TOKEN = re.compile(r"""
    (?P<space>[ \t\r\n]+)
  | (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<word>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)
  | (?P<text>'(?:[^']|'')*')
  | (?P<symbol><=|>=|<>|!=|==|[=<>+\-*/(),])
""", re.VERBOSE | re.ASCII)

HINTS = {
    '"': "; text is written in single quotes: 'g'",
    "'": "; this text has no closing quote",
    "`": "; names are written without quotes: ztf.drb",
    "&": "; write `and`", "|": "; write `or`", "!": "; write `not` or `!=`",
    ";": "; a filter is one condition",
}


@dataclass(frozen=True)
class Token:
    """One word of the text; ``kind`` is number, text, name, keyword, symbol or end."""

    kind: str
    value: str
    line: int
    column: int

    def __str__(self):
        return "the end" if self.kind == "end" else f"`{self.value}`"


def tokens(text):
    """Words of a filter's text, the last one of kind ``end``.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of Token

    Raises
    ------
    FilterError
        The text is too long, or holds a character or quoted text that no filter has.
    """
    if not isinstance(text, str):
        raise FilterError(f"a filter is text, found {type(text).__name__}; put it in quotes")
    if len(text) > MAX_CHARACTERS:
        raise FilterError(f"{len(text)} characters; a filter may have {MAX_CHARACTERS}")
    return list(_split(text))


def number(token, sign):
    """Literal of a number token, ``sign`` +1 or -1."""
    text, place = token.value, (token.line, token.column)
    if len(text) > MAX_NUMBER:
        raise FilterError(f"a number of {len(text)} characters; {MAX_NUMBER} are allowed", *place)
    if text.isdigit():
        value = sign * int(text)
        if not -LARGEST_INTEGER - 1 <= value <= LARGEST_INTEGER:
            raise FilterError(f"{text} is beyond a 64-bit integer; write {text}.0 if it is no id",
                              *place)
        return Literal(value, Kind.INTEGER, *place)
    value = sign * float(text)
    if abs(value) == float("inf"):
        raise FilterError(f"{text} is beyond the largest number, 1.8e308", *place)
    return Literal(value, Kind.REAL, *place)


def _split(text):
    offset, line, line_start = 0, 1, 0
    while offset < len(text):
        match, column = TOKEN.match(text, offset), offset - line_start + 1
        if match is None:
            found = text[offset]
            raise FilterError(f"unexpected character {ascii(found)}{HINTS.get(found, '')}",
                              line, column)
        if match.lastgroup != "space":
            yield _token(match.lastgroup, match.group(), line, column)
        offset = match.end()
        if "\n" in match.group():
            line += match.group().count("\n")
            line_start = text.rindex("\n", 0, offset) + 1
    yield Token("end", "", line, offset - line_start + 1)


def _token(kind, value, line, column):
    if kind == "word":
        is_keyword = value.lower() in KEYWORDS
        return Token("keyword" if is_keyword else "name",
                     value.lower() if is_keyword else value, line, column)
    if kind == "text":
        value = value[1:-1].replace("''", "'")
        if not value.isprintable():
            raise FilterError(f"text with an unprintable character: {ascii(value)[:80]}",
                              line, column)
    return Token(kind, SYNONYMS.get(value, value) if kind == "symbol" else value, line, column)
