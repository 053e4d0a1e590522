"""Packets as a broker receives them: wire form, rules of the surveys, truth."""

import json
import struct
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fink_like import simulator
from fink_like.packets import wire
from fink_like.packets.schemas import SchemaBook
from fink_like.simulator import cadence, nights


def truth(batches):
    return pd.concat([batch.truth for batch in batches], ignore_index=True)


def test_every_packet_is_read_by_an_independent_library(packets, look):
    assert len(packets) == 900
    ids = [look.alert_id(look.source(packet)) for packet, _ in packets]
    assert ids == [row["diaSourceId"] for _, row in packets]
    assert len(set(ids)) == 900 and min(ids) > 2**53


def test_the_broker_reads_them_too(model, night, repository, look):
    form = model.recipe["wire"]["form"]
    book = SchemaBook(repository / "schemas" / model.survey)
    for value in night[0].values[:20]:
        packet = wire.split(value, form, book)
        record = wire.decode(packet.datum, packet.schema)
        assert repr(record) == repr(look.read(model, value))
        assert wire.join(packet.schema, packet.datum, packet.sync) == value


@pytest.mark.parametrize("seed", range(4))
def test_a_night_of_very_few(repository, seed):
    """No asteroid among them: what only asteroids have is null then, not an error."""
    for recipe in sorted((repository / "conf" / "simulator").glob("*.yaml")):
        few = simulator.open_survey(repository, recipe.stem)
        made = list(simulator.night(few, 2, seed=seed, cutouts=False))
        assert sum(len(batch.values) for batch in made) == 2


def test_wire_form(model, night):
    values = [value for batch in night for value in batch.values]
    if model.recipe["wire"]["form"] == "framed":
        number = model.recipe["wire"]["schema_id"]
        assert {value[:5] for value in values} == {struct.pack(">bI", 0, number)}
    else:
        assert {value[:4] for value in values} == {b"Obj\x01"}
        assert all(value[-16:] == value[:value.index(value[-16:]) + 16][-16:] for value in values)
        assert len({value[-16:] for value in values}) == len(values)
        assert all(value.count(b"avro.codec\x08null\x00") == 1 for value in values)


def test_times_ascend_and_are_the_packets(model, night, packets, look):
    times = np.concatenate([batch.times for batch in night])
    assert np.all(np.diff(times) >= 0)
    exposure = model.recipe["cadence"]["exposure_seconds"]
    for (packet, _), time in zip(packets, times, strict=True):
        found = look.source(packet)
        if "jd" in found:  # start of the exposure, UTC
            assert found["jd"] == pytest.approx(
                time + 2400000.5 - (37.0 + exposure / 2) / 86400.0, abs=1e-8)
        else:  # middle, TAI
            assert found["midpointMjdTai"] == time


def test_flux_band_and_sign_are_the_truths(packets, look):
    for packet, described in packets:
        found, row = look.source(packet), SimpleNamespace(**described)
        assert abs(row.flux) >= 5.0 * row.flux_err
        if "magpsf" in found:
            assert 10 ** (0.4 * (31.4 - found["magpsf"])) == pytest.approx(abs(row.flux), rel=1e-5)
            assert found["sigmapsf"] == pytest.approx(1.0857 * row.flux_err / abs(row.flux),
                                                      rel=1e-3)
            assert (found["isdiffpos"] == "t") == (row.flux > 0)
            assert "?gri"[found["fid"]] == row.band
        else:
            assert found["psfFlux"] == pytest.approx(row.flux, rel=1e-6)
            assert found["psfFluxErr"] == pytest.approx(row.flux_err, rel=1e-6)
            assert found["snr"] == pytest.approx(abs(row.flux) / row.flux_err, rel=1e-5)
            assert found["isNegative"] == (row.flux < 0) and found["band"] == row.band


def test_positions_are_measured_to_a_fraction_of_an_arcsecond(night, packets, look):
    table = truth(night)
    found = [look.source(packet) for packet, _ in packets]
    dec = np.array([one["dec"] for one in found])
    ra = np.array([one["ra"] for one in found])
    north = (dec - table["dec"]) * 3600.0
    east = (ra - table["ra"]) * np.cos(np.radians(dec)) * 3600.0
    assert np.all(np.hypot(north, east) < 1.5)
    assert 0.001 < north.std() < 0.3


def test_moving_objects_have_names_and_no_past(nights, look):
    moving = [(packet, row) for packet, row in nights if row["class"] == "asteroid"]
    assert len(moving) > 50
    for packet, _ in moving:
        if "candidate" in packet:
            assert packet["candidate"]["ssnamenr"].isdigit()
            assert 0.0 <= packet["candidate"]["ssdistnr"] < 30.0
            assert not look.history(packet) and packet["candidate"]["ndethist"] == 1
        else:
            assert packet["diaSource"]["diaObjectId"] == 0 < packet["diaSource"]["ssObjectId"]
            assert packet["diaObject"] is packet["prvDiaSources"] is None
            assert packet["prvDiaForcedSources"] is None
            assert packet["ssSource"]["ssObjectId"] == packet["diaSource"]["ssObjectId"]
            assert packet["ssSource"]["topoRange"] > 0.5
            json.loads(packet["mpc_orbits"]["mpc_orb_jsonb"])
    if "candidate" in moving[0][0]:
        names = [packet["objectId"] for packet, _ in moving]
        assert len(set(names)) == len(names)  # a new object at each new position


def test_objects_that_stay_have_no_orbit(nights):
    for packet, row in nights:
        if row["class"] != "asteroid":
            if "candidate" in packet:
                assert packet["candidate"]["ssnamenr"] == "null"
                assert packet["candidate"]["ssdistnr"] == -999.0
            else:
                assert packet["ssSource"] is packet["mpc_orbits"] is None
                assert packet["diaSource"]["ssObjectId"] == 0 < packet["diaSource"]["diaObjectId"]


def test_first_alerts(nights, look):
    first = [packet for packet, row in nights if row["n_det"] == 1 and row["class"] != "asteroid"]
    assert len(first) > 50
    for packet in first:
        assert not look.history(packet)
        if "diaSource" in packet:
            assert packet["prvDiaSources"] is None and packet["prvDiaForcedSources"] == []
            assert packet["diaSource"]["diaObjectId"] == packet["diaSource"]["diaSourceId"]
            assert packet["diaObject"]["nDiaSources"] == 1
        else:
            assert packet["candidate"]["jdstarthist"] == packet["candidate"]["jd"]


def test_the_same_seed_gives_the_same_bytes(model, night):
    again = next(simulator.night(model, 900, seed=4))
    assert again.values == night[0].values
    assert again.truth.equals(night[0].truth)


def test_ids_and_names_never_repeat_between_runs(model):
    seen, names = set(), set()
    for seed, mjd in ((1, 61110), (2, 61110), (3, 61110), (1, 61111), (1, 61300)):
        batches = simulator.night(model, 300, seed=seed, start_mjd=mjd, cutouts=False)
        table = truth(list(batches))
        assert not seen & set(table["diaSourceId"]) and not names & set(table["objectId"])
        seen |= set(table["diaSourceId"])
        names |= set(table["objectId"])
    assert len(seen) == 5 * 300


def test_classes_come_in_the_populations_proportions(model):
    """Over many visits: one visit has its own band and depth, and AGN are blue."""
    short = replace(model, recipe={**model.recipe, "alerts_per_visit": 250})
    table = truth(list(simulator.night(short, 6000, seed=6, cutouts=False)))
    counts = table["class"].value_counts()
    for source_class in model.classes:
        expected = source_class.share * len(table)
        spread = np.sqrt(expected + (0.04 * expected) ** 2)  # of 24 visits' efficiency
        assert abs(counts.get(source_class.name, 0) - expected) < 4.5 * spread, source_class.name


def test_a_visit_is_one_exposure(model, look):
    """The second style's unit: one time, one band, one visit id, many detectors."""
    packets = [packet for batch in simulator.night(model, 350, seed=7, cutouts=False)
               for packet in look.read_all(model, batch)]
    found = [look.source(packet) for packet in packets]
    assert len({one.get("jd", one.get("midpointMjdTai")) for one in found}) == 1
    assert len({one.get("band", one.get("fid")) for one in found}) == 1
    assert len({one.get("detector", one.get("rcid")) for one in found}) > 30
    if "visit" in found[0]:
        assert len({one["visit"] for one in found}) == 1


def test_memory_does_not_grow_with_the_number_of_alerts(model):
    sizes = [len(batch.values) for batch in simulator.night(model, 3000, seed=8, cutouts=False)]
    assert sum(sizes) == 3000 and max(sizes) <= 400


def test_no_two_fields_share_an_earlier_exposure(model):
    """Ids count ticks and objects of a field: two fields at one tick would repeat them."""
    run = nights.plan(model, 20 * model.recipe["alerts_per_visit"], 3)
    assert run.fields == 10
    ticks = [tick for field in range(run.fields)
             for tick in cadence.epochs(run, cadence.Visit(field, 0, 1)).tick.tolist()]
    assert len(set(ticks)) == len(ticks)
