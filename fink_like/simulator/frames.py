"""Directions on the sky: equatorial (ICRS), ecliptic and Galactic axes."""

import numpy as np

OBLIQUITY = np.radians(23.4392911)
"""Of the ecliptic, J2000 (IAU 1976)."""

GALACTIC = np.array([
    [-0.0548755604162154, -0.8734370902348850, -0.4838350155487132],
    [+0.4941094278755837, -0.4448296299600112, +0.7469822444972189],
    [-0.8676661490190047, -0.1980763734312015, +0.4559837761750669]])
"""ICRS to Galactic axes (ESA 1997, The Hipparcos Catalogue, volume 1, equation 1.5.11)."""


def to_equatorial(vectors):
    """Ecliptic to equatorial axes."""
    return _turn(vectors, OBLIQUITY)


def to_ecliptic(vectors):
    """Equatorial to ecliptic axes."""
    return _turn(vectors, -OBLIQUITY)


def _turn(vectors, angle):
    x, y, z = np.moveaxis(np.asarray(vectors), -1, 0)
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([x, c * y - s * z, s * y + c * z], axis=-1)


def direction(ra, dec):
    """Unit vectors, shape (n, 3), of positions in degrees."""
    ra, dec = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def position(vectors):
    """Right ascension and declination in degrees of vectors, shape (n, 3)."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    return np.degrees(np.arctan2(y, x)) % 360.0, np.degrees(np.arctan2(z, np.hypot(x, y)))


def offset(ra, dec, east, north):
    """Positions in degrees, moved by small angles in degrees, along the sky."""
    moved = dec + north
    over = np.abs(moved) > 90.0
    moved = np.where(over, np.sign(moved) * 180.0 - moved, moved)
    away = np.maximum(np.cos(np.radians(moved)), 1e-6)
    return (ra + east / away + 180.0 * over) % 360.0, moved


def ecliptic(ra, dec):
    """Ecliptic longitude and latitude in degrees of positions in degrees."""
    return position(to_ecliptic(direction(ra, dec)))


def galactic(ra, dec):
    """Galactic longitude and latitude in degrees of positions in degrees."""
    return position(direction(ra, dec) @ GALACTIC.T)
