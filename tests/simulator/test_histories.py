"""Objects seen again and again: their packets must tell one story."""

from collections import defaultdict

import numpy as np
import pytest


@pytest.fixture(scope="session")
def stories(nights):
    """Packets of each object that has several, in order of time."""
    found = defaultdict(list)
    for packet, row in nights:
        found[row["objectId"]].append((packet, row))
    return [story for story in found.values() if len(story) > 1 and
            story[0][1]["class"] != "asteroid"]


def test_many_objects_come_again(stories):
    assert len(stories) > 100
    assert max(len(story) for story in stories) >= 3


def test_a_history_grows_by_the_alerts_that_were_sent(stories, look):
    for story in stories:
        for (before, _), (after, row) in zip(story, story[1:], strict=False):
            earlier = {look.alert_id(one)
                       for one in [*look.history(before), look.source(before)]}
            later = {look.alert_id(one) for one in look.history(after)}
            if "candidate" not in after:
                assert earlier <= later
                assert after["diaObject"]["nDiaSources"] == len(later) + 1 == row["n_det"]
            assert look.alert_id(look.source(before)) in later


def test_a_history_row_repeats_the_alert_it_was(stories, look):
    compared = 0
    for story in stories:
        sent = {look.alert_id(look.source(packet)): look.source(packet) for packet, _ in story}
        for packet, _ in story:
            for row in look.history(packet):
                if look.alert_id(row) in sent:
                    alert = sent[look.alert_id(row)]
                    shared = {key: value for key, value in row.items()
                              if value is not None and key in alert
                              and key != "pdiffimfilename"}
                    assert len(shared) > 40
                    for key, value in shared.items():
                        assert value == alert[key] or value != value, key
                    compared += 1
    assert compared > 100


def test_times_in_a_history_ascend_and_are_past(model, nights, look):
    days = model.recipe["history"]["days"]
    for packet, _ in nights:
        now = look.source(packet).get("jd", look.source(packet).get("midpointMjdTai"))
        for name in ("prv_candidates", "prvDiaSources", "fp_hists", "prvDiaForcedSources"):
            times = np.array([row.get("jd", row.get("midpointMjdTai"))
                              for row in packet.get(name) or []])
            assert np.all(np.diff(times) > 0)
            late = times > now if name == "prvDiaForcedSources" else times >= now
            assert not late.any() and np.all(now - times <= days)


def test_forced_rows_belong_to_the_detections(nights, look):
    """Same exposure, same flux within the error; none before the first detection in frames."""
    pulls = []
    for packet, row in nights:
        if "fp_hists" in packet:
            detected = {(one["jd"], one["fid"]): one for one in look.history(packet)}
            for forced in packet["fp_hists"]:
                match = detected.get((forced["jd"], forced["fid"]))
                if match and forced["procstatus"] == "0":
                    scale = 10 ** (0.4 * (31.4 - forced["magzpsci"]))
                    sign = 1 if match["isdiffpos"] == "t" else -1
                    flux = sign * 10 ** (0.4 * (31.4 - match["magpsf"]))
                    pulls.append((forced["forcediffimflux"] * scale - flux)
                                 / (forced["forcediffimfluxunc"] * scale))
        elif packet["prvDiaForcedSources"]:
            assert row["n_det"] > 1
            detected = {one["visit"]: one for one in look.history(packet)}
            times = [one["midpointMjdTai"] for one in packet["prvDiaForcedSources"]]
            assert min(times) == packet["diaObject"]["firstDiaSourceMjdTai"]
            for forced in packet["prvDiaForcedSources"]:
                if match := detected.get(forced["visit"]):
                    pulls.append((forced["psfFlux"] - match["psfFlux"]) / match["psfFluxErr"])
    assert len(pulls) > 500
    assert np.max(np.abs(pulls)) < 0.5


def test_limits_are_limits(model, nights):
    """Where a history shows a limit, nothing above 5 sigma was there: forced flux proves it."""
    checked = 0
    for packet, _ in nights:
        forced = {one["jd"]: one for one in packet.get("fp_hists") or []}
        for row in packet.get("prv_candidates") or []:
            if row["candid"] is None:
                assert row["magpsf"] is None and row["ra"] is None and row["diffmaglim"] > 15.0
                match = forced.get(row["jd"])
                if match and match["procstatus"] == "0":
                    assert abs(match["forcediffimflux"]) < 5.0 * match["forcediffimfluxunc"]
                    checked += 1
    assert checked > 500 or "limits" not in model.recipe["history"]


def test_alerts_before_are_nearly_as_deep_as_their_limit(nights, look):
    for packet, row in nights:
        found = look.source(packet)
        if "diffmaglim" in found and row["class"] in ("SN Ia", "asteroid"):
            assert found["magpsf"] < found["diffmaglim"] + 0.15
