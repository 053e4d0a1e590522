"""What `fink_like.effects` says of Spark's checkpoints is what Spark does."""

import dataclasses

import pytest

from fink_like.errors import RefusedStart
from fink_like.jobs import ingest

pytestmark = pytest.mark.slow
TOPICS = {"ztf": "ztf_20250101_programid1", "lsst": "lsst-alerts-v11.0"}
UNREADABLE = [b"\x00\x00\x00\x99\x99abc"] * 4  # dead letters do: offsets are what counts


@pytest.fixture
def filled(street):
    """Both surveys' topics have messages."""
    for name in TOPICS.values():
        street.publish(street.topic(name), UNREADABLE)
    return street


def again(street, **flags):
    """Rows of bronze after ingest has run with other settings."""
    start = flags.pop("starting_offsets", "earliest")
    street.settings = dataclasses.replace(
        street.settings, **flags,
        kafka=dataclasses.replace(street.settings.kafka, starting_offsets=start))
    street.run(ingest)
    return street.table("bronze").count()


def test_one_survey_more_is_read_from_its_beginning(filled):
    assert again(filled, surveys=("ztf",)) == 4
    assert again(filled, surveys=("ztf", "lsst"), starting_offsets="latest") == 8


def test_one_survey_less_is_refused_and_may_be_put_back(filled):
    assert again(filled) == 8
    with pytest.raises(RefusedStart, match="do not take it in any more"):
        again(filled, surveys=("ztf",))
    filled.publish(filled.prefix + TOPICS["lsst"], UNREADABLE)
    assert again(filled, surveys=()) == 12


def test_starting_offsets_are_for_a_new_checkpoint_only(filled):
    assert again(filled) == 8
    filled.publish(filled.prefix + TOPICS["ztf"], UNREADABLE)
    assert again(filled, starting_offsets="latest") == 12
    assert again(filled, starting_offsets="earliest") == 12
