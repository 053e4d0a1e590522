"""Real packets, read raw by fastavro and reckoned here anew: nothing of our conversions is used."""

import io
import json
import math

import fastavro
import pytest
from astropy import units as u
from astropy.time import Time

from fink_like.packets import reference, wire

LN10_04 = 0.9210340371976184


def neutral(message, surveys, books):
    survey = surveys[message.survey]
    packet = wire.split(message.value, survey.wire, books[message.survey])
    return reference.alert(survey, wire.decode(packet.datum, packet.schema))


def raw_container(message):
    (record,) = fastavro.reader(io.BytesIO(message.value))
    return record


def nanojansky(mag):
    return 10 ** ((31.4 - mag) / 2.5)


def middle(jd, seconds=30.0):
    return (Time(jd, format="jd", scale="utc") + seconds / 2 * u.s).tai.mjd


def close(found, expected, relative=1e-9):
    return math.isclose(found, expected, rel_tol=relative)


CONTAINERS = ["ztf/wire/v1.8", "ztf/wire/v2.0", "ztf/wire/v3.2", "ztf/wire/v3.3",
              "ztf/wire/v3.5", "ztf/wire/v4.01", "ztf/wire/v4.02"]


@pytest.mark.parametrize("folder", CONTAINERS)
def test_a_container_of_each_schema(folder, real_messages, surveys, books):
    message = next(m for m in real_messages if m.file.startswith(folder + "/"))
    row, record = neutral(message, surveys, books), raw_container(message)
    source = record["candidate"]
    sign = 1 if source["isdiffpos"] in ("t", "1") else -1
    exposure = source.get("exptime") or 30.0

    assert row["diaSourceId"] == record["candid"] > 2**53
    assert row["objectId"] == record["objectId"]
    assert (row["ra"], row["dec"]) == (source["ra"], source["dec"])
    assert row["band"] == {1: "g", 2: "r", 3: "i"}[source["fid"]]
    assert abs(row["midpointMjdTai"] - middle(source["jd"], exposure)) * 86400 < 1e-3
    assert close(row["psfFlux"], sign * nanojansky(source["magpsf"]))
    assert close(row["psfFluxErr"], nanojansky(source["magpsf"]) * source["sigmapsf"] * LN10_04)
    assert close(row["snr"], abs(row["psfFlux"]) / row["psfFluxErr"], 1e-6)
    assert row["visit"] == source["pid"] and row["n_det"] == source["ndethist"]
    assert close(row["age"], source["jd"] - source["jdstarthist"])
    assert row["exposure_assumed"] == (source.get("exptime") is None)


@pytest.mark.parametrize("folder", CONTAINERS)
def test_the_history_of_a_container(folder, real_messages, surveys, books):
    message = next(m for m in real_messages if m.file.startswith(folder + "/"))
    row, record = neutral(message, surveys, books), raw_container(message)
    before = [p for p in record["prv_candidates"] or () if p.get("candid") != record["candid"]]
    detected = [p for p in before if p.get("magpsf") is not None]
    empty = [p for p in before if p.get("magpsf") is None and p.get("forcediffimflux") is None]
    limits = [p for p in empty if p["diffmaglim"] not in (None, -999.0)]
    lc = row["lc"]
    kinds = lc["kind"]
    assert (kinds.count("detection"), kinds.count("limit")) == (len(detected) + 1, len(limits))
    expected = sorted((middle(p["jd"]), nanojansky(p["diffmaglim"]) / 5) for p in limits)
    found = [(t, e) for t, e, k in zip(lc["midpointMjdTai"], lc["psfFluxErr"], kinds)
             if k == "limit"]
    for (time, error), (expected_time, expected_error) in zip(found, expected, strict=True):
        assert abs(time - expected_time) * 86400 < 1e-3 and close(error, expected_error)


def test_forced_photometry_of_a_container(real_messages, surveys, books):
    """Flux = DN * 10^(0.4 (31.4 - zero point)), where the status says that there is one."""
    compared = 0
    for message in real_messages:
        if "/v4.0" not in message.file or "reencoded" in message.file:
            continue
        row, record = neutral(message, surveys, books), raw_container(message)
        good = [p for p in record["fp_hists"] or () if p["forcediffimflux"] not in (None, -99999.0)
                and p["magzpsci"] is not None and p["procstatus"] not in ("55", "61", None)]
        expected = sorted((p["jd"], p["forcediffimflux"] * nanojansky(p["magzpsci"])) for p in good)
        found = [f for f, k in zip(row["lc"]["psfFlux"], row["lc"]["kind"]) if k == "forced"]
        assert found == pytest.approx([flux for _, flux in expected], rel=1e-9)
        compared += len(found)
    assert compared > 100


@pytest.mark.parametrize("version", ["v7_1", "v7_4", "v9_0", "v10_0", "v11_0"])
def test_a_frame_of_each_schema(version, fixtures, real_messages, surveys, books):
    """With the registry's own schema instead of ours."""
    for message in [m for m in real_messages if f"/{version}/" in m.file][:4]:
        number = int.from_bytes(message.value[1:5], "big")
        served = fixtures / "lsst" / "registry" / "schemas" / "ids" / f"{number}.json"
        schema = json.loads(json.loads(served.read_text())["schema"])
        record = fastavro.schemaless_reader(io.BytesIO(message.value[5:]), schema)
        source, row = record["diaSource"], neutral(message, surveys, books)
        assert row["diaSourceId"] == source["diaSourceId"]
        assert row["diaObjectId"] == (source["diaObjectId"] or 0)
        assert row["midpointMjdTai"] == source["midpointMjdTai"]
        for name in ("ra", "dec", "band", "psfFlux", "psfFluxErr", "snr", "reliability", "visit"):
            said = source[name]
            missing = said is None or said != said
            assert row[name] is None if missing else row[name] == said, name
        history = record["prvDiaSources"] or []
        fluxes = [p["psfFlux"] for p in sorted([*history, source],
                                               key=lambda p: p["midpointMjdTai"])]
        found = [f for f, k in zip(row["lc"]["psfFlux"], row["lc"]["kind"]) if k == "detection"]
        # A detection without a flux is no point of the light curve, unless it is the alert's own.
        there = [f for f in fluxes if f is not None and f == f]
        assert [f for f in found if f is not None] == there
        forced = [p for p in record["prvDiaForcedSources"] or () if p["psfFlux"] == p["psfFlux"]]
        assert row["lc"]["kind"].count("forced") == len(forced)


def test_one_packet_written_out(real_messages, surveys, books):
    """The oldest genuine packet; its numbers were copied here from a dump of the raw record.

    jd 2458276.6933449 is MJD 58276.1933449 UTC; the middle of 30 s in TAI is 15 + 37 s later. The
    difference is negative (isdiffpos f) at magpsf 19.951475143432617, sigmapsf 0.1427665650844574.
    The reference source is 2.25 pixels away: too far to be this one.
    """
    message = next(m for m in real_messages if m.file.endswith("/522193343215010009.avro"))
    row = neutral(message, surveys, books)
    assert (row["diaSourceId"], row["objectId"]) == (522193343215010009, "ZTF18aayhyjx")
    aayhyjx = (0, 0, 24, 7, 24, 9, 23)
    number = sum(letter * 26**place for place, letter in enumerate(reversed(aayhyjx)))
    assert row["diaObjectId"] == 18 * 8031810176 + number + 1
    assert abs(row["midpointMjdTai"] - (58276.1933449 + 52 / 86400)) * 86400 < 1e-3
    assert (row["ra"], row["dec"], row["band"]) == (216.4018156, 5.6259514, "r")
    assert row["psfFlux"] == pytest.approx(-37967.320, rel=1e-6)
    assert row["psfFluxErr"] == pytest.approx(4992.4317, rel=1e-6)
    assert row["snr"] == pytest.approx(7.6049753, rel=1e-6)
    assert (row["visit"], row["n_det"], row["age"], row["ssObjectId"]) == (522193343215, 1, 0.0, 0)
    assert row["template_flux"] is None and row["total_flux"] is None
