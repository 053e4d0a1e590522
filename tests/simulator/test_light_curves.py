"""Light curves in bulk: what is asked for, at what moment, in which world."""

import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

from fink_like import simulator
from fink_like.errors import ConfigError
from fink_like.kit.lightcurve import KINDS
from fink_like.simulator import calendars, dice
from fink_like.simulator.light_curves import COLUMNS, _run
from fink_like.simulator.neutral import FIELDS, LISTS
from fink_like.vocabulary import DETECTION, FORCED, LIMIT

CONTEXT = {"ztf": ["ztf.sgscore1", "ztf.distpsnr1", "ztf.magnr", "ztf.distnr", "ztf.drb"],
           "lsst": ["lsst.extendedness", "reliability"]}
MIXED = {"SN Ia": 150, "RR Lyrae ab": 100, "asteroid": 60, "bogus": 60, "YSO": 80}


@pytest.fixture(scope="module", params=["training", "independent"])
def world(opened, model, request):
    return opened(model.survey, request.param)


@pytest.fixture(scope="module")
def training(opened, model):
    return opened(model.survey, "training")


def columns(curves):
    """Everything of some light curves, as one table that can be compared."""
    table = pd.DataFrame({name: column.to_pylist() for name, column in curves.columns.items()})
    true = [curves.true_flux.row(k).tolist() for k in range(len(curves))]
    return pd.concat([table, curves.truth], axis=1).assign(true=true)


def of_kind(curve, kind):
    return curve.select(curve.kind == KINDS.index(kind))


def test_classes_come_as_asked_for(training):
    curves = simulator.light_curves(training, MIXED, seed=1)
    assert curves.truth["class"].value_counts().to_dict() == MIXED
    assert len(curves) == sum(MIXED.values())
    assert all(len(column) == len(curves) for column in curves.columns.values())
    assert np.array_equal(curves.light_curve.counts, curves.true_flux.counts)


def test_a_number_gives_the_populations_proportions(model):
    curves = simulator.light_curves(model, 3000, seed=1)
    counts = curves.truth["class"].value_counts()
    for source_class in model.classes:
        expected = source_class.share * len(curves)
        assert abs(counts.get(source_class.name, 0) - expected) < 5 * np.sqrt(expected)


def test_every_class_of_a_world_can_be_made(world):
    classes = {source_class.name: 4 for source_class in world.classes}
    curves = simulator.light_curves(world, classes, seed=2)
    assert len(classes) == 30 and len(curves) == 120
    assert curves.truth["key"].is_unique
    assert np.isfinite(curves.true_flux.values).all()


def test_worlds_have_the_same_classes(opened, model):
    names = [[source_class.name for source_class in opened(model.survey, world).classes]
             for world in ("training", "independent")]
    assert names[0] == names[1]


def test_the_last_point_is_the_alerts_own(training):
    curves = simulator.light_curves(training, MIXED, seed=3)
    curve, given = curves.light_curve, curves.columns
    assert np.array_equal(curve.mjd.last(), given["midpointMjdTai"].to_numpy())
    assert (curve.mjd.differences().values >= 0).all()
    detections = curve.detections()
    assert np.array_equal(detections.flux.last(), given["psfFlux"].to_numpy())
    assert np.array_equal(detections.mjd.last(), curve.mjd.last())
    assert (np.abs(given["snr"].to_numpy()) >= 4.999).all()
    if training.survey == "lsst":  # a moving object has no count and no age there
        assert given["n_det"].null_count == (curves.truth["class"] == "asteroid").sum()
    known = given["n_det"].is_valid().to_numpy(zero_copy_only=False)
    assert np.array_equal(given["n_det"].filter(given["n_det"].is_valid()).to_numpy(),
                          curves.truth["n_det"][known])


def test_points_are_what_their_kind_says(model):
    curve = simulator.light_curves(model, 600, seed=5).light_curve
    found, limits = of_kind(curve, DETECTION), of_kind(curve, LIMIT)
    forced = of_kind(curve, FORCED)
    assert (np.abs(found.flux.values) >= 4.999 * found.flux_err.values).all()
    assert np.isnan(limits.flux.values).all() and (limits.flux_err.values > 0).all()
    alone = forced.paired.values == 0
    assert (np.abs(forced.flux.values[alone]) < 5.5 * forced.flux_err.values[alone]).all()
    both = np.abs(forced.flux.values[~alone]) > 4.5 * forced.flux_err.values[~alone]
    assert both.all() and alone.any() and not alone.all()
    assert bool(len(limits.flux.values)) == bool(model.recipe["history"].get("limits"))


def test_noise_is_what_the_errors_say(model):
    """Forced points, but not the alert's own: that was chosen for being detected."""
    curves = simulator.light_curves(model, 2500, seed=2)
    curve, true = curves.light_curve, curves.true_flux
    earlier = (curve.kind == KINDS.index(FORCED)) & (curve.mjd < curve.mjd.last())
    pull = ((curve.flux - true) / curve.flux_err).where(earlier).values
    assert len(pull) > 5000
    # A history that begins with a detection, and a moment chosen among detections, shift it a bit.
    assert abs(np.median(pull)) < 0.12
    assert np.subtract(*np.percentile(pull, [75, 25])) / 1.349 == pytest.approx(1.0, abs=0.06)


def test_the_same_seed_gives_the_same_light_curves(training):
    one, other = (columns(simulator.light_curves(training, MIXED, seed=7)) for _ in range(2))
    pd.testing.assert_frame_equal(one, other)
    third = simulator.light_curves(training, MIXED, seed=8)
    assert not np.array_equal(third.truth["key"], one["key"])


def test_a_light_curve_does_not_depend_on_how_many_others_are_made(training):
    few = simulator.light_curves(training, {"YSO": 3, "SN Ia": 5}, seed=9)
    many = simulator.light_curves(training, {"SN Ia": 900, "TDE": 2, "YSO": 40}, seed=9)
    few, many = columns(few).set_index("key"), columns(many).set_index("key")
    given = [name for name in few if name in many]
    pd.testing.assert_frame_equal(few[given], many.loc[few.index, given])
    assert list(few.index[3:]) == list(many.index[:5])


def test_a_proportional_request_begins_as_a_longer_one(model):
    few, many = (columns(simulator.light_curves(model, n, seed=3)) for n in (40, 400))
    shared = [name for name in few if name in many]
    pd.testing.assert_frame_equal(few[shared], many[shared].iloc[:40], check_dtype=False)


def test_moments_are_kept(training):
    ask = {"SN Ia": 120, "RR Lyrae ab": 80}
    third = simulator.light_curves(training, ask, seed=1, moment=simulator.nth_detection(3))
    assert (third.truth["n_det"] == 3).all()
    some = simulator.light_curves(training, ask, seed=1, moment=simulator.any_detection(2, 6))
    assert set(some.truth["n_det"]) == {2, 3, 4, 5, 6}
    young = simulator.light_curves(training, ask, seed=1, moment=simulator.at_age(12.0))
    age = young.columns["age"].to_numpy()
    assert age.max() <= 12.0 and np.median(age[age > 0.1]) > 5.0
    whole = simulator.light_curves(training, ask, seed=1, moment=simulator.last_detection(),
                                   history_days=1e4, columns=("n_det", "n_det_in_packet"))
    assert whole.columns["n_det"].equals(whole.columns["n_det_in_packet"])
    any_time = simulator.light_curves(training, ask, seed=1, columns=("n_det",))
    assert np.array_equal(whole.truth["key"], any_time.truth["key"])
    assert (whole.truth["n_det"] >= any_time.truth["n_det"]).all()
    assert whole.truth["n_det"].mean() > 1.4 * any_time.truth["n_det"].mean()


def test_moments_of_a_light_curve_worked_out_by_hand():
    mjd = np.array([0.0, 1.0, 5.0, 6.0, 30.0])
    detected = np.array([[0, 1, 1, 0, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]], dtype=bool)
    keys = np.arange(3, dtype=np.uint64)

    def at(moment):
        places, chosen = moment(mjd, detected, keys)
        return [int(place) if there else None for place, there in zip(places, chosen)]

    assert at(simulator.nth_detection(2)) == [2, None, None]
    assert at(simulator.last_detection()) == [4, 4, None]
    assert at(simulator.last_detection(least=2)) == [4, None, None]
    assert at(simulator.at_age(4.5)) == [2, 4, None]
    assert at(simulator.at_age(0.0)) == [1, 4, None]
    assert at(simulator.any_detection())[0] in (1, 2, 4)


def test_any_detection_is_as_often_the_first_as_the_last():
    detected, keys = np.ones((5000, 4), dtype=bool), dice.combine(1, np.arange(5000))
    places, _ = simulator.any_detection(least=2)(np.arange(4.0), detected, keys)
    assert np.bincount(places, minlength=4) / 5000 == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3],
                                                                    abs=0.03)


def test_history_is_as_long_as_a_packets(training):
    curve = simulator.light_curves(training, {"Mira": 100}, seed=1).light_curve
    span = curve.mjd.last() - curve.mjd.first()
    days = training.recipe["history"]["days"]
    assert span.max() <= days and np.percentile(span, 90) > 0.6 * min(days, 200)


@pytest.mark.parametrize("ask, message", [({"no such": 2}, "no such"), ({}, "at least"),
                                          (0, "at least"), ({"SN Ia": 0}, "at least")])
def test_wrong_requests_are_refused(training, ask, message):
    with pytest.raises(ConfigError, match=message):
        simulator.light_curves(training, ask, seed=1)


def test_no_truth_is_among_the_columns(training):
    own = {f"{training.survey}.{field.name}" for field in training.declared().own.fields}
    curves = simulator.light_curves(training, MIXED, seed=1, columns=(*COLUMNS, *own))
    assert set(curves.columns) <= {*own, *FIELDS, *LISTS, "survey"}
    for drawn in set(curves.truth) & set(curves.columns) - {"survey", "n_det"}:
        assert not np.array_equal(curves.truth[drawn], curves.columns[drawn].to_numpy()), drawn


def test_no_single_context_column_tells_the_class(training):
    """Stars and galaxies, objects and artefacts overlap in each score, as on the sky.

    The clearest, ZTF's deep real/bogus score, errs for 1.7 % of either (Duev et al. 2019).
    """
    names = CONTEXT[training.survey]
    ask = {"SN Ia": 400, "RR Lyrae ab": 400, "bogus": 400}
    curves = simulator.light_curves(training, ask, seed=1, columns=names)
    kind = curves.truth["class"].to_numpy()
    for name, column in curves.columns.items():
        values = column.to_numpy(zero_copy_only=False)
        for one, other in (("SN Ia", "RR Lyrae ab"), ("SN Ia", "bogus")):
            low, high = values[kind == one], values[kind == other]
            cut = np.unique(np.concatenate([low, high]))[::5]
            right = [abs((low > at).mean() - (high > at).mean()) for at in cut]
            assert max(right) < 0.985, (name, one, other)


def test_hosts_are_missing_and_strangers_are_near(training):
    if training.survey != "ztf":
        pytest.skip("this survey's packets say nothing of the nearest catalogue source")
    ask = {"SN Ia": 500, "asteroid": 500, "TDE": 500}
    curves = simulator.light_curves(training, ask, seed=1, columns=["ztf.distnr", "template_flux"])
    near = curves.columns["template_flux"].is_valid().to_numpy(zero_copy_only=False)
    share = pd.Series(near).groupby(curves.truth["class"]).mean()
    assert 0.02 < share["asteroid"] < 0.2
    assert 0.3 < share["SN Ia"] < 0.8 and share["SN Ia"] < share["TDE"] < 0.97


def test_fields_have_cadences_and_depths_of_their_own(world):
    run = _run(world, 3, None)
    epochs = calendars.calendar(run, np.arange(200))
    number = epochs.taken.sum(axis=1)
    assert number.min() > 0 and number.max() > 2 * number.min()
    first = np.take_along_axis(epochs.mjd, np.argmax(epochs.taken, axis=1)[:, None], axis=1)
    assert (epochs.mjd >= first).all() and (np.diff(epochs.mjd, axis=1) >= 0).all()
    steps = np.where(epochs.taken[:, :-1], np.diff(epochs.mjd, axis=1), 0.0)
    assert steps.max() > 30.0  # gaps
    second = (steps > 0) & (steps < 0.2)
    assert 0.1 < second.sum() / number.sum() < 0.5
    assert (np.diff(epochs.band, axis=1)[second] != 0).all()  # the other of a pair's bands
    depth = 31.4 - 2.5 * np.log10(epochs.limit_flux)
    nominal = np.array([band["depth"] for band in world.recipe["bands"].values()])[epochs.band]
    away = np.where(epochs.taken, depth - nominal, np.nan)
    assert 0.15 < np.nanmedian(np.nanstd(away, axis=1)) < 0.6
    assert 0.1 < np.nanstd(np.nanmedian(away, axis=1)) < 0.6


def test_bands_are_used_as_the_recipe_says(training):
    epochs = calendars.calendar(_run(training, 3, None), np.arange(300))
    first = epochs.taken & (np.diff(epochs.mjd, axis=1, prepend=0.0) > 0.5)
    share = np.bincount(epochs.band[first], minlength=len(epochs.passbands)) / first.sum()
    weights = np.array([band["weight"] for band in training.recipe["bands"].values()])
    assert share == pytest.approx(weights / weights.sum(), abs=0.02)


def test_the_independent_world_is_another_one(opened, model):
    spread, negative = {}, {}
    for world in ("training", "independent"):
        ask = {"SN Ia": 500, "Mira": 300}
        curves = simulator.light_curves(opened(model.survey, world), ask, seed=1)
        curve = curves.light_curve
        forced = (curve.kind == KINDS.index(FORCED)) & (curve.mjd < curve.mjd.last())
        faint = forced & (np.abs(curves.true_flux) < curve.flux_err)
        pull = ((curve.flux - curves.true_flux) / curve.flux_err).where(faint).values
        spread[world] = np.subtract(*np.percentile(pull, [75, 25])) / 1.349
        negative[world] = (curve.detections().flux.values < 0).mean()
    assert 0.95 < spread["training"] < 1.1 < spread["independent"] < 1.5
    assert all(0.05 < share < 0.6 for share in negative.values())


@pytest.mark.parametrize("edit, message", [
    ({"object": {"dust": 1}}, "dust"), ({"field": {"weather": 1}}, "weather"),
    ({"colour": {}}, "colour"), ({"population": "none"}, "none")])
def test_a_wrong_world_is_refused(repository, tmp_path, edit, message):
    for folder in ("conf", "schemas"):
        shutil.copytree(repository / folder, tmp_path / folder)
    path = tmp_path / "conf" / "worlds" / "training.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | edit))
    with pytest.raises((ConfigError, FileNotFoundError), match=message):
        simulator.open_survey(tmp_path, "ztf", world="training")


def test_an_unknown_world_names_those_there_are(repository):
    with pytest.raises(ConfigError, match="independent.*training"):
        simulator.open_survey(repository, "ztf", world="none")


def test_the_example_in_the_docs_works(repository):
    text = (repository / "docs" / "simulator.md").read_text()
    example = text.split("```python")[1].split("```")[0]
    scope = {"root": repository}
    exec(example, scope)  # our own file
    curves = scope["curves"]
    assert len(curves) == 500 and "ztf.sgscore1" in curves.columns
    seen_once = curves.truth["class"] == "bogus"
    assert (curves.truth["n_det"][~seen_once] >= 3).all()
