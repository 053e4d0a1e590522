"""Cutouts: template, science and difference images, drawn many at a time.

The point spread function is two round Gaussians. The noise of the difference image is made
orthogonal to it, so that a fit of the point spread function gives the packet's flux exactly.
"""

import math

import numpy as np

from fink_like.simulator import dice
from fink_like.kit.compiled import kernel

CORE, WING = 0.85, 2.2
"""Share of the light in the core; width of the wing in units of the core's."""

NEIGHBOURS = 3
"""Other stars in a cutout, at most."""

POOL = np.random.default_rng(20260311).standard_normal(1 << 21).astype(np.float32)
"""Unit noise; each image takes a stretch of it that starts where its key says."""

TEMPLATE_NOISE, MISMATCH = 0.35, 0.1
"""Noise of the template, and of the matching of both images, over that of the science image."""

DIPOLE, COSMIC_RAY, BAD_COLUMN, SPIKE = range(4)
"""Kinds of artefact, as in the population file."""


def draw(columns, keys, form):
    """Images of alerts.

    Parameters
    ----------
    columns : dict of numpy.ndarray
        ``flux``, ``flux_err``, ``true_template_flux`` in nJy, ``fwhm`` in pixels, ``host_size`` and
        ``host_offset`` in arcsec (NaN: a star), ``artefact`` (NaN: none).
    keys : numpy.ndarray of uint64
    form : dict
        ``pixels``, ``pixel_arcsec``.

    Returns
    -------
    tuple
        float32 arrays (n, pixels, pixels) by name: science, template, difference, in nJy; and the
        noise of a pixel in nJy, shape (n,).
    """
    n, pixels = len(keys), form["pixels"]
    sigma = np.asarray(columns["fwhm"]) / 2.3548
    pixel_noise = columns["flux_err"] / np.sqrt(4.0 * np.pi) / sigma
    centre = (pixels - 1) / 2.0
    place = centre + np.stack([dice.uniform(keys, "x"), dice.uniform(keys, "y")], 1) - 0.5
    template = np.zeros((n, pixels, pixels), dtype=np.float32)
    difference = np.zeros_like(template)
    _sources(template, place, _static_light(columns, keys, place, sigma, form))
    kinds = np.nan_to_num(np.broadcast_to(columns.get("artefact", np.nan), n), nan=-1.0)
    _difference(difference, place, sigma, np.asarray(columns["flux"], dtype=np.float64), kinds)
    starts = np.stack([dice.combine(keys, i) % np.uint64(POOL.size - pixels * pixels)
                       for i in range(3)], axis=1).astype(np.int64)
    science = np.empty_like(template)
    genuine = kinds < 0
    _add_noise(template, science, difference, POOL, starts, pixel_noise, place, sigma, genuine)
    return {"science": science, "template": template, "difference": difference}, pixel_noise


def _static_light(columns, keys, place, sigma, form):
    """What the template shows: x, y, width and flux of up to four sources, (n, 4, 4)."""
    n, span = len(keys), form["pixels"]
    light = np.zeros((n, NEIGHBOURS + 1, 4))
    host_size = np.broadcast_to(columns["host_size"], n)
    offset = np.nan_to_num(np.broadcast_to(columns["host_offset"], n)) / form["pixel_arcsec"]
    angle = 2.0 * np.pi * dice.uniform(keys, "host angle")
    light[:, 0, 0] = place[:, 0] + offset * np.cos(angle)
    light[:, 0, 1] = place[:, 1] + offset * np.sin(angle)
    light[:, 0, 2] = np.hypot(sigma, np.nan_to_num(host_size) / form["pixel_arcsec"])
    light[:, 0, 3] = columns["true_template_flux"]
    faintest = 3.0 * np.asarray(columns["flux_err"])
    for star in range(1, NEIGHBOURS + 1):
        light[:, star, 0] = span * dice.uniform(keys, f"star x {star}")
        light[:, star, 1] = span * dice.uniform(keys, f"star y {star}")
        light[:, star, 2] = sigma
        there = dice.uniform(keys, f"star {star}") < 1.2 / NEIGHBOURS
        light[:, star, 3] = there * faintest * dice.uniform(keys, f"star flux {star}") ** -0.8
    return light


@kernel
def _profile(centre, width, size):
    """Gaussian of unit sum along one axis."""
    axis = np.empty(size)
    for i in range(size):
        axis[i] = math.exp(-0.5 * ((i - centre) / width) ** 2)
    return axis / (width * math.sqrt(2.0 * math.pi))


@kernel
def _add_point(image, x, y, width, flux):
    """Add the point spread function times a flux."""
    size = image.shape[0]
    core_x, core_y = _profile(x, width, size), _profile(y, width, size)
    wing_x, wing_y = _profile(x, WING * width, size), _profile(y, WING * width, size)
    for row in range(size):
        core, wing = CORE * flux * core_y[row], (1.0 - CORE) * flux * wing_y[row]
        for column in range(size):
            image[row, column] += core * core_x[column] + wing * wing_x[column]


@kernel
def _sources(images, place, light):
    for i in range(len(images)):
        for source in range(light.shape[1]):
            x, y, width, flux = light[i, source]
            if flux > 0.0:
                _add_point(images[i], x, y, width, flux)


@kernel
def _difference(images, place, sigma, flux, kinds):
    """The alert's own light, or what an artefact leaves."""
    for i in range(len(images)):
        image, x, y, kind = images[i], place[i, 0], place[i, 1], kinds[i]
        row, column = int(y), int(x)
        peak = flux[i] / (4.0 * sigma[i])
        if kind < 0:
            _add_point(image, x, y, sigma[i], flux[i])
        elif kind == DIPOLE:
            _add_point(image, x - 0.6 * sigma[i], y, sigma[i], 1.6 * flux[i])
            _add_point(image, x + 0.6 * sigma[i], y, sigma[i], -1.4 * flux[i])
        elif kind == COSMIC_RAY:
            for step in range(-2, 3):
                image[row + step, column + step // 2] += 2.0 * peak
        elif kind == BAD_COLUMN:
            image[:, column] += peak
        else:
            image[row, :] += 0.6 * peak
            image[:, column] += 0.6 * peak
            _add_point(image, x, y, 1.5 * sigma[i], 2.0 * flux[i])


@kernel
def _add_noise(template, science, difference, pool, starts, noise, place, sigma, genuine):
    """Noise for all three; science = template + difference but for a small mismatch."""
    size = template.shape[1]
    for i in range(len(template)):
        shape = np.zeros((size, size), dtype=np.float32)
        _add_point(shape, place[i, 0], place[i, 1], sigma[i], 1.0)
        grain = pool[starts[i, 0]:starts[i, 0] + size * size].reshape(size, size)
        along = np.sum(shape * grain) / np.sum(shape * shape) if genuine[i] else 0.0
        other = pool[starts[i, 1]:starts[i, 1] + size * size].reshape(size, size)
        third = pool[starts[i, 2]:starts[i, 2] + size * size].reshape(size, size)
        for row in range(size):
            for column in range(size):
                left = grain[row, column] - along * shape[row, column]
                difference[i, row, column] += noise[i] * left
                template[i, row, column] += TEMPLATE_NOISE * noise[i] * other[row, column]
                science[i, row, column] = (template[i, row, column] + difference[i, row, column]
                                           + MISMATCH * noise[i] * third[row, column])


def point_spread(fwhm, pixels):
    """Images of the point spread function.

    Parameters
    ----------
    fwhm : numpy.ndarray, shape (n,)
        Pixels.
    pixels : int

    Returns
    -------
    numpy.ndarray, shape (n, pixels, pixels)
        Each sums to 1.
    """
    axis = np.arange(pixels) - (pixels - 1) / 2.0
    images = 0.0
    for share, width in ((CORE, 1.0), (1.0 - CORE, WING)):
        line = np.exp(-0.5 * (axis / (width * fwhm[:, None] / 2.3548)) ** 2)
        line /= line.sum(axis=1, keepdims=True)
        images = images + share * line[:, :, None] * line[:, None, :]
    return images / images.sum(axis=(1, 2), keepdims=True)
