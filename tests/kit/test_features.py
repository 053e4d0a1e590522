"""`features` against the same definitions written for one light curve at a time."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fink_like.kit.handmade import alerts, light_curve, score

FOLDER = Path(__file__).resolve().parents[2] / "science_modules" / "features"


def reference(t, m, e):
    """Malanchev et al. 2021, Appendix A, formula by formula; missing where undefined."""
    n = len(m)
    found = {"n": n}
    if n == 0:
        return found
    weight = 1 / e ** 2
    mean = (m * weight).sum() / weight.sum()
    found |= {"mean": mean, "amplitude": (m.max() - m.min()) / 2, "median": np.median(m),
              "mad": np.median(np.abs(m - np.median(m))), "duration": t.max() - t.min()}
    if n == 1:
        return found
    std = m.std(ddof=1)
    varies = len(set(m)) > 1
    found |= {"std": std, "chi2": (((m - mean) / e) ** 2).sum() / (n - 1),
              "beyond_1_std": np.mean(np.abs(m - m.mean()) > std)}
    if varies:
        found["eta"] = (np.diff(m) ** 2).sum() / ((n - 1) * std ** 2)
        if n > 2:
            found["skew"] = n / ((n - 1) * (n - 2)) * ((m - m.mean()) ** 3).sum() / std ** 3
    step = np.diff(t) > 0
    if step.any():
        found["slope"] = np.polyfit(t - t.mean(), m, 1, w=1 / e)[0]
        found["max_slope"] = np.abs(np.diff(m)[step] / np.diff(t)[step]).max()
    return found


POINTS = st.lists(st.tuples(st.integers(0, 3000), st.integers(-4000, 9000), st.integers(5, 400),
                            st.sampled_from("gr")), max_size=14)


@given(st.lists(POINTS, min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_equal_to_the_reference(drawn):
    rows = [sorted(row, key=lambda point: point[0]) for row in drawn]
    curves = [light_curve([60000 + p[0] / 64 for p in row], [p[1] for p in row],
                          [p[2] for p in row], [p[3] for p in row]) for row in rows]
    found = score(FOLDER, alerts(curves))
    for i, row in enumerate(rows):
        if len(row) < 2:
            assert found.status[i] == 2 and found.drop(columns=["status", "version"]).loc[i].isna(
            ).all()
            continue
        for band in "gri":
            t, m, e = (np.array([p[k] for p in row if p[3] == band], float) for k in range(3))
            expected = reference(t / 64, m, e)
            for name in ("n", "mean", "std", "amplitude", "median", "mad", "skew", "beyond_1_std",
                         "chi2", "eta", "slope", "max_slope", "duration"):
                value = found[f"{name}_{band}"][i]
                np.testing.assert_allclose(float("nan") if value is None else value,
                                           expected.get(name, np.nan), rtol=2e-5, atol=2e-4,
                                           err_msg=f"{name} {row}")


def test_equal_to_the_light_curve_package():
    oracle = pytest.importorskip("light_curve")
    rng = np.random.default_rng(11)
    names = {"mean": oracle.WeightedMean(), "std": oracle.StandardDeviation(),
             "amplitude": oracle.Amplitude(), "median": oracle.Median(),
             "mad": oracle.MedianAbsoluteDeviation(), "skew": oracle.Skew(),
             "beyond_1_std": oracle.BeyondNStd(1), "chi2": oracle.ReducedChi2(),
             "eta": oracle.Eta(), "max_slope": oracle.MaximumSlope(), "slope": oracle.LinearFit()}
    curves = [light_curve(60000 + np.sort(rng.uniform(0, 30, n)),
                          rng.normal(5000, 900, n).astype("f4"),
                          rng.uniform(100, 300, n).astype("f4")) for n in range(5, 60)]
    found = score(FOLDER, alerts(curves))
    for i, curve in enumerate(curves):
        t, m, e = (np.array(curve[k], dtype=float) for k in
                   ("midpointMjdTai", "psfFlux", "psfFluxErr"))
        for name, feature in names.items():
            np.testing.assert_allclose(found[f"{name}_r"][i], feature(t, m, e)[0], rtol=1e-6,
                                       err_msg=name)
