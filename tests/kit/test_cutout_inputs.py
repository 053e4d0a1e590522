"""Cutouts as inputs of a module: images of the rows it is computed for, and of no others."""

import numpy as np
import pytest

from fink_like.kit import Cutouts, Field, contract, has, science_module
from fink_like.kit import columns as kit_columns
from fink_like.kit.handmade import alerts, stamp
from fink_like.kit.run import run
from fink_like.vocabulary import Status

DIFFERENCE = "cutouts.difference"


def brightest(applies):
    @science_module(version="1", inputs=("psfFlux", DIFFERENCE), applies=applies,
                    outputs=(Field("top", "float", doc="Its value."),))
    def brightest(flux, cutouts):
        """The brightest pixel."""
        assert isinstance(cutouts, Cutouts) and len(cutouts) == len(flux)
        return {"top": np.nanmax(cutouts.centred(5), axis=(1, 2), initial=-np.inf)}

    return brightest


def image(top, zipped=False):
    pixels = np.zeros((30, 30))
    pixels[14, 15] = top
    return stamp(pixels, zipped)


def test_a_module_is_given_the_images_of_its_rows():
    files = [image(7), None, image(9, zipped=True), b"no image", image(8)[:-3000]]
    columns = alerts(psfFlux=[1.0, 2.0, 3.0, 4.0, 5.0], **{DIFFERENCE: files})
    found, (outcome,) = run([brightest(has(DIFFERENCE))], columns)
    assert outcome.message == "" and outcome.rows == 4
    assert found.field(0).field("top").to_pylist() == [7.0, None, 9.0, None, None]
    assert found.field(0).field("status").to_pylist() == [0, Status.INPUT_MISSING, 0, 0, 0]


def test_without_the_column_every_image_is_missing():
    found, (outcome,) = run([brightest(has("psfFlux"))], alerts(psfFlux=[1.0, None, 2.0]))
    assert outcome.message == "" and outcome.rows == 2
    assert found.field(0).field("top").to_pylist() == [None] * 3


def test_images_are_read_once_and_of_the_rows_that_apply_only(monkeypatch):
    asked = []
    real = Cutouts.of
    monkeypatch.setattr(kit_columns.Cutouts, "of",
                        lambda column: asked.append(len(column)) or real(column))
    columns = alerts(psfFlux=[1.0, None, 3.0], **{DIFFERENCE: [image(7), image(8), image(9)]})
    run([brightest(has("psfFlux"))] * 2, columns)
    assert asked == [2]


def test_a_module_cannot_write_into_them():
    @science_module(version="1", inputs=(DIFFERENCE,), outputs=(Field("x", "float"),))
    def writes(cutouts):
        """It does."""
        cutouts.pool.data[:] = 0
        return {"x": np.ones(len(cutouts))}

    found, (outcome,) = run([writes], alerts(**{DIFFERENCE: [image(7, zipped=True)]}))
    assert "read-only" in outcome.message
    assert found.field(0).field("status").to_pylist() == [Status.FAILED]


def test_the_contract_is_tried_with_images():
    types = {"psfFlux": "float", DIFFERENCE: "binary"}
    found = contract.breaches(brightest(has(DIFFERENCE)), types)
    assert {rule: why for rule, why in found.items() if why} == {}

    @science_module(version="1", inputs=(DIFFERENCE,), outputs=(Field("n", "int", doc="Pixels."),))
    def trusts(cutouts):
        """Every file is an image."""
        return {"n": np.concatenate([np.full(len(rows), images.shape[1])
                                     for rows, images in cutouts.pixels()])}

    found = contract.breaches(trusts, types)
    assert any(found.values())


@pytest.mark.parametrize("zipped", [False, True])
def test_a_stamp_made_by_hand_is_a_fits_file(zipped):
    fits = pytest.importorskip("astropy.io.fits")
    import gzip
    import io
    pixels = np.arange(12.0).reshape(3, 4)
    file = stamp(pixels, zipped)
    with fits.open(io.BytesIO(gzip.decompress(file) if zipped else file)) as opened:
        assert (opened[0].data == pixels).all() and len(opened) == 1
    assert (next(iter(Cutouts.of([file]).pixels()))[1][0] == pixels).all()


def test_images_of_few_subsets_are_kept():
    """A module that raises on every row asks for thousands of subsets."""
    batch = kit_columns.Batch(alerts(psfFlux=[1.0] * 64, **{DIFFERENCE: [image(7)] * 64}))
    for row in range(64):
        batch.inputs((DIFFERENCE, "psfFlux"), np.array([row]))
    assert len(batch._subsets) <= kit_columns.MOST_SUBSETS
