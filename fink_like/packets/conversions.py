"""The closed set of conversions a survey's YAML may use, each as SQL and as plain Python.

An expression in ``conf/surveys/<name>.yaml`` is one of

- ``candidate.ra``: a field of the packet, with the survey's sentinels and NaN read as null;
- ``$psfFlux``: another column of the neutral alert;
- ``{constant: 30}``;
- ``{flux_of_mag: [candidate.magpsf, ...]}``: a conversion of other expressions;
- ``{lookup: candidate.fid, in: {1: g, 2: r}}``: a table; what is not in it is null;
- ``{text_id: objectId, prefix: ZTF, digits: 2, letters: 7}``: see `text_id`.

The SQL runs in the JVM's fast lane. The Python is the reference: it serves the slow lane and
the tests, which compare the two on every real packet. Null in, null out, unless said otherwise.
"""

import math
from dataclasses import dataclass
from typing import Callable

from fink_like.errors import ConfigError
from fink_like.vocabulary import AB_ZEROPOINT

MJD_ZERO = 2400000.5  # JD of MJD 0
DAY = 86400.0
LETTERS = 26

# TAI - UTC from each MJD (UTC) on; IERS Bulletin C. Unchanged since 2017, and leap seconds end
# by 2035 (CGPM 2022, resolution 4): a new one is a new row here.
LEAP_SECONDS = ((57754, 37), (57204, 36), (56109, 35), (54832, 34), (53736, 33), (51179, 32))
EARLIEST_LEAP = 32


@dataclass(frozen=True)
class Conversion:
    """One conversion.

    Parameters
    ----------
    sql : callable
        SQL texts of the arguments -> SQL text.
    python : callable
        Values of the arguments -> value; called with None only if ``nulls``.
    nulls : bool
        Whether it decides itself what null means.
    """

    sql: Callable
    python: Callable
    nulls: bool = False


def tai_minus_utc_sql(mjd, since=0):
    """SQL for the leap seconds at an MJD in UTC, of which none before ``since`` matters."""
    later = [leap for leap in LEAP_SECONDS if leap[0] > since]
    cases = " ".join(f"WHEN {mjd} >= {start} THEN {seconds}" for start, seconds in later)
    return f"(CASE {cases} ELSE {tai_minus_utc(since)} END)" if cases else str(tai_minus_utc(since))


def tai_minus_utc(mjd):
    """Leap seconds at an MJD in UTC."""
    return next((s for start, s in LEAP_SECONDS if mjd >= start), EARLIEST_LEAP)


def _mjd_tai_sql(jd, exposure):
    utc = f"(({jd}) - {MJD_ZERO}D)"
    return f"({utc} + (({exposure}) / 2D + {tai_minus_utc_sql(utc)}) / {DAY}D)"


def _mjd_tai(jd, exposure):
    utc = jd - MJD_ZERO
    return utc + (exposure / 2 + tai_minus_utc(utc)) / DAY


def _flux(mag):
    try:
        return math.pow(10, 0.4 * (AB_ZEROPOINT - mag))
    except OverflowError:  # a damaged magnitude; the JVM says infinity
        return math.inf


def _flux_sql(mag):
    return f"pow(10D, 0.4D * ({AB_ZEROPOINT}D - ({mag})))"


LN10_04 = 0.4 * math.log(10)  # d(flux)/flux per magnitude

CONVERSIONS = {
    # choosing
    "first": Conversion(lambda *a: f"coalesce({', '.join(a)})",
                        lambda *a: next((x for x in a if x is not None), None), nulls=True),
    "when": Conversion(lambda c, a: f"CASE WHEN {c} THEN {a} END",
                       lambda c, a: a if c else None, nulls=True),
    # conditions
    "present": Conversion(lambda a: f"({a} IS NOT NULL)", lambda a: a is not None, nulls=True),
    "missing": Conversion(lambda a: f"({a} IS NULL)", lambda a: a is None, nulls=True),
    "all": Conversion(lambda *a: f"({' AND '.join(a)})", lambda *a: all(a), nulls=True),
    "less": Conversion(lambda a, b: f"(({a}) < ({b}))", lambda a, b: a < b),
    "greater": Conversion(lambda a, b: f"(({a}) > ({b}))", lambda a, b: a > b),
    "is_in": Conversion(lambda a, *b: f"(({a}) IN ({', '.join(b)}))", lambda a, *b: a in b),
    # arithmetic, in double precision
    "plus": Conversion(lambda a, b: f"(double({a}) + double({b}))", lambda a, b: a + b),
    "minus": Conversion(lambda a, b: f"(double({a}) - double({b}))", lambda a, b: a - b),
    "times": Conversion(lambda a, b: f"(double({a}) * double({b}))", lambda a, b: a * b),
    "quadrature": Conversion(
        lambda a, b: f"sqrt(double({a}) * double({a}) + double({b}) * double({b}))",
        lambda a, b: math.sqrt(a * a + b * b)),
    "text": Conversion(lambda a: f"string({a})", str),
    # photometry: flux in nJy, magnitudes AB
    "flux_of_mag": Conversion(lambda mag, sign: f"({_flux_sql(mag)} * ({sign}))",
                              lambda mag, sign: _flux(mag) * sign),
    "flux_err_of_mag": Conversion(
        lambda mag, err: f"({_flux_sql(mag)} * ({err}) * {LN10_04!r}D)",
        lambda mag, err: _flux(mag) * err * LN10_04),
    "snr_of_mag_err": Conversion(lambda err: f"(1D / (({err}) * {LN10_04!r}D))",
                                 lambda err: 1 / (err * LN10_04) if err else None),
    "flux_of_counts": Conversion(lambda dn, zp: f"(({dn}) * {_flux_sql(zp)})",
                                 lambda dn, zp: dn * _flux(zp)),
    # time
    "mjd_tai_of_jd_utc": Conversion(_mjd_tai_sql, _mjd_tai),
}


def text_id(text, prefix, digits, letters):
    """Number of a text id such as ``ZTF18aayhyhx``, one to one.

    The digits are a year, the letters a number in base 26; the id is year * 26^letters + number
    + 1, so that 0 stays "none". Any text of another form has no number: 0.

    Parameters
    ----------
    text : str or None
    prefix : str
    digits, letters : int
        How many of each follow the prefix.

    Returns
    -------
    int
        1 to 10^digits * 26^letters, below 2^63 for any survey met so far.

    Examples
    --------
    >>> text_id("ZTF18aaaaaab", "ZTF", 2, 7)
    144573186370
    """
    body = (text or "")[len(prefix):]
    year, name = body[:digits], body[digits:]
    if not ((text or "").startswith(prefix) and len(body) == digits + letters
            and all("0" <= c <= "9" for c in year) and all("a" <= c <= "z" for c in name)):
        return 0
    number = int(year)
    for letter in name:
        number = number * LETTERS + ord(letter) - ord("a")
    return number + 1


def text_id_sql(text, prefix, digits, letters):
    """`text_id` as SQL."""
    start = len(prefix) + 1
    terms = [f"bigint(substring({text}, {start}, {digits})) * {LETTERS ** letters}L"]
    terms += [f"(ascii(substring({text}, {start + digits + i}, 1)) - 97) "
              f"* {LETTERS ** (letters - 1 - i)}L" for i in range(letters)]
    form = f"^{prefix}[0-9]{{{digits}}}[a-z]{{{letters}}}$"
    return (f"CASE WHEN {text} RLIKE '{form}' AND length({text}) = "
            f"{len(prefix) + digits + letters} THEN {' + '.join(terms)} + 1L ELSE 0L END")


def literal(value):
    """A YAML constant as SQL.

    Raises
    ------
    ConfigError
        Not a number, text, boolean or null.
    """
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value) if abs(value) < 2**31 else f"{value}L"
    if isinstance(value, float):
        return f"{value!r}D"
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    raise ConfigError(f"{value!r} cannot be a constant: a number, text, true, false or null can")
