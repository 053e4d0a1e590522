"""Running modules: who is computed, what each kind of failure leaves behind."""

from contextlib import contextmanager

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from fink_like.errors import ModuleError, TimedOut
from fink_like.kit import ALWAYS, Field, Status, at_least, has, science_module
from fink_like.kit.handmade import alerts, light_curve
from fink_like.kit.run import Outcome, run

DOUBLED = (Field("doubled", "float"),)


def module(function, inputs=("ra",), outputs=DOUBLED, applies=ALWAYS, surveys=None):
    if function.__name__ == "<lambda>":
        function.__name__ = "unnamed"
    return science_module(version="2.1", inputs=inputs, outputs=outputs, applies=applies,
                          surveys=surveys)(function)


def twice(ra):
    """Twice the right ascension."""
    return {"doubled": 2 * ra}


def fragile(ra):
    """Cannot stand 13."""
    if (ra == 13).any():
        raise ValueError("thirteen")
    return {"doubled": 2 * ra}


def count(mjd):
    """Points of each light curve."""
    return {"doubled": mjd.counts}


def told(specs, columns, **options):
    """Scores, and the outcomes of the modules in which something went wrong."""
    scores, outcomes = run(specs, columns, **options)
    assert [o.module for o in outcomes] == [s.name for s in specs if s.name not in
                                            options.get("off", {})]
    return scores, [outcome for outcome in outcomes if outcome.message]


def one(spec, **columns):
    """(values of the first output, statuses, failures) of a single module."""
    scores, failures = told([spec], {name: each if isinstance(each, pa.Array) else pa.array(each)
                                     for name, each in columns.items()})
    child = scores.field(0)
    assert set(child.field("version").to_pylist()) <= {spec.version}
    return child.field(0).to_pylist(), child.field("status").to_pylist(), failures


@pytest.mark.parametrize("n_rows", [0, 1, 10_000])
def test_one_answer_a_row_in_order(n_rows):
    values, status, failures = one(module(twice), ra=np.arange(n_rows, dtype=float))
    assert values == [2.0 * i for i in range(n_rows)]
    assert status == [0] * n_rows and not failures


def test_a_slice_of_a_batch_equals_its_rows():
    ra = pa.array(np.arange(10.0))
    curves = alerts([light_curve(list(range(n)), [1.0] * n, 1) for n in range(10)])
    spec = module(lambda mjd: {"doubled": mjd.sum()}, ("lc.midpointMjdTai",))
    whole = one(spec, **curves)[0]
    assert one(module(twice), ra=ra[3:7])[0] == [6.0, 8.0, 10.0, 12.0]
    assert one(spec, **{name: column[3:7] for name, column in curves.items()})[0] == whole[3:7]


def test_only_the_rows_that_raise_fail():
    values, status, failures = one(module(fragile), ra=[float(i) for i in range(40)])
    assert status == [Status.FAILED if i == 13 else Status.OK for i in range(40)]
    assert values == [None if i == 13 else 2.0 * i for i in range(40)]
    assert failures[0].module == "fragile" and failures[0].failed == 1
    assert "ValueError: thirteen (kit/test_run.py:" in failures[0].message


def test_all_rows_may_raise_and_leaving_is_raising():
    def leaves(ra):
        """Ends the process."""
        raise SystemExit(3)

    values, status, failures = one(module(leaves), ra=[1.0, 2.0, 3.0])
    assert values == [None] * 3 and status == [Status.FAILED] * 3 and failures[0].failed == 3


def test_a_panic_of_a_compiled_library_is_no_exception_and_is_caught():
    class Panic(BaseException):
        """As PyO3's."""

    def panics(ra):
        """Ends in a library."""
        raise Panic("a long story\nof many lines")

    scores, failures = told([module(panics), module(twice)], {"ra": pa.array([1.0, 2.0])})
    assert scores.field("panics").field("status").to_pylist() == [Status.FAILED] * 2
    assert scores.field("twice").field("doubled").to_pylist() == [2.0, 4.0]
    message = failures[0].message
    assert message.startswith("Panic: a long story (kit/test_run.py:") and "\n" not in message


def test_the_place_named_is_the_modules_own():
    def asks(ra):
        """Asks a library for what is not there."""
        return {"doubled": pd.DataFrame({"a": ra})["b"]}

    _, failures = told([module(asks)], {"ra": pa.array([1.0])})
    assert "KeyError" in failures[0].message and "(kit/test_run.py:" in failures[0].message


def test_the_status_of_a_module_that_has_run_before_counts():
    """As where a night is scored again by one module alone."""
    def later(x):
        """Twice what another said."""
        return {"doubled": 2 * x}

    spec = module(later, ("before.x",))
    given = {"before.x": pa.array([1.0, None, None, None]),
             "before.status": pa.array([0, -1, 2, None], pa.int8()),
             "before.version": pa.array(["1", "1", "1", None])}
    scores, _ = run([spec], given)
    assert scores.field("later").field("doubled").to_pylist() == [2.0, None, None, None]
    assert scores.field("later").field("status").to_pylist() == [
        Status.OK, Status.FAILED, Status.INPUT_MISSING, Status.INPUT_MISSING]


def test_one_bad_row_costs_few_calls():
    calls = []

    def counted(ra):
        """Counts its calls."""
        calls.append(len(ra))
        return fragile(ra)

    one(module(counted), ra=[float(i) for i in range(10_000)])
    assert len(calls) <= 1 + 2 * 14


@pytest.mark.parametrize("answer, says", [
    (lambda ra: {"doubled": ra[:-1]}, "2 values for 3 rows"),
    (lambda ra: {"doubled": np.stack([ra, ra], axis=1)}, "shape"),
    (lambda ra: {"doubled": ra, "more": ra}, "['more'] undeclared"),
    (lambda ra: {}, "left out ['doubled']"),
    (lambda ra: {"doubled": ["x"] * len(ra)}, "declared float"),
    (lambda ra: None, "returned a NoneType"),
    (lambda ra: ra, "returned a ndarray"),
    (lambda ra: pd.DataFrame({"doubled": ra}).sort_values("doubled", ascending=False), "index"),
])
def test_a_wrong_answer_fails_the_batch_of_that_module_only(answer, says):
    scores, failures = told([module(answer), module(twice)], {"ra": pa.array([1.0, 2.0, 3.0])})
    assert scores.field("unnamed").field("status").to_pylist() == [Status.FAILED] * 3
    assert scores.field("unnamed").field("doubled").null_count == 3
    assert scores.field("twice").field("doubled").to_pylist() == [2.0, 4.0, 6.0]
    assert len(failures) == 1 and says in failures[0].message


def test_a_frame_may_be_returned_and_nan_is_null():
    spec = module(lambda ra: pd.DataFrame({"doubled": np.where(ra > 1, np.nan, ra)}))
    assert one(spec, ra=[1.0, 2.0])[0] == [1.0, None]


def test_a_dependent_sees_outputs_and_misses_those_of_failed_rows():
    seen = []

    def next_one(doubled):
        """Adds one."""
        seen.append(doubled.tolist())
        return {"doubled": doubled + 1}

    specs = [module(fragile), module(next_one, ("fragile.doubled",))]
    scores, failures = told(specs, {"ra": pa.array([1.0, 13.0, 3.0])})
    assert seen == [[2.0, 6.0]]
    assert scores.field("next_one").field("doubled").to_pylist() == [3.0, None, 7.0]
    assert scores.field("next_one").field("status").to_pylist() == [
        Status.OK, Status.FAILED, Status.OK]
    assert [failure.module for failure in failures] == ["fragile"]


@pytest.mark.parametrize("status", [Status.OFF, Status.FAILED])
def test_a_module_that_is_off_is_not_run_nor_are_those_that_need_it(status):
    def never(ra):
        """Must not be called."""
        raise AssertionError("it was called")

    specs = [module(never), module(twice), module(lambda x: {"doubled": x}, ("never.doubled",))]
    scores, failures = told(specs, {"ra": pa.array([1.0, 2.0])}, off={"never": status})
    assert scores.field("never").field("status").to_pylist() == [status] * 2
    assert scores.field("never").field("doubled").null_count == 2
    assert scores.field("unnamed").field("status").to_pylist() == [status] * 2
    assert scores.field("twice").field("doubled").to_pylist() == [2.0, 4.0] and not failures


def test_rows_that_were_not_reached_in_time_say_so():
    """The first half raises and is taken apart; the alarm rings over the second."""
    calls = []

    @contextmanager
    def watch(spec, rows):
        calls.append((spec.name, rows))
        yield

    def slow(ra):
        """Raises over more than two rows, takes for ever where 9 is."""
        if (ra == 9).any() and len(ra) <= 2:
            raise TimedOut("slow: stopped after 1 s at line 3")
        if len(ra) > 2:
            raise ValueError("too many")
        return {"doubled": ra}

    specs = [module(slow), module(twice)]
    scores, outcomes = run(specs, {"ra": pa.array([1.0, 2.0, 9.0, 4.0])}, watch=watch)
    assert calls == [("slow", 4), ("twice", 4)]
    assert scores.field("slow").field("status").to_pylist() == [0, 0, *[Status.TIMED_OUT] * 2]
    assert scores.field("slow").field("doubled").to_pylist() == [1.0, 2.0, None, None]
    assert (outcomes[0].rows, outcomes[0].failed, outcomes[0].timed_out) == (4, 0, 2)
    assert outcomes[1] == Outcome("twice", 4)


def test_the_outcome_counts_rows_that_it_applies_to_and_nulls():
    def half(ra):
        """Null below 2."""
        return {"doubled": np.where(ra < 2, np.nan, ra)}

    _, (outcome,) = run([module(half, surveys=("ztf",), inputs=("ra",))], {
        "ra": pa.array([1.0, 2.0, 3.0, 4.0]), "survey": pa.array(["ztf", "ztf", "lsst", "ztf"])})
    assert outcome == Outcome("half", 3, nulls=pytest.approx(1 / 3))


def test_status_and_version_are_inputs_too():
    def said(status, version):
        """What it was told."""
        return {"doubled": status + (version == "2.1")}

    scores, failures = told([module(twice), module(said, ("twice.status", "twice.version"))],
                            {"ra": pa.array([1.0])})
    assert scores.field("said").field("doubled").to_pylist() == [1.0] and not failures


def test_each_row_says_why_it_was_left_out():
    spec = module(count, ("lc.midpointMjdTai",), surveys=("ztf",),
                  applies=at_least(2, "points") & has("ztf.drb"))
    two = light_curve([1, 2], [5, 6], 1)
    columns = alerts([two, two, light_curve([1], [5], 1), two, None],
                     survey=["ztf", "lsst", "ztf", "ztf", "ztf"],
                     **{"ztf.drb": [0.9, None, 0.9, None, 0.9]})
    values, status, failures = one(spec, **columns)
    assert status == [Status.OK, Status.NOT_APPLICABLE, Status.TOO_FEW_POINTS,
                      Status.INPUT_MISSING, Status.INPUT_MISSING]
    assert values == [2.0, None, None, None, None] and not failures


def test_detections_and_points_are_counted_apart():
    curve = light_curve([1, 2, 3, 4], [5, 6, 7, None], 1, "r",
                        ["detection", "forced", "forced", "limit"], [False, False, True, False])
    for number, what, expected in ((2, "points", Status.OK), (3, "points", Status.TOO_FEW_POINTS),
                                   (1, "detections", Status.OK),
                                   (2, "detections", Status.TOO_FEW_POINTS)):
        spec = module(count, ("lc.midpointMjdTai",), applies=at_least(number, what))
        assert one(spec, **alerts([curve]))[1] == [expected]


def test_a_survey_column_may_be_null_or_absent():
    def either(drb, ra):
        """Score, or the right ascension."""
        return {"doubled": np.where(np.isnan(drb), ra, drb)}

    spec = module(either, ("ztf.drb", "ra"))
    assert one(spec, ra=[1.0, 2.0], **{"ztf.drb": [0.5, None]})[0] == [0.5, 2.0]
    assert one(spec, ra=[1.0, 2.0])[0] == [1.0, 2.0]


def test_no_module_can_change_what_the_next_one_sees():
    def vandal(ra):
        """Writes into its input."""
        ra[:] = 0
        return {"doubled": ra}

    scores, failures = told([module(vandal), module(twice)], {"ra": pa.array([1.0, 2.0])})
    assert scores.field("twice").field("doubled").to_pylist() == [2.0, 4.0]
    assert "read-only" in failures[0].message


def test_an_input_no_module_can_take_is_named():
    values, status, failures = one(module(twice, ("broker.kafka_time",)), **{
        "broker.kafka_time": pa.array([0, 1], pa.timestamp("us"))})
    assert status == [Status.FAILED] * 2 and "timestamp" in failures[0].message


def test_light_curve_columns_of_different_length_fail_by_name():
    columns = alerts([light_curve([1, 2], [5, 6], 1)])
    columns["lc.band"] = pa.array([["r"]])
    spec = module(count, ("lc.midpointMjdTai",), applies=at_least(1, "points"))
    values, status, failures = one(spec, **columns)
    assert status == [Status.FAILED] and "different lengths" in failures[0].message


def test_columns_are_needed():
    with pytest.raises(ModuleError, match="one length"):
        run([module(twice)], {})


def test_no_module_can_change_how_another_cuts_its_light_curves():
    """A common guard before dividing, in place: it is refused, and the next one counts right."""
    def careless(mjd, band):
        counts = mjd.counts
        counts[counts < 3] = 3
        return {"doubled": mjd.sum() / counts}

    names = ("lc.midpointMjdTai", "lc.band")
    two = alerts([light_curve([10.0, 20.0], [1.0, 2.0], 1.0), light_curve([9.0], [1.0], 1.0)])
    specs = [module(careless, names), module(count, names[:1])]
    scores, (failure,) = told(specs, two)
    assert "read-only" in failure.message and failure.failed == 2
    assert scores.field(1).field("doubled").to_pylist() == [2.0, 1.0]
