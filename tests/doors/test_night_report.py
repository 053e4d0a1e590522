"""The report of a night: its first line, its alarms, its pictures; on made-up figures."""

import io

import numpy as np
import pandas as pd
import pytest

from fink_like.nightly import plots, report
from fink_like.nightly.figures import Times
from fink_like.nightly.page import page

SURVEY = {"received": 1200, "readable": 1190, "dead": 10, "waiting": 0, "redriven": 0,
          "scored": 1190, "keys_only": 0, "duplicates": 3, "to_science": 0, "to_distribute": 0}
LOST = {"kind": "missing_in_silver", "table": "silver", "count": 2, "where": "t:0:5-6", "batch": 4}
KEPT = {"hours": 168, "readers": {"science": 9}, "newest": 8, "past_but_unread": []}


def found(**more):
    """A report's figures of a night that balances, without alarms."""
    return {"night": 20260311, "balances": True, "alarms": [], "sizes": {}, "slowest": [],
            "balance": {"surveys": {"a": SURVEY}, "discrepancies": [], "gaps": [], "behind": {}},
            "latency_s": {"ingest": [1.0, 2.0, 3.0, 4.0]}, "topics": {"t": {"ok": 1190, "dead": 10}},
            "dead_letters": {"truncated": 10}, "filters": {"f": {"sent": 7}},
            "modules": {"m": {"ok": 1190}}, "duplicates": {}, "tables": {"bronze": KEPT}, **more}


def test_the_first_line_says_whether_it_balances():
    assert page(found()).splitlines()[0] == "# Night 20260311: balances"
    balance = {**found()["balance"], "discrepancies": [LOST]}
    lines = page(found(balances=False, balance=balance)).splitlines()
    assert lines[0] == "# Night 20260311: DOES NOT BALANCE: 1 discrepancies"
    assert "- missing_in_silver: silver: 2: t:0:5-6 (batch 4)" in lines
    assert "1,200 messages received, 1,190 alerts scored, 7 sent; 10 dead letters; 0 alarms." in lines


def alarms(settings, batches=(), **more):
    columns = ["job", "batch", "rows", "dead"]
    return report.alarms(settings, found(**more), pd.DataFrame([*batches], columns=columns))


def test_what_somebody_should_look_at(settings):
    assert alarms(settings) == []
    gap = {"topic": "t", "partition": 0, "messages": 5, "cause": "expired; accepted by ann"}
    balance = {**found()["balance"], "gaps": [gap], "behind": {"science": 2}}
    said = alarms(settings, [("ingest", 3, 200, 150), ("ingest", 4, 200, 1)], balance=balance,
                  modules={"m": {"ok": 1, "failed": 4}}, filters={"f": {"sent": 1, "too_large": 2}})
    assert said == ["t:0: 5 messages are missing in Kafka: expired; accepted by ann",
                    "ingest batch 3: 150 of 200 messages could not be read",
                    "module m: 4 alerts failed", "f: 2 alerts were not sent: too_large",
                    "the ledger of science is behind by 2 batches"]


@pytest.mark.parametrize("hours, words", [(500, "after 30 days"), (None, "start it anew")])
def test_a_reader_that_stands_for_long(settings, hours, words):
    said, = alarms(settings, tables={"bronze": {**KEPT, "hours": hours}})
    assert said.startswith("bronze: science stands at version 9 of 8;") and words in said


def test_pictures_of_a_night_and_of_an_empty_one():
    arrived = 1.77e9 + np.arange(3600.0)
    full = {job: Times(arrived, arrived + 2.0 * n) for n, job in enumerate(plots.DONE, 1)}
    empty = {job: Times(np.empty(0), np.empty(0)) for job in plots.DONE}
    for moments in (full, empty):
        for draw in (plots.rate, plots.latency, plots.lag):
            picture = io.BytesIO()
            draw(moments, picture)
            assert picture.getvalue()[:4] == b"\x89PNG"
    bins = plots.edges(full)
    middle, high = plots._quantiles(full["science"], bins)
    assert len(bins) <= plots.MOST_BINS + 2 and np.nanmax(abs(middle - 4)) < 1e-6
    assert np.nanmax(abs(high - 4)) < 1e-6 and bins[0] <= arrived[0] and bins[-1] > arrived[-1]
