"""Cutouts: valid FITS, science - template = difference, the packet's flux in the middle."""

import gzip
import io
import warnings

import numpy as np
import pytest
from astropy.io import fits

NAMES = ("cutoutScience", "cutoutTemplate", "cutoutDifference")


@pytest.fixture(scope="session")
def opened(model, night, look):
    """(images by name, scale to nJy, truth) of one batch; astropy may not warn."""
    found = []
    read = look.read_all(model, night[0])
    for packet, row in zip(read, night[0].truth.itertuples(), strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            images = {name: _open(packet[name]) for name in NAMES}
        zero = packet.get("candidate", {}).get("magzpsci", 31.4)
        found.append((images, 10 ** (0.4 * (31.4 - zero)), row))
    return found


def _open(cutout):
    data = gzip.decompress(cutout["stampData"]) if isinstance(cutout, dict) else cutout
    with fits.open(io.BytesIO(data)) as parts:
        parts.verify("exception")
        return [(dict(part.header), part.data.copy()) for part in parts]


def test_shapes_and_types(model, opened):
    form = model.recipe["stamps"]
    for images, _, _ in opened[:50]:
        for parts in images.values():
            header, data = parts[0]
            assert data.shape == (form["pixels"],) * 2 and data.dtype == np.dtype(">f4")
            assert header["BUNIT"] == form.get("unit", "nJy")
            if len(parts) == 3:
                assert [part[0].get("EXTNAME") for part in parts] == [None, "UNCERT", "PSFIMAGE"]
                assert parts[1][0]["UTYPE"] == "VarianceUncertainty"
                assert parts[1][1].min() > 0.0
                assert parts[2][1].dtype == np.dtype(">f8")
                assert parts[2][1].shape == (41, 41)
                assert parts[2][1].sum() == pytest.approx(1.0)
            else:
                assert len(parts) == 1


def test_positions_in_headers_are_the_packets(model, night, opened, look):
    packets = look.read_all(model, night[0])
    for packet, (images, _, _) in zip(packets, opened, strict=True):
        header = images["cutoutScience"][0][0]
        if "CRVAL1" in header:
            assert header["CRVAL1"] == pytest.approx(packet["diaSource"]["ra"], abs=1e-10)
            assert header["CRVAL2"] == pytest.approx(packet["diaSource"]["dec"], abs=1e-10)
            assert header["CUTMINX"] == int(packet["diaSource"]["x"]) - 15


def test_science_minus_template_is_the_difference_within_noise(opened):
    for images, _, row in opened:
        science, template, difference = (images[name][0][1].astype(float) for name in NAMES)
        residual = science - template - difference
        noise = np.median(np.abs(difference)) * 1.4826
        assert residual.std() < 0.5 * max(noise, 1e-9), row


def _aperture(image, radius):
    axis = np.arange(image.shape[0]) - (image.shape[0] - 1) / 2.0
    inside = np.hypot(axis[:, None], axis[None, :]) < radius
    return image[inside].sum(), np.sqrt(inside.sum()) * image[~inside].std()


def test_the_packets_flux_is_in_the_middle(opened):
    """Aperture flux of bright genuine sources; a little is missing in the wing."""
    ratios = []
    for images, scale, row in opened:
        if row[5] != "bogus" and abs(row.flux) > 15 * row.flux_err:
            image = images["cutoutDifference"][0][1].astype(float)
            total, noise = _aperture(image * scale, 9.0 if len(image) < 40 else 6.0)
            if abs(row.flux) > 15 * noise:
                ratios.append(total / row.flux)
    assert len(ratios) > 10
    assert 0.9 < np.median(ratios) < 1.05
    assert 0.6 < np.min(ratios) and np.max(ratios) < 1.4


def test_bogus_detections_do_not_look_like_stars(opened):
    """The best fit of a round Gaussian leaves more in artefacts than in stars."""
    left = {True: [], False: []}
    for images, _, row in opened:
        if abs(row.flux) > 8 * row.flux_err:
            image = images["cutoutDifference"][0][1].astype(float)
            left[row[5] == "bogus"].append(_misfit(image))
    assert np.median(left[True]) > 1.3 * np.median(left[False])


def _misfit(image):
    """Chi-square a pixel inside 7 pixels, after the best of a few Gaussians."""
    axis = np.arange(image.shape[0]) - (image.shape[0] - 1) / 2.0
    near = np.hypot(axis[:, None], axis[None, :]) < 7.0
    noise = image[~near].std()
    best = np.inf
    for width in (0.8, 0.95, 1.1, 1.7, 2.0, 2.3):
        for x in (-0.4, 0.0, 0.4):
            for y in (-0.4, 0.0, 0.4):
                model = np.exp(-0.5 * (((axis - x) / width)[None, :] ** 2
                                       + ((axis - y) / width)[:, None] ** 2))
                flux = (image * model)[near].sum() / (model**2)[near].sum()
                best = min(best, (((image - flux * model)[near] / noise) ** 2).mean())
    return best
