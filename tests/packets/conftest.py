"""What tests of packets share: the surveys as declared, and a small schema."""

from pathlib import Path

import pytest

from fink_like.packets import schemas, survey

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def surveys():
    return survey.load_all(ROOT / "conf" / "surveys")


@pytest.fixture(scope="session")
def books(surveys):
    """Survey name -> SchemaBook of the project's own schemas."""
    return {name: schemas.SchemaBook(ROOT / "schemas" / name) for name in surveys}


@pytest.fixture(scope="session")
def small():
    """A record with one field of most kinds."""
    return {"type": "record", "name": "small.alert", "fields": [
        {"name": "candid", "type": "long"},
        {"name": "name", "type": ["null", "string"]},
        {"name": "flux", "type": {"type": "array", "items": "float"}},
        {"name": "stamp", "type": ["null", "bytes"]}]}
