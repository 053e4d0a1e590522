"""Where the light of small images is, and how wide and how round: moments under a Gaussian weight.

::

    place = centroids(images, fwhm)                       # x, y from the middle pixel
    width, ellipticity = moments(images, fwhm, place)

The weight is a round Gaussian of the PSF's width, so that neither far noise nor neighbours count.
For a Gaussian source what the weight does is undone exactly.
"""

import math

import numpy as np

FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))  # 2.3548, of a Gaussian
STEPS = 6  # each leaves less than a third of the error


def centroids(images, fwhm, start=0.0):
    """Centres of light, from the weighted first moment, taken again about itself.

    The step is twice the moment, which for a source as wide as the weight is all of the way (the
    windowed position of SExtractor, Bertin & Arnouts 1996, A&AS 117, 393; manual, "XWIN_IMAGE").

    Parameters
    ----------
    images : numpy.ndarray, shape (n, size, size)
        Positive light on zero background, NaN as zero.
    fwhm : array_like, shape (n,)
        Of the weight, pixels.
    start : array_like, shape (n, 2), optional
        x, y from the centre of pixel ``size // 2``.

    Returns
    -------
    numpy.ndarray of float32, shape (n, 2)
        As `start`. NaN where it strays further than one FWHM, or there is no light.
    """
    images, sigma, start = _prepared(images, fwhm, start)
    place = start
    with np.errstate(all="ignore"):
        for _ in range(STEPS):
            sums = _weighted_sums(images, sigma, place, 2)
            place = place + 2.0 * np.stack([sums[:, 0, 1], sums[:, 1, 0]], 1) / sums[:, :1, 0]
        far = np.hypot(*(place - start).T) > FWHM_PER_SIGMA * sigma
    return np.where((far | (sums[:, 0, 0] <= 0))[:, None], np.nan, place)


def moments(images, fwhm, place):
    """Width and ellipticity of the Gaussian that has the light's second moments.

    The weighted covariance M is that of light times weight; with W the weight's, the light's own
    is ``C = (M^-1 - W^-1)^-1`` (one step of adaptive moments, Bernstein & Jarvis 2002, AJ 123,
    583).

    Parameters
    ----------
    images, fwhm, place
        As for `centroids`, `place` its result.

    Returns
    -------
    width : numpy.ndarray, shape (n,)
        FWHM in pixels, of the circle with the ellipse's area: 2.3548 det(C)^(1/4).
    ellipticity : numpy.ndarray, shape (n,)
        ``(a^2 - b^2) / (a^2 + b^2)`` of its axes, 0 to 1. Both NaN where C is no ellipse, as for
        light that does not fall off inside the weight.
    """
    images, sigma, place = _prepared(images, fwhm, place)
    with np.errstate(all="ignore"):
        sums = _weighted_sums(images, sigma, place, 3)
        xx, yy, xy = (sums[:, i, j] / sums[:, 0, 0] for i, j in ((0, 2), (2, 0), (1, 1)))
        area = xx * yy - xy**2
        xx, yy, xy = yy / area - sigma**-2.0, xx / area - sigma**-2.0, -xy / area  # inverse of C
        area = xx * yy - xy**2
        ellipse = (area > 0) & (xx + yy > 0) & (sums[:, 0, 0] > 0)
        ellipticity = np.hypot(xx - yy, 2.0 * xy) / (xx + yy)  # the same of C and of its inverse
        width = FWHM_PER_SIGMA * area**-0.25
    return np.where(ellipse, width, np.nan), np.where(ellipse, ellipticity, np.nan)


def _prepared(images, fwhm, place):
    images = np.nan_to_num(np.asarray(images, dtype=np.float32), nan=0.0)
    sigma = np.asarray(fwhm, dtype=np.float32) / FWHM_PER_SIGMA
    return images, sigma, np.broadcast_to(np.asarray(place, dtype=np.float32), (len(images), 2))


def _weighted_sums(images, sigma, place, orders):
    """``sum(weight y^i x^j image)`` at [:, i, j], for i and j below `orders`.

    The weight is a product of a line along x and one along y, so a sum is two small products of
    matrices in place of a pass over the pixels.
    """
    axis = np.arange(images.shape[1], dtype=np.float32) - images.shape[1] // 2
    away = axis - place[:, :, None]
    line = np.exp(-0.5 * (away / sigma[:, None, None]) ** 2)
    x, y = np.moveaxis(np.stack([line * away**i for i in range(orders)], axis=-1), 1, 0)
    return y.swapaxes(1, 2) @ (images @ x)
