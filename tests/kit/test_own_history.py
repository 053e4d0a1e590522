"""The light curve of an object from all its alerts."""

import numpy as np
import pyarrow as pa

from fink_like.kit.handmade import alerts, light_curve
from fink_like.kit.lightcurve import LIGHT_CURVE
from fink_like.kit.own_history import merged, until


def lists(*curves):
    columns = alerts(list(curves))
    return [columns[name] for name in LIGHT_CURVE]


def test_points_of_both_in_order_and_once():
    now = light_curve([3.0, 5.0, 4.0], [30, 50, None], 10, ["r", "r", "g"],
                      ["detection", "detection", "limit"])
    before = light_curve([1.0, 3.0], [10, 29], 10, ["g", "r"], ["forced", "forced"], [False, True])
    found = merged(lists(now, None), lists(before, before)).to_pylist()
    assert found[0] == {"midpointMjdTai": [1.0, 3.0, 4.0, 5.0], "band": ["g", "r", "g", "r"],
                        "psfFlux": [10.0, 30.0, None, 50.0], "psfFluxErr": [10.0] * 4,
                        "kind": ["forced", "detection", "limit", "detection"],
                        "paired": [False] * 4}
    assert found[1]["midpointMjdTai"] == [1.0, 3.0] and found[1]["paired"] == [False, True]


def test_the_same_again_changes_nothing():
    rng = np.random.default_rng(1)
    curves = [light_curve(rng.uniform(0, 9, n).tolist(), rng.normal(size=n).tolist(), 1.0)
              for n in (0, 1, 7, 30)]
    once = merged(lists(*curves), lists(*curves))
    columns = [once.field(name.split(".")[1]) for name in LIGHT_CURVE]
    assert merged(columns, columns).equals(once)
    assert merged(lists(*curves), columns).equals(once)


def test_the_newest_are_kept():
    curve = light_curve([*map(float, range(10))], [*range(10)], 1.0)
    found = merged(lists(curve, None), lists(None, curve), most=4)
    assert found.field("midpointMjdTai").to_pylist() == [[6.0, 7.0, 8.0, 9.0]] * 2


def test_a_slice_and_no_row():
    curve = light_curve([1.0], [5.0], 1.0)
    columns = [column.slice(1, 1) for column in lists(None, curve)]
    assert merged(columns, columns).field("psfFlux").to_pylist() == [[5.0]]
    none = [column.slice(0, 0) for column in columns]
    assert merged(none, none).equals(pa.array([], merged(columns, columns).type))


def test_what_is_known_before_an_alert():
    curve = light_curve([1.0, 3.0, 5.0], [10, 30, 50], 10, ["g", "r", "r"])
    found = until(lists(curve, curve, curve, None), np.array([4.0, 3.0, 1.0, 9.0]))
    assert list(found) == [name.replace("lc.", "history.") for name in LIGHT_CURVE]
    assert found["history.midpointMjdTai"].to_pylist() == [[1.0, 3.0], [1.0], None, None]
    assert found["history.band"].to_pylist() == [["g", "r"], ["g"], None, None]
    whole = until(lists(curve))["history.psfFlux"].to_pylist()
    assert whole == [[10.0, 30.0, 50.0]]
