"""Point spread functions of a batch, each drawn where its alert's source is.

::

    point_spread = PointSpread.of(cutouts, 21)                      # as shipped with the stamps
    point_spread = PointSpread.moffat(fwhm, 21, cutouts.offset)     # where none is shipped
    point_spread.or_else(other)                                     # the one, else the other
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fink_like.kit.image_moments import FWHM_PER_SIGMA

TAPS = 2  # pixels to either side that an interpolated one is made of


@dataclass(frozen=True, eq=False)
class PointSpread:
    """The light of a point source of flux 1.

    Parameters
    ----------
    images : numpy.ndarray of float32, shape (n, size, size)
        Sum to 1 as far as the window goes; a row of NaN: unknown.
    offset : numpy.ndarray of float32, shape (n, 2)
        x, y of the source from the centre of pixel ``size // 2``, in pixels.
    """

    images: np.ndarray
    offset: np.ndarray

    def __len__(self):
        return len(self.images)

    @classmethod
    def of(cls, cutouts, size):
        """Those that came with the stamps, moved to the source; NaN where there is none.

        Moved by cubic convolution (Keys 1981, IEEE TASSP 29, 1153), which keeps the sum. They must
        sum to 1: Rubin's do, within 3e-6.

        Parameters
        ----------
        cutouts : Cutouts
        size : int
            Pixels along each side.
        """
        stamps = cutouts.centred(size + 2 * TAPS, "psf")
        absent = np.isnan(stamps).all(axis=(1, 2))
        moved = np.nan_to_num(stamps, copy=False, nan=0.0)
        offset = np.nan_to_num(cutouts.offset).astype(np.float32)
        for axis in (0, 1):  # x, then y, which is the last axis by then
            moved = _moved(moved, offset[:, axis]).swapaxes(1, 2)
        moved = np.ascontiguousarray(moved)
        moved[absent] = np.nan
        return cls(moved, offset)

    @classmethod
    def gaussian(cls, fwhm, size, offset=0.0):
        """Round Gaussians.

        Parameters
        ----------
        fwhm : array_like, shape (n,)
            Pixels; 1.5 or more, since they are drawn at the centres of pixels. NaN: unknown.
        size : int
        offset : array_like, shape (n, 2), optional
        """
        def profile(r2, width):
            sigma2 = (width / FWHM_PER_SIGMA) ** 2
            return np.exp(-0.5 * r2 / sigma2) / (2.0 * np.pi * sigma2)

        return cls._drawn(profile, fwhm, size, offset)

    @classmethod
    def moffat(cls, fwhm, size, offset=0.0, beta=3.0):
        """Round Moffat profiles (Moffat 1969, A&A 3, 455), which have the wings of real seeing.

        Parameters as `gaussian`, and ``beta``, above 1: 4.765 is turbulence alone (Trujillo et al.
        2001, MNRAS 328, 977), less is more light in the wings.
        """
        def profile(r2, width):
            alpha2 = width**2 / (4.0 * (2.0 ** (1.0 / beta) - 1.0))
            return (beta - 1.0) / (np.pi * alpha2) * (1.0 + r2 / alpha2) ** -beta

        return cls._drawn(profile, fwhm, size, offset)

    @classmethod
    def _drawn(cls, profile, fwhm, size, offset):
        fwhm = np.asarray(fwhm, dtype=np.float32)
        offset = np.broadcast_to(np.asarray(offset, dtype=np.float32), (len(fwhm), 2))
        x, y = distances(offset, size)
        r2 = x[:, None, :] ** 2 + y[:, :, None] ** 2
        return cls(profile(r2, fwhm[:, None, None]).astype(np.float32), offset)

    def or_else(self, other):
        """The other's rows where these are unknown."""
        unknown = np.isnan(self.fwhm)
        return PointSpread(np.where(unknown[:, None, None], other.images, self.images),
                           np.where(unknown[:, None], other.offset, self.offset))

    @cached_property
    def fwhm(self):
        """Effective width, pixels, shape (n,): of the Gaussian with the same ``sum(P^2)``.

        As Rubin's FWHMeff, from the effective number of pixels ``1 / sum(P^2)`` (LSE-40).
        """
        effective = 1.0 / np.einsum("nyx,nyx->n", self.images, self.images)
        return FWHM_PER_SIGMA * np.sqrt(effective / (4.0 * np.pi))


def distances(offset, size):
    """x and y of the pixels from the sources, two arrays of shape (n, size)."""
    axis = np.arange(size, dtype=np.float32) - size // 2
    return axis - offset[:, :1], axis - offset[:, 1:]


def _moved(images, shift):
    """Images moved by -0.5 to 0.5 pixels along the last axis, which loses TAPS at both ends."""
    width = images.shape[2] - 2 * TAPS
    moved = np.zeros((*images.shape[:2], width), dtype=np.float32)
    for tap in range(-TAPS, TAPS + 1):
        weight = _keys(np.abs(shift + tap)).astype(np.float32)
        moved += weight[:, None, None] * images[:, :, TAPS + tap:TAPS + tap + width]
    return moved


def _keys(distance):
    """Weight of a pixel at this distance, Keys' cubic with a = -1/2."""
    near = (1.5 * distance - 2.5) * distance**2 + 1.0
    far = ((-0.5 * distance + 2.5) * distance - 4.0) * distance + 2.0
    return np.where(distance < 1.0, near, np.where(distance < 2.0, far, 0.0))
