"""Compiled functions, kept between runs where that is possible.

numba keeps machine code beside the source, else in the user's cache folder, else where
``NUMBA_CACHE_DIR`` says. Where none of them can be written (a container with a read-only disk) it
refuses to define the function at all; then we compile again in each process, which takes seconds.
"""

import numba


def kernel(function):
    """Compile a function; it lets go of Python's lock while it runs."""
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # "no locator available": nothing is writable
        return numba.njit(nogil=True)(function)


def elementwise(signature):
    """Compile a function of scalars into one of arrays that broadcast."""
    def compiled(function):
        try:
            return numba.vectorize([signature], cache=True)(function)
        except RuntimeError:
            return numba.vectorize([signature])(function)
    return compiled
