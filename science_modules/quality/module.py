"""Artefact cuts of each survey as neutral columns."""

from pathlib import Path

import numpy as np
import yaml

from fink_like.kit import Field, science_module

CUTS = yaml.safe_load((Path(__file__).parent / "cuts.yaml").read_text())
GROUPS = ("bad_pixels", "bad_shape", "low_score", "bad_subtraction")


def _columns(cut):
    return (cut["column"], *(_columns(cut["or_else"]) if "or_else" in cut else ()))


COLUMNS = tuple(dict.fromkeys(column for cuts in CUTS.values() for cut in cuts
                              for column in _columns(cut)))


@science_module(
    version="1.0",
    inputs=("survey", *COLUMNS),
    outputs=(
        Field("is_clean", "boolean", "", "meta.code.qual",
              "True: no cut failed. Null: not one cut could be judged."),
        Field("n_failed", "int", "", "meta.number", "Cuts failed."),
        Field("n_unknown", "int", "", "meta.number",
              "Cuts that could not be judged, because the packet lacks the value."),
        Field("bad_pixels", "boolean", "", "meta.code.qual",
              "Bad, saturated, edge, cosmic-ray or other flagged pixels at the source."),
        Field("bad_shape", "boolean", "", "meta.code.qual",
              "Not shaped like a point source, or its fit failed."),
        Field("low_score", "boolean", "", "meta.code.qual",
              "The survey's real/bogus score is below the cut."),
        Field("bad_subtraction", "boolean", "", "meta.code.qual",
              "Looks like a residual of the subtraction: a dipole, or aperture and PSF disagree."),
        Field("failed", "string", "", "meta.code.qual",
              "Names of the cuts that failed, with commas; null: none failed."),
    ),
    surveys=tuple(CUTS),
    budget=40.0)
def quality(survey, *values):
    """Judge each alert by the artefact cuts of its survey.

    Method
        The cuts are data, `cuts.yaml`. A cut on a missing value neither passes nor fails, it
        counts in `n_unknown`. A group is True if one of its cuts failed, False if none failed and
        one was judged, null if none was judged.
    Reference
        See `cuts.yaml`: the ZTF alert documentation, Duev et al. 2019 (arXiv:1907.11259), Rubin
        DMTN-337 and the DiaSource schema.
    Limits
        The cuts favour purity: elongation and magdiff refuse real sources on bright hosts and
        moving objects that trail. Nothing is dropped; filters choose.
    """
    values = dict(zip(COLUMNS, values))
    failed = {group: np.zeros(len(survey), dtype=int) for group in GROUPS}
    judged = {group: np.zeros(len(survey), dtype=int) for group in GROUPS}
    n_unknown, which = np.zeros(len(survey), dtype=int), np.zeros(len(survey), dtype=int)
    for name, cuts in CUTS.items():
        here = survey == name
        for place, cut in enumerate(cuts):
            verdict = _verdict(cut, values)
            fails = here & (verdict == 1)
            failed[cut["group"]] += fails
            judged[cut["group"]] += here & np.isfinite(verdict)
            n_unknown += here & np.isnan(verdict)
            which |= fails.astype(int) << place
    n_failed, n_judged = sum(failed.values()), sum(judged.values())
    groups = {group: np.where(judged[group] > 0, failed[group] > 0, np.nan) for group in GROUPS}
    return {"is_clean": np.where(n_judged > 0, n_failed == 0, np.nan), "n_failed": n_failed,
            "n_unknown": n_unknown, **groups,
            "failed": _failed_names(survey, which)}


def _failed_names(survey, which):
    """Text of the cuts set in the bits `which`, made once for each combination that occurs."""
    text = np.full(len(survey), None, dtype=object)
    for name, cuts in CUTS.items():
        here = (survey == name) & (which > 0)
        for bits in np.unique(which[here]):
            failed = (cut["name"] for place, cut in enumerate(cuts) if bits >> place & 1)
            text[here & (which == bits)] = ",".join(failed)
    return text


def _verdict(cut, values):
    """1 where the cut fails, 0 where it passes, NaN where it cannot be judged."""
    value = values[cut["column"]]
    known = np.isfinite(value) & (value != cut.get("unset"))
    fails = np.zeros(len(value), dtype=bool)
    # Surveys give single precision, where 0.65 is less than 0.65: compare as they would.
    single = value.astype(np.float32)
    if "min" in cut:
        fails |= single < np.float32(cut["min"])
    if "max" in cut:
        fails |= single > np.float32(cut["max"])
    if "max_abs" in cut:
        fails |= np.abs(single) > np.float32(cut["max_abs"])
    if "flag" in cut:
        fails |= value == 1
    otherwise = _verdict(cut["or_else"], values) if "or_else" in cut else np.nan
    return np.where(known, fails, otherwise)
