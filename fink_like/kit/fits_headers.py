"""What the header of one FITS image says: its size, the form of its pixels, what it is an image of.

::

    header = parse_header(b"".join(cards))      # cards of 80 bytes
    header.shape, header.role                   # (30, 30), "image"
    header.form.decode(raw)                     # pixels out of bytes

Facts: FITS standard 4.0, sections 4.4 and 5 (https://fits.gsfc.nasa.gov/fits_standard.html).
"""

import math
import re
from functools import lru_cache
from typing import NamedTuple

import numpy as np

CARD = 80
LARGEST = 1 << 31  # bytes of a part: far from where the sums would overflow
STRUCTURE = ("SIMPLE", "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "NAXIS3", "PCOUNT",
             "GCOUNT", "BSCALE", "BZERO", "BLANK", "EXTNAME", "UTYPE")
"""Keywords that are needed to read the pixels."""

IMAGE, VARIANCE, PSF = ROLES = ("image", "variance", "psf")
UNCERTAINTY_NAME, PSF_NAME = "UNCERT", "PSFIMAGE"  # EXTNAME, as astropy's CCDData writes it
POWERS = {"VarianceUncertainty": 1, "StdDevUncertainty": 2, "InverseVariance": -1}
"""UTYPE of an uncertainty: the power of it that is the variance."""

_DTYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_VALUE = re.compile(r"= *(?:'((?:[^']|'')*)'|([^/]*))")


class PixelForm(NamedTuple):
    """How a pixel is made of bytes: ``(scale * number + zero) ** power``, `blank` is NaN."""

    dtype: str
    scale: float = 1.0
    zero: float = 0.0
    blank: int | None = None
    power: int = 1

    def decode(self, raw):
        """Pixels out of bytes.

        Parameters
        ----------
        raw : numpy.ndarray of uint8, shape (..., bytes)

        Returns
        -------
        numpy.ndarray, shape (..., pixels)
            float32 where the file has it, bit by bit the same; else float64.
        """
        numbers = raw.view(self.dtype)
        values = numbers.astype(np.float32 if self.dtype == ">f4" else np.float64)
        with np.errstate(all="ignore"):
            if (self.scale, self.zero) != (1.0, 0.0):
                values = values * self.scale + self.zero
            if self.blank is not None:
                values[numbers == self.blank] = np.nan
            return values if self.power == 1 else values ** self.power


class Header(NamedTuple):
    """What the structural cards of one part of a file say.

    Parameters
    ----------
    n_bytes : int
        Of data, without padding; -1: the cards make no sense.
    role : str
        One of ROLES, empty: not a 2-d image. An image that is named neither as uncertainty nor
        as PSF is ``image``.
    shape : tuple
        Rows, columns.
    form : PixelForm
    """

    n_bytes: int
    role: str = ""
    shape: tuple = (0, 0)
    form: PixelForm = PixelForm("u1")


@lru_cache(maxsize=4096)
def parse_header(text):
    """What structural cards say.

    Parameters
    ----------
    text : bytes
        Cards of 80 bytes.

    Returns
    -------
    Header
    """
    cards = [text[i:i + CARD] for i in range(0, len(text), CARD)]
    try:
        return _header({card[:8].decode("latin-1").rstrip(): _value(card) for card in cards})
    except (KeyError, ValueError, TypeError):
        return Header(-1)


def _value(card):
    """A card's value: text, bool, int or float."""
    found = _VALUE.match(card[8:].decode("latin-1"))
    if found is None:
        raise ValueError("a card without =")
    quoted, bare = found.groups()
    if quoted is not None:
        return quoted.replace("''", "'").rstrip()
    bare = bare.strip()
    if bare in ("T", "F"):
        return bare == "T"
    return int(bare) if bare.lstrip("+-").isdecimal() else float(bare.replace("D", "E"))


def _header(cards):
    axes = [cards[f"NAXIS{i}"] for i in range(1, cards["NAXIS"] + 1)]
    beside, groups = cards.get("PCOUNT", 0), cards.get("GCOUNT", 1)
    dtype = _DTYPES[cards["BITPIX"]]
    if not all(type(count) is int and count >= 0 for count in (*axes, beside, groups)):
        raise ValueError("no size of an image")
    n_pixels = math.prod(axes) if axes else 0
    n_bytes = np.dtype(dtype).itemsize * groups * (beside + n_pixels)
    if n_bytes > LARGEST:
        raise ValueError("larger than any stamp")
    if len(axes) != 2 or not n_pixels or cards.get("XTENSION", "IMAGE") != "IMAGE":
        return Header(n_bytes)
    form = PixelForm(dtype, float(cards.get("BSCALE", 1)), float(cards.get("BZERO", 0)),
                     cards.get("BLANK") if cards["BITPIX"] > 0 else None)
    name = cards.get("EXTNAME")
    if name == UNCERTAINTY_NAME:
        power = POWERS[cards.get("UTYPE", "VarianceUncertainty")]
        return Header(n_bytes, VARIANCE, (axes[1], axes[0]), form._replace(power=power))
    return Header(n_bytes, PSF if name == PSF_NAME else IMAGE, (axes[1], axes[0]), form)
