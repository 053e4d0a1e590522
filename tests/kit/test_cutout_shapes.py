"""Statistics of stamps: of sources drawn by hand, against slow loops, and of real alerts."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fink_like.errors import ModuleError
from fink_like.kit import Cutouts, PointSpread, centroids, cutout_shapes, cutout_statistics, moments
from fink_like.packets import schemas, wire

ROOT = Path(__file__).resolve().parents[2]
SIZE = 21
GRID = np.arange(SIZE) - SIZE // 2
OFFSETS = st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
WIDTHS = st.floats(2.0, 4.6)


def gaussian(fwhm, offset=(0.0, 0.0), size=SIZE):
    """One PSF, written once more."""
    axis, sigma = np.arange(size) - size // 2, fwhm / 2.3548200450309493
    r2 = (axis[None, :] - offset[0]) ** 2 + (axis[:, None] - offset[1]) ** 2
    return np.exp(-0.5 * r2 / sigma**2) / (2 * np.pi * sigma**2)


def noisy(n, seed=0, noise=1.0):
    return np.random.default_rng(seed).normal(0, noise, (n, SIZE, SIZE))


@given(fwhm=WIDTHS, offset=OFFSETS, flux=st.sampled_from([-4e4, -70.0, 3.0, 1e5]),
       level=st.sampled_from([-50.0, 0.0, 200.0]))
@settings(max_examples=150, deadline=None)
def test_a_clean_point_source_is_measured_as_it_was_drawn(fwhm, offset, flux, level):
    image = flux * gaussian(fwhm, offset) + level
    found = cutout_statistics(image[None], PointSpread.gaussian([fwhm], SIZE, [offset]),
                              np.ones((1, SIZE, SIZE)))
    one = {name: value[0] for name, value in found.items()}
    assert one["background"] == pytest.approx(level, abs=2e-3 * abs(flux))
    assert one["psf_flux"] == pytest.approx(flux, rel=0.01)
    assert one["psf_flux_err"] == pytest.approx(np.sum(gaussian(fwhm, offset) ** 2) ** -0.5, rel=0.02)
    assert one["psf_snr"] == pytest.approx(one["psf_flux"] / one["psf_flux_err"])
    assert np.hypot(one["centroid_x"], one["centroid_y"]) < 0.02
    assert one["fwhm"] == pytest.approx(fwhm, rel=0.03)
    assert one["ellipticity"] < 0.06  # pixels are coarse for a FWHM of 2
    assert one["sharpness"] == pytest.approx(1.0, rel=0.02)
    assert one["dipole_ratio"] < 0.01
    assert one["aperture_flux"] == pytest.approx(flux, rel=0.02)
    assert one["aperture_ratio"] == pytest.approx(0.79, abs=0.05)
    assert one["masked_fraction"] == 0.0


def test_errors_and_chi2_are_those_of_the_noise():
    """2,000 stars in noise of 3: fluxes scatter by their errors, chi2 is 1, S/N grows by root 2."""
    fwhm, n, flux = 2.5, 2000, 200.0
    images = flux * gaussian(fwhm) + noisy(n, 1, 3.0)
    point_spread = PointSpread.gaussian(np.full(n, fwhm), SIZE)
    for variance in (None, np.full(images.shape, 9.0)):
        found = cutout_statistics(images, point_spread, variance)
        pull = (found["psf_flux"] - flux) / found["psf_flux_err"]
        assert abs(pull.mean()) < 0.12 and pull.std() == pytest.approx(1.0, abs=0.06)
        assert found["psf_chi2"].mean() == pytest.approx(1.0, abs=0.04)
        assert found["noise"].mean() == pytest.approx(3.0, rel=0.02)
        assert found["centroid_x"].mean() == pytest.approx(0.0, abs=0.01)
        assert np.median(found["fwhm"]) == pytest.approx(fwhm, rel=0.02)


def test_a_noisier_pixel_counts_less():
    """A hot pixel of known large variance changes the flux little; unweighted it would by 30 %."""
    fwhm = 3.0
    image, variance = 500.0 * gaussian(fwhm), np.ones((SIZE, SIZE))
    image[11, 10] += 300.0
    point_spread = PointSpread.gaussian([fwhm], SIZE)
    blind = cutout_statistics(image[None], point_spread, variance[None])["psf_flux"][0]
    variance[11, 10] = 1e6
    told = cutout_statistics(image[None], point_spread, variance[None])["psf_flux"][0]
    assert blind > 1.2 * 500 and told == pytest.approx(500.0, rel=0.01)


def slow_statistics(image, psf, offset, fwhm, variance):
    """Some of the statistics of one image, in float64, by masks and loops."""
    size = len(image)
    axis = np.arange(size)
    rim = np.hypot(*(np.meshgrid(axis, axis) - np.array((size - 1) / 2))) > 0.8 * size / 2
    pixels = image[rim & np.isfinite(image)]
    background = np.median(pixels)
    noise = 1.4826 * np.median(np.abs(pixels - background))
    d = image - background
    v = np.full(image.shape, noise**2) if variance is None else variance
    x, y = np.meshgrid(axis - size // 2 - offset[0], axis - size // 2 - offset[1])
    r = np.hypot(x, y)
    circle = np.isfinite(image) & (r <= max(1.5 * fwhm, 2.5))
    p, d_in, v_in = psf[circle], d[circle], v[circle]
    flux = (p * d_in / v_in).sum() / (p * p / v_in).sum()
    core = r <= 1.5
    sums = [sum(d[i, j] * min(max(radius * fwhm + 0.5 - r[i, j], 0), 1)
                for i in axis for j in axis if radius * fwhm + 0.5 > r[i, j])
            for radius in (0.75, 1.5)]
    return {
        "background": background, "noise": noise, "masked_fraction": np.isnan(image).mean(),
        "psf_flux": flux, "psf_flux_err": (p * p / v_in).sum() ** -0.5,
        "psf_chi2": ((d_in - flux * p) ** 2 / v_in).sum() / (circle.sum() - 1),
        "sharpness": np.nanmax(d[core] * np.sign(flux)) / abs(flux) / psf[core].max(),
        "negative_fraction": (d_in * np.sign(flux) < 0).mean(),
        "aperture_flux": sums[1], "aperture_ratio": sums[0] / sums[1]}


@pytest.mark.parametrize("with_variance", [False, True])
def test_statistics_equal_a_loop_over_images(with_variance):
    rng, n = np.random.default_rng(5), 60
    fwhm, offset = rng.uniform(2, 5, n), rng.uniform(-0.5, 0.5, (n, 2))
    point_spread = PointSpread.moffat(fwhm, SIZE, offset)
    images = noisy(n, 2, 4.0) + point_spread.images * rng.normal(0, 400, n)[:, None, None]
    images[rng.random(images.shape) < 0.02] = np.nan
    images = images.astype(np.float32).astype(float)
    variance = rng.uniform(8, 30, images.shape) if with_variance else None
    found = cutout_statistics(images, point_spread, variance)
    compared = 0
    for i in range(n):
        slow = slow_statistics(images[i], point_spread.images[i].astype(float), offset[i],
                               point_spread.fwhm[i], variance[i] if with_variance else None)
        for name, value in slow.items():
            if np.isfinite(value):
                compared += 1
                assert found[name][i] == pytest.approx(value, rel=2e-3, abs=2e-3), name
            else:
                assert np.isnan(found[name][i]), name
    assert compared > 8 * n


def slow_light(image, fwhm, place):
    """Centre, width and ellipticity of one image by explicit sums."""
    sigma, (x0, y0) = fwhm / 2.3548200450309493, place
    xx, yy = np.meshgrid(GRID, GRID)
    for _ in range(30):
        weight = image * np.exp(-0.5 * ((xx - x0) ** 2 + (yy - y0) ** 2) / sigma**2)
        x0, y0 = (c + 2 * (weight * (axis - c)).sum() / weight.sum()
                  for c, axis in ((x0, xx), (y0, yy)))
    weight = image * np.exp(-0.5 * ((xx - x0) ** 2 + (yy - y0) ** 2) / sigma**2)
    away = np.stack([xx - x0, yy - y0])
    m = np.einsum("ayx,byx,yx->ab", away, away, weight) / weight.sum()
    c = np.linalg.inv(np.linalg.inv(m) - np.eye(2) / sigma**2)
    small, large = np.linalg.eigvalsh(c)
    return x0, y0, 2.3548200450309493 * (small * large) ** 0.25, (large - small) / (large + small)


@given(fwhm=WIDTHS, offset=OFFSETS, stretch=st.floats(1.0, 1.5), angle=st.floats(0, np.pi))
@settings(max_examples=100, deadline=None)
def test_moments_of_an_ellipse_are_its_own(fwhm, offset, stretch, angle):
    """Place, size and shape of any elliptical Gaussian, and those of explicit sums."""
    sigma = fwhm / 2.3548200450309493
    x, y = np.meshgrid(GRID - offset[0], GRID - offset[1])
    u, v = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    image = np.exp(-0.5 * ((u / sigma / stretch) ** 2 + (v * stretch / sigma) ** 2))
    place = centroids(image[None], [fwhm])
    width, ellipticity = moments(image[None], [fwhm], place)
    a2, b2 = stretch**2, stretch**-2
    assert place[0] == pytest.approx(offset, abs=0.05)
    if fwhm / stretch > 2.0:  # else pixels are too coarse to be a Gaussian's
        assert width[0] == pytest.approx(fwhm, rel=0.03)
        assert ellipticity[0] == pytest.approx((a2 - b2) / (a2 + b2), abs=0.05)
    slow = slow_light(image, fwhm, (0.0, 0.0))
    assert place[0] == pytest.approx(slow[:2], abs=0.01)
    assert (width[0], ellipticity[0]) == pytest.approx(slow[2:], abs=0.01)


def test_light_that_is_no_source_has_no_place_or_width():
    flat, empty = np.ones((SIZE, SIZE)), np.zeros((SIZE, SIZE))
    images, fwhm = np.stack([flat, empty, -gaussian(3.0)]), np.full(3, 2.5)
    assert np.isnan(centroids(images, fwhm)[1:]).all()
    assert np.isnan(moments(images, fwhm, np.zeros((3, 2)))).all()
    too_far = gaussian(4.0, (7.0, 7.0))[None]  # 4.2 pixels from where it is looked for
    assert np.isnan(centroids(too_far, [4.0], [(4.0, 4.0)])).all()
    assert centroids(too_far, [4.0], [(5.0, 5.0)])[0] == pytest.approx([7.0, 7.0], abs=0.05)


def test_artefacts_are_told_from_stars():
    """A dipole, a cosmic ray, a bad column and a galaxy, each beside a star of the same S/N."""
    fwhm, n = 2.5, 200
    dipole = 3 * (gaussian(fwhm, (1.4, 0)) - 0.8 * gaussian(fwhm, (-1.4, 0)))
    ray, column = np.zeros((2, SIZE, SIZE))
    ray[10, 10] = 0.3
    column[:, 10] = 0.1
    shapes = {"star": gaussian(fwhm), "dipole": dipole, "ray": ray, "column": column,
              "galaxy": 3 * gaussian(3 * fwhm)}
    found = {name: cutout_statistics(300 * shape + noisy(n, 3, 1.0),
                                     PointSpread.gaussian(np.full(n, fwhm), SIZE))
             for name, shape in shapes.items()}

    def median(name, what):
        return np.nanmedian(found[name][what])

    assert median("star", "psf_chi2") < 1.1 and median("star", "dipole_ratio") < 0.1
    for name in ("dipole", "ray", "column", "galaxy"):
        assert np.percentile(found[name]["psf_chi2"], 5) > np.percentile(
            found["star"]["psf_chi2"], 95), name
    assert median("dipole", "dipole_ratio") == pytest.approx(0.8, abs=0.05)
    assert median("dipole", "dipole_separation") == pytest.approx(4.0, abs=1.1)  # 2.8, and pushed
    assert median("dipole", "dipole_snr") > 20 > 5 > median("star", "dipole_snr")
    assert median("dipole", "negative_fraction") > 0.4 > 0.2 > median("star", "negative_fraction")
    assert median("ray", "sharpness") > 2 * median("star", "sharpness")
    assert median("ray", "aperture_ratio") > 0.95
    assert median("galaxy", "sharpness") < 0.9 and median("galaxy", "aperture_ratio") < 0.5
    assert median("column", "ellipticity") > 0.8 > 0.2 > median("star", "ellipticity")


@given(seed=st.integers(0, 50), factor=st.sampled_from([-1.0, 37.5, -0.02]))
@settings(max_examples=30, deadline=None)
def test_sign_and_unit_of_flux_change_no_shape(seed, factor):
    rng = np.random.default_rng(seed)
    fwhm = rng.uniform(2, 4, 20)
    point_spread = PointSpread.gaussian(fwhm, SIZE, rng.uniform(-0.5, 0.5, (20, 2)))
    images = noisy(20, seed) + 90 * point_spread.images
    variance = rng.uniform(0.8, 1.2, images.shape)
    one = cutout_statistics(images, point_spread, variance)
    other = cutout_statistics(factor * images, point_spread, factor**2 * variance)
    for name in one:
        scale = {"background": factor, "psf_flux": factor, "aperture_flux": factor,
                 "psf_snr": np.sign(factor), "noise": abs(factor), "psf_flux_err": abs(factor)}
        np.testing.assert_allclose(other[name], one[name] * scale.get(name, 1.0), rtol=2e-3,
                                   atol=1e-3 * abs(scale.get(name, 1.0)), err_msg=name)


def test_a_batch_may_be_split_in_any_way():
    images = noisy(40, 8)
    images[3], images[7, 8:12] = np.nan, np.nan
    fwhm = np.linspace(2, 5, 40)
    whole = cutout_statistics(images, PointSpread.gaussian(fwhm, SIZE))
    for rows in (np.arange(0, 40, 3), np.arange(39, -1, -1), np.array([3]), np.array([], int)):
        part = cutout_statistics(images[rows], PointSpread.gaussian(fwhm[rows], SIZE))
        for name in whole:
            np.testing.assert_allclose(part[name], whole[name][rows], rtol=1e-4, atol=1e-4)


def test_what_cannot_be_computed_is_nan():
    star = gaussian(2.5) * 100
    half = star.copy()
    half[:, 9:] = np.nan  # the source itself is masked
    images = np.stack([np.full((SIZE, SIZE), np.nan), np.full((SIZE, SIZE), 7.0), half, star])
    images[3] += noisy(1)[0] * 0.01
    fwhm = np.array([2.5, 2.5, 2.5, np.nan])
    found = cutout_statistics(images, PointSpread.gaussian(fwhm, SIZE))
    for name, values in found.items():
        if name not in ("background", "noise", "masked_fraction"):
            assert np.isnan(values[0]) and np.isnan(values[3]), name
    assert np.isnan(found["psf_snr"][1]) and found["noise"][1] == 0.0
    assert np.isnan(found["psf_flux"][2]) and np.isnan(found["aperture_flux"][2])
    assert found["masked_fraction"].tolist() == pytest.approx([1, 0, 12 / 21, 0])


ANY = st.floats(width=32, allow_nan=True, allow_infinity=True)


@given(images=arrays.arrays(np.float32, st.tuples(st.integers(0, 3), st.just(9), st.just(9)),
                            elements=ANY), data=st.data())
@settings(max_examples=150, deadline=None)
def test_no_pixels_at_all_raise(images, data):
    fwhm = data.draw(arrays.arrays(np.float32, len(images), elements=ANY))
    offset = data.draw(arrays.arrays(np.float32, (len(images), 2), elements=ANY))
    variance = data.draw(arrays.arrays(np.float32, images.shape, elements=ANY))
    with np.errstate(all="ignore"):
        found = cutout_statistics(images, PointSpread.moffat(fwhm, 9, offset), variance)
    assert all(values.shape == (len(images),) and not np.isinf(values).any()
               for values in found.values())


@pytest.mark.parametrize("shape", [(2, 21, 20), (2, 19, 19), (1, 21, 21)])
def test_images_and_psfs_of_different_shapes_are_refused(shape):
    with pytest.raises(ModuleError, match="of the same size"):
        cutout_statistics(np.zeros(shape), PointSpread.gaussian([2.0, 2.0], SIZE))
    with pytest.raises(ModuleError, match="7 pixels or more"):
        cutout_statistics(np.zeros((1, 5, 5)), PointSpread.gaussian([2.0], 5))


@given(fwhm=st.floats(2.0, 4.0), offset=OFFSETS, beta=st.floats(2.5, 5.0))
@settings(max_examples=60, deadline=None)
def test_drawn_psfs_have_their_width_and_flux(fwhm, offset, beta):
    size = 401
    for point_spread in (PointSpread.gaussian([fwhm], size, [offset]),
                         PointSpread.moffat([fwhm], size, [offset], beta)):
        assert point_spread.images.sum() == pytest.approx(1.0, abs=0.02)
    line = PointSpread.moffat([200.0], size, beta=beta).images[0, size // 2]
    assert (line >= line.max() / 2).sum() == pytest.approx(200, abs=2)
    assert PointSpread.gaussian([fwhm], SIZE, [offset]).fwhm[0] == pytest.approx(fwhm, rel=0.02)


@given(fwhm=st.floats(3.5, 6.0), offset=OFFSETS)
@settings(max_examples=60, deadline=None)
def test_a_shipped_psf_is_moved_to_the_source(fwhm, offset):
    blob = stamp(gaussian(fwhm), gaussian(fwhm, size=41), (10 + offset[0], 10 + offset[1]))
    cutouts = Cutouts.of([blob, None])
    point_spread = PointSpread.of(cutouts, 15)
    expected = gaussian(fwhm, cutouts.offset[0], 15)
    np.testing.assert_allclose(point_spread.images[0], expected, atol=0.02 * expected.max())
    assert np.isnan(point_spread.images[1]).all()
    other = PointSpread.moffat([1.0, 3.0], 15, [(0, 0), (0.1, 0.2)])
    both = point_spread.or_else(other)
    np.testing.assert_array_equal(both.images[0], point_spread.images[0])
    np.testing.assert_array_equal(both.images[1], other.images[1])
    np.testing.assert_array_equal(both.offset[1], other.offset[1])


def stamp(image, psf, place):
    """A FITS file in the layout of Rubin's."""
    def part(head, bits, pixels, *cards):
        shape = [f"NAXIS   ={2:21}", *(f"NAXIS{i + 1}  ={n:21}" for i, n in
                                       enumerate(pixels.shape[::-1]))]
        text = "".join(card.ljust(80) for card in (head, f"BITPIX  ={bits:21}", *shape, *cards,
                                                   "END"))
        data = pixels.astype({-32: ">f4", -64: ">f8"}[bits]).tobytes()
        return text.ljust(2880).encode() + data + bytes(-len(data) % 2880)

    world = [f"CRPIX{i + 1}  ={c + 1:21.12f}" for i, c in enumerate(place)]
    return (part("SIMPLE  =                    T", -32, image, *world)
            + part("XTENSION= 'IMAGE   '", -32, np.ones_like(image), "EXTNAME = 'UNCERT  '")
            + part("XTENSION= 'IMAGE   '", -64, psf, "EXTNAME = 'PSFIMAGE'"))


def test_the_examples_of_the_docstring_run():
    column = [stamp(500 * gaussian(3.0, (0.25, -0.25)), gaussian(3.0, size=41), (10.25, 9.75))]
    blocks = cutout_shapes.__doc__.split("::\n")[1:]
    names = {"Cutouts": Cutouts, "PointSpread": PointSpread, "centroids": centroids,
             "cutout_statistics": cutout_statistics, "column": column, "fwhm": np.array([3.0])}
    exec("\n".join(line.strip() for line in blocks[0].splitlines() if line[:4] == "    "), names)
    assert names["found"]["psf_flux"][0] == pytest.approx(500.0, rel=0.01)
    assert names["found"]["psf_chi2"][0] < 0.1
    exec("\n".join(line.strip() for line in blocks[1].splitlines() if line[:4] == "    "), names)
    assert names["offset"][0] == pytest.approx([0.25, -0.25], abs=0.01)


@pytest.fixture(scope="module")
def real_sources(fixtures):
    """Real Rubin alerts of 2026: difference stamps and the survey's own fits."""
    book = schemas.SchemaBook(ROOT / "schemas" / "lsst")
    packets = [wire.split(path.read_bytes(), "framed", book)
               for path in sorted(fixtures.glob("lsst/wire-reencoded/v10_0/*.msg"))]
    records = [wire.decode(packet.datum, packet.schema) for packet in packets]
    sources = [record["diaSource"] for record in records]
    survey = {name: np.array([source[name] for source in sources], dtype=float)
              for name in ("psfFlux", "psfFluxErr", "apFlux")}
    return Cutouts.of([record["cutoutDifference"] for record in records]), survey


def test_fluxes_of_real_alerts_are_the_surveys_own(real_sources):
    """Rubin's psfFlux and error, within 2 % in the median of 66 alerts, 33 of them of S/N > 10."""
    cutouts, survey = real_sources
    found = cutout_statistics(cutouts.centred(29), PointSpread.of(cutouts, 29),
                              cutouts.centred(29, "variance"))
    snr = survey["psfFlux"] / survey["psfFluxErr"]
    bright = np.abs(snr) > 10
    assert bright.sum() > 30
    ratio = (found["psf_flux"] / survey["psfFlux"])[bright]
    assert np.median(ratio) == pytest.approx(1.0, abs=0.02)
    assert np.percentile(ratio, [5, 95]) == pytest.approx([1.0, 1.0], abs=0.08)
    errors = found["psf_flux_err"] / survey["psfFluxErr"]
    assert np.median(errors) == pytest.approx(1.0, abs=0.02)
    pulls = (found["psf_flux"] - survey["psfFlux"]) / survey["psfFluxErr"]
    assert np.median(np.abs(pulls[~bright])) < 0.6
    assert np.nanmedian(np.hypot(found["centroid_x"], found["centroid_y"])[bright]) < 0.1
