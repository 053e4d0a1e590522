"""Cutouts of a batch of alerts: from the bytes in the packets to arrays of pixels.

A column of stamps (FITS, gzipped or not, of any mixture of sizes) becomes one array in which the
alert's source is in the middle::

    cutouts = Cutouts.of(column)          # bytes and None, or Arrow binary
    images = cutouts.centred(21)          # float32 (n, 21, 21), NaN where there is no pixel
    variance = cutouts.centred(21, "variance")
    cutouts.readable                      # which rows have an image
    cutouts.unreadable()                  # {"MISSING": 1, "TRUNCATED": 2}: why the others have none

No row raises: a stamp that is absent, truncated or no FITS image at all is a row of NaN. Image
arrays have the FITS file's second axis (y) first; pixels count from 0, their centres are whole
numbers. Values are in the file's own unit (nJy in LSST packets, DN in ZTF's).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from fink_like.errors import ModuleError
from fink_like.kit.byte_pool import BytePool, StampStatus, gathered, inflated
from fink_like.kit.fits_headers import IMAGE, PSF, ROLES, VARIANCE
from fink_like.kit.fits_images import find_images, header_numbers

__all__ = ["Cutouts", "IMAGE", "PSF", "StampStatus", "VARIANCE"]


@dataclass(frozen=True, eq=False)
class Cutouts:
    """Stamps of one kind (science, template or difference), one a row.

    Pixels are decoded when they are asked for.

    Parameters
    ----------
    pool : BytePool
    status : numpy.ndarray of int8, shape (n,)
        `StampStatus` of each row.
    images : dict of str to Images
        By role: ``image``; ``variance`` and ``psf`` where the file has such extensions.
    """

    pool: BytePool
    status: np.ndarray
    images: dict

    @classmethod
    def of(cls, column):
        """From a column of files.

        Parameters
        ----------
        column : array_like of object, pyarrow.Array or pyarrow.ChunkedArray
            bytes or None; Arrow binary.

        Raises
        ------
        ModuleError
            The column holds something else than bytes.
        """
        pool, status = gathered(column)
        pool = inflated(pool, status)
        return cls(pool, status, find_images(pool, status))

    def __len__(self):
        return len(self.status)

    def take(self, rows):
        """The stamps of these rows (numbers or a mask), in this order."""
        pool = BytePool(self.pool.data, self.pool.start[rows], self.pool.length[rows])
        return Cutouts(pool, self.status[rows],
                       {role: images.take(rows) for role, images in self.images.items()})

    @property
    def readable(self):
        """Mask of the rows that have an image."""
        return self.status == StampStatus.OK

    def unreadable(self):
        """How many rows have none, by the name of the reason; see `StampStatus`."""
        codes, counts = np.unique(self.status[~self.readable], return_counts=True)
        return {StampStatus(code).name: int(count) for code, count in zip(codes, counts)}

    def shapes(self, role=IMAGE):
        """Height and width in pixels, int array of shape (n, 2); 0 where there is none."""
        return self._of_role(role).shapes

    def header(self, *keywords):
        """Numbers of the images' headers, shape (n, len(keywords)); NaN where there is none."""
        return header_numbers(self.pool, self.images[IMAGE], *keywords)

    @cached_property
    def centre(self):
        """Where the alert's source is: x, y in pixels of the image, shape (n, 2).

        The reference pixel of the header's world coordinates if it is inside the image. Rubin sets
        it to the source: in the 45 real alerts of S/N > 15 half the centroids are within 0.09
        pixel of it. Else the middle of the longer side, on both axes: ZTF's stamps are square, the
        source in the middle pixel, and lose columns where the detector ends (3 of 288 real alerts,
        at columns 3048 to 3060 of 3072).
        """
        height, width = self.shapes().T
        middle = (np.maximum(height, width) - 1) / 2.0
        middle[~self.readable] = np.nan
        centre = self.header("CRPIX1", "CRPIX2") - 1.0
        inside = ((centre >= 0) & (centre < np.stack([width, height], axis=1))).all(axis=1)
        return np.where(inside[:, None], centre, middle[:, None])

    @property
    def offset(self):
        """x, y of the source from the centre of its pixel, shape (n, 2), -0.5 to 0.5."""
        return self.centre - np.floor(self.centre + 0.5)

    def pixels(self, role=IMAGE):
        """All images of a role in their own sizes.

        Yields
        ------
        rows : numpy.ndarray of int64, shape (k,)
        images : numpy.ndarray, shape (k, height, width)
            float32 where the file has it (bit by bit the same), else float64.
        """
        images = self._of_role(role)
        for kind in np.unique(images.kind[images.start >= 0]):
            rows = np.flatnonzero((images.kind == kind) & (images.start >= 0))
            header = images.headers[kind]
            n_bytes = np.dtype(header.form.dtype).itemsize * header.shape[0] * header.shape[1]
            raw = self.pool.stretches(images.start[rows], n_bytes)
            yield rows, header.form.decode(raw).reshape(-1, *header.shape)

    def centred(self, size, role=IMAGE):
        """One array of all rows, cropped or padded about the source.

        Parameters
        ----------
        size : int
            Pixels along each side. The pixel that the source is on has index ``size // 2`` on
            both axes, its place in that pixel is `offset`. A PSF is centred on its own middle.
        role : str
            ``image``, ``variance`` or ``psf``.

        Returns
        -------
        numpy.ndarray of float32, shape (n, size, size)
            NaN outside the stamp and where there is none.
        """
        images = self._of_role(role)
        centre = self.centre if role != PSF else (images.shapes[:, ::-1] - 1) / 2.0
        have = np.flatnonzero(images.start >= 0)
        corner = np.floor(centre[have] + 0.5).astype(np.int64) - size // 2
        fits = (corner >= 0) & (corner + size <= images.shapes[have, ::-1])
        whole = fits.all(axis=1)
        result = np.full((len(self), size, size), np.nan, dtype=np.float32)
        rest = have[~whole]
        with np.errstate(over="ignore"):  # of float64 in a damaged file
            result[have[whole]] = _windows(self.pool, images.take(have[whole]), corner[whole],
                                           size)
            for rows, stamps in self.take(rest).pixels(role):
                result[rest[rows]] = _padded(stamps, corner[~whole][rows], size)
        return result

    def _of_role(self, role):
        if role not in ROLES:
            raise ModuleError(f"a stamp has no {role!r}; take one of {ROLES}")
        return self.images[role]


def _windows(pool, images, corner, size):
    """Pixels from the corners on; only their bytes are read, whatever the images' own sizes."""
    result = np.empty((len(corner), size, size), dtype=np.float32)
    forms = [header.form for header in images.headers]
    first = np.array([forms.index(form) for form in forms], dtype=np.int64)[images.kind]
    for place in np.unique(first):
        here, form = first == place, forms[place]
        item = np.dtype(form.dtype).itemsize
        x, y = corner[here].T[:, :, None]
        pixel = (y + np.arange(size)) * images.shapes[here, 1:] + x
        raw = pool.stretches(images.start[here, None] + pixel * item, size * item)
        result[here] = form.decode(raw)
    return result


def _padded(stamps, corner, size):
    """Pixels from the corners on, NaN where they lie outside; stamps of one shape."""
    beyond = corner + size - np.array(stamps.shape[:0:-1])
    margin = max(0, -corner.min(), beyond.max())
    around = ((0, 0), (margin, margin), (margin, margin))
    stamps = np.pad(stamps, around, constant_values=np.nan)
    x, y = corner.T + margin
    return sliding_window_view(stamps, (size, size), axis=(1, 2))[np.arange(len(stamps)), y, x]
