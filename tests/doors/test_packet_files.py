"""Packets out of files of every kind, and what damage does to them."""

import gzip
import io
import tarfile

import pytest

from fink_like import publish
from fink_like.errors import ConfigError, SetupError
from fink_like.packet_files import PacketFiles, files_of

SCHEMA = {"type": "record", "name": "alert", "fields": [{"name": "id", "type": "long"}]}


@pytest.fixture
def packets(container):
    """Three containers of one record."""
    return [container(SCHEMA, [{"id": n}], sync=bytes([n]) * 16) for n in range(3)]


def read(paths, **more):
    """Origins and values, and what was complained of."""
    complaints = []
    reader = PacketFiles(report=complaints.append, **more)
    found = [(dict(m.headers)["origin"].decode(), m.value) for m in reader.messages(paths)]
    assert reader.damaged == len(complaints)
    return found, complaints


def tarball(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as out:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            out.addfile(member, io.BytesIO(content))
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        out.addfile(folder)
    return path


def test_folders_leave_out_what_others_leave_beside(tmp_path, packets):
    (tmp_path / "in" / "deeper").mkdir(parents=True)
    for name in ("b.avro", "a.avro", "deeper/c.msg", "_SUCCESS", ".a.avro.crc"):
        (tmp_path / "in" / name).write_bytes(packets[0])
    single = tmp_path / "_named"
    single.write_bytes(b"\x00frame")
    files = files_of([tmp_path / "in", single])
    assert [f.name for f in files] == ["a.avro", "b.avro", "c.msg", "_named"]
    found, _ = read(files)
    assert found == [(str(f), f.read_bytes()) for f in files]
    with pytest.raises(SetupError, match="no/such does not exist"):
        files_of(["no/such"])


@pytest.mark.parametrize("suffix, mode", [(".tar", "w"), (".tar.gz", "w:gz"), (".tgz", "w:gz")])
def test_a_tarball_is_read_member_after_member(tmp_path, packets, suffix, mode):
    members = {f"night/{n}.avro": value for n, value in enumerate(packets)}
    path = tarball(tmp_path / f"night{suffix}", {**members, "night/._1.avro": b"mac"}, mode)
    found, complaints = read([path])
    assert found == [(f"{path}!{name}", value) for name, value in members.items()]
    assert not complaints


def test_damage_is_told_counted_and_kept_if_wanted(tmp_path, packets):
    members = {"a.avro": packets[0], "cut.avro": packets[1][:-5], "none.avro": b"",
               "c.avro": packets[2]}
    path = tarball(tmp_path / "night.tar.gz", members)
    found, complaints = read([path])
    assert [origin.split("!")[1] for origin, _ in found] == ["a.avro", "c.avro"]
    assert "!cut.avro: bad_container: no sync marker" in complaints[0]
    assert "!none.avro: empty" in complaints[1]
    found, again = read([path], keep_damaged=True)
    assert [value for _, value in found] == [*members.values()] and again == complaints


def test_a_cut_off_tarball_gives_what_is_whole_and_the_next_file_follows(tmp_path, packets):
    members = {f"{n}.msg": bytes([0, n]) * 2500 for n in range(40)}
    content = gzip.decompress(tarball(tmp_path / "whole.tar.gz", members).read_bytes())
    for name, damaged in (("cut.tar.gz", gzip.compress(content)[:-400]),
                          ("cut.tar", content[:100_100]), ("not.tar", b"no tar at all")):
        path, other = tmp_path / name, tmp_path / "other.avro"
        path.write_bytes(damaged)
        other.write_bytes(packets[1])
        found, complaints = read([path, other], keep_damaged=True)
        assert found[-1] == (str(other), packets[1])
        assert [v for _, v in found[:-1]] == [*members.values()][:len(found) - 1]
        assert len(found) > 10 or name == "not.tar"
        assert f"damaged: {path}: cannot be read further" in complaints[-1]


def test_an_avro_file_of_many(tmp_path, container):
    path = tmp_path / "many.avro"
    path.write_bytes(container(SCHEMA, [{"id": n} for n in range(5)], "deflate"))
    found, _ = read([path])
    assert [origin for origin, _ in found] == [f"{path}#{n}" for n in range(5)]
    tarred = tarball(tmp_path / "t.tar", {"many.avro": path.read_bytes()}, "w")
    assert [o for o, _ in read([tarred])[0]] == [f"{tarred}!many.avro#{n}" for n in range(5)]
    path.write_bytes(path.read_bytes()[:-30])
    found, [complaint] = read([path], keep_damaged=True)
    assert [value for _, value in found] == [path.read_bytes()] and "truncated" in complaint


def test_parquet_asks_what_to_make_of_it(tmp_path):
    path = tmp_path / "x.parquet"
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(ConfigError, match="x.parquet is Parquet: say which packets"):
        read([path])


def test_real_packets_come_as_they_are(fixtures, tmp_path):
    """A night's tarball of every real packet: the same bytes, but for those of several records."""
    paths = sorted(fixtures.glob("*/wire*/*/*.*")) + sorted((fixtures / "edge").glob("*.avro"))
    contents = {str(p.relative_to(fixtures)): p.read_bytes() for p in paths}
    path = tarball(tmp_path / "night.tar", contents, "w")
    found, complaints = read([path])
    values = {origin.split("!")[1]: value for origin, value in found}
    assert len(values) > 400
    assert all(contents[name] == value for name, value in values.items() if "#" not in name)
    assert sum("three_records" in name for name in values) == 3
    assert {c.split("!")[1].split(":")[0] for c in complaints} == {
        "edge/ztf_v1.8_crlf_damaged.avro", "edge/turbo_null_default_invalid.avro"}


@pytest.mark.kafka
def test_published_with_their_origin(tmp_path, packets, topics):
    path = tarball(tmp_path / "n.tgz", {f"{n}.avro": v for n, v in enumerate(packets * 10)})
    topic, shown = topics.make("published"), []
    reader = PacketFiles(report=shown.append)
    summary = publish.publish(files_of([path]), {"bootstrap.servers": topics.servers}, topic,
                              progress=lambda s: shown.append(s.sent), reader=reader)
    got = topics.read(topic)
    assert (summary.acknowledged, summary.failed, reader.damaged) == (30, 0, 0)
    assert shown == [20, 30, 30]
    assert [m.value() for m in got] == packets * 10
    assert got[7].headers() == [("origin", f"{path}!7.avro".encode())]
