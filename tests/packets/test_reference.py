"""The neutral alert in plain Python: what becomes a point of the light curve, and what does not."""

import copy

import pytest

from fink_like.packets import reference, wire
from fink_like.vocabulary import DETECTION, FORCED, LIMIT

JD = 2459000.5  # MJD 59000.0 UTC
MIDDLE = 59000 + (15 + 37) / 86400  # of 30 s, in TAI
NJY_AT_20 = 36307.805477010166


def ztf(**more):
    """A packet of the shape that the survey's YAML reads."""
    candidate = {"jd": JD, "fid": 2, "pid": 500, "ra": 10.0, "dec": -5.0, "magpsf": 20.0,
                 "sigmapsf": 0.1, "isdiffpos": "t", "exptime": 30.0, "diffmaglim": 21.0}
    return {"objectId": "ZTF18aaaaaab", "candid": 7, "candidate": candidate, **more}


def previous(jd, **more):
    return {"jd": jd, "fid": 2, "pid": int((jd or 0) * 10), "exptime": 30.0, "magpsf": None,
            "sigmapsf": None, "isdiffpos": None, "candid": None, "diffmaglim": 20.0, **more}


def forced(jd, **more):
    return {"jd": jd, "fid": 2, "pid": int(jd * 10), "exptime": 30.0, "procstatus": "0",
            "forcediffimflux": 100.0, "forcediffimfluxunc": 10.0, "magzpsci": 26.4, **more}


def lsst(**more):
    source = {"diaSourceId": 7, "diaObjectId": 8, "ssObjectId": None, "midpointMjdTai": 60000.0,
              "ra": 10.0, "dec": -5.0, "band": "r", "psfFlux": 5.0, "psfFluxErr": 1.0, "snr": 5.0,
              "visit": 500}
    return {"diaSource": source, **more}


def points(survey, packet):
    return reference.light_curve(survey, packet)


def test_a_first_alert_is_its_own_light_curve(surveys):
    for name, packet in (("ztf", ztf()), ("lsst", lsst()), ("ztf", ztf(prv_candidates=None)),
                         ("lsst", lsst(prvDiaSources=[]))):
        (point,) = points(surveys[name], packet)
        assert (point["kind"], point["band"], point["visit"]) == (DETECTION, "r", 500)
        assert not point["paired"]


def test_times_are_middles_in_tai(surveys):
    (point,) = points(surveys["ztf"], ztf())
    assert point["midpointMjdTai"] == pytest.approx(MIDDLE, abs=1e-9)
    packet = ztf()
    packet["candidate"]["exptime"] = None
    row = reference.alert(surveys["ztf"], packet)
    assert row["midpointMjdTai"] == pytest.approx(MIDDLE, abs=1e-9) and row["exposure_assumed"]


def test_the_alert_itself_in_its_history_counts_once(surveys):
    """Schema 2.0 repeats the alert among its previous candidates."""
    own = previous(JD, candid=7, magpsf=20.0, sigmapsf=0.1, isdiffpos="t")
    other = previous(JD - 3, candid=6, magpsf=20.0, sigmapsf=0.1, isdiffpos="f")
    found = points(surveys["ztf"], ztf(prv_candidates=[own, other]))
    assert [p["psfFlux"] for p in found] == pytest.approx([-NJY_AT_20, NJY_AT_20])
    again = {"diaSourceId": 7, "midpointMjdTai": 60000.0, "band": "r", "psfFlux": 5.0,
             "psfFluxErr": 1.0, "visit": 500}
    before = {**again, "diaSourceId": 6, "midpointMjdTai": 59990.0, "visit": 400}
    found = points(surveys["lsst"], lsst(prvDiaSources=[again, before]))
    assert [p["visit"] for p in found] == [400, 500]


def test_no_real_alert_stands_twice_in_its_light_curve(real_messages, surveys, books):
    for message in real_messages:
        survey = surveys[message.survey]
        packet = wire.split(message.value, survey.wire, books[message.survey])
        row = reference.alert(survey, wire.decode(packet.datum, packet.schema))
        own = [p for p in points(survey, wire.decode(packet.datum, packet.schema))
               if p["kind"] == DETECTION and p["visit"] == row["visit"]]
        assert len(own) == 1, message.file


def test_a_limit_has_an_error_and_no_flux(surveys):
    """5 sigma at magnitude 20: one fifth of its flux is 1 sigma."""
    limit, _ = points(surveys["ztf"], ztf(prv_candidates=[previous(JD - 2)]))
    assert (limit["kind"], limit["psfFlux"], limit["band"]) == (LIMIT, None, "r")
    assert limit["psfFluxErr"] == pytest.approx(NJY_AT_20 / 5)
    noise = {"midpointMjdTai": 59990.0, "band": "g", "diaNoise": 30.0, "ccdVisitId": 3}
    limit, _ = points(surveys["lsst"], lsst(prvDiaNondetectionLimits=[noise]))
    assert (limit["kind"], limit["psfFlux"], limit["psfFluxErr"]) == (LIMIT, None, 30.0)


def test_a_row_that_says_nothing_is_left_out(surveys):
    rows = [previous(JD - 2, diffmaglim=None), previous(JD - 3, diffmaglim=-999.0)]
    histories = [forced(JD - 4, forcediffimflux=-99999.0), forced(JD - 5, magzpsci=None),
                 forced(JD - 6, procstatus="55"), forced(JD - 7, procstatus="61"),
                 forced(JD - 8, procstatus=None)]
    assert len(points(surveys["ztf"], ztf(prv_candidates=rows, fp_hists=histories))) == 1


def test_forced_counts_become_nanojansky(surveys):
    """100 DN at zero point 26.4: 10,000 nJy; its error 10 DN: 1,000."""
    found, _ = points(surveys["ztf"], ztf(fp_hists=[forced(JD - 2)]))
    assert (found["kind"], found["paired"]) == (FORCED, False)
    assert (found["psfFlux"], found["psfFluxErr"]) == pytest.approx((10000.0, 1000.0))
    for status in ("56", "57", "62", "63", "65"):  # warnings that come with a flux
        assert len(points(surveys["ztf"], ztf(fp_hists=[forced(JD - 2, procstatus=status)]))) == 2


def test_forced_photometry_in_the_history_of_schema_3_5(surveys):
    row = {**previous(JD - 2), **forced(JD - 2)}
    found, _ = points(surveys["ztf"], ztf(prv_candidates=[row]))
    assert found["kind"] == FORCED  # and not a limit, although it has a diffmaglim


def test_forced_points_are_paired_by_exposure_and_band(surveys):
    detected = {"diaSourceId": 6, "midpointMjdTai": 59990.0, "band": "r", "psfFlux": 4.0,
                "psfFluxErr": 1.0, "visit": 400}
    rows = [{**detected, "psfFlux": 4.1}, {**detected, "band": "g"}, {**detected, "visit": 401},
            {**detected, "midpointMjdTai": 60000.0, "visit": 500}]
    found = points(surveys["lsst"], lsst(prvDiaSources=[detected], prvDiaForcedSources=rows))
    kinds = {(p["visit"], p["band"], p["kind"]): p["paired"] for p in found}
    assert kinds == {(400, "r", DETECTION): False, (400, "r", FORCED): True,
                     (400, "g", FORCED): False, (401, "r", FORCED): False,
                     (500, "r", DETECTION): False, (500, "r", FORCED): True}


def test_without_an_exposure_number_nothing_is_paired(surveys):
    row = {"midpointMjdTai": 60000.0, "band": "r", "psfFlux": 4.0, "psfFluxErr": 1.0, "visit": None}
    packet = lsst(prvDiaForcedSources=[row])
    packet["diaSource"]["visit"] = None
    assert not any(p["paired"] for p in points(surveys["lsst"], packet))


def test_points_ascend_in_time(surveys):
    rows = [previous(JD - d) for d in (3, 9, 1)] + [previous(None)]
    found = [p["midpointMjdTai"] for p in points(surveys["ztf"], ztf(prv_candidates=rows))]
    assert found == sorted(found) and len(found) == 4


def test_what_is_counted(surveys):
    rows = [previous(JD - 10, candid=5, magpsf=19.0, sigmapsf=0.1, isdiffpos="1"),
            previous(JD - 30)]
    row = reference.alert(surveys["ztf"], ztf(prv_candidates=rows))
    assert row["n_det_in_packet"] == 2 and row["age_in_packet"] == pytest.approx(10.0)


def test_missing_is_null_and_ids_are_numbers(surveys):
    row = reference.alert(surveys["lsst"], lsst())
    assert (row["diaObjectId"], row["ssObjectId"], row["objectId"]) == (8, 0, "8")
    assert row["n_det"] is None and row["age"] is None and row["total_flux"] is None
    packet = copy.deepcopy(lsst(mpc_orbits={"designation": "2011 AB"}))
    packet["diaSource"].update(diaObjectId=0, ssObjectId=99, psfFlux=float("nan"))
    row = reference.alert(surveys["lsst"], packet)
    assert (row["diaObjectId"], row["ssObjectId"], row["objectId"]) == (0, 99, "2011 AB")
    assert row["psfFlux"] is None


def test_flux_of_the_reference_source_within_its_radius(surveys):
    packet = ztf()
    packet["candidate"].update(distnr=1.4, magnr=20.0, sigmagnr=0.05)
    row = reference.alert(surveys["ztf"], packet)
    assert row["template_flux"] == pytest.approx(NJY_AT_20)
    assert row["total_flux"] == pytest.approx(2 * NJY_AT_20)
    assert row["total_flux_err"] == pytest.approx(
        NJY_AT_20 * 0.4 * 2.302585093 * (0.05**2 + 0.1**2) ** 0.5)
    for distance in (1.485, None, -999.0):
        packet["candidate"]["distnr"] = distance
        row = reference.alert(surveys["ztf"], packet)
        assert row["template_flux"] is None and row["total_flux"] is None
