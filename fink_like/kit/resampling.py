"""Images of different surveys on one pixel scale.

::

    small = resampled(cutouts.centred(63), 1.01, 0.5, 63)      # from 1.01 to 0.5 arcsec a pixel

Pixels hold flux, not brightness: a pixel of half the side gets a quarter.
"""

import numpy as np

from fink_like.errors import ModuleError

AREA, BILINEAR = METHODS = ("area", "bilinear")
LEAST_COVERED = 0.5  # of a new pixel: with less it is NaN


def resampled(images, scale, new_scale, size, method=AREA):
    """Images on another pixel scale, about the same middle.

    Parameters
    ----------
    images : numpy.ndarray, shape (n, height, width)
        NaN: no pixel. The centre of pixel (height // 2, width // 2) stays the middle, as in
        `Cutouts.centred`; an `offset` of the source in pixels grows by ``scale / new_scale``.
    scale : float or numpy.ndarray, shape (n,)
        Of a pixel, in any unit of angle; NaN: unknown.
    new_scale : float
    size : int
        New pixels along each side.
    method : str
        ``area``: each new pixel gets of each old one the share that it covers, so that no flux is
        lost or made (drizzling with whole pixels, Fruchter & Hook 2002, PASP 114, 144).
        ``bilinear``: brightness at the new pixel's centre, between the four old ones about it, for
        going to smaller pixels: smooth, and blurs by half an old pixel.

    Returns
    -------
    numpy.ndarray of float32, shape (n, size, size)
        A pixel that old ones cover in part has the brightness of that part; NaN where it is less
        than half, and where the scale is unknown.

    Raises
    ------
    ModuleError
        Unknown method, or a scale that is not positive.
    """
    if method not in METHODS:
        raise ModuleError(f"resampling by {method!r}: take one of {METHODS}")
    scales = np.broadcast_to(np.asarray(scale, dtype=float), len(images))
    if not new_scale > 0 or (scales <= 0).any():
        raise ModuleError("a pixel scale must be above 0")
    result = np.full((len(images), size, size), np.nan, dtype=np.float32)
    for one in np.unique(scales[np.isfinite(scales)]):
        rows = scales == one
        result[rows] = _resampled(np.asarray(images)[rows], new_scale / one, size, method)
    return result


def _resampled(images, step, size, method):
    """All from one scale; `step` is the new pixel's side in old pixels."""
    down, across = (_weights(old, size, step, method) for old in images.shape[1:])
    good = np.isfinite(images)
    flux = down @ np.where(good, images, np.float32(0)).astype(np.float32) @ across.T
    covered = down @ good.astype(np.float32) @ across.T / np.float32(step**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(covered >= LEAST_COVERED, flux / covered, np.nan)


def _weights(old, new, step, method):
    """How much of each old pixel of a line goes to each new one, shape (new, old)."""
    at = (np.arange(new) - new // 2)[:, None] * step
    away = np.abs(np.arange(old) - old // 2 - at)
    if method == BILINEAR:
        weights = step * np.clip(1.0 - away, 0.0, 1.0)
    else:
        weights = np.clip((1.0 + step) / 2.0 - away, 0.0, min(1.0, step))
    return weights.astype(np.float32)
