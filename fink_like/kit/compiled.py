"""Compiled functions, kept between runs where that is possible.

::

    @kernel
    def total(values):
        found = 0.0
        for value in values:
            found += value
        return found

A kernel is compiled at its first call with arguments of these types, which takes seconds. numba
keeps the machine code beside the source, else in the user's cache folder, else where
``NUMBA_CACHE_DIR`` says, and the next process reads it from there in a fraction of a second. Where
none of them can be written (a container with a read-only disk) numba refuses to define the function
at all; then we compile again in each process.
"""

import numba


def kernel(function):
    """Compile a function; it lets go of Python's lock while it runs.

    Division by zero gives infinity or NaN, as in numpy.
    """
    options = {"nogil": True, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # "no locator available": nothing is writable
        return numba.njit(**options)(function)


def elementwise(signature):
    """Compile a function of scalars into one of arrays that broadcast."""
    def compiled(function):
        try:
            return numba.vectorize([signature], cache=True)(function)
        except RuntimeError:
            return numba.vectorize([signature])(function)
    return compiled
