"""Packets byte for byte, cutouts pixel for pixel, pictures with something on them."""

import gzip
import io

import numpy as np
import pytest
from astropy.io import fits
from matplotlib import image as mpl_image

from fink_like import client
from fink_like.client import declared, stored_packets
from fink_like.errors import BrokerError, ConfigError, PacketError


@pytest.fixture(scope="module")
def rows(broker):
    """Rows of silver by alert id."""
    silver = client.open_table(broker.data, "silver")
    return {row["diaSourceId"]: row for _, row in silver.iterrows()}


def some_of_each(broker, n=3):
    by_survey = {}
    for alert_id, (survey, *_) in broker.packets.items():
        by_survey.setdefault(survey, []).append(alert_id)
    return [alert_id for ids in by_survey.values() for alert_id in ids[:: len(ids) // n][:n]]


def test_the_packet_is_what_came_from_kafka(broker, rows):
    for alert_id in some_of_each(broker, 10):
        assert client.packet(broker.data, rows[alert_id]) == broker.values[alert_id]


def test_cutouts_are_the_packets_images(broker, rows):
    for alert_id in some_of_each(broker):
        record = broker.packets[alert_id][2]
        found = client.cutouts(broker.data, rows[alert_id])
        for name, image in found.items():
            stamp = record[f"cutout{name.capitalize()}"]
            content = gzip.decompress(stamp["stampData"]) if isinstance(stamp, dict) else stamp
            with fits.open(io.BytesIO(content)) as parts:
                expected = next(p.data for p in parts if p.data is not None and p.data.ndim == 2)
            assert image.dtype == float and np.array_equal(image, expected, equal_nan=True)
        assert set(found) == {"science", "template", "difference"}


def test_errors_say_what_is_missing(broker, rows):
    row = rows[next(iter(rows))]
    with pytest.raises(ConfigError, match="no .*packet.offset"):
        client.packet(broker.data, row.drop("packet.offset"))
    gone = dict(row) | {"packet.offset": 10**9}
    with pytest.raises(BrokerError, match="no packet at .*retention"):
        client.cutouts(broker.data, gone)


def ink(path):
    """Share of pixels that are not the white page, and how many colours there are."""
    pixels = (255 * mpl_image.imread(path)[:, :, :3]).astype(int)
    return (pixels.sum(axis=2) < 3 * 250).mean(), len(np.unique(pixels.reshape(-1, 3), axis=0))


def test_a_picture_shows_light_curve_and_cutouts(broker, rows, tmp_path):
    for alert_id in some_of_each(broker, 2):
        path = tmp_path / f"{alert_id}.png"
        figure = client.plot_alert(broker.data, rows[alert_id], path)
        inked, colours = ink(path)
        assert 0.08 < inked < 0.6 and colours > 60
        texts = " ".join(text.get_text() for text in figure.texts)
        assert str(alert_id) in texts and f"RA {rows[alert_id]['ra']:.5f}" in texts
        curve, *stamps = figure.axes
        assert len(stamps) == 3 and all(axes.get_images() for axes in stamps)
        low, high = curve.get_ylim()
        assert low < rows[alert_id]["psfFlux"] < high


def test_the_alert_is_marked_at_its_place(broker, rows):
    row = rows[some_of_each(broker, 1)[0]]
    curve = client.plot_alert(broker.data, row).axes[0]
    rings = [line for line in curve.lines if line.get_markersize() == 14]
    assert [(ring.get_xdata()[0], ring.get_ydata()[0]) for ring in rings] == [
        (row["midpointMjdTai"], row["psfFlux"])]


def test_a_picture_without_cutouts_or_light_curve(broker, rows, tmp_path):
    """An alert that science could not decode, and one whose cutouts are empty, still draw."""
    row = dict(rows[some_of_each(broker, 1)[0]])
    row.update({name: None for name in row if name.startswith("lc.")})
    flat = {"science": np.zeros((10, 10)), "template": np.full((10, 10), np.nan)}
    client.draw(row, flat, tmp_path / "bare.png")
    assert ink(tmp_path / "bare.png")[0] > 0.01


@pytest.mark.parametrize("flux, unit, size", [(5e3, "nJy", 1), (5e6, "\N{MICRO SIGN}Jy", 1e3),
                                              (5e9, "mJy", 1e6)])
def test_the_flux_axis_has_numbers_one_can_read(broker, rows, flux, unit, size):
    row = dict(rows[some_of_each(broker, 1)[0]])
    row.update({"lc.midpointMjdTai": [1.0, 2.0], "lc.psfFlux": [0.0, flux], "psfFlux": flux,
                "lc.psfFluxErr": [1.0, 1.0], "lc.band": ["r", "r"], "midpointMjdTai": 2.0,
                "lc.kind": ["detection"] * 2, "lc.paired": [False] * 2})
    axis = client.draw(row, {}).axes[0].yaxis
    assert axis.get_label().get_text() == f"difference flux ({unit})"
    assert axis.get_major_formatter()(flux) == f"{flux / size:,.0f}"


def test_a_damaged_cutout_is_named(broker):
    survey, _, record, _ = broker.packets[some_of_each(broker, 1)[0]]
    declared_survey = declared.survey(survey)
    field = declared_survey.stamps["science"].parts
    stamp = record[field[0]] if len(field) == 1 else record[field[0]][field[1]]
    broken = {**record, field[0]: stamp[:100] if len(field) == 1 else {field[1]: stamp[:100]}}
    with pytest.raises(PacketError, match="undecodable: the science cutout is no"):
        stored_packets.of_record(declared_survey, broken)
