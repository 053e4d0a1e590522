"""One image as a FITS file, as packets hold them: for tests and made-up alerts."""

import gzip

import numpy as np

from fink_like.kit.fits_headers import CARD

BLOCK = 2880


def stamp(pixels, zipped=False):
    """A FITS file of one image.

    Parameters
    ----------
    pixels : (height, width) array_like
        Stored as float32.
    zipped : bool, optional
        With gzip, as one survey sends them.

    Returns
    -------
    bytes
    """
    pixels = np.asarray(pixels, dtype=">f4")
    height, width = pixels.shape
    values = {"SIMPLE": "T", "BITPIX": -32, "NAXIS": 2, "NAXIS1": width, "NAXIS2": height}
    cards = "".join(f"{name:<8}= {value:>20}".ljust(CARD) for name, value in values.items())
    header = (cards + "END").ljust(BLOCK).encode()
    data = pixels.tobytes()
    file = header + data + bytes(-len(data) % BLOCK)
    return gzip.compress(file, 1, mtime=0) if zipped else file
