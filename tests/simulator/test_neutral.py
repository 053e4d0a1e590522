"""Bulk columns are those that the simulator's own packets give, field by field."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from fink_like import simulator
from fink_like.errors import ConfigError
from fink_like.kit import own_history, registry
from fink_like.kit.lightcurve import LIGHT_CURVE
from fink_like.kit.run import run as run_modules
from fink_like.packets import reference, wire
from fink_like.packets.schemas import SchemaBook
from fink_like.simulator import cadence, nights, observing, packets
from fink_like.simulator.light_curves import _Maker, _run
from fink_like.simulator.neutral import FIELDS, LISTS, NeutralAlerts
from fink_like.vocabulary import Status

SINGLE = 2e-7  # two floats of 32 bits next to each other


def names(model):
    """All columns that a decoded packet gives."""
    given = [name for name in FIELDS if not name.startswith("sky.")]
    own = [f"{model.survey}.{field.name}" for field in model.declared().own.fields]
    return [*given, *LISTS, *own]


def decoded(model, values, book):
    """Neutral columns of packets, by the slow reference: one flat dict a packet."""
    for value in values:
        packet = wire.split(value, model.recipe["wire"]["form"], book)
        row = reference.alert(model.declared(), wire.decode(packet.datum, packet.schema))
        structs = {name: value for name, value in row.items() if isinstance(value, dict)}
        plain = {name: value for name, value in row.items() if name not in structs}
        yield plain | {f"{struct}.{name}": value for struct, inside in structs.items()
                       for name, value in inside.items()}


def same(one, other):
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and other is not None:
        return one == other or abs(one - other) <= SINGLE * abs(other)
    return one == other


def agree(model, columns, rows):
    columns = {name: column.to_pylist() for name, column in columns.items()}
    for k, row in enumerate(rows):
        wrong = {name: (values[k], row[name]) for name, values in columns.items()
                 if not same(values[k], row[name])}
        assert not wrong, (model.survey, k)


@pytest.fixture(scope="module")
def book(model, repository):
    return SchemaBook(repository / "schemas" / model.survey)


def test_columns_of_a_visit_are_those_of_its_packets(model, book):
    run = nights.plan(model, 300, 3)
    sources = observing.detect(run, cadence.Visit(0, 0, 1)).take(np.arange(120))
    columns = NeutralAlerts(run, sources).columns(names(model))
    agree(model, columns, decoded(model, packets.make(run, sources, False)[0], book))
    kinds = set(pa.concat_arrays([columns["lc.kind"]]).flatten().to_pylist())
    assert {"detection", "forced"} <= kinds


def alone(sources, k):
    """One object, with the exposures of its field as if it were the only one."""
    one = sources.take(np.array([k]))
    shown = one.epochs.taken[0]
    columns = {name: getattr(one.epochs, name)[0][shown]
               for name in ("mjd", "band", "limit_flux", "tick", "in_run")}
    epochs = replace(one.epochs, field=int(one.epochs.field[0]), ra=float(one.epochs.ra[0]),
                     dec=float(one.epochs.dec[0]), taken=True, **columns)
    points = {name: getattr(one, name)[:, shown] for name in
              ("true_flux", "template_flux", "flux", "flux_err", "produced")}
    return replace(one, epochs=epochs, **points)


@pytest.mark.parametrize("name", ["SN Ia", "M-dwarf flare", "asteroid", "residual"])
def test_columns_for_training_are_those_of_packets_too(opened, model, book, name):
    world = opened(model.survey, "training")
    run = _run(world, 5, None)
    index = [source_class.name for source_class in world.classes].index(name)
    sources = _Maker(run, simulator.any_detection(2 if name == "SN Ia" else 1), ())._block(index, 0)
    sources = sources.take(np.arange(6))
    columns = NeutralAlerts(run, sources).columns(names(world))
    values = [packets.make(run, alone(sources, k), False)[0][0] for k in range(6)]
    agree(world, columns, decoded(world, values, book))


def test_science_modules_take_them_as_they_are(repository, model):
    on = {"quality": "live", "features": "live", "rates": "live"}
    modules = registry.load(repository / "science_modules", on)
    wanted = registry.external_inputs(modules)
    curves = simulator.light_curves(model, 200, seed=4, columns=wanted)
    outputs, outcomes = run_modules(modules, curves.columns)
    assert not any(outcome.message for outcome in outcomes) and len(outputs) == 200
    status = np.array(outputs.field("rates").field("status"))
    assert (status == Status.OK).mean() > 0.5
    n_points = curves.light_curve.usable().counts
    assert ((status == Status.OK) == (n_points >= 1)).all()


def test_what_an_alert_has_only_behind_kafka_is_refused(model):
    for name in ("night", "packet.offset", "broker.version", "no_such"):
        with pytest.raises(ConfigError, match=name):
            simulator.light_curves(model, 3, seed=1, columns=[name])


def test_columns_of_another_survey_are_left_out(model):
    curves = simulator.light_curves(model, 3, seed=1, columns=["survey", "elsewhere.score"])
    assert set(curves.columns) == {"survey"}
    assert set(curves.columns["survey"].to_pylist()) == {model.survey}


def test_positions_on_the_sky_are_there(model):
    columns = ["ra", "dec", "sky.gal_b", "sky.gal_l", "sky.ecl_lat"]
    curves = simulator.light_curves(model, 50, seed=1, columns=columns)
    assert all(column.null_count == 0 for column in curves.columns.values())
    assert np.abs(curves.columns["sky.gal_b"].to_numpy()).max() <= 90.0


def training_sources(opened, model, name, count):
    """Objects of a class of the world for training, each at one of its detections; their run."""
    world = opened(model.survey, "training")
    run = _run(world, 5, None)
    index = [source_class.name for source_class in world.classes].index(name)
    return run, _Maker(run, simulator.any_detection(1), ())._block(index, 0).take(np.arange(count))


def test_images_are_those_of_the_packets(opened, model, book):
    run, sources = training_sources(opened, model, "SN Ia", 4)
    columns = NeutralAlerts(run, sources).columns(["cutouts.science", "cutouts.difference"])
    for k in range(4):
        value, = packets.make(run, alone(sources, k))[0]
        packet = wire.split(value, model.recipe["wire"]["form"], book)
        found = reference.cutouts(model.declared(), wire.decode(packet.datum, packet.schema))
        for name, column in columns.items():
            assert column[k].as_py() == found[name.split(".")[1]]


def test_own_history_is_what_alerts_of_earlier_nights_brought(opened, model):
    """One earlier alert after the other, as the nightly job adds them to the table."""
    run, sources = training_sources(opened, model, "AGN", 40)
    names = [f"history.{name.split('.')[1]}" for name in LIGHT_CURVE]
    found = NeutralAlerts(run, sources).columns(names)
    mjd = np.broadcast_to(sources.epochs.mjd, sources.flux.shape)
    earlier = sources.detected & (mjd[:, -1:] - mjd > 0.5)
    known = [pa.nulls(40, found[name].type) for name in names]
    for number in range(earlier.sum(axis=1).max()):
        mine = np.flatnonzero(earlier.sum(axis=1) > number)
        last = [np.flatnonzero(earlier[k])[number] for k in mine]
        alerts = NeutralAlerts(run, sources.take(mine).ending(np.array(last)))
        lists = alerts.columns(LIGHT_CURVE)
        places = pa.array([np.flatnonzero(mine == k)[0] if k in mine else None for k in range(40)])
        merged = own_history.merged([lists[name].take(places) for name in LIGHT_CURVE], known)
        known = [merged.field(n) for n in range(len(names))]
    counts = pa.compute.list_value_length(known[0]).to_numpy()
    assert (counts == 0).any() and counts.max() > 20
    for name, column in zip(names, known, strict=True):
        expected = [row or None for row in column.to_pylist()]
        assert found[name].to_pylist() == expected, name


def test_a_moving_object_has_no_own_history(model):
    names = ["diaObjectId", "history.psfFlux", "history.band"]
    found = simulator.light_curves(model, {"asteroid": 40}, seed=1, columns=names).columns
    unknown = found["diaObjectId"].to_numpy() == 0
    assert unknown.all() == (model.survey == "lsst")
    assert all(found[name].take(pa.array(np.flatnonzero(unknown))).null_count == unknown.sum()
               for name in names[1:])
