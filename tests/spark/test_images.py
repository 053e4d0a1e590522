"""Images for the modules that take them."""

import hashlib

from fink_like.kit import Field, science_module
from fink_like.packets import reference, wire
from fink_like.packets.schemas import SchemaBook
from fink_like.spark import images, silver
from fink_like.vocabulary import CUTOUTS


@science_module(version="1", inputs=("psfFlux",), outputs=(Field("x", "float"),))
def without(flux):
    """Takes none."""
    return {"x": flux}


@science_module(version="1", inputs=("psfFlux", "cutouts.science"), outputs=(Field("x", "float"),))
def with_one(flux, science):
    """Takes one."""
    return {"x": flux}


def test_they_are_decoded_only_for_modules_that_take_them():
    assert images.are_taken([without, with_one]) and not images.are_taken([without])


def test_they_are_those_of_the_packet(real_bronze, surveys, known_all, real_messages):
    names = [field.name for field in CUTOUTS.fields]
    frame = silver.neutral(real_bronze, surveys, known_all, stamps=True)
    found = {row.offset: tuple(row[1:]) for row in frame.selectExpr(
        "packet.offset", *(f"sha2(cutouts.{name}, 256)" for name in names)).collect()}
    books = {name: SchemaBook(None, known) for name, known in known_all.items()}
    images_there = 0
    for offset, message in enumerate(real_messages):
        survey = surveys[message.survey]
        packet = wire.split(message.value, survey.wire, books[message.survey])
        expected = reference.cutouts(survey, wire.decode(packet.datum, packet.schema))
        files = [expected[name] for name in names]
        assert found[offset] == tuple(None if file is None else hashlib.sha256(file).hexdigest()
                                      for file in files), message.file
        images_there += sum(file is not None for file in files)
    assert images_there > 900 and len(found) == len(real_messages)
