"""Silver of every real packet equals the reference, field by field."""

import math

import numpy as np
import pytest
from pyspark.sql import functions as F

from fink_like import __version__
from fink_like.packets import reference, wire
from fink_like.packets.expressions import Path
from fink_like.spark import silver
from fink_like.vocabulary import DETAILS, KEYS, PacketStatus

COMPUTED = 2e-7  # relative: half a step of float32 is 6e-8
COMPUTED_DOUBLE = 1e-13
LC_COMPUTED = ("psfFlux", "psfFluxErr")


def same(found, expected, kind="", copied=False):
    """Equal; of a float that was computed, to the precision of its type."""
    if found is None or expected is None:
        return found is expected
    if not isinstance(expected, float):
        return found == expected and type(found) is type(expected)
    if copied:
        return found == (float(np.float32(expected)) if kind == "float" else expected)
    return math.isclose(found, expected, rel_tol=COMPUTED if kind == "float" else COMPUTED_DOUBLE)


@pytest.fixture(scope="module")
def alerts(real_bronze, surveys, known_all):
    """Offset -> neutral alert, as nested dicts."""
    frame = silver.neutral(real_bronze, surveys, known_all)
    return {row["packet"]["offset"]: row for row in (r.asDict(True) for r in frame.collect())}


@pytest.fixture(scope="module")
def expected(real_messages, surveys, known_all):
    """Offset -> the reference's alert."""
    from fink_like.packets.schemas import SchemaBook

    books = {name: SchemaBook(None, found) for name, found in known_all.items()}
    rows = {}
    for offset, message in enumerate(real_messages):
        survey = surveys[message.survey]
        packet = wire.split(message.value, survey.wire, books[message.survey])
        rows[offset] = reference.alert(survey, wire.decode(packet.datum, packet.schema))
    return rows


def test_every_alert_of_bronze_is_in_silver(alerts, real_messages):
    assert sorted(alerts) == list(range(len(real_messages)))
    assert {row["packet_status"] for row in alerts.values()} == {PacketStatus.OK}
    assert {row["broker"]["version"] for row in alerts.values()} == {__version__}


def test_keys_and_details_are_those_of_the_reference(alerts, expected, surveys, real_messages):
    wrong, compared = [], 0
    for offset, row in alerts.items():
        columns = surveys[real_messages[offset].survey].columns
        for field in (*KEYS, *DETAILS):
            copied = isinstance(columns.get(field.name), Path)
            found, wanted = row[field.name], expected[offset][field.name]
            compared += 1
            if not same(found, wanted, field.type, copied):
                wrong.append((real_messages[offset].file, field.name, found, wanted))
    assert not wrong[:10] and compared == len(alerts) * len((*KEYS, *DETAILS))


def test_the_surveys_own_columns_are_those_of_the_reference(alerts, expected, surveys,
                                                            real_messages):
    wrong = []
    for offset, row in alerts.items():
        survey = surveys[real_messages[offset].survey]
        for field in survey.own.fields:
            copied = isinstance(survey.own_columns[field.name], Path)
            found, wanted = row[survey.name][field.name], expected[offset][survey.name][field.name]
            if not same(found, wanted, field.type, copied):
                wrong.append((real_messages[offset].file, field.name, found, wanted))
        assert all(row[other] is None for other in surveys if other != survey.name)
    assert not wrong[:10]


def test_light_curves_are_those_of_the_reference(alerts, expected, real_messages):
    points = 0
    for offset, row in alerts.items():
        for name, wanted in expected[offset]["lc"].items():
            found = row["lc"][name]
            where = f"{real_messages[offset].file}: lc.{name}"
            assert len(found) == len(wanted), where
            kind = "float" if name in LC_COMPUTED else ""
            assert all(map(lambda a, b: same(a, b, kind), found, wanted)), where
        points += len(row["lc"]["kind"])
        assert row["n_det_in_packet"] == expected[offset]["n_det_in_packet"]
        assert same(row["age_in_packet"], expected[offset]["age_in_packet"]) or math.isclose(
            row["age_in_packet"], expected[offset]["age_in_packet"], abs_tol=1e-10)
    assert points > 8000


def test_ids_are_exact(alerts, fixtures, real_messages):
    """Against the MANIFEST, which was made without this code; a float holds 53 bits of an id."""
    import csv

    with (fixtures / "MANIFEST.csv").open() as lines:
        listed = {row["path"]: row["alert_id"] for row in csv.DictReader(lines)}
    for offset, row in alerts.items():
        assert str(row["diaSourceId"]) == listed[real_messages[offset].file]
    assert sum(row["diaSourceId"] > 2**53 for row in alerts.values()) > 300


def test_bronze_knows_the_same_keys(real_bronze, alerts):
    names = [field.name for field in KEYS]
    for row in real_bronze.select("offset", "night", "night_assumed", *names).collect():
        assert [row[n] for n in names] == [alerts[row.offset][n] for n in names]
        assert row.night == alerts[row.offset]["night"]


def test_a_packet_whose_schema_is_gone_keeps_its_keys(real_bronze, surveys, known_all, alerts):
    """Science cannot decode it: the row is there, says so, and has nothing made up in it."""
    without = {name: found[1:] for name, found in known_all.items()}
    gone = [found[0].key for found in known_all.values()]
    rows = silver.neutral(real_bronze.where(F.col("schema_key").isin(gone)), surveys,
                          without).collect()
    assert rows
    for row in rows:
        assert row.packet_status == PacketStatus.UNDECODABLE
        assert row.diaSourceId == alerts[row.packet.offset]["diaSourceId"]
        assert row.psfFlux == alerts[row.packet.offset]["psfFlux"]
        assert (row.n_det, row.n_det_in_packet, row.age_in_packet) == (None, None, None)
        assert row.visit is None and set(row.lc) == {None}


def test_no_schema_known_at_all(real_bronze, surveys):
    row = silver.neutral(real_bronze.limit(1), surveys, {n: [] for n in surveys}).first()
    assert row.packet_status == PacketStatus.UNDECODABLE and row.diaSourceId


def test_modules_score_every_alert(real_bronze, surveys, known_all, specs, alerts):
    rows = silver.rows(real_bronze, surveys, known_all, specs).collect()
    assert sorted(row.packet.offset for row in rows) == sorted(alerts)
    scores = [row[spec.name] for row in rows for spec in specs]
    assert all(score.status is not None and score.status >= 0 for score in scores)
    assert {score.version for score in scores} == {spec.version for spec in specs}
