"""Resampling: no flux lost or made, and the same as slow ways of doing it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from fink_like.errors import ModuleError
from fink_like.kit import resampled

SIZES = st.integers(3, 12)
STEPS = st.floats(0.3, 3.0)


def images(shape, seed):
    return np.random.default_rng(seed).uniform(-1, 3, (2, *shape)).astype(np.float32)


@given(shape=st.tuples(SIZES, SIZES), step=STEPS, seed=st.integers(0, 99),
       method=st.sampled_from(["area", "bilinear"]))
@settings(max_examples=100, deadline=None)
def test_flux_is_conserved(shape, step, seed, method):
    """Of sources away from the border, if the new window holds all of the old one."""
    padded = np.zeros((2, shape[0] + 8, shape[1] + 8), dtype=np.float32)
    padded[:, 4:-4, 4:-4] = images(shape, seed)
    size = int(max(padded.shape) / step) + 3
    found = np.nansum(resampled(padded, 1.0, step, size, "area"), axis=(1, 2))
    np.testing.assert_allclose(found, padded.sum(axis=(1, 2)), rtol=1e-4, atol=1e-3)
    smooth = np.ones((1, 20, 20))
    new = resampled(smooth, 1.0, step, 5, method)
    np.testing.assert_allclose(new[np.isfinite(new)], step**2, rtol=1e-5)


@given(shape=st.tuples(SIZES, SIZES), step=STEPS, size=st.integers(1, 9), seed=st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_shares_of_area_equal_a_loop(shape, step, size, seed):
    pixels = images(shape, seed)
    pixels[0, 0, 0] = np.nan
    found = resampled(pixels, 0.7, 0.7 * step, size)
    for j in range(size):
        for i in range(size):
            flux, area = np.zeros(2), np.zeros(2)
            for y in range(shape[0]):
                for x in range(shape[1]):
                    share = 1.0
                    for new, old, middle in ((j, y, shape[0] // 2), (i, x, shape[1] // 2)):
                        low = max((new - size // 2 - 0.5) * step, old - middle - 0.5)
                        high = min((new - size // 2 + 0.5) * step, old - middle + 0.5)
                        share *= max(high - low, 0.0)
                    good = np.isfinite(pixels[:, y, x])
                    flux[good] += share * pixels[good, y, x]
                    area[good] += share
            for image in range(2):
                covered = area[image] / step**2
                if covered > 0.501:
                    assert found[image, j, i] == pytest.approx(flux[image] / covered, abs=1e-3)
                elif covered < 0.499:
                    assert np.isnan(found[image, j, i])


def test_whole_pixels_are_added_up():
    pixels = images((15, 15), 1)
    found = resampled(pixels, 0.2, 0.6, 5)
    np.testing.assert_allclose(found, pixels.reshape(2, 5, 3, 5, 3).sum(axis=(2, 4)), rtol=1e-5)


@given(step=st.floats(0.2, 1.0), seed=st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_bilinear_equals_scipy(step, seed):
    pixels = images((11, 11), seed)
    found = resampled(pixels, 1.0, step, 7, "bilinear")
    at = 5 + (np.arange(7) - 3) * step
    for image, new in zip(pixels, found, strict=True):
        expected = map_coordinates(image.astype(float), np.meshgrid(at, at, indexing="ij"), order=1)
        np.testing.assert_allclose(new, expected * step**2, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", ["area", "bilinear"])
def test_the_same_scale_changes_nothing(method):
    pixels = images((7, 9), 3)
    pixels[1, 2, 2] = np.nan
    np.testing.assert_array_equal(resampled(pixels, 1.01, 1.01, 7, method), pixels[:, :, 1:8])


def test_each_row_has_its_own_scale():
    pixels = np.repeat(images((13, 13), 4)[:1], 4, axis=0)
    found = resampled(pixels, np.array([1.01, 0.2, np.nan, 1.01]), 0.5, 9)
    for row, scale in ((0, 1.01), (1, 0.2), (3, 1.01)):
        np.testing.assert_allclose(found[row], resampled(pixels[:1], scale, 0.5, 9)[0], rtol=1e-5)
    assert np.isnan(found[2]).all()
    assert resampled(pixels[:0], 1.0, 0.5, 9).shape == (0, 9, 9)


def test_outside_of_the_old_image_there_is_nothing():
    found = resampled(np.ones((1, 5, 5)), 1.0, 1.0, 9)
    assert np.isfinite(found[0]).sum() == 25 and np.isnan(found[0, 0]).all()


@pytest.mark.parametrize("arguments", [(0.0, 1.0, 5), (-1.0, 1.0, 5), (1.0, 0.0, 5),
                                       (1.0, 1.0, 5, "spline")])
def test_what_makes_no_sense_is_refused(arguments):
    with pytest.raises(ModuleError):
        resampled(np.ones((1, 5, 5)), *arguments)
