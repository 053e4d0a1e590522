"""Faults that a broker must survive, put into a stream at chosen rates."""

import numpy as np

from fink_like.errors import ConfigError
from fink_like.simulator import dice

KINDS = ("truncated", "flipped", "unknown_schema", "empty", "duplicate")
"""In the order in which a draw is compared with the rates; a message has at most one."""

FLIPPED_BITS = 8
"""Bits turned over in a damaged message: enough that most no longer decode."""


def check(rates):
    """Refuse unknown faults and rates that sum to more than 1.

    Parameters
    ----------
    rates : dict of str to float

    Raises
    ------
    ConfigError
    """
    unknown = set(rates) - set(KINDS)
    if unknown or not 0.0 <= sum(rates.values()) <= 1.0:
        raise ConfigError(f"faults {rates}: there are {KINDS}, and their rates sum to at most 1")


def choose(rates, keys):
    """Fault of each message.

    Parameters
    ----------
    rates : dict of str to float
    keys : numpy.ndarray of uint64

    Returns
    -------
    numpy.ndarray of str
        Empty: none.
    """
    names = [kind for kind in KINDS if rates.get(kind)]
    edges = np.cumsum([rates[kind] for kind in names])
    drawn = np.searchsorted(edges, dice.uniform(keys, "fault"), side="right")
    return np.array([*names, ""])[drawn]


def spoil(values, chosen, keys):
    """Damage messages; a duplicate is sent twice in a row.

    Parameters
    ----------
    values : list of bytes
    chosen : numpy.ndarray of str
    keys : numpy.ndarray of uint64

    Returns
    -------
    tuple of (list of bytes, numpy.ndarray of int)
        Messages, and which alert each is.
    """
    damage = {"truncated": _truncate, "flipped": _flip, "unknown_schema": _rename,
              "empty": lambda value, rng: b""}
    spoilt = list(values)
    for row in np.flatnonzero(chosen != ""):
        if chosen[row] in damage:
            rng = np.random.default_rng(int(keys[row]))
            spoilt[row] = damage[chosen[row]](values[row], rng)
    order = np.repeat(np.arange(len(values)), 1 + (chosen == "duplicate"))
    return [spoilt[row] for row in order], order


def _truncate(value, rng):
    return value[:int(rng.integers(1, len(value)))]


def _flip(value, rng):
    damaged = bytearray(value)
    for bit in rng.integers(0, 8 * len(value), FLIPPED_BITS).tolist():
        damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def _rename(value, rng):
    """Another schema id in a frame, another type name in a container's schema."""
    if value[:1] == b"\x00":
        return value[:1] + int(rng.integers(10**6, 2**31)).to_bytes(4, "big") + value[5:]
    return value.replace(b'"double"', b'"dquble"', 1)
