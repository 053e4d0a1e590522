"""Random numbers that depend on what they are for, never on when they are drawn.

Each number is a hash of a key (an object, an exposure, a detection) and of a name. So the noise of
one exposure of one object is the same in every packet that repeats it, chunks can be made in any
order, and a run is repeatable from its seed alone.
The hash is the finaliser of splitmix64 (Steele, Lea & Flood 2014, doi:10.1145/2660193.2660195).
"""

import math
import zlib

import numpy as np

from fink_like.kit.compiled import elementwise, kernel

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
TO_UNIT = 2.0**-53


@kernel
def _mix(word):
    word = word + GOLDEN
    word = (word ^ (word >> np.uint64(30))) * FIRST
    word = (word ^ (word >> np.uint64(27))) * SECOND
    return word ^ (word >> np.uint64(31))


@elementwise("uint64(uint64, uint64)")
def _combine(left, right):
    return _mix(left ^ _mix(right))


@elementwise("float64(uint64, uint64)")
def _uniform(key, salt):
    return (np.float64(_mix(key ^ salt) >> np.uint64(11)) + 0.5) * TO_UNIT


@elementwise("float64(uint64, uint64)")
def _normal(key, salt):
    word = _mix(key ^ salt)
    radius = (np.float64(word >> np.uint64(11)) + 0.5) * TO_UNIT
    angle = np.float64(_mix(word) >> np.uint64(11)) * TO_UNIT
    return math.sqrt(-2.0 * math.log(radius)) * math.cos(2.0 * math.pi * angle)


def combine(*parts):
    """Key made of several integers; shapes broadcast.

    Parameters
    ----------
    *parts : int or array of int
        The order matters.

    Returns
    -------
    numpy.ndarray of uint64
    """
    key = np.uint64(0)
    for part in parts:
        key = _combine(key, np.asarray(part).astype(np.uint64))
    return np.asarray(key)


def uniform(keys, name):
    """Uniform numbers in the open interval (0, 1), one for each key."""
    return _uniform(keys, _salt(name))


def normal(keys, name):
    """Standard normal numbers, one for each key (Box & Muller 1958)."""
    return _normal(keys, _salt(name))


def _salt(name):
    return combine(zlib.crc32(name.encode()))
