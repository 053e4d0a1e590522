"""Real packets, from Kafka through bronze and silver, all versions mixed in one batch."""

import collections

import pytest

from fink_like.jobs import ingest, science
from fink_like.packets import reference, wire
from fink_like.packets.survey import load, load_all
from fink_like.vocabulary import KEYS

ZTF, LSST = "ztf_20250101_programid1", "lsst-alerts-v11.0"
UNKNOWN = b"\x00\x00\x00\x99\x99abc"


def newest_of_each(real_messages):
    """Two packets of each folder, that is of each schema version."""
    folders = collections.defaultdict(list)
    for message in real_messages:
        folders[message.file.rsplit("/", 1)[0]].append(message)
    return [message for found in folders.values() for message in found[:2]]


@pytest.fixture
def filled(street, real_messages, fixtures):
    """A street whose topics hold packets of each version, the edge files, and worse."""
    chosen = newest_of_each(real_messages)
    edge = [path.read_bytes() for path in sorted((fixtures / "edge").iterdir())]
    values = {ZTF: [*(m.value for m in chosen if m.survey == "ztf"), *edge, None, UNKNOWN],
              LSST: [*(m.value for m in chosen if m.survey == "lsst"), b"", None, UNKNOWN]}
    produced = sum(street.publish(street.topic(name), found) for name, found in values.items())
    return street, produced, len(chosen)


def test_all_versions_in_one_batch(filled):
    street, produced, readable = filled
    street.run()
    street.check_exactly_once(produced)
    rows = street.rows("bronze", "survey", "state", "reason", "batch_id", "lane", "schema_key",
                       "key", "headers")
    found = collections.Counter((row.survey, row.reason) for row in rows)
    assert {k: n for k, n in found.items() if k[1]} == {
        ("ztf", "schema_invalid"): 1, ("ztf", "bad_container"): 1, ("ztf", "record_count"): 1,
        ("ztf", "empty"): 1, ("ztf", "not_this_wire_form"): 1, ("lsst", "empty"): 2,
        ("lsst", "unknown_schema"): 1}
    assert sum(row.state == "ok" for row in rows) == readable
    assert {row.batch_id for row in rows} == {0} and len({row.schema_key for row in rows}) > 12
    assert all(bytes(row.key) == b"key" and row.headers[0].key == "origin" for row in rows)

    before = street.table("silver").count()
    street.run()
    assert street.table("silver").count() == before
    street.check_exactly_once(produced)


def test_a_new_schema_is_slow_once_and_then_fast(street, real_messages):
    """In mid-stream: the first batch reads it in Python, the next one in the JVM."""
    old, new = (one_schema(real_messages, folder, 6) for folder in ("/wire/v3.2/", "/v3.3/"))
    topic = street.topic(ZTF, partitions=1)
    produced = 0
    for values in (old[:3], old[3:], old[:3] + new[:3], new[3:]):
        produced += street.publish(topic, values)
        street.run(ingest)
    lanes = [[row.lane for row in sorted(street.rows("bronze", "batch_id", "offset", "lane"))
              if row.batch_id == batch] for batch in range(4)]
    assert lanes == [["slow"] * 3, ["fast"] * 3, ["fast"] * 3 + ["slow"] * 3, ["fast"] * 3]
    street.run(science)
    street.check_exactly_once(produced)
    assert {row.packet_status for row in street.rows("silver", "packet_status")} == {0}


def one_schema(messages, folder, n):
    """Packets with the same header, byte for byte: those of a version may differ in a comment."""
    by_key = collections.defaultdict(list)
    for message in messages:
        if folder in message.file:
            key = wire.split(message.value, wire.CONTAINER, None).schema.key
            by_key[key].append(message.value)
    return max(by_key.values(), key=len)[:n]


def test_science_before_ingest_has_kept_a_schema(street, real_messages, monkeypatch):
    """Ingest died between bronze and its note of a new schema; science finds it in bronze."""
    oldest = [m.value for m in real_messages if "/v1.8/" in m.file]
    produced = street.publish(street.topic(ZTF), oldest)
    monkeypatch.setattr(ingest, "learn_schemas", lambda *given: None)
    street.run(ingest)
    street.run(science)
    street.check_exactly_once(produced)
    assert {row.packet_status for row in street.rows("silver", "packet_status")} == {0}


EXTRA = {"elasticc": ("conf/archives", "elasticc-1", "elasticc/wire/*.avro", 150),
         "winter": ("tests/surveys_extra", "winter_20240311", "other/winter*.avro", 2)}


def test_two_more_surveys_by_yaml_alone(project, make_street, fixtures, repository):
    """A file in conf/surveys each, and nothing else: their alerts are in silver, and right."""
    for name, (folder, *_) in EXTRA.items():
        text = (repository / folder / f"{name}.yaml").read_text()
        (project / "conf" / "surveys" / f"{name}.yaml").write_text(text)
    surveys = load_all(project / "conf" / "surveys")
    street, expected, produced = make_street(), {}, 0
    for name, (_, topic, pattern, count) in EXTRA.items():
        values = [path.read_bytes() for path in sorted(fixtures.glob(pattern))]
        assert len(values) == count
        produced += street.publish(street.topic(topic), values)
        for value in values:
            packet = wire.split(value, wire.CONTAINER, None)
            row = reference.alert(surveys[name], wire.decode(packet.datum, packet.schema))
            expected[name, row["diaSourceId"]] = row
    street.run(ingest, science)
    street.check_exactly_once(produced)
    rows = [row.asDict(True) for row in street.table("silver").collect()]
    assert len(rows) == len(expected) == produced
    for row in rows:
        wanted = expected[row["survey"], row["diaSourceId"]]
        for column in KEYS:
            assert close(row[column.name], wanted[column.name]), (row["survey"], column.name)
        for name, points in wanted["lc"].items():
            assert all(map(close, row["lc"][name], points)), (row["survey"], name)
            assert len(row["lc"][name]) == len(points)
        own = wanted[row["survey"]]
        assert all(close(row[row["survey"]][name], value) for name, value in own.items())
        assert row["features"]["status"] >= 0 and row["packet_status"] == 0


def close(found, wanted):
    if found is None or wanted is None or not isinstance(wanted, float):
        return found == wanted
    return found == pytest.approx(wanted, rel=2e-7)


def test_by_hand_of_the_two_more_surveys(fixtures, repository):
    """psFlux 15915.374 at zero point 27.5; WNTR24awatr at 16.982494 mag, 120 s long."""
    surveys = {name: load(repository / folder / f"{name}.yaml")
               for name, (folder, *_) in EXTRA.items()}

    def read(path, survey):
        packet = wire.split(path.read_bytes(), wire.CONTAINER, None)
        return reference.alert(surveys[survey], wire.decode(packet.datum, packet.schema))

    first = read(min(fixtures.glob("elasticc/wire/*.avro")), "elasticc")
    assert (first["diaSourceId"], first["objectId"], first["band"]) == (2500000, "1250", "i")
    assert first["psfFlux"] == pytest.approx(15915.3740234375 * 36.30780547701014, rel=1e-9)
    winter = read(fixtures / "other" / "winter_3608704.avro", "winter")
    assert winter["objectId"] == "WNTR24awatr"
    assert winter["psfFlux"] == pytest.approx(10 ** ((31.4 - 16.982494354248047) / 2.5), rel=1e-9)
    assert winter["midpointMjdTai"] == pytest.approx(60380.531487338 + 97 / 86400, abs=1e-8)
    assert winter["n_det_in_packet"] == 2 and winter["winter"]["tmobjectid3"] is None
