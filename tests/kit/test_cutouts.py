"""Stamps against astropy, one file at a time: real, simulated, drawn at random, and broken ones."""

import gzip
import io
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from fink_like import simulator
from fink_like.errors import ModuleError
from fink_like.kit import Cutouts, byte_pool, cutouts
from fink_like.kit.fits_headers import ROLES
from fink_like.packets import schemas, wire

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("cutoutScience", "cutoutTemplate", "cutoutDifference")
SCALES = st.sampled_from([(1.0, 0.0), (1.0, 32768.0), (0.01, -5.0)])


def opened(blob):
    """What astropy reads: role to image."""
    content = gzip.decompress(blob) if blob[:2] == b"\x1f\x8b" else blob
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some real files are not strictly valid
        with fits.open(io.BytesIO(content)) as parts:
            names = {"UNCERT": "variance", "PSFIMAGE": "psf"}
            return {names.get(part.name, "image"): np.array(part.data) for part in [*parts][::-1]}


def file_of(image, variance=None, psf=None, scale=(1.0, 0.0), cards=()):
    """A file as astropy writes it."""
    first = fits.PrimaryHDU(image)
    if image.dtype.kind == "i" and scale != (1.0, 0.0):
        first = fits.PrimaryHDU()
        first.data = image
        first.header["BSCALE"], first.header["BZERO"] = scale
    first.header.update(cards)
    parts = [first]
    if variance is not None:
        parts.append(fits.ImageHDU(variance, name="UNCERT"))
        parts[-1].header["UTYPE"] = "VarianceUncertainty"
    if psf is not None:
        parts.append(fits.ImageHDU(psf, name="PSFIMAGE"))
    stream = io.BytesIO()
    fits.HDUList(parts).writeto(stream)
    return stream.getvalue()


def image(shape=(5, 7), seed=0, dtype=">f4"):
    return np.random.default_rng(seed).normal(10, 50, shape).astype(dtype)


def same_bits(found, expected):
    """Equal to the last bit, NaN included."""
    assert found.shape == expected.shape
    kind = expected.dtype.newbyteorder("=")
    assert found.dtype == kind
    assert found.tobytes() == expected.astype(kind).tobytes()


def read_as_astropy(blobs):
    """The batch, after each image of it was found as astropy reads it."""
    batch = Cutouts.of(blobs)
    assert batch.readable.all(), batch.unreadable()
    expected = [opened(blob) for blob in blobs]
    for role in ROLES:
        seen = []
        for rows, images in batch.pixels(role):
            for row, found in zip(rows, images, strict=True):
                same_bits(found, expected[row][role])
            seen += rows.tolist()
        assert sorted(seen) == [row for row, parts in enumerate(expected) if role in parts]
    return batch


@pytest.fixture(scope="module")
def real_stamps(real_messages):
    books = {name: schemas.SchemaBook(ROOT / "schemas" / name) for name in ("ztf", "lsst")}
    found = {"ztf": [], "lsst": []}
    for _, survey, value in real_messages:
        packet = wire.split(value, "framed" if survey == "lsst" else "container", books[survey])
        found[survey] += stamps_of(wire.decode(packet.datum, packet.schema))
    return found


def stamps_of(record):
    stamps = [record.get(name) for name in NAMES]
    stamps = [each["stampData"] if isinstance(each, dict) else each for each in stamps]
    return [each for each in stamps if each]


@pytest.mark.parametrize("survey", ["ztf", "lsst"])
def test_every_real_stamp_is_read_to_the_bit(real_stamps, survey):
    assert len(real_stamps[survey]) > 400
    read_as_astropy(real_stamps[survey])


def test_real_stamps_of_both_surveys_mix_in_one_batch(real_stamps):
    blobs = [*real_stamps["ztf"][:40], *real_stamps["lsst"][:40]]
    order = np.random.default_rng(1).permutation(len(blobs))
    batch = read_as_astropy([blobs[i] for i in order])
    assert batch.centred(21).shape == (80, 21, 21)
    assert np.isfinite(batch.centred(21, "variance")).all(axis=(1, 2)).tolist() == (
        order >= 40).tolist()


@pytest.mark.parametrize("survey", ["ztf", "lsst"])
def test_simulated_stamps_are_read_to_the_bit(survey):
    model = simulator.open_survey(ROOT, survey)
    batch = next(iter(simulator.night(model, 60, seed=3)))
    book = schemas.SchemaBook(ROOT / "schemas" / survey)
    packets = [wire.split(value, model.recipe["wire"]["form"], book) if survey == "ztf" else
               wire.split(value, "framed", book) for value in batch.values]
    blobs = [blob for packet in packets for blob in
             stamps_of(wire.decode(packet.datum, packet.schema))]
    assert len(blobs) > 100
    read_as_astropy(blobs)


@given(shape=st.tuples(st.integers(1, 12), st.integers(1, 12)), seed=st.integers(0, 99),
       dtype=st.sampled_from([">f4", ">f8"]), zipped=st.booleans(), extra=st.integers(0, 80),
       extensions=st.sampled_from(["", "v", "p", "vp"]))
@settings(max_examples=150, deadline=None)
def test_any_file_of_floats_is_read_to_the_bit(shape, seed, dtype, zipped, extra, extensions):
    pixels = image(shape, seed, dtype)
    pixels[0, 0] = np.nan
    cards = [(f"KEY{i}", i) for i in range(extra)]  # 80 of them fill three blocks
    blob = file_of(pixels, pixels ** 2 if "v" in extensions else None,
                   image((3, 5), seed, ">f8") if "p" in extensions else None, cards=cards)
    read_as_astropy([gzip.compress(blob) if zipped else blob])


@given(seed=st.integers(0, 99), dtype=st.sampled_from([">i2", ">i4", ">i8", "u1"]), scale=SCALES)
@settings(max_examples=60, deadline=None)
def test_whole_numbers_are_scaled_as_astropy_scales_them(seed, dtype, scale):
    pixels = np.random.default_rng(seed).integers(0, 200, (4, 6)).astype(dtype)
    blob = file_of(pixels, scale=scale)
    rows, found = next(Cutouts.of([blob]).pixels())
    assert found.dtype == np.float64
    np.testing.assert_allclose(found[0], opened(blob)["image"].astype(float), rtol=1e-6)


def test_blank_pixels_are_nan():
    blob = file_of(np.array([[1, -7], [3, 4]], dtype=">i2"), cards=[("BLANK", -7)])
    np.testing.assert_array_equal(Cutouts.of([blob]).centred(2)[0], [[1, np.nan], [3, 4]])


@pytest.mark.parametrize("utype, power", [("VarianceUncertainty", 1), ("StdDevUncertainty", 2),
                                          ("InverseVariance", -1)])
def test_every_kind_of_uncertainty_becomes_a_variance(utype, power):
    blob = file_of(image(), np.full((5, 7), 4.0, dtype=">f4"))
    blob = blob.replace(b"'VarianceUncertainty'", f"'{utype}'".ljust(21).encode())
    assert (Cutouts.of([blob]).centred(3, "variance") == 4.0 ** power).all()


def test_an_image_behind_an_empty_primary_part_is_found():
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(image(), name="SCI")]).writeto(stream)
    rows, found = next(Cutouts.of([stream.getvalue()]).pixels())
    same_bits(found[0], image())


def test_a_last_block_that_is_not_filled_up_is_read():
    blob = file_of(image())
    rows, found = next(Cutouts.of([blob[:2880 + 4 * 35]]).pixels())
    same_bits(found[0], image())


def cropped(pixels, centre, size):
    """The slow way: pixel by pixel."""
    result = np.full((size, size), np.nan, dtype=np.float32)
    for y in range(size):
        for x in range(size):
            at_x, at_y = (int(np.floor(c + 0.5)) - size // 2 + i
                          for c, i in zip(centre, (x, y)))
            if 0 <= at_y < pixels.shape[0] and 0 <= at_x < pixels.shape[1]:
                result[y, x] = pixels[at_y, at_x]
    return result


@given(st.lists(st.tuples(st.integers(1, 14), st.integers(1, 14), st.floats(-3, 16),
                          st.floats(-3, 16), st.booleans()), min_size=1, max_size=9),
       st.integers(1, 12))
@settings(max_examples=100, deadline=None)
def test_crops_equal_a_loop_over_pixels(stamps, size):
    blobs, expected = [], []
    for seed, (height, width, x, y, wide) in enumerate(stamps):
        pixels = image((height, width), seed, ">f8" if wide else ">f4")
        blobs.append(file_of(pixels, pixels + 1, cards=[("CRPIX1", x + 1), ("CRPIX2", y + 1)]))
        inside = 0 <= x + 1 - 1 < width and 0 <= y + 1 - 1 < height
        centre = (x, y) if inside else ((max(height, width) - 1) / 2,) * 2
        expected.append(cropped(pixels, centre, size))
    batch = Cutouts.of(blobs)
    np.testing.assert_array_equal(batch.centred(size), expected)
    np.testing.assert_allclose(batch.centred(size, "variance"), np.array(expected) + 1, rtol=1e-6)
    assert batch.shapes().tolist() == [[height, width] for height, width, *_ in stamps]
    assert (np.abs(batch.offset) <= 0.5).all()


def test_the_source_is_at_the_reference_pixel_or_in_the_middle_of_the_whole_stamp():
    batch = Cutouts.of([file_of(image((30, 30)), cards=[("CRPIX1", 15.75), ("CRPIX2", 16.0)]),
                        file_of(image((63, 63))), file_of(image((63, 44))),
                        file_of(image((9, 9)), cards=[("CRPIX1", 4000.0), ("CRPIX2", 2.0)]), None])
    np.testing.assert_array_equal(batch.centre, [[14.75, 15], [31, 31], [31, 31], [4, 4],
                                                 [np.nan, np.nan]])
    np.testing.assert_array_equal(batch.offset[:2], [[-0.25, 0], [0, 0]])


def test_a_psf_is_centred_on_itself():
    psf = np.zeros((9, 7))
    psf[4, 3] = 1.0
    blob = file_of(image((30, 30)), psf=psf, cards=[("CRPIX1", 8.2), ("CRPIX2", 20.0)])
    found = Cutouts.of([blob]).centred(5, "psf")[0]
    assert found[2, 2] == 1.0 and found.sum() == 1.0


def test_numbers_of_headers_are_read_in_any_form():
    cards = ["CRVAL1  =             149.80210 / [deg]", "CRVAL2  = 2.5D1", "ROTPA   =   -1E-3/turn",
             "BAND    = 'g       '"]
    blob = file_of(image(), cards=[(f"KEY{i}", i) for i in range(40)])
    for number, card in enumerate(cards, start=30):
        at = blob.index(f"KEY{number}   =".encode())
        blob = blob[:at] + card.ljust(80).encode() + blob[at + 80:]
    found = Cutouts.of([blob, None]).header("CRVAL1", "CRVAL2", "ROTPA", "BAND", "NONE", "KEY39")
    np.testing.assert_array_equal(found, [[149.8021, 25.0, -0.001, np.nan, np.nan, 39],
                                          [np.nan] * 6])


def spoilt(blob, old, new):
    assert old in blob and len(old) == len(new)
    return blob.replace(old, new, 1)


GOOD = file_of(image(), image(), image(dtype=">f8"))
ZIPPED = gzip.compress(GOOD)
HUGE = gzip.compress(bytes(byte_pool.LARGEST + 1), 1)
TABLE = fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(np.array([(1,)], dtype=[("a", "i4")]))])


def written(parts):
    stream = io.BytesIO()
    parts.writeto(stream)
    return stream.getvalue()


BROKEN = {
    "MISSING": [None, float("nan"), pd.NA],
    "EMPTY": [b""],
    "BAD_GZIP": [ZIPPED[:-1], ZIPPED[:200], ZIPPED[:-6] + b"xxxxxx", b"\x1f\x8b", b"\x1f\x8b\x08xyz"],
    "TOO_LARGE": [HUGE],
    "NOT_FITS": [b"S", b"\x89PNG" * 900, gzip.compress(b"SIMPLE"), b"XTENSION" + GOOD[8:]],
    "TRUNCATED": [GOOD[:2000], GOOD[:2880], GOOD[:2900], GOOD[:6000], GOOD[:-2880],
                  spoilt(file_of(image()), b"END     ", b"DNE     "),
                  spoilt(GOOD, b"NAXIS1  =                    7", b"NAXIS1  =             70000000")],
    "BAD_HEADER": [spoilt(GOOD, b"  -32 ", b"  -33 "), spoilt(GOOD, b"NAXIS2", b"NAXIS5"),
                   spoilt(GOOD, b"NAXIS1  =                    7", b"NAXIS1  =                   -7"),
                   spoilt(GOOD, b"NAXIS1  =                    7", b"NAXIS1  = 99999999999999999999"),
                   spoilt(GOOD, b"NAXIS1  =                    7", b"NAXIS1  = seven               "),
                   spoilt(GOOD, b"NAXIS1  =                    7", b"NAXIS1  =                  7.0"),
                   spoilt(GOOD, b"'VarianceUncertainty'", b"'AnotherUncertainty' ")],
    "NO_IMAGE": [written(fits.HDUList([fits.PrimaryHDU()])), written(TABLE),
                 written(fits.HDUList([fits.PrimaryHDU(np.zeros((2, 3, 4)))]))],
}
ALL_BROKEN = [blob for blobs in BROKEN.values() for blob in blobs]


@pytest.mark.parametrize("reason", BROKEN)
def test_a_broken_file_has_its_reason_and_hurts_no_other(reason):
    blobs = [GOOD, *BROKEN[reason], ZIPPED]
    batch = Cutouts.of(pd.Series(blobs, dtype=object))
    assert batch.unreadable() == {reason: len(BROKEN[reason])}
    assert batch.readable.tolist() == [True, *[False] * len(BROKEN[reason]), True]
    for role in ROLES:
        images = batch.centred(3, role)
        assert np.isnan(images[1:-1]).all()
        np.testing.assert_array_equal(images[0], Cutouts.of([GOOD]).centred(3, role)[0])
        np.testing.assert_array_equal(images[0], images[-1])
    assert (batch.shapes()[1:-1] == 0).all() and np.isnan(batch.centre[1:-1]).all()


def damaged():
    """Files with bytes lost, changed or put in."""
    def damage(blob, at, new, lost):
        at = int(at * len(blob))
        return blob[:at] + new + blob[at + lost:]

    changed = st.builds(damage, st.sampled_from([GOOD, ZIPPED, gzip.compress(b"SIMPLE" * 600)]),
                        st.floats(0, 1), st.binary(max_size=90), st.integers(0, 3000))
    # A card of the header, overwritten.
    at_card = st.integers(0, 9).map(lambda card: 80 * card)
    cards = st.builds(lambda at, key, value: GOOD[:at] + f"{key:<8}= {value:>20}".ljust(80).encode()
                      + GOOD[at + 80:], at_card, st.sampled_from(
                          ["BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT", "BSCALE",
                           "BZERO", "BLANK", "EXTNAME", "CRPIX1", "END"]),
                      st.sampled_from(["0", "1", "-1", "2", "16", "1E400", "NaN", "T", "'x'", "",
                                       "2147483647", "9" * 20, "1.5"]))
    return st.one_of(st.none(), st.binary(max_size=200), changed, cards)


@given(st.lists(damaged(), max_size=6), st.data())
@settings(max_examples=400, deadline=None)
def test_no_bytes_at_all_raise_and_every_row_stays(blobs, data):
    place = data.draw(st.integers(0, len(blobs)))
    blobs.insert(place, GOOD)
    batch = Cutouts.of(blobs)
    assert len(batch) == len(blobs) == batch.readable.sum() + sum(batch.unreadable().values())
    for role in ROLES:
        images = batch.centred(9, role)
        assert images.shape == (len(blobs), 9, 9)
        np.testing.assert_array_equal(images[place], Cutouts.of([GOOD]).centred(9, role)[0])
        assert np.isnan(images[~batch.readable]).all()
        for rows, pixels in batch.pixels(role):
            assert pixels.shape == (len(rows), *batch.shapes(role)[rows[0]])
    assert batch.header("CRPIX1").shape == (len(blobs), 1)
    assert batch.offset.shape == (len(blobs), 2)


@pytest.mark.parametrize("column", [
    pa.array(ALL_BROKEN[3:] + [GOOD, ZIPPED]), pa.array([None, *ALL_BROKEN[3:], GOOD, ZIPPED])[1:],
    pa.array(ALL_BROKEN[3:] + [GOOD, ZIPPED], pa.large_binary()),
    pa.chunked_array([pa.array(ALL_BROKEN[3:]), pa.array([GOOD, ZIPPED])]),
    pa.array(ALL_BROKEN[3:] + [GOOD, ZIPPED], pa.binary_view()),
    [*ALL_BROKEN[3:], bytearray(GOOD), memoryview(ZIPPED)],
], ids=["binary", "slice", "large", "chunked", "view", "objects"])
def test_every_form_of_column_is_the_same_to_it(column):
    expected = Cutouts.of([*ALL_BROKEN[3:], GOOD, ZIPPED])
    found = Cutouts.of(column)
    np.testing.assert_array_equal(found.status, expected.status)
    np.testing.assert_array_equal(found.centred(6), expected.centred(6))


@pytest.mark.parametrize("column", [[], pa.array([], pa.binary()), pa.array([None, None]),
                                    pa.array([None, b""]), np.array([None, None], dtype=object)],
                         ids=["list", "arrow", "nulls", "empty", "objects"])
def test_a_batch_without_a_single_stamp_is_no_trouble(column):
    batch = Cutouts.of(column)
    assert batch.centred(5).shape == (len(column), 5, 5) and not batch.readable.any()
    assert list(batch.pixels()) == [] and batch.offset.shape == (len(column), 2)


@pytest.mark.parametrize("column", [["text"], [3], pa.array([1.5]), pa.array([[1]])])
def test_a_column_of_something_else_is_refused(column):
    with pytest.raises(ModuleError, match="stamps are b"):
        Cutouts.of(column)


def test_an_unknown_role_is_refused():
    with pytest.raises(ModuleError, match="no 'mask'"):
        Cutouts.of([GOOD]).centred(3, "mask")


def test_taking_rows_takes_all_of_them():
    blobs = [GOOD, None, ZIPPED, file_of(image((4, 4), 5)), b"x"]
    batch, rows = Cutouts.of(blobs), [3, 1, 0]
    taken, expected = batch.take(rows), Cutouts.of([blobs[row] for row in rows])
    assert taken.unreadable() == expected.unreadable()
    for role in ROLES:
        np.testing.assert_array_equal(taken.centred(5, role), expected.centred(5, role))
    np.testing.assert_array_equal(batch.take(batch.readable).centre, batch.centre[batch.readable])


def test_the_example_of_the_docstring_runs():
    code = cutouts.__doc__.split("::\n")[1].split("\n\nNo row")[0]
    names = {"Cutouts": Cutouts, "column": [GOOD, None, GOOD[:2900], GOOD[:6000]]}
    exec("\n".join(line.strip() for line in code.splitlines()), names)
    assert names["images"].shape == names["variance"].shape == (4, 21, 21)
    assert names["cutouts"].unreadable() == {"MISSING": 1, "TRUNCATED": 2}
