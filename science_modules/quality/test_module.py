"""`quality`: a hit, a miss, and packets that lack values."""

from pathlib import Path

import pytest

from fink_like.kit.handmade import alerts, score

CLEAN_ZTF = {"survey": "ztf", "ztf.rb": 0.8, "ztf.nbad": 0, "ztf.fwhm": 2.0, "ztf.elong": 1.1,
             "ztf.magdiff": -0.05}
LSST_FLAGS = ("pixelFlags_bad", "pixelFlags_crCenter", "pixelFlags_edge",
              "pixelFlags_interpolatedCenter", "pixelFlags_saturatedCenter",
              "pixelFlags_suspectCenter", "pixelFlags_nodataCenter", "pixelFlags_streakCenter",
              "psfFlux_flag", "centroid_flag", "shape_flag", "glint_trail", "isDipole")
CLEAN_LSST = {"survey": "lsst", "reliability": 0.9} | {f"lsst.{flag}": False
                                                       for flag in LSST_FLAGS}


def quality(**alert):
    return score(Path(__file__).parent, alerts(**{name: [value] for name, value in alert.items()})
                 ).iloc[0]


@pytest.mark.parametrize("alert", [CLEAN_ZTF, CLEAN_LSST])
def test_hit_a_clean_alert(alert):
    found = quality(**alert)
    assert found.is_clean and found.n_failed == 0 and found.n_unknown == 0
    assert found.failed is None
    assert not (found.bad_pixels or found.bad_shape or found.low_score or found.bad_subtraction)


@pytest.mark.parametrize("change, group, failed", [
    ({"ztf.rb": 0.64}, "low_score", "score"), ({"ztf.nbad": 1}, "bad_pixels", "nbad"),
    ({"ztf.fwhm": 5.1}, "bad_shape", "fwhm"), ({"ztf.elong": 1.21}, "bad_shape", "elong"),
    ({"ztf.magdiff": -0.11}, "bad_subtraction", "magdiff"),
    ({"ztf.drb": 0.4}, "low_score", "score"),
    ({"ztf.nbad": 2, "ztf.elong": 3.0}, "bad_pixels", "nbad,elong")])
def test_miss_each_ztf_cut(change, group, failed):
    found = quality(**CLEAN_ZTF | change)
    assert not found.is_clean and found[group] and found.failed == failed
    assert found.n_failed == failed.count(",") + 1


@pytest.mark.parametrize("change, group", [
    ({"reliability": 0.49}, "low_score"), ({"lsst.isDipole": True}, "bad_subtraction"),
    *(({f"lsst.{flag}": True}, "bad_pixels" if flag.startswith("pixel") else "bad_shape")
      for flag in LSST_FLAGS if flag != "isDipole")])
def test_miss_each_lsst_cut(change, group):
    found = quality(**CLEAN_LSST | change)
    assert not found.is_clean and found[group] and found.n_failed == 1


def test_a_value_on_the_threshold_passes_in_single_precision():
    import pyarrow as pa  # the surveys' own type: 0.65 as float32 is less than 0.65

    alert = {name: pa.array([value], pa.float32()) if isinstance(value, float) else [value]
             for name, value in (CLEAN_ZTF | {"ztf.rb": 0.65, "ztf.elong": 1.2,
                                              "ztf.magdiff": 0.1, "ztf.fwhm": 5.0}).items()}
    assert score(Path(__file__).parent, alerts(**alert)).is_clean[0]


def test_drb_stands_for_rb_unless_it_was_not_computed():
    assert quality(**CLEAN_ZTF | {"ztf.rb": 0.1, "ztf.drb": 0.9}).is_clean
    assert not quality(**CLEAN_ZTF | {"ztf.rb": 0.1, "ztf.drb": 0.0}).is_clean


def test_too_few_values_are_unknown_not_passed():
    found = quality(survey="ztf", **{"ztf.nbad": 0})
    assert found.is_clean and found.n_unknown == 4 and found.low_score is None
    found = quality(survey="ztf")
    assert found.is_clean is None and found.n_unknown == 5 and found.status == 0


def test_a_survey_without_cuts_is_not_applicable():
    found = quality(survey="another")
    assert found.status == 1 and found.is_clean is None
