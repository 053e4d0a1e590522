"""Every module of the project keeps the contract, and no NaN comes out of any."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from fink_like import config
from fink_like.kit import registry
from fink_like.kit.contract import breaches
from fink_like.kit.run import run
from fink_like.kit.specimens import alerts
from fink_like.modules.check import check, input_types

ROOT = Path(__file__).resolve().parents[2]
SPECS = registry.load(ROOT / "science_modules", ROOT / "conf" / "modules.yaml")
SURVEYS = ("ztf", "lsst")


@pytest.fixture(scope="module")
def settings():
    return config.load(ROOT, environment={})


def name_of(spec):
    return spec.name


@pytest.mark.parametrize("spec", SPECS, ids=name_of)
def test_it_keeps_the_contract(spec, settings):
    found = breaches(spec, input_types(settings, spec.name), SURVEYS)
    assert not {rule: fault for rule, fault in found.items() if fault}


@pytest.mark.slow
@pytest.mark.parametrize("spec", SPECS, ids=name_of)
def test_it_keeps_the_contract_in_a_process_of_its_own(spec, settings):
    assert not {rule: fault for rule, fault in check(settings, spec.name).items() if fault}


@pytest.mark.parametrize("kind", ["plain", "extreme"])
@pytest.mark.parametrize("spec", SPECS, ids=name_of)
def test_no_nan_comes_out(spec, kind, settings):
    types = {name: kind for name, kind in input_types(settings, spec.name).items()
             if name in spec.needs}
    scores, (outcome,) = run([spec], alerts(types, 400, seed=2, kind=kind, surveys=SURVEYS))
    assert outcome.rows > 0
    for field in spec.outputs:
        column = scores.field(0).field(field.name)
        if pa.types.is_floating(column.type):
            assert np.isfinite(column.drop_null().to_numpy()).all(), field.name


@pytest.mark.parametrize("spec", SPECS, ids=name_of)
def test_nothing_comes_of_nulls(spec, settings):
    types = {name: kind for name, kind in input_types(settings, spec.name).items()
             if name in spec.needs}
    scores, _ = run([spec], alerts(types, 4, seed=1, kind="nulls", surveys=SURVEYS))
    assert all(status > 0 for status in scores.field(0).field("status").to_pylist())
