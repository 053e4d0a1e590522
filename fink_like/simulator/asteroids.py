"""Moving objects: where they are, how bright, and on which orbit.

Sun-centred equatorial J2000 vectors in au and au/d. Over the few nights of a run an object moves
on a straight line; its orbit is the Kepler orbit of its state at the first epoch.
"""

import numpy as np

from fink_like.simulator.frames import direction, position, to_ecliptic, to_equatorial

SUN = 2.9591220828559115e-4
"""Gaussian gravitational constant squared, au3/d2."""

J2000 = 51544.5
PRECESSION = 50.29 / 3600.0 / 365.25
"""Of the equinox, degrees a day (Lieske et al. 1977): the Almanac's longitudes are of date."""

SLOPES = ((3.33, 0.63), (1.87, 1.22))
"""Exponents of the two phase functions of Bowell et al. 1989 (Asteroids II, 524)."""


def earth(mjd):
    """Position of the Earth, good to 0.01 degree (Astronomical Almanac, section C).

    Parameters
    ----------
    mjd : array, shape (n,)

    Returns
    -------
    numpy.ndarray, shape (n, 3)
    """
    days = np.asarray(mjd, dtype=np.float64) - J2000
    anomaly = np.radians(357.528 + 0.9856003 * days)
    sun = np.radians(280.460 + (0.9856474 - PRECESSION) * days + 1.915 * np.sin(anomaly)
                     + 0.020 * np.sin(2.0 * anomaly))
    distance = 1.00014 - 0.01671 * np.cos(anomaly) - 0.00014 * np.cos(2.0 * anomaly)
    flat = np.stack([-np.cos(sun), -np.sin(sun), np.zeros_like(sun)], axis=-1)
    return distance[..., None] * to_equatorial(flat)


def earth_velocity(mjd):
    """Velocity of the Earth in au/d, from positions half a day apart."""
    return earth(np.asarray(mjd) + 0.25) * 2.0 - earth(np.asarray(mjd) - 0.25) * 2.0


def place(ra, dec, mjd, parameters):
    """Objects seen in given directions, on bound orbits.

    Parameters
    ----------
    ra, dec : array, shape (n,)
        Degrees.
    mjd : float or array, shape (n,)
    parameters : dict
        ``heliocentric_distance`` in au (> 1.1); ``eccentricity``, which shifts speed and direction
        from the circular orbit's; ``tilt`` in degrees, out of the ecliptic.

    Returns
    -------
    tuple of numpy.ndarray, shape (n, 3)
        Position and velocity.
    """
    here = earth(np.full(len(ra), mjd))
    toward = direction(ra, dec)
    along = np.sum(here * toward, axis=-1)
    distance = np.asarray(parameters["heliocentric_distance"])
    range_ = -along + np.sqrt(along**2 - np.sum(here**2, axis=-1) + distance**2)
    where = here + range_[:, None] * toward
    pole = to_equatorial(np.array([0.0, 0.0, 1.0]))
    prograde = np.cross(pole, where)
    prograde /= np.linalg.norm(prograde, axis=-1, keepdims=True)
    north = np.cross(where / distance[:, None], prograde)
    tilt = np.radians(parameters["tilt"])[:, None]
    speed = np.sqrt(SUN / distance * (1.0 + parameters["eccentricity"]))[:, None]
    return where, speed * (np.cos(tilt) * prograde + np.sin(tilt) * north)


def observe(where, velocity, days, mjd):
    """Geometry of objects at a later time.

    Parameters
    ----------
    where, velocity : array, shape (n, 3)
        State at the reference time.
    days : float or array, shape (n,)
        Time since then.
    mjd : float or array, shape (n,)

    Returns
    -------
    dict of numpy.ndarray
        ``ra``, ``dec`` (deg), ``helio``, ``topo``, ``helio_velocity``, ``topo_velocity`` (n, 3),
        ``helio_range``, ``topo_range`` (au), ``phase_angle``, ``elongation`` (deg).
    """
    times = np.full(len(where), mjd)
    helio, home = where + np.reshape(days, (-1, 1)) * velocity, earth(times)
    topo = helio - home
    ra, dec = position(topo)
    return {"ra": ra, "dec": dec, "helio": helio, "topo": topo, "helio_velocity": velocity,
            "topo_velocity": velocity - earth_velocity(times),
            "helio_range": np.linalg.norm(helio, axis=-1),
            "topo_range": np.linalg.norm(topo, axis=-1),
            "phase_angle": _angle(helio, topo), "elongation": _angle(topo, -home)}


def _angle(left, right):
    cosine = np.sum(left * right, axis=-1)
    cosine /= np.linalg.norm(left, axis=-1) * np.linalg.norm(right, axis=-1)
    return np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))


def dimming(geometry, slope):
    """Apparent minus absolute magnitude in the H, G system (Bowell et al. 1989)."""
    tangent = np.tan(np.radians(geometry["phase_angle"]) / 2.0)
    first, second = (np.exp(-a * tangent**b) for a, b in SLOPES)
    phase = (1.0 - slope) * first + slope * second
    return 5.0 * np.log10(geometry["helio_range"] * geometry["topo_range"]) - 2.5 * np.log10(phase)


def elements(where, velocity, mjd):
    """Kepler elements of states, ecliptic J2000.

    Parameters
    ----------
    where, velocity : array, shape (n, 3)
    mjd : float or array, shape (n,)
        Time of the states.

    Returns
    -------
    dict of numpy.ndarray
        ``a``, ``q`` (au), ``e``, ``inclination``, ``node``, ``argperi``, ``mean_anomaly`` (deg),
        ``mean_motion`` (deg/d), ``period`` (d), ``peri_time`` (MJD). Curtis 2013, Orbital Mechanics
        for Engineering Students, algorithm 4.2.
    """
    r, v = to_ecliptic(where), to_ecliptic(velocity)
    distance = np.linalg.norm(r, axis=-1)
    momentum = np.cross(r, v)
    a = 1.0 / (2.0 / distance - np.sum(v * v, axis=-1) / SUN)
    vector = np.cross(v, momentum) / SUN - r / distance[:, None]
    e = np.linalg.norm(vector, axis=-1)
    h = np.linalg.norm(momentum, axis=-1)
    node = np.degrees(np.arctan2(momentum[:, 0], -momentum[:, 1])) % 360.0
    inclination = np.degrees(np.arccos(momentum[:, 2] / h))
    line = direction(node, np.zeros_like(node))
    across = np.cross(momentum / h[:, None], line)
    argperi = np.degrees(np.arctan2(np.sum(vector * across, -1), np.sum(vector * line, -1))) % 360.0
    eccentric = np.arctan2(np.sum(r * v, axis=-1) / np.sqrt(SUN * a), 1.0 - distance / a)
    motion = np.degrees(np.sqrt(SUN / a**3))
    mean = np.degrees(eccentric - e * np.sin(eccentric))
    return {"a": a, "q": a * (1.0 - e), "e": e, "inclination": inclination, "node": node,
            "argperi": argperi, "mean_anomaly": mean % 360.0, "mean_motion": motion,
            "period": 360.0 / motion, "peri_time": mjd - mean / motion}
