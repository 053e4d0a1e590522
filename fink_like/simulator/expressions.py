"""Expressions of the simulator's YAML files: arithmetic on columns, and seeded random draws.

What fills a packet's field, and from what an object's parameters are drawn, is data::

    magpsf: magnitude_of(abs(flux))
    fwhm: normal(2.1, 0.3)
    ssnamenr: where(is_moving, text('{}', designation_number), 'null')

An expression is parsed once; only the names and functions below can occur in it, so a YAML file
cannot run code. Random functions take their numbers from `fink_like.simulator.dice`: the row's key
and the field's name decide them.
"""

import ast

import numpy as np

from fink_like.errors import ConfigError
from fink_like.simulator import dice
from fink_like.simulator.cosmology import redshift
from fink_like.simulator.photometry import magnitude, nanojansky

PLAIN = {
    "abs": np.abs, "log10": np.log10, "sqrt": np.sqrt, "exp": np.exp, "floor": np.floor,
    "minimum": np.minimum, "maximum": np.maximum, "hypot": np.hypot,
    "isfinite": np.isfinite, "magnitude_of": magnitude, "nanojansky": nanojansky,
    "cosd": lambda degrees: np.cos(np.radians(degrees)),
    "sind": lambda degrees: np.sin(np.radians(degrees)),
    "sigmoid": lambda x: 1.0 / (1.0 + np.exp(-x)),
    "integer": lambda x: np.asarray(np.floor(x)).astype(np.int64),
    "real": lambda x: np.asarray(x, dtype=np.float64),
    "redshift": redshift, "letters": lambda number, width: spelt(number, width, 26, "a"),
    "digits": lambda number, width: spelt(number, width, 10, "0"), "nan": np.nan,
    "single": lambda x: np.asarray(x, dtype=np.float32),
}
RANDOM = ("uniform", "normal", "lognormal", "counts", "chance", "pick")
NODES = (ast.Expression, ast.BinOp, ast.UnaryOp, ast.Compare, ast.Call, ast.Name, ast.Load,
         ast.Constant, ast.operator, ast.unaryop, ast.cmpop)


class Expression:
    """One parsed expression.

    Parameters
    ----------
    source : str, number, bool or None
        Anything but text stands for itself.
    where : str
        File and field, for the error message.

    Raises
    ------
    ConfigError
        It is not an expression, or uses what is not allowed.
    """

    def __init__(self, source, where):
        self.where, self.source = where, source
        try:
            tree = ast.parse(str(source), mode="eval")
        except SyntaxError as error:
            raise ConfigError(f"{where}: {source!r} is not an expression: {error.msg}") from error
        for node in ast.walk(tree):
            if not isinstance(node, NODES):
                raise ConfigError(f"{where}: {source!r}: {type(node).__name__} is not allowed here")
        self.names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        self.code = compile(tree, where, "eval")

    def __call__(self, columns, keys, name):
        """Evaluate.

        Parameters
        ----------
        columns : mapping of str to array
            Only those that the expression names are looked up.
        keys : numpy.ndarray of uint64
            One a row, for the random functions.
        name : str
            What is drawn; the same name and key give the same numbers.

        Returns
        -------
        array or scalar

        Raises
        ------
        ConfigError
            An unknown name, or shapes and types that do not fit.
        """
        known = {word: columns[word] for word in self.names if word in columns}
        scope = {**PLAIN, **_Draws(keys, name).functions(), **known, "__builtins__": {}}
        try:
            return eval(self.code, scope)  # nodes and names were checked above
        except (NameError, TypeError, ValueError) as error:
            raise ConfigError(f"{self.where}: {self.source!r}: {error}") from error


def expressions(entries, where):
    """Expressions by name, of a mapping in a YAML file."""
    return {name: Expression(source, f"{where}.{name}") for name, source in entries.items()}


class _Draws:
    """The functions that need the row's key; the n-th call in an expression draws its own."""

    def __init__(self, keys, name):
        self.keys, self.name, self.calls = keys, name, 0

    def functions(self):
        return {"where": _where, "text": _text, **{name: getattr(self, name) for name in RANDOM}}

    def _next(self):
        self.calls += 1
        return f"{self.name}/{self.calls}"

    def uniform(self, low=0.0, high=1.0):
        return low + (high - low) * dice.uniform(self.keys, self._next())

    def normal(self, mean=0.0, sigma=1.0):
        return mean + sigma * dice.normal(self.keys, self._next())

    def lognormal(self, median, dex):
        return median * 10.0 ** (dex * dice.normal(self.keys, self._next()))

    def counts(self, faintest, slope):
        """Magnitudes with log10 N(<m) rising by `slope` per magnitude down to `faintest`."""
        return faintest + np.log10(dice.uniform(self.keys, self._next())) / slope

    def chance(self, probability):
        return dice.uniform(self.keys, self._next()) < probability

    def pick(self, *choices):
        drawn = dice.uniform(self.keys, self._next()) * len(choices)
        return np.asarray(choices)[drawn.astype(np.int64)]


def _where(condition, yes, no):
    """As numpy.where; None stands for "missing" and gives a masked array."""
    if yes is None:
        condition, yes, no = ~np.asarray(condition), no, None
    if no is None:
        shape = np.shape(condition)
        return np.ma.MaskedArray(np.broadcast_to(yes, shape), mask=~np.asarray(condition))
    return np.where(condition, yes, no)


def _text(template, *columns):
    """Fill ``{}`` places of a template with columns, as bytes; doubled braces are braces."""
    pieces = [piece.replace("{{", "{").replace("}}", "}") for piece in template.split("{}")]
    filled = np.asarray(pieces[0].encode())
    for piece, column in zip(pieces[1:], columns, strict=True):
        filled = np.char.add(np.char.add(filled, as_bytes(column)), piece.encode())
    return filled


def spelt(number, width, base, zero):
    """Numbers in `width` characters from `zero` on, as bytes: digits, or letters a to z."""
    number = np.atleast_1d(np.asarray(number, dtype=np.int64))
    places = base ** np.arange(width - 1, -1, -1, dtype=np.int64)
    characters = number[:, None] // places % base + ord(zero)
    return np.ascontiguousarray(characters.astype(np.uint8)).view(f"S{width}").ravel()


def as_bytes(column):
    """Column of numbers or text as numpy byte strings."""
    column = np.asarray(column)
    if column.dtype.kind == "f":
        return np.asarray([b"%.10g" % value for value in column.ravel().tolist()])
    return column if column.dtype.kind == "S" else column.astype("S")
