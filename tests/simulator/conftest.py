"""Surveys to simulate, a small night of each, and what reads packets back."""

import io
from pathlib import Path

import fastavro
import pytest

from fink_like import simulator

ROOT = Path(__file__).resolve().parents[2]
SURVEYS = ("ztf", "lsst")
ALERTS = 900


@pytest.fixture(scope="session", params=SURVEYS)
def model(request):
    return simulator.open_survey(ROOT, request.param)


@pytest.fixture(scope="session")
def night(model):
    """Batches of one night with cutouts."""
    return list(simulator.night(model, ALERTS, seed=4))


@pytest.fixture(scope="session")
def nights(model):
    """Batches of three nights without cutouts, decoded, with their truth."""
    batches = list(simulator.night(model, 2 * ALERTS, seed=5, nights=3, cutouts=False))
    return [(packet, row) for batch in batches
            for packet, row in zip(read_all(model, batch), batch.truth.to_dict("records"),
                                   strict=True)]


def read(model, value):
    """One packet, read by an independent library."""
    if model.recipe["wire"]["form"] == "container":
        records = list(fastavro.reader(io.BytesIO(value)))
        assert len(records) == 1
        return records[0]
    stream = io.BytesIO(value[5:])
    record = fastavro.schemaless_reader(stream, model.schema)
    assert stream.read() == b""
    return record


def read_all(model, batch):
    return [read(model, value) for value in batch.values]


def source(packet):
    """The part of a packet that describes the alert's own detection."""
    return packet.get("candidate") or packet["diaSource"]


def history(packet):
    """Previous detections, of either survey."""
    rows = packet.get("prv_candidates", packet.get("prvDiaSources")) or []
    return [row for row in rows if row.get("candid", 1) is not None]


def alert_id(row):
    return row.get("candid", row.get("diaSourceId"))
