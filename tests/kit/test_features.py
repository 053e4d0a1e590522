"""Features against the same definitions in numpy, and against the package `light-curve`."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from fink_like.kit import BANDS, LightCurve, Ragged
from fink_like.kit.columns import Batch
from fink_like.kit.features import FEATURES, describe
from fink_like.kit.handmade import alerts, light_curve, score

FOLDER = Path(__file__).resolve().parents[2] / "science_modules" / "features"
NAMES = [feature.name for feature in FEATURES]


def light_curves(rows):
    """`LightCurve` of rows of (times, fluxes, errors)."""
    mjd, flux, error = (Ragged.from_lists([row[k] for row in rows]) for k in range(3))
    return LightCurve(mjd, mjd, flux, error, mjd, mjd)


def reference(t, m, e):
    """Malanchev et al. 2021, Appendix A, formula by formula; what is left out has no value."""
    n = len(m)
    found = {"n": n}
    if n:
        found |= of_order(m) | {
            "duration": t[-1] - t[0], "time_to_max": t[np.argmax(m)] - t[0],
            "mean": np.average(m, weights=e ** -2.0), "positive_fraction": np.mean(m > 0)}
    if n > 1:
        found |= of_scatter(m, e, found["mean"]) | of_steps(t, m) | of_line(t, m, e)
    if n > 1 and len(set(m)) > 1:
        found |= of_shape(m, e, found["mean"]) | of_split(m)
        step = np.diff(t) > 0
        if step.any():
            slopes = np.diff(m)[step] / np.diff(t)[step]
            found["eta_e"] = (np.sum(slopes ** 2) * (t[-1] - t[0]) ** 2
                              / (step.sum() ** 3 * m.var(ddof=1)))
    return found


def quantile_range(m, q):
    return np.quantile(m, 1 - q, method="hazen") - np.quantile(m, q, method="hazen")


def of_order(m):
    off = np.abs(m - np.median(m))
    half = np.ptp(m) / 2
    return {"max": m.max(), "amplitude": half, "median": np.median(m), "mad": np.median(off),
            "percent_amplitude": off.max(), "median_buffer_range_10": np.mean(off <= 0.1 * half),
            "inter_percentile_range_10": quantile_range(m, 0.1),
            "inter_percentile_range_25": quantile_range(m, 0.25)}


def of_scatter(m, e, mean):
    std, plain = m.std(ddof=1), m.mean()
    found = {"std": std, "chi2": np.sum(((m - mean) / e) ** 2) / (len(m) - 1),
             "beyond_1_std": np.mean(np.abs(m - plain) > std),
             "roms": np.sum(np.abs(m - np.median(m)) / e) / (len(m) - 1)}
    if plain != 0:
        found |= {"mean_variance": std / plain,
                  "excess_variance": (std ** 2 - np.mean(e ** 2)) / plain ** 2}
    return found


def of_shape(m, e, mean):
    n, off, residual = len(m), m - m.mean(), (m - mean) / e
    std = m.std(ddof=1)
    walk = np.cumsum(off) / (n * std)
    found = {"eta": np.sum(np.diff(m) ** 2) / ((n - 1) * std ** 2), "cusum": np.ptp(walk),
             "stetson_k": np.abs(residual).sum() / np.sqrt(n * np.sum(residual ** 2)),
             "percentage_ratio_40_5": quantile_range(m, 0.4) / quantile_range(m, 0.05)}
    if quantile_range(m, 0.1) > 0:
        found["percentage_ratio_20_10"] = quantile_range(m, 0.2) / quantile_range(m, 0.1)
    if n > 2:
        found["skew"] = n / ((n - 1) * (n - 2)) * np.sum(off ** 3) / std ** 3
    if n > 3:
        found["kurtosis"] = (n * (n + 1) / ((n - 1) * (n - 2) * (n - 3)) * np.sum(off ** 4)
                             / std ** 4 - 3 * (n - 1) ** 2 / ((n - 2) * (n - 3)))
        place, z = 2 * np.arange(n) + 1, np.sort(off) / std
        total = np.sum(place * norm.logcdf(z) + (2 * n - place) * norm.logsf(z))
        found["anderson_darling_normal"] = (1 + 4 / n - 25 / n ** 2) * (-n - total / n)
    return found


def of_split(m):
    """Otsu 1979, by trying every split; of equal ones, the lowest."""
    m = np.sort(m)
    between = [k * (len(m) - k) * (m[k:].mean() - m[:k].mean()) ** 2 for k in range(1, len(m))]
    cut = 1 + int(np.argmax(between > np.max(between) * (1 - 1e-9)))
    low, high = m[:cut], m[cut:]
    return {"otsu_mean_diff": high.mean() - low.mean(), "otsu_lower_to_all_ratio": cut / len(m),
            "otsu_std_lower": low.std(ddof=1) if cut > 1 else 0,
            "otsu_std_upper": high.std(ddof=1) if cut < len(m) - 1 else 0}


def of_steps(t, m):
    step = np.diff(t) > 0
    return {"max_slope": np.abs(np.diff(m)[step] / np.diff(t)[step]).max()} if step.any() else {}


def of_line(t, m, e):
    if t[0] == t[-1]:
        return {}
    found, n = {}, len(t)
    for name, error in {"slope": e, "trend": np.ones(n)}.items():
        design = np.stack([t - t.mean(), np.ones(n)], axis=1) / error[:, None]
        (slope, level), *_ = np.linalg.lstsq(design, m / error, rcond=None)
        squares = np.sum((m / error - design @ [slope, level]) ** 2)
        formal = np.sqrt(np.linalg.inv(design.T @ design)[0, 0])
        if name == "slope":
            found |= {"slope": slope, "slope_err": formal}
            found |= {"slope_chi2": squares / (n - 2)} if n > 2 else {}
        elif n > 2:
            noise = np.sqrt(squares / (n - 2))
            found |= {"trend": slope, "trend_err": formal * noise, "trend_noise": noise}
    return found


POINTS = st.lists(st.tuples(st.integers(0, 3000), st.integers(-4000, 9000), st.integers(5, 400)),
                  max_size=14)


@given(st.lists(POINTS, min_size=1, max_size=8))
@settings(max_examples=150, deadline=None)
def test_equal_to_the_reference(drawn):
    rows = [np.array(sorted(row, key=lambda p: p[0]), dtype=float).reshape(-1, 3).T
            for row in drawn]
    rows = [(60000 + row[0] / 64, *row[1:]) for row in rows]
    found = describe(light_curves(rows))
    assert list(found) == NAMES
    for i, (t, m, e) in enumerate(rows):
        expected = reference(t, m, e)
        for name in NAMES:
            np.testing.assert_allclose(found[name][i], expected.get(name, np.nan), rtol=1e-7,
                                       atol=1e-7, err_msg=f"{name} {drawn[i]}")


def test_no_value_below_the_least_number_of_points_and_one_from_there():
    rng = np.random.default_rng(5)
    rows = [(60000.0 + np.arange(n), rng.normal(300, 90, n), np.full(n, 40.0)) for n in range(6)]
    found = describe(light_curves(rows))
    for feature in FEATURES:
        has_value = np.isfinite(found[feature.name])
        assert has_value.tolist() == [n >= feature.least for n in range(6)], feature.name


def test_a_constant_flux_has_no_scatter_and_what_divides_by_it_is_null():
    for flux in (700.1, -0.3, 0.0, 1e6 / 3):
        found = describe(light_curves([(np.arange(9) / 7, [flux] * 9, [3.0] * 9)]))
        null = {name for name in NAMES if np.isnan(found[name][0])}
        by_mean = {"mean_variance", "excess_variance"} if flux == 0 else set()
        assert null == by_mean | {
            "skew", "kurtosis", "percentage_ratio_40_5", "percentage_ratio_20_10",
            "anderson_darling_normal", "otsu_mean_diff", "otsu_std_lower", "otsu_std_upper",
            "otsu_lower_to_all_ratio", "stetson_k", "eta", "cusum", "eta_e"}
        for name in ("std", "amplitude", "mad", "chi2", "slope", "trend", "trend_noise", "roms"):
            assert found[name][0] == 0, name


def test_points_of_one_moment_have_no_slope():
    found = describe(light_curves([([5.0] * 4, [1.0, 2, 4, 3], [1.0] * 4)]))
    null = {name for name in NAMES if np.isnan(found[name][0])}
    assert null == {"slope", "slope_err", "slope_chi2", "trend", "trend_err", "trend_noise",
                    "max_slope", "eta_e"}


def test_the_same_row_has_the_same_bits_in_any_batch():
    rng = np.random.default_rng(9)
    rows = [(60000 + np.sort(rng.uniform(0, 30, n)), rng.normal(500, 400, n), rng.uniform(5, 90, n))
            for n in rng.integers(0, 90, 120)]
    whole = describe(light_curves(rows))
    order = rng.permutation(len(rows))
    shuffled = describe(light_curves([rows[i] for i in order]))
    alone = [describe(light_curves([row])) for row in rows]
    for name in NAMES:
        assert shuffled[name].tobytes() == whole[name][order].tobytes(), name
        assert np.concatenate([one[name] for one in alone]).tobytes() == whole[name].tobytes(), name


def test_arrays_that_may_not_be_written_and_floats_of_32_bits_will_do():
    rows = [(np.arange(8.0), np.arange(8.0) ** 2, np.ones(8))]
    lc = light_curves(rows)
    for values in (lc.mjd.values, lc.flux.values, lc.flux.shape.offsets):
        values.setflags(write=False)
    narrow = LightCurve(*(column.with_values(column.values.astype("f4")) for column in lc.columns))
    for name, values in describe(lc).items():
        np.testing.assert_array_equal(values, describe(narrow)[name])


def test_the_module_has_a_column_for_each_feature_and_band():
    rng = np.random.default_rng(2)
    curves = [light_curve(60000 + np.sort(rng.uniform(0, 30, n)), rng.normal(800, 300, n),
                          rng.uniform(20, 90, n), rng.choice(BANDS[:4], n)) for n in (2, 40, 9, 75)]
    found = score(FOLDER, alerts(curves))
    expected = describe(Batch(alerts(curves)).light_curve.by_band().usable())
    assert len(found.columns) == len(BANDS) * len(FEATURES) + 2
    for name, values in expected.items():
        for band, of_band in zip(BANDS, values.reshape(len(BANDS), -1)):
            column = pa.array(found[f"{name}_{band}"], from_pandas=True).to_numpy(
                zero_copy_only=False).astype(float)
            np.testing.assert_array_equal(column, of_band.astype("f4"), err_msg=name)


def test_the_readme_says_what_each_feature_is():
    text = (FOLDER / "README.md").read_text()
    for feature in FEATURES:
        row = f"| `{feature.name}` | {feature.unit} | {feature.least} | {feature.counterpart} |"
        assert f"{row} {feature.doc} |" in text, row


def real_light_curves(path):
    """Those of a file of magnitudes, as the kit would cut them: `LightCurve` by band."""
    table = pd.read_parquet(path)
    table = table[table.mag < 90].sort_values(["object_id", "time"])  # 99: none was measured
    table["flux"] = 10 ** (0.4 * (31.4 - table.mag))
    table["error"] = table.flux * table.magerr / 1.0857
    table["band"] = table.band.str.lower()
    rows = [light_curve(*(group[name].tolist() for name in ("time", "flux", "error", "band")))
            for _, group in table.groupby("object_id")]
    return Batch(alerts(rows)).light_curve.by_band().usable()


def test_real_supernovae_are_smooth_and_real_rr_lyrae_are_not(fixtures):
    supernovae = real_light_curves(fixtures / "lightcurves" / "bts_snia.parquet")
    pulsating = real_light_curves(fixtures / "lightcurves" / "s82_rrlyrae.parquet")
    for light_curves in (supernovae, pulsating):
        found = describe(light_curves)
        for feature in FEATURES:
            enough = light_curves.counts >= max(feature.least, 1)
            assert np.isfinite(found[feature.name][enough]).all(), feature.name
    of_supernovae, of_pulsating = (
        {name: np.median(values[light_curves.counts >= 8])
         for name, values in describe(light_curves).items()}
        for light_curves in (supernovae, pulsating))
    assert of_supernovae["eta"] < 0.7 and 1.8 < of_pulsating["eta"] < 2.2
    assert of_supernovae["cusum"] > 2 * of_pulsating["cusum"]
    assert of_supernovae["excess_variance"] > 4 * of_pulsating["excess_variance"]


def oracles(package):
    """Each feature of the package as we call it, and where it stands in the package's answer."""
    found = {feature.name: (feature.counterpart, 0) for feature in FEATURES if feature.counterpart}
    for names in (("otsu_mean_diff", "otsu_std_lower", "otsu_std_upper", "otsu_lower_to_all_ratio"),
                  ("slope", "slope_err", "slope_chi2"), ("trend", "trend_err", "trend_noise")):
        found |= {name: (found[name][0], place) for place, name in enumerate(names)}
    for name, (counterpart, place) in found.items():
        kind, _, arguments = counterpart.rstrip(")").partition("(")
        given = [float(each) for each in arguments.split(",") if each]
        yield name, getattr(package, kind)(*given), place


def test_equal_to_the_light_curve_package():
    package = pytest.importorskip("light_curve", reason="the package light-curve (GPL, an oracle "
                                  "for tests only) is not installed: pip install -e '.[oracles]'")
    rng = np.random.default_rng(11)
    rows = [(60000 + np.sort(rng.uniform(0, 30, n)), rng.normal(5000, 900, n),
             rng.uniform(100, 300, n)) for n in [*range(4, 100), 300, 1000]]
    found = describe(light_curves(rows))
    compared = 0
    for name, oracle, place in oracles(package):
        for i, row in enumerate(rows):
            # It works out the places of quantiles in 32 bits: 2e-6 in a ratio, at worst seen.
            np.testing.assert_allclose(found[name][i], oracle(*row)[place], rtol=1e-6,
                                       err_msg=f"{name}, {len(row[0])} points")
        compared += 1
    assert compared == len(FEATURES) - 3  # positive_fraction, max, time_to_max have none
