"""Science modules that misbehave, in the stream: it goes on, the others score, the books balance."""

from collections import Counter

import pytest
from bad_modules import ALL_FAIL, FATAL, GENTLE, LEAK, TIMED_OUT, add_modules

from fink_like import books, simulator, state
from fink_like.jobs import ingest, science
from fink_like.reports import JobFiles
from fink_like.spark import breakers
from fink_like.spark.scoring import GENERATION
from fink_like.vocabulary import Status

LSST = "lsst-alerts-v11.0"


@pytest.fixture(autouse=True)
def strict(monkeypatch):
    """Two bad batches are enough here: each takes its time."""
    monkeypatch.setattr(breakers, "BAD_BATCHES", 2)


@pytest.fixture
def send(project):
    """Sender of a few alerts, other ones each time; how many were acknowledged in all."""
    model, total = simulator.open_survey(project, "lsst"), 0

    def more(street, n=25):
        nonlocal total
        night = simulator.night(model, n, seed=50 + total, cutouts=False)
        values = [value for batch in night for value in batch.values]
        total += street.publish(street.topic(LSST, partitions=1), values)
        return total

    return more


def batch(street, send, n=25):
    """One batch through ingest and science; all that were sent so far."""
    sent = send(street, n)
    street.run(ingest, science)
    street.check_exactly_once(sent)
    return sent


def statuses(street, name):
    """Status -> rows, of one module, of each science batch in turn."""
    rows = street.table("silver").selectExpr(f"{name}.status AS s", "broker.science_time AS t")
    by_batch = {}
    for row in rows.collect():
        by_batch.setdefault(row.t, Counter())[row.s] += 1
    return [dict(by_batch[time]) for time in sorted(by_batch)]


def breaker(street, name):
    return JobFiles(street.settings.data).of("science").below("modules").read(f"{name}.json")


@pytest.mark.slow
def test_modules_that_fail_or_hang_are_marked_and_switched_off(make_street, send, project, capfd):
    add_modules(project, GENTLE)
    street = make_street(**{"jobs.module_patience": 0.5, "jobs.module_memory": "1g"})
    for _ in range(2):
        batch(street, send)
    for name in ALL_FAIL:
        status = Status.TIMED_OUT if name in TIMED_OUT else Status.FAILED
        assert statuses(street, name) == [{status: 25}] * 2, name
        kept = breaker(street, name)
        assert kept["off"] and kept["bad"] == [0, 1] and kept["message"], name
    sevens = street.table("silver").where("diaSourceId % 10 = 7").count()
    assert sum((Counter(c) for c in statuses(street, "raises_on_one")), Counter()) == {
        Status.OK: 50 - sevens, Status.FAILED: sevens}
    assert breaker(street, "raises_on_one") is None
    for name in ("quality", "rates"):
        assert all(status >= 0 for counts in statuses(street, name) for status in counts)
    fared = JobFiles(street.settings.data).reports("science")[0]["modules"]
    assert fared["sleeps"]["timed_out"] == 25 and 0.4 < fared["sleeps"]["seconds"] < 10
    assert "MemoryError" in fared["greedy"]["message"]
    assert "raises/module.py:" in fared["raises"]["message"]
    batch(street, send)
    assert statuses(street, "raises")[2] == {Status.OFF: 25}
    assert set(JobFiles(street.settings.data).reports("science")[2]["modules"]) == {
        "quality", "rates", "raises_on_one"}
    said = "\n".join(state.lines(state.state(street.settings)))
    assert "MODULE     raises is off" in said and "fink-like module resume raises" in said
    assert "science module raises: switched off" in capfd.readouterr().err
    for job in (ingest, science):
        job.errands(street.settings, street.spark).run()
    found = books.balance(books.read(street.settings.data))
    assert found["balances"] and not any(found["behind"].values())
    assert set(found["unscored"]) == set(GENTLE)
    assert found["unscored"]["raises"]["statuses"] == {"failed": 50, "off": 25}
    (topic, *where), = found["unscored"]["raises"]["where"]
    assert topic.endswith(LSST) and where == [0, 0, 74]
    sevens = street.table("silver").where("diaSourceId % 10 = 7").count()
    assert found["unscored"]["raises_on_one"]["statuses"] == {"failed": sevens}
    books.page(found)
    assert "to score again: raises: 25 off, 50 failed" in capfd.readouterr().out


@pytest.mark.slow
def test_a_module_that_kills_its_worker_is_found_and_left_out(make_street, send, project):
    """Nor does one that keeps memory stop the stream: its worker is replaced."""
    add_modules(project, FATAL | LEAK)
    # Three times what `leaks` wants at once, which has to come from the memory it is allowed.
    street = make_street(**{"jobs.module_patience": 1.0, "jobs.module_memory": "320m"})
    for _ in range(3):
        batch(street, send)
    for name in FATAL:
        assert statuses(street, name) == [{Status.FAILED: 25}] * 2 + [{Status.OFF: 25}], name
        assert breaker(street, name)["off"]
    assert "Segmentation fault" in breaker(street, "crashes")["message"]
    assert "did not stop at its alarm" in breaker(street, "deaf")["message"]
    generation = street.spark.sparkContext.environment.get(GENERATION)
    for _ in range(10):
        if breaker(street, "leaks"):
            break
        batch(street, send, 2)
    assert "it keeps memory" in breaker(street, "leaks")["message"]
    assert street.spark.sparkContext.environment[GENERATION] != generation
    for name in ("quality", "rates", "leaks"):
        assert all(status >= 0 for counts in statuses(street, name) for status in counts)
