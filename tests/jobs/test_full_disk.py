"""A disk that is really full: a small file system of memory, which root may mount."""

import os
import subprocess

import pytest

from fink_like import simulator
from fink_like.errors import NotNow
from fink_like.jobs import ingest

LSST = "lsst-alerts-v11.0"
MEGABYTE = 2**20
pytestmark = pytest.mark.slow


@pytest.fixture
def small_disk(tmp_path):
    """Folder on a file system of 64 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)],
                             capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"needs root to mount a small file system: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder, leave):
    """Take the room of a disk but for so many bytes; call what it gives for the room again."""
    found = os.statvfs(folder)
    path = folder / "filler"
    with path.open("wb") as filler:
        filler.write(bytes(max(0, found.f_bavail * found.f_frsize - leave)))
    return path.unlink


def packets(street, n, seed):
    model = simulator.open_survey(street.project, "lsst")
    return [v for b in simulator.night(model, n, seed=seed) for v in b.values]


def test_a_batch_that_finds_no_room_is_done_again_when_there_is(make_street, small_disk):
    street = make_street(small_disk, **{"jobs.disk_pause": 1.1})  # the pause would come before
    topic = street.topic(LSST)
    produced = street.publish(topic, packets(street, 60, seed=1))
    street.run(ingest)
    produced += street.publish(topic, packets(street, 300, seed=2))  # 30 MB; stored 6 MB
    make_room = fill(small_disk, leave=MEGABYTE)
    with pytest.raises(Exception, match="No space left"):
        street.run(ingest)
    make_room()
    assert street.table("bronze").count() < produced
    street.run()
    street.check_exactly_once(produced)


def test_ingest_waits_before_the_disk_is_full(make_street, small_disk):
    street = make_street(small_disk)
    topic = street.topic(LSST)
    produced = street.publish(topic, packets(street, 30, seed=1))
    make_room = fill(small_disk, leave=2 * MEGABYTE)
    with pytest.raises(NotNow, match="97% full .limit 95%, setting jobs.disk_pause"):
        street.run(ingest)
    make_room()
    street.run()
    street.check_exactly_once(produced)
