"""Surveys to simulate, a small night of each, and what reads packets back."""

import io
from functools import cache
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
def opened():
    """``opened(survey, world)``: a survey in a world, read once."""
    return cache(lambda survey, world: simulator.open_survey(ROOT, survey, world=world))


@pytest.fixture(scope="session")
def night(model):
    """Batches of one night with cutouts."""
    return list(simulator.night(model, ALERTS, seed=4))


@pytest.fixture(scope="session")
def packets(model, night):
    """That night, decoded, with its truth."""
    return _decoded(model, night)


@pytest.fixture(scope="session")
def nights(model):
    """Three nights without cutouts, decoded, with their truth."""
    batches = list(simulator.night(model, 2 * ALERTS, seed=5, nights=3, cutouts=False))
    return _decoded(model, batches)


def _decoded(model, batches):
    return [(packet, row) for batch in batches
            for packet, row in zip(Look.read_all(model, batch), batch.truth.to_dict("records"),
                                   strict=True)]


class Look:
    """Reads packets of either survey, with an independent library."""

    @staticmethod
    def read(model, value):
        if model.recipe["wire"]["form"] == "container":
            records = list(fastavro.reader(io.BytesIO(value)))
            assert len(records) == 1
            return records[0]
        stream = io.BytesIO(value[5:])
        record = fastavro.schemaless_reader(stream, model.schema)
        assert stream.read() == b""
        return record

    @classmethod
    def read_all(cls, model, batch):
        return [cls.read(model, value) for value in batch.values]

    @staticmethod
    def source(packet):
        """The part of a packet that describes the alert's own detection."""
        return packet.get("candidate") or packet["diaSource"]

    @staticmethod
    def history(packet):
        """Previous detections, without limits."""
        rows = packet.get("prv_candidates", packet.get("prvDiaSources")) or []
        return [row for row in rows if row.get("candid", 1) is not None]

    @staticmethod
    def alert_id(row):
        return row.get("candid", row.get("diaSourceId"))


@pytest.fixture(scope="session")
def look():
    return Look


@pytest.fixture(scope="session")
def repository():
    return ROOT
