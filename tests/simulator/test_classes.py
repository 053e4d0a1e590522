"""Classes that classifiers are trained on, against what is known of them."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from fink_like.simulator import dice, dust, fast_transients, light, photometry, populations
from fink_like.simulator import transients, variables
from fink_like.simulator.cosmology import GRID, MODULI
from fink_like.simulator.epochs import Epochs

ROOT = Path(__file__).resolve().parents[2]
U, BLUE, GREEN, V, RED, I_BAND, Z_BAND = 3671.0, 4400.0, 4722.0, 5500.0, 6340.0, 7546.0, 8691.0
DAYS = np.arange(-80.0, 250.0, 0.5)
SCOPE = {"depth": 20.6, "start": 61000.0, "end": 61180.0}
WORLDS = ("training", "independent")


@cache
def classes(world):
    return {c.name: c for c in populations.load(ROOT / f"conf/populations/{world}.yaml")}


def drawn(name, world="training", n=300):
    source_class, keys = classes(world)[name], dice.combine(5, np.arange(n))
    return source_class, keys, populations.draw(source_class.parameters, keys, SCOPE)


def light_at(name, mjd, wavelength, world="training", n=300):
    """Flux and template of n objects at times, a scalar wavelength."""
    source_class, keys, parameters = drawn(name, world, n)
    columns = {key: value[:, None] for key, value in parameters.items()}
    return source_class.model({**columns, "key": keys[:, None]}, mjd, wavelength), columns


def rest_frame(name, wavelength, world="training"):
    """Magnitudes on rest-frame days from the model's zero, without dust, absolute."""
    _, columns = light_at(name, np.zeros(1), wavelength, world)
    zero = columns["explosion_mjd"] if "explosion_mjd" in columns else columns["peak_mjd"]
    stretch = 1.0 + columns["redshift"]
    (flux, _), _ = light_at(name, zero + DAYS * stretch, wavelength * stretch, world)
    moduli = np.interp(columns["redshift"], GRID, MODULI)
    return photometry.magnitude(np.maximum(flux, 1e-30)) - moduli


def brightest(magnitudes):
    return DAYS[magnitudes.argmin(axis=1)], magnitudes.min(axis=1)


def rise(magnitudes):
    """Days from a tenth of the maximum flux to the maximum."""
    peak, least = brightest(magnitudes)
    return peak - DAYS[np.argmax(magnitudes < least[:, None] + 2.5, axis=1)]


def fall(magnitudes, days):
    """Magnitudes lost so many days after the maximum."""
    peak, least = brightest(magnitudes)
    places = np.searchsorted(DAYS, peak + days)
    return magnitudes[np.arange(len(places)), places] - least


@pytest.mark.parametrize("name, mean, scatter", [
    # Richardson et al. 2014 (AJ 147, 118), B; SN Ia: Betoule et al. 2014; SLSN: Chen et al. 2023, g
    ("SN Ia", -19.05, 0.18), ("SN IIP", -16.75, 0.98), ("SN IIL", -17.98, 0.86),
    ("SN IIb", -16.99, 0.92), ("SN Ibc", -17.55, 1.15), ("SN IIn", -18.53, 1.36),
    ("SLSN", -21.48, 0.87)])
def test_supernovae_are_as_bright_as_measured(name, mean, scatter):
    _, least = brightest(rest_frame(name, BLUE))
    assert np.mean(least) == pytest.approx(mean, abs=0.25)
    assert np.std(least) == pytest.approx(scatter, rel=0.3)
    _, other = brightest(rest_frame(name, BLUE, "independent"))
    assert abs(np.mean(other) - mean) < 0.7


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("name, wavelength, low, high", [
    ("SN Ia", GREEN, 10, 16),     # 17 d from explosion, of them 3 to 4 below a tenth: Miller 2020
    ("SN IIb", RED, 13, 23), ("SN Ibc", RED, 12, 22),     # Taddia 2018, Pessi 2019: about 20 d
    ("SN IIn", GREEN, 18, 50),    # Nyholm et al. 2020: 20 +- 6 and 50 +- 11 d
    ("SLSN", GREEN, 33, 60),      # Chen et al. 2023: 41.9 +- 17.8 d
    ("TDE", GREEN, 17, 40)])      # van Velzen et al. 2021: 1 sigma of 8 to 20 d
def test_supernovae_rise_as_long_as_measured(world, name, wavelength, low, high):
    assert low < np.median(rise(rest_frame(name, wavelength, world))) < high


@pytest.mark.parametrize("world", WORLDS)
def test_type_ia_fade_and_redden_as_measured(world):
    """0.6 to 1.1 mag in 15 d in g, bluer than 0.1 mag at the peak, 0.5 to 1 mag a month later."""
    green, red = rest_frame("SN Ia", GREEN, world), rest_frame("SN Ia", RED, world)
    assert 0.6 < np.median(fall(green, 15.0)) < 1.1
    rows, peak = np.arange(len(green)), green.argmin(axis=1)
    assert -0.35 < np.median((green - red)[rows, peak]) < 0.1
    assert 0.5 < np.median((green - red)[rows, peak + 60]) < 1.0


def test_type_ia_of_another_stretch_fade_at_another_rate():
    """Phillips' relation: the faint are fast."""
    _, _, parameters = drawn("SN Ia")
    blue = rest_frame("SN Ia", BLUE)
    rate = fall(blue, 15.0)
    assert np.corrcoef(rate, parameters["stretch"])[0, 1] < -0.5
    assert np.corrcoef(rate, brightest(blue)[1])[0, 1] > 0.3


def test_type_ia_have_a_second_maximum_in_i():
    """0.6 mag lower after 15 d, then level or brighter for ten days (Dhawan et al. 2015)."""
    source = np.median(rest_frame("SN Ia", I_BAND), axis=0)
    peak = np.argmin(np.where(DAYS < 15.0, source, np.inf))
    dip = source[peak:][20:40].max() - source[peak]
    again = source[peak:][40:70].min() - source[peak]
    assert 0.35 < dip < 0.85
    assert 0.0 < again < dip
    assert np.diff(np.median(rest_frame("SN Ia", GREEN), axis=0)[peak + 10:peak + 60]).min() > 0


def test_plateaus_are_flat_and_linear_ones_are_not():
    """V falls 1.3 +- 0.9 mag in 100 d in II-P, 2 to 4 in II-L (Anderson et al. 2014)."""
    rates = {}
    for name in ("SN IIP", "SN IIL"):
        visual = rest_frame(name, V)
        rates[name] = np.median((visual[:, DAYS == 55.0] - visual[:, DAYS == 25.0]) / 0.3)
    assert 0.3 < rates["SN IIP"] < 1.8 < rates["SN IIL"] < 4.0


def test_disruptions_keep_their_colour_and_end_as_five_thirds():
    green, red = (rest_frame("TDE", wave)[:, DAYS >= 0] for wave in (GREEN, RED))
    assert np.ptp(green - red, axis=1).max() < 1e-6
    assert -0.6 < np.median(green - red) < -0.2  # 2e4 K
    _, _, parameters = drawn("TDE")
    late = DAYS[-1] / parameters["decay"]
    expected = 2.5 * 5.0 / 3.0 * np.log10(1.0 + late)
    assert green[:, -1] - green.min(axis=1) == pytest.approx(expected, abs=0.01)


GW170817 = {"modulus": 33.0, "redshift": 0.0098, "merger_mjd": 0.0,
            "blue_mass": 0.023, "blue_velocity": 0.256, "blue_opacity": 0.5, "blue_floor": 3983.0,
            "red_mass": 0.050, "red_velocity": 0.149, "red_opacity": 3.65, "red_floor": 1151.0}


def test_a_kilonova_is_gw170817s():
    """i = 17.5 at 0.47 d (Coulter et al. 2017); g falls by more than 1 mag/d, z by less; then red."""
    days = np.array([-1.0, 0.47, 1.5, 3.5, 7.5])
    mags = {name: photometry.magnitude(fast_transients.kilonova(GW170817, days, wave)[0])
            for name, wave in (("g", GREEN), ("i", I_BAND), ("z", Z_BAND))}
    assert np.isnan(mags["i"][0])
    assert mags["i"][1] == pytest.approx(17.5, abs=0.4)
    assert (mags["g"][3] - mags["g"][2]) / 2 > 1.0 > (mags["z"][3] - mags["z"][2]) / 2
    assert mags["g"][1] - mags["z"][1] < 0.3 and mags["g"][3] - mags["z"][3] > 1.2


def test_light_leaves_a_kilonova_late_but_leaves_it():
    delays, times = fast_transients.DELAYS, np.arange(0.0, 6.0, fast_transients.DELAY_STEP)
    assert delays[0] == 0.0 and delays.max() < 2.5
    assert delays[-1] == pytest.approx(1.0, abs=0.03)
    assert delays[np.searchsorted(times, 0.1)] < 0.05


@pytest.mark.parametrize("early, late", [(1.0, 2.2), (-1.5, 2.0)])
def test_afterglows_are_power_laws_on_both_sides(early, late):
    p = {"magnitude": 20.0, "burst_mjd": 100.0, "break_days": 2.0, "early": early, "late": late,
         "sharpness": 2.0, "spectral_index": 0.8}
    mjd = 100.0 + np.array([-1.0, 0.02, 0.04, 2.0, 200.0, 400.0])
    flux, template = fast_transients.afterglow(p, mjd, GREEN)
    assert flux[0] == 0.0 and not template.any()
    slopes = np.log2(flux[[1, 4]] / flux[[2, 5]])
    assert slopes == pytest.approx([early, late], abs=0.02)
    red, _ = fast_transients.afterglow(p, mjd, RED)
    assert np.log(red[3] / flux[3]) / np.log(RED / GREEN) == pytest.approx(0.8)


def test_flares_are_short_hot_and_as_frequent_as_asked():
    p = {"magnitude": 18.0, "temperature": 3200.0, "start_mjd": 0.0, "recurrence": 2.0,
         "width": 0.01, "least": 0.2, "slope": 1.0, "key": dice.combine(3, np.arange(1))[:, None]}
    mjd = np.arange(0.0, 400.0, 0.0005)
    flux, quiet = fast_transients.flare_star(p, mjd, 5000.0)
    above = (flux - quiet)[0] / photometry.nanojansky(18.0)
    peaks = above.reshape(200, -1).max(axis=1)
    assert (peaks > 0.18).mean() > 0.95  # one in each two days
    assert (peaks > 2.0).mean() == pytest.approx(0.1, abs=0.05)  # their number falls as 1 / amplitude
    largest = np.argsort(peaks)[-10:]
    wide = [(above.reshape(200, -1)[k] > 0.5 * peaks[k]).sum() * 0.0005 for k in largest]
    assert np.median(wide) == pytest.approx(0.01, rel=0.15)
    hot = fast_transients.flare_star(p, mjd, U)[0] - fast_transients.flare_star(p, mjd, U)[1]
    assert hot.max() / (flux - quiet).max() == pytest.approx(
        photometry.blackbody_ratio(U, 5000.0, 1e4), rel=1e-6)


def test_a_nova_is_two_magnitudes_fainter_at_t2():
    p = {"magnitude": 15.0, "amplitude": 12.0, "peak_mjd": 50.0, "rise": 1.0,
         "two_mag_days": 20.0, "temperature": 9000.0}
    flux, quiet = transients.nova(p, np.array([20.0, 50.0, 70.0, 1e5]), 5000.0)
    magnitudes = photometry.magnitude(flux)
    assert magnitudes[1:3] == pytest.approx([15.0, 17.0], abs=0.01)
    assert magnitudes[0] == pytest.approx(27.0, abs=0.1)
    assert photometry.magnitude(quiet)[0] == pytest.approx(27.0)


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("name, period, rising", [
    ("RR Lyrae ab", (0.45, 0.75), (0.08, 0.32)),     # steep: Smith 1995, RR Lyrae Stars
    ("RR Lyrae c", (0.22, 0.45), (0.3, 0.5)),        # nearly a sine
    ("Cepheid", (2.0, 40.0), (0.15, 0.45)), ("delta Scuti", (0.02, 0.3), (0.2, 0.5))])
def test_pulsating_stars_have_their_shape(world, name, period, rising):
    source_class, keys, parameters = drawn(name, world, 60)
    assert period[0] < np.median(parameters["period"]) < period[1]
    phases = np.linspace(0.0, 1.0, 200, endpoint=False)
    columns = {key: value[:, None] for key, value in parameters.items()}
    mjd = columns["phase_mjd"] + phases * columns["period"]
    magnitudes = photometry.magnitude(source_class.model(columns, mjd, 4770.0)[0])
    assert np.ptp(magnitudes, axis=1) == pytest.approx(np.abs(parameters["amplitude"]), rel=0.02)
    share = (phases[magnitudes.argmin(axis=1)] - phases[magnitudes.argmax(axis=1)]) % 1.0
    assert rising[0] < np.median(share) < rising[1]
    red = photometry.magnitude(source_class.model(columns, mjd, 6215.0)[0])
    assert 0.6 < np.median(np.ptp(red, axis=1) / np.ptp(magnitudes, axis=1)) < 0.85


def test_eclipsing_binaries_differ_by_how_much_of_the_time_they_vary():
    away = {}
    for name in ("EA", "EB", "EW"):
        _, columns = light_at(name, np.zeros(1), GREEN, n=80)
        mjd = columns["eclipse_mjd"] + np.linspace(0.0, 1.0, 400) * columns["period"]
        (flux, mean), _ = light_at(name, mjd, GREEN, n=80)
        magnitudes = -2.5 * np.log10(flux / mean)
        spread = magnitudes - magnitudes.min(axis=1)[:, None]
        away[name] = np.median((spread > 0.3 * spread.max(axis=1)[:, None]).mean(axis=1))
    assert away["EA"] < 0.2 < away["EB"] < 0.6 and away["EB"] < away["EW"]


def test_miras_vary_by_more_than_semiregulars_and_less_in_the_red():
    ranges = {}
    for name, wavelength in (("Mira", V), ("semiregular", V), ("Mira", I_BAND)):
        mjd = SCOPE["start"] + np.arange(0.0, 1500.0, 5.0)
        (flux, _), _ = light_at(name, mjd, wavelength, n=60)
        ranges[name, wavelength] = np.median(np.ptp(photometry.magnitude(flux), axis=1))
    assert ranges["Mira", V] > 2.1 > 1.2 > ranges["semiregular", V]
    assert ranges["Mira", I_BAND] < 0.7 * ranges["Mira", V]


def test_young_stars_vary_in_days_by_what_is_asked():
    p = {"magnitude": 18.0, "temperature": 4000.0, "timescale": np.full((400, 1), 5.0),
         "amplitude": 0.25, "chromatic": -1.2, "key": dice.combine(2, np.arange(400))[:, None]}
    flux, mean = variables.irregular(p, np.arange(0.0, 100.0, 5.0), 5000.0)
    magnitudes = -2.5 * np.log10(flux / mean)
    assert magnitudes.std() == pytest.approx(0.25, rel=0.05)
    kept = np.mean(magnitudes[:, 1:] * magnitudes[:, :-1]) / magnitudes.var()
    assert kept == pytest.approx(np.exp(-1.0), abs=0.05)


def test_residuals_have_either_sign_and_no_memory():
    p = {"magnitude": 14.0, "temperature": 5000.0, "share": 0.02,
         "key": dice.combine(2, np.arange(300))[:, None]}
    flux, star = variables.residual(p, np.arange(0.0, 50.0), 5000.0)
    left = flux / star - 1.0
    assert (left > 0).mean() == pytest.approx(0.5, abs=0.03)
    assert abs(np.corrcoef(left[:, 1:].ravel(), left[:, :-1].ravel())[0, 1]) < 0.05
    assert np.percentile(np.abs(left), 99) > 5 * np.median(np.abs(left))


def test_dust_takes_what_cardelli_clayton_and_mathis_say():
    """Their table 3, U to J, for Rv = 3.1."""
    waves = np.array([3650.0, 4400.0, 5500.0, 7000.0, 9000.0, 12500.0])
    assert dust.extinction(waves) / 3.1 == pytest.approx(
        [1.569, 1.337, 1.0, 0.751, 0.479, 0.282], abs=0.015)
    assert dust.extinction(2175.0) > dust.extinction(2500.0) > dust.extinction(4400.0)


def test_dust_of_our_galaxy_and_of_the_host_add_up():
    p = {"ebv": np.array([0.1]), "host_ebv": np.array([0.2]), "redshift": np.array([1.0])}
    waves = np.array([GREEN, RED])
    expected = 0.1 * dust.extinction(waves) + 0.2 * dust.extinction(waves / 2.0)
    assert light.reddening(p, waves) == pytest.approx(expected[None, :])


def test_a_template_of_another_time_turns_the_difference_negative():
    source_class, keys, parameters = drawn("Mira", n=200)
    mjd, waves = np.linspace(61000.0, 61400.0, 50), np.full(50, RED)
    plain = {**parameters, "reference_offset": np.zeros(200)}
    moved = {**parameters, "reference_offset": np.full(200, -0.5)}
    level = [np.mean(populations.light_curve(source_class, keys, each, mjd, waves)[0])
             for each in (plain, moved)]
    assert level[1] < 0.0 and level[1] < level[0]


def test_geometry_is_named_in_full():
    _, _, parameters = drawn("asteroid", n=3)
    one = np.array([[61000.0]])
    epochs = Epochs(0, 0.0, 0.0, one, one.astype(int), one, one, one, np.array([5000.0]))
    found = light.moving(np.full(3, 61000.0), epochs, parameters, np.full(3, 150.0), np.full(3, 9.0))
    assert set(light.GEOMETRY) == set(found) - {"ra", "dec", "apparent"}
