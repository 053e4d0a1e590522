"""Template grids against numpy's least squares, one light curve, template and epoch at a time."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fink_like.errors import ModuleError
from fink_like.kit import BANDS, LightCurve, Ragged
from fink_like.kit.columns import Batch
from fink_like.kit.handmade import alerts, light_curve
from fink_like.kit.template_grid import TemplateGrid, fit_templates, template_flux, trial_epochs

DAYS = np.arange(-10, 31, 2.0)
RNG = np.random.default_rng(17)
TABLES = np.concatenate([RNG.normal(size=(4, 2, len(DAYS))).cumsum(axis=2),
                         np.full((1, 2, len(DAYS)), 3.0)])  # the last is flat
GRID = TemplateGrid.of(DAYS, TABLES, "gr")
POINT = st.tuples(st.integers(0, 400), st.sampled_from("gri"), st.integers(-2000, 5000),
                  st.integers(5, 200), st.sampled_from(["detection", "forced", "limit"]),
                  st.booleans())
ALERTS = st.lists(st.lists(POINT, max_size=9), min_size=1, max_size=5)


def curves(points):
    """Drawn points as `LightCurve`, times in tenths of days after 61000."""
    rows = []
    for row in points:
        mjd, band, flux, error, kind, paired = map(list, zip(*sorted(row))) if row else [[]] * 6
        rows.append(light_curve([61000 + t / 10 for t in mjd], flux, error, band, kind, paired))
    return Batch(alerts(rows)).light_curve


def reference(lc, row, template, epoch, baseline):
    """Amplitude, its error, chi2 and constant chi2 by `numpy.linalg.lstsq`."""
    use = lc.is_usable.row(row) & np.isin(lc.band.row(row), [1, 2])
    t, band, y, e = (column.row(row)[use] for column in (lc.mjd, lc.band, lc.flux, lc.flux_err))
    shape = np.array([np.interp(at - epoch, DAYS, TABLES[template, b - 1])
                      for at, b in zip(t, band)])
    constants = [(band == b).astype(float) for b in np.unique(band)]
    design = np.array([shape, *(constants if baseline else [])]).T / e[:, None]
    found, _, rank, _ = np.linalg.lstsq(design, y / e, rcond=1e-9)
    chi2 = ((y / e - design @ found) ** 2).sum()
    flat = np.array(constants).T / e[:, None]
    constant = ((y / e - flat @ np.linalg.lstsq(flat, y / e, rcond=None)[0]) ** 2).sum()
    if rank < design.shape[1]:
        return np.nan, np.nan, chi2, constant
    return found[0], np.linalg.inv(design.T @ design)[0, 0] ** 0.5, chi2, constant


@given(ALERTS, st.booleans())
@settings(max_examples=60, deadline=None)
def test_every_fit_equals_least_squares(points, baseline):
    lc = curves(points)
    offsets = np.array([-12.0, -4.3, 0.0, 7.0])
    epochs = trial_epochs(np.arange(len(lc)) + 61015.0, offsets)
    fit = fit_templates(lc, GRID, epochs, baseline, positive=False, every=True)
    for i in range(len(lc)):
        n = (lc.is_usable.row(i) & np.isin(lc.band.row(i), [1, 2])).sum()
        assert fit.n_points[i] == n
        if n == 0:
            assert fit.template[i] == -1 and np.isnan(fit.every.row(i)).all()
            continue
        for trial, epoch in enumerate(epochs.row(i)):
            for k in range(len(TABLES)):
                amplitude, error, chi2, constant = reference(lc, i, k, epoch, baseline)
                np.testing.assert_allclose(fit.every.row(i)[trial, k], chi2, rtol=1e-7, atol=1e-3)
                if fit.template[i] == k and fit.epoch[i] == epoch:
                    np.testing.assert_allclose(fit.amplitude_err[i], error, rtol=1e-6)
                    np.testing.assert_allclose(fit.amplitude[i], amplitude, rtol=1e-6,
                                               atol=1e-9 * error)
                    np.testing.assert_allclose(fit.delta_chi2[i], constant - chi2, rtol=1e-7,
                                               atol=1e-3)
        if fit.template[i] >= 0:
            np.testing.assert_allclose(fit.chi2[i], fit.every.row(i).min(), rtol=1e-12, atol=1e-6)


@given(ALERTS)
@settings(max_examples=30, deadline=None)
def test_negative_amplitudes_do_not_count_unless_asked_for(points):
    lc = curves(points)
    epochs = trial_epochs(np.full(len(lc), 61010.0), [0.0, 5.0])
    fit = fit_templates(lc, GRID, epochs, every=True)
    assert not (fit.amplitude <= 0).any()
    np.testing.assert_array_equal(fit.template < 0, np.isnan(fit.amplitude))
    for i in np.flatnonzero(fit.template >= 0):
        assert fit.chi2[i] == fit.every.row(i).min()


def random_curves(n_rows=200, seed=3):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(12, n_rows)
    n = counts.sum()
    columns = (61000 + rng.uniform(0, 40, n), rng.integers(-1, 4, n).astype(np.int8),
               rng.normal(500, 400, n), rng.uniform(10, 90, n), np.zeros(n, np.int8), np.zeros(n))
    return LightCurve.of(*(Ragged.from_counts(column, counts) for column in columns))


@pytest.mark.parametrize("baseline", [False, True])
def test_neighbours_and_order_change_nothing(baseline):
    lc = random_curves()
    epochs = trial_epochs(lc.mjd.last(), np.arange(-20.0, 5.0))
    whole = fit_templates(lc, GRID, epochs, baseline)
    order = np.random.default_rng(0).permutation(len(lc))
    for rows in (order, order[:1], order[:0], np.arange(50, 120)):
        part = fit_templates(lc.take(rows), GRID, epochs.take(rows), baseline)
        for found, expected in zip(part[:-1], whole[:-1]):
            np.testing.assert_array_equal(found, expected[rows])


def test_a_known_template_epoch_and_amplitude_come_back_within_the_errors():
    rng = np.random.default_rng(5)
    days = np.arange(-40, 41.0)
    bells = np.exp(-0.5 * (days / np.array([3.0, 6, 12])[:, None]) ** 2)
    grid = TemplateGrid.of(days, np.stack([bells, 0.7 * bells], axis=1), "gr")
    n_rows, n, truth = 500, 20, rng.integers(0, 3, 500)
    t = np.sort(61000 + rng.integers(0, 30, (n_rows, n)), axis=1).astype(float)
    band = rng.integers(1, 3, (n_rows, n)).astype(np.int8)
    flux = 300 + 5000 * grid.flux[band, (t - 61015 + 40).astype(int), truth[:, None]]
    columns = (t, band, flux + rng.normal(0, 50, t.shape), np.full_like(t, 50.0),
               np.zeros_like(band), np.zeros_like(t))
    lc = LightCurve.of(*(Ragged.from_counts(column.ravel(), [n] * n_rows) for column in columns))
    epochs = trial_epochs(np.full(n_rows, 61015.0), np.arange(-10.0, 11.0))
    fit = fit_templates(lc, grid, epochs, baseline=True)
    right = (fit.template == truth) & (fit.epoch == 61015)
    assert right.mean() > 0.97
    pull = ((fit.amplitude - 5000) / fit.amplitude_err)[right]
    assert abs(pull.mean()) < 0.2 and 0.9 < pull.std() < 1.1  # 1 / sqrt(500) is 0.045
    reduced = fit.chi2[right] / (n - 3)
    assert abs(reduced.mean() - 1) < 0.08  # its own scatter is sqrt(2 / 17 / 500) = 0.015
    model = template_flux(grid, fit, lc.mjd, lc.band)
    np.testing.assert_allclose((lc.flux - model).mean()[right], 300, atol=200)


def test_template_flux_equals_interpolation_and_knows_its_bands():
    lc = random_curves(20)
    fit = fit_templates(lc, GRID, trial_epochs(lc.mjd.first(), [0.0]), positive=False)
    model = template_flux(GRID, fit, lc.mjd, lc.band)
    for i in range(len(lc)):
        for t, band, value in zip(lc.mjd.row(i), lc.band.row(i), model.row(i)):
            expected = (fit.amplitude[i] * np.interp(t - fit.epoch[i], DAYS,
                                                     TABLES[fit.template[i], band - 1])
                        if band in (1, 2) and fit.template[i] >= 0 else np.nan)
            np.testing.assert_allclose(value, expected, rtol=1e-9)


def test_rows_without_trials_or_with_unknown_ones_have_no_fit():
    lc = random_curves(3)
    fit = fit_templates(lc, GRID, trial_epochs([np.nan, 61000, 61000], [0.0, np.nan]), every=True)
    assert fit.every.counts.tolist() == [0, 2, 2]
    assert fit.template[0] == -1 and np.isnan(fit.epoch[0]) and np.isnan(fit.delta_chi2[0])
    assert np.isfinite(fit.every.row(1)[0]).all() and np.isnan(fit.every.row(1)[1]).all()


@pytest.mark.parametrize("days, flux, bands, message", [
    ([0, 1], [[[1, 2]]], "gr", "shape"), ([0], [[[1]]], "g", "two days"),
    ([0, 1, 5], [[[1, 2, 3]]], "g", "even steps"), ([1, 0], [[[1, 2]]], "g", "even steps"),
    ([0, 1], [[[1, np.nan]]], "g", "finite"), ([0, 1], [[[1, 2]]], "w", "bands")])
def test_a_wrong_grid_is_refused(days, flux, bands, message):
    with pytest.raises(ModuleError, match=message):
        TemplateGrid.of(days, flux, bands)


def test_epochs_of_other_rows_are_refused():
    with pytest.raises(ModuleError, match="1 rows of trial epochs for 3"):
        fit_templates(random_curves(3), GRID, trial_epochs([1.0], [0.0]))


def test_the_kernel_is_compiled_for_one_kind_of_array():
    from fink_like.kit.template_kernels import fit_rows

    lc = random_curves(4)
    epochs = trial_epochs(lc.mjd.last(), [0.0])
    fit_templates(lc, GRID, epochs)
    before = len(fit_rows.signatures)
    for column in (*lc.columns, epochs):
        column.values.setflags(write=False)
    whole_days = Ragged(epochs.values.astype(int), epochs.shape)
    fit_templates(lc, TemplateGrid(-10, 2, np.asfortranarray(GRID.flux)), whole_days, 1, 0)
    assert len(fit_rows.signatures) == before


READ_ONLY = """
import tempfile
def refuse(*args, **kwargs):
    raise OSError(30, "Read-only file system")
tempfile.TemporaryFile = refuse  # how numba finds out where it may write
from fink_like.kit.compiled import kernel
from fink_like.kit import template_kernels
print(kernel(lambda a: a + 1)(2), template_kernels.fit_rows.stats.cache_path)
"""


def test_kernels_exist_where_nothing_can_be_written(pytestconfig):
    done = subprocess.run([sys.executable, "-c", READ_ONLY], capture_output=True, text=True,
                          cwd=pytestconfig.rootpath, env={"PATH": "/usr/bin"}, timeout=120,
                          check=True)
    assert done.stdout.split() == ["3", "None"]


def test_the_peak_of_real_supernovae_is_found(fixtures):
    """A bell of our own making, not a supernova's: good to a few days is all it can be."""
    folder = fixtures / "lightcurves"
    if not folder.exists():
        pytest.skip(f"no real light curves in {folder}")
    points = pd.read_parquet(folder / "bts_snia.parquet")
    points = points[points.magerr > 0].sort_values(["object_id", "time"])
    labels = pd.read_csv(folder / "bts_snia_labels.csv").set_index("object_id")
    ids, counts = np.unique(points.object_id, return_counts=True)
    flux = 10 ** (-0.4 * (points.mag.to_numpy() - 31.4))
    codes = points.band.map({"g": BANDS.index("g"), "R": BANDS.index("r")}).to_numpy(np.int8)
    columns = (points.time.to_numpy(), codes, flux, np.hypot(flux * points.magerr / 1.0857,
                                                             0.03 * flux),
               np.zeros(len(points), np.int8), np.zeros(len(points)))
    lc = LightCurve.of(*(Ragged.from_counts(np.asarray(c), counts) for c in columns))
    days = np.arange(-30, 61.0)
    bell = np.array([np.where(days < 0, np.exp(-0.5 * (days / rise) ** 2),
                              np.exp(-0.5 * (days / fall) ** 2))
                     for rise in (8, 11) for fall in (10, 15, 20)])
    bands = np.array([[1, ratio] for ratio in (0.8, 1.0, 1.3)])
    grid = TemplateGrid.of(days, (bell[:, None, None] * bands[:, :, None]).reshape(
        -1, 2, len(days)), "gr")
    brightest = lc.mjd.where(lc.flux == lc.flux.max()).first()
    near = lc.select(np.abs(lc.mjd - brightest) < 30)
    fit = fit_templates(near, grid, trial_epochs(brightest, np.arange(-10, 11.0)))
    away = fit.epoch - labels.peak_mjd[ids].to_numpy()
    well_seen = (near.mjd.min() < fit.epoch - 5) & (near.mjd.max() > fit.epoch + 10)
    assert well_seen.sum() > 100
    assert np.median(np.abs(away[well_seen])) < 3
