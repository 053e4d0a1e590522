"""Light-curve models and geometry against what is known of them."""

from pathlib import Path

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord, get_body_barycentric
from astropy.cosmology import FlatLambdaCDM
from astropy.time import Time

from fink_like.simulator import (
    asteroids,
    cosmology,
    dice,
    frames,
    photometry,
    populations,
    transients,
    variables,
)

ROOT = Path(__file__).resolve().parents[2]
GREEN, RED = 4722.0, 6340.0
DAYS = np.arange(-25.0, 60.0, 0.25)
SCOPE = {"depth": 18.5, "start": 61110.0, "end": 61111.0}


def drawn(name, n):
    classes = {c.name: c for c in populations.load(ROOT / "conf/populations/stream.yaml")}
    keys = dice.combine(3, np.arange(n))
    return classes[name], keys, populations.draw(classes[name].parameters, keys, SCOPE)


def rest_frame(name, wavelength, n=150):
    """Light curves (n, days) on rest-frame days from the model's zero."""
    source_class, keys, parameters = drawn(name, n)
    columns = {key: value[:, None] for key, value in parameters.items()}
    mjd = columns["explosion_mjd"] + DAYS * (1.0 + columns["redshift"])
    return source_class.model({**columns, "key": keys[:, None]}, mjd, wavelength)[0]


def test_type_ia_supernovae_rise_fade_and_redden_as_observed():
    """Rise 13-19 d, 0.6-1.1 mag in 15 d in g (Hayden et al. 2010; Dhawan et al. 2022)."""
    green, red = rest_frame("SN Ia", GREEN), rest_frame("SN Ia", RED)
    peak, rows = green.argmax(axis=1), np.arange(len(green))
    rise = DAYS[peak] - DAYS[np.argmax(green > 0.02 * green.max(axis=1)[:, None], axis=1)]
    fade = 2.5 * np.log10(green[rows, peak] / green[rows, peak + 60])
    assert 13.0 < np.median(rise) < 19.0
    assert 0.6 < np.median(fade) < 1.1
    colour = -2.5 * np.log10(green / red)
    assert -0.4 < np.median(colour[rows, peak]) < 0.2
    assert 0.3 < np.median(colour[rows, peak + 80]) < 1.1


def test_plateau_supernovae_fade_slower_than_type_ia():
    fades = {}
    for name in ("SN Ia", "SN II"):
        red = rest_frame(name, RED)
        fades[name] = np.median(red[:, DAYS == 40.0] / red.max(axis=1)[:, None])
    assert fades["SN II"] > 0.6 > fades["SN Ia"]


def test_rr_lyrae_amplitudes_fall_to_the_red():
    source_class, keys, parameters = drawn("RR Lyrae", 50)
    mjd = np.linspace(61110.0, 61120.0, 4000)
    ranges = []
    for wavelength in (4770.0, 6215.0, 7545.0):
        difference, reference = populations.light_curve(
            source_class, keys, parameters, mjd, np.full(len(mjd), wavelength))
        magnitudes = photometry.magnitude(difference + reference)
        ranges.append(np.ptp(magnitudes, axis=1))
    assert ranges[0] == pytest.approx(parameters["amplitude"], rel=0.02)
    assert np.median(ranges[1] / ranges[0]) == pytest.approx(0.72, abs=0.02)
    assert np.median(ranges[2] / ranges[0]) == pytest.approx(0.57, abs=0.02)


def test_microlensing_has_paczynskis_peak():
    parameters = {"magnitude": 20.0, "temperature": 5000.0, "impact": 0.1, "closest_mjd": 100.0,
                  "einstein_time": 20.0, "blend": 1.0}
    flux, reference = transients.microlensing(parameters, np.array([100.0, 1e5]), 5000.0)
    assert flux / reference == pytest.approx([10.037, 1.0], abs=1e-3)


def test_dwarf_nova_reaches_its_amplitude_and_returns():
    parameters = {"magnitude": 18.0, "amplitude": 3.0, "recurrence": 100.0, "rise": 1.0,
                  "plateau": 5.0, "decline_rate": 0.5, "outburst_mjd": 0.0, "cool": 9000.0,
                  "hot": 9000.0}
    flux, quiet = transients.dwarf_nova(parameters, np.array([0.0, 3.0, 50.0]), 5000.0)
    assert -2.5 * np.log10(flux / quiet) == pytest.approx([0.0, -3.0, 0.0], abs=1e-6)


def test_damped_random_walk_has_its_variance_memory_and_past():
    keys = dice.combine(8, np.arange(4000))[:, None]
    mjd, timescale = 60000.0 + np.arange(0.0, 300.0, 20.0), np.full((4000, 1), 100.0)
    walk = variables.damped_random_walk(keys, mjd, timescale)
    assert walk.std(axis=0) == pytest.approx(1.0, abs=0.05)
    kept = np.mean(walk[:, 5:] * walk[:, :-5])
    assert kept == pytest.approx(np.exp(-1.0), abs=0.03)
    longer = variables.damped_random_walk(keys, np.append(mjd, 60400.0), timescale)
    assert np.array_equal(longer[:, :-1], walk)


def test_eclipses_are_as_deep_as_asked():
    parameters = {"magnitude": 15.0, "temperature": 6000.0, "period": 2.0, "eclipse_mjd": 0.0,
                  "primary_depth": 0.5, "secondary_depth": 0.2, "width": 0.03, "ellipsoidal": 0.0}
    flux, mean = variables.eclipsing_binary(parameters, np.array([0.0, 1.0, 0.5]), RED)
    assert -2.5 * np.log10(flux / mean) == pytest.approx([0.5, 0.2, 0.0], abs=1e-3)


def test_redshifts_agree_with_astropy():
    z = np.array([0.01, 0.1, 1.0, 3.0])
    moduli = FlatLambdaCDM(70.0, 0.3).distmod(z).value
    assert cosmology.redshift(moduli) == pytest.approx(z, rel=2e-3)


def test_noise_at_the_limit_is_a_fifth_of_it():
    assert photometry.flux_error(100.0, 100.0, 0.039) == pytest.approx(20.0)
    assert photometry.flux_error(-50.0, 100.0, 0.039) == pytest.approx(100.0 * np.sqrt(0.039))


def test_the_earth_is_where_astropy_has_it():
    mjd = 61000.0 + np.arange(0.0, 400.0, 37.0)
    times = Time(mjd, format="mjd", scale="tdb")
    truth = (get_body_barycentric("earth", times) - get_body_barycentric("sun", times)).xyz
    assert np.abs(asteroids.earth(mjd) - truth.to_value(units.au).T).max() < 1e-3


def test_sky_frames_agree_with_astropy():
    ra, dec = np.array([0.0, 100.0, 266.4, 359.0]), np.array([0.0, -80.0, -29.0, 89.5])
    sky = SkyCoord(ra, dec, unit="deg")
    galactic = frames.galactic(ra, dec)
    assert galactic[0] == pytest.approx(sky.galactic.l.deg, abs=1e-4)
    assert galactic[1] == pytest.approx(sky.galactic.b.deg, abs=1e-4)
    assert frames.ecliptic(ra, dec)[1] == pytest.approx(
        sky.barycentricmeanecliptic.lat.deg, abs=1e-2)


def test_offsets_over_a_pole_stay_on_the_sky():
    ra, dec = frames.offset(np.array([10.0, 10.0]), np.array([89.5, -89.9]),
                            np.array([0.0, 0.0]), np.array([1.0, -0.4]))
    assert np.abs(dec).max() <= 90.0
    assert dec == pytest.approx([89.5, -89.7])
    assert ra == pytest.approx([190.0, 190.0])


def test_asteroid_orbits_give_back_their_state():
    ra, dec = np.array([150.0, 200.0, 170.0]), np.array([10.0, -5.0, 3.0])
    parameters = {"heliocentric_distance": np.array([2.0, 3.1, 2.5]),
                  "eccentricity": np.array([0.1, -0.15, 0.05]), "tilt": np.array([0.0, 8.0, -3.0])}
    where, velocity = asteroids.place(ra, dec, 61110.0, parameters)
    now = asteroids.observe(where, velocity, 0.0, 61110.0)
    assert now["ra"] == pytest.approx(ra) and now["dec"] == pytest.approx(dec)
    orbit = asteroids.elements(where, velocity, 61110.0)
    assert orbit["e"] == pytest.approx(np.abs(parameters["eccentricity"]))
    assert _position(orbit) == pytest.approx(frames.to_ecliptic(where), abs=1e-9)


def _position(orbit):
    """State of a Kepler orbit: the other way round, by Newton's method."""
    mean, e = np.radians(orbit["mean_anomaly"]), orbit["e"]
    anomaly = mean.copy()
    for _ in range(50):
        anomaly -= (anomaly - e * np.sin(anomaly) - mean) / (1.0 - e * np.cos(anomaly))
    x = orbit["a"] * (np.cos(anomaly) - e)
    y = orbit["a"] * np.sqrt(1.0 - e**2) * np.sin(anomaly)
    w, i, n = (np.radians(orbit[key]) for key in ("argperi", "inclination", "node"))
    u, v = np.cos(w) * x - np.sin(w) * y, np.sin(w) * x + np.cos(w) * y
    return np.stack([np.cos(n) * u - np.sin(n) * np.cos(i) * v,
                     np.sin(n) * u + np.cos(n) * np.cos(i) * v, np.sin(i) * v], axis=-1)


def test_opposition_brightens():
    """Phase function: 0 at opposition, about 0.035 mag per degree at 15 degrees."""
    geometry = {"phase_angle": np.array([0.0, 15.0]), "helio_range": np.ones(2),
                "topo_range": np.ones(2)}
    dimming = asteroids.dimming(geometry, 0.15)
    assert dimming[0] == pytest.approx(0.0, abs=1e-9)
    assert dimming[1] == pytest.approx(0.8, abs=0.12)
