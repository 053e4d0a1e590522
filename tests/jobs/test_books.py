"""The books of a night: they balance on what the jobs did, and find what a hand has broken."""

import json
import random
import re
import shutil

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable, write_deltalake

from fink_like import books, cli, client
from fink_like.books.checks import KINDS
from fink_like.errors import SetupError
from fink_like.reports import SmallFiles

pytestmark = pytest.mark.slow  # its street alone takes half a minute

PLACE = ("topic", "partition", "offset")


def balanced(settings):
    nights = [int(n) for n in client.open_table(settings.data, "bronze",
                                                columns=["night"])["night"].unique()]
    return books.balance(books.read(settings.data, nights))


def kinds(found):
    return {one["kind"] for one in found["discrepancies"]}


def only(found, kind):
    one, = [one for one in found["discrepancies"] if one["kind"] == kind]
    return one


def rows(settings, table, where=None):
    """Rows of a table as Arrow has them."""
    return client.open_dataset(settings.data, table).to_table(filter=where)


def chosen(settings, table, seed, where=None):
    """Any one row, and its Kafka coordinates where it has them."""
    found = rows(settings, table, where)
    row = found.slice(random.Random(seed).randrange(len(found)), 1)
    place = row["packet"][0].as_py() if "packet" in row.column_names else row.to_pylist()[0]
    return row, place


def append(settings, table, row):
    write_deltalake(settings.path(table), row, mode="append")


def delete(settings, table, condition):
    done = DeltaTable(settings.path(table)).delete(condition)
    assert done["num_deleted_rows"] >= 1
    return done["num_deleted_rows"]


def changed(row, **values):
    """A row with other values; of a struct those that are given."""
    content = row.to_pylist()[0]
    for name, value in values.items():
        content[name] = {**content[name], **value} if isinstance(value, dict) else value
    return pa.Table.from_pylist([content], row.schema)


def spot(place):
    return f"{place['topic']}:{place['partition']}:{place['offset']}"


def here(place, prefix=""):
    return f"{prefix}topic = '{place['topic']}' AND {prefix}\"partition\" = {place['partition']}"


def at(place):
    return f"{here(place)} AND \"offset\" = {place['offset']}"


def test_what_the_jobs_did_balances(worn_street):
    found = balanced(worn_street.settings)
    assert found["discrepancies"] == [] and found["balances"]
    assert found["behind"] == {"ingest": 0, "science": 0, "distribute": 0} and found["gaps"] == []
    bronze = worn_street.rows("bronze", "survey", "state", "bytes", "datum_hash")
    sent = worn_street.rows("deliveries", "survey", "filter")
    for survey in ("ztf", "lsst"):
        mine = [row for row in bronze if row.survey == survey]
        ok = [row for row in mine if row.state == "ok"]
        counts = found["surveys"][survey]
        assert counts["received"] == len(mine) > counts["readable"] == len(ok) > 30
        assert counts["received"] == sum(counts[n] for n in ("readable", "dead", "waiting"))
        assert counts["bytes"] == sum(row.bytes for row in mine)
        assert counts["duplicates"] == len(ok) - len({row.datum_hash for row in ok}) > 0
        assert counts["scored"] + counts["keys_only"] == len(ok) and counts["redriven"] == 0
        assert counts["to_science"] == counts["to_distribute"] == 0
        assert all(0 < p50 <= p95 <= p99 for p50, p95, p99 in counts["latency_s"].values())
        told = [one for one in found["substreams"] if one["survey"] == survey]
        assert sum(one["alerts"] for one in told) == len([r for r in sent if r.survey == survey])
    assert {name: job["batches"] for name, job in found["jobs"].items()} == {
        "ingest": 2, "science": 2, "distribute": 2}


def test_a_night_of_its_own_and_the_last_one(worn_street):
    data = worn_street.settings.data
    dead, sky = (int(client.open_table(data, "bronze", columns=["night"],
                                       where=pc.field("state") == state)["night"].max())
                 for state in ("dead", "ok"))
    assert books.read(data).nights == [sky] and dead != sky
    for night in (dead, sky):
        assert books.balance(books.read(data, night))["balances"]
    with pytest.raises(SetupError, match=rf"no night \[20200101\]; it has {sky}, .*{dead}"):
        books.read(data, 20200101)


def test_the_command(worn_street, worn, capsys):
    data = ["--data", worn_street.settings.data]
    assert cli.main(["ledger", "--last", *data]) == 0
    assert "The night balances." in capsys.readouterr().out
    _, place = chosen(worn, "silver", seed=0)
    delete(worn, "silver", f"packet['offset'] = {place['offset']}")
    assert cli.main(["ledger", "--data", worn.data]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "does NOT balance" in said and "DISCREPANCY missing_in_silver" in said
    assert cli.main(["ledger", "--json", "--data", worn.data]) == 1
    assert json.loads(capsys.readouterr().out)["discrepancies"][0]["kind"] in KINDS


@pytest.mark.parametrize("seed", range(3))
def test_a_row_of_silver_is_lost(worn, seed):
    row, place = chosen(worn, "silver", seed)
    lost = delete(worn, "silver", f"packet['topic'] = '{place['topic']}' AND "
                                  f"packet['offset'] = {place['offset']}")
    batch, = rows(worn, "bronze", (pc.field("topic") == place["topic"])
                  & (pc.field("offset") == place["offset"]))["batch_id"].to_pylist()
    found = balanced(worn)
    assert lost == 1 and kinds(found) == {"missing_in_silver", "delivered_unknown"} or (
        kinds(found) == {"missing_in_silver", "delivered_twice"})  # it was there twice
    one = only(found, "missing_in_silver")
    assert (one["where"], one["batch"], one["count"], one["table"]) == (
        spot(place), batch, 1, "silver")


def test_all_of_a_batch_is_lost(worn):
    """Runs of coordinates are named by their ends, not one by one."""
    topic = rows(worn, "silver")["packet"].to_pylist()[0]["topic"]
    lost = delete(worn, "silver", f"packet['topic'] = '{topic}'")
    mine = [one for one in balanced(worn)["discrepancies"] if one["kind"] == "missing_in_silver"]
    assert sum(one["count"] for one in mine) == lost > len(mine) and {
        one["batch"] for one in mine} == {0, 1}
    spans = [one["where"].rpartition(":")[2].split("-") for one in mine]
    assert sum(int(span[-1]) - int(span[0]) + 1 for span in spans) == lost


@pytest.mark.parametrize("seed", range(3))
def test_a_row_of_silver_too_many(worn, seed):
    row, place = chosen(worn, "silver", seed)
    append(worn, "silver", row)
    found = balanced(worn)
    one = only(found, "twice_in_silver")
    assert one["where"] == spot(place) and kinds(found) == {"twice_in_silver"}


def test_a_row_of_silver_that_nobody_sent_or_nobody_could_read(worn):
    row, place = chosen(worn, "silver", 1)
    letter, dead = chosen(worn, "bronze", 1, pc.field("state") == "dead")
    append(worn, "silver", changed(row, packet={"offset": 10**9}))
    append(worn, "silver", changed(row, packet={n: dead[n] for n in PLACE}))
    found = balanced(worn)
    assert only(found, "not_in_bronze")["where"] == spot({**place, "offset": 10**9})
    assert only(found, "letter_in_silver")["where"] == spot(dead)
    assert kinds(found) == {"not_in_bronze", "letter_in_silver"}


@pytest.mark.parametrize("state", ["ok", "dead"])
def test_a_row_of_bronze_too_many_or_too_few(worn, state):
    row, place = chosen(worn, "bronze", 5, pc.field("state") == state)
    append(worn, "bronze", row)
    found = balanced(worn)
    one = only(found, "twice_in_bronze")
    assert (one["where"], one["batch"]) == (spot(place), place["batch_id"])
    one = only(found, "ledger_differs")
    assert one["batch"] == place["batch_id"] and one["count"] == 1
    assert one["where"].startswith(f"{place['topic']}:{place['partition']}:")
    assert delete(worn, "bronze", at(place)) == 2
    found = balanced(worn)
    one = only(found, "ledger_differs")
    assert one["batch"] == place["batch_id"] and f"night {place['night']}" in one["where"]
    assert kinds(found) == {"ledger_differs", "not_in_bronze"} if state == "ok" else {
        "ledger_differs"}


def test_a_line_of_the_ledger_is_lost(worn):
    line, = rows(worn, "ledger", (pc.field("job") == "ingest") & (pc.field("batch") == 1) & (
        pc.field("topic") == rows(worn, "ledger")["topic"].to_pylist()[0])).to_pylist()
    delete(worn, "ledger/ingest", f"batch = 1 AND {here(line)}")
    found = balanced(worn)
    mine = [one for one in found["discrepancies"] if one["kind"] == "ledger_differs"]
    assert kinds(found) == {"ledger_differs"} and sum(one["count"] for one in mine) == line["rows"]
    assert {one["batch"] for one in mine} == {1}


def test_ranges_that_do_not_join_or_do_not_add_up(worn):
    line, _ = chosen(worn, "ledger", 1, (pc.field("job") == "ingest") & (pc.field("batch") == 0))
    place = line.to_pylist()[0]
    ledger = DeltaTable(worn.path("ledger", "ingest"))
    ledger.update({"end_offset": "end_offset - 3"}, predicate=f"batch = 0 AND {here(place)}")
    found = balanced(worn)
    assert kinds(found) == {"ranges_do_not_join", "does_not_add_up"}
    end, where = place["end_offset"], f"{place['topic']}:{place['partition']}"
    one = only(found, "ranges_do_not_join")
    assert one["where"] == f"{where}:{end - 3}-{end - 1}: in no batch" and one["batch"] == 1
    one = only(found, "does_not_add_up")
    assert one["where"].startswith(f"{where}:0-{end - 4}: {end} rows") and one["batch"] == 0


def test_a_gap_needs_somebody_who_accepts_it(worn):
    """As the ledger tells it when messages expire while a batch reads them."""
    _, place = chosen(worn, "bronze", 2, pc.field("state") == "dead")
    delete(worn, "bronze", at(place))
    batch = f"batch = {place['batch_id']} AND {here(place)}"
    line, = rows(worn, "ledger", (pc.field("job") == "ingest") & (
        pc.field("batch") == place["batch_id"]) & (
        pc.field("topic") == place["topic"])).to_pylist()
    fewer = [n - (night == place["night"]) for night, n in zip(line["nights"], line["night_rows"])]
    ledger = DeltaTable(worn.path("ledger", "ingest"))
    ledger.update({"rows": "rows - 1", "gap": "1", "cause": "'expired while it was read'",
                   "night_rows": f"make_array({', '.join(map(str, fewer))})"}, predicate=batch)
    found = balanced(worn)
    one = only(found, "gap_not_accepted")
    assert kinds(found) == {"gap_not_accepted"} and one["batch"] == place["batch_id"]
    assert one["where"].endswith(": expired while it was read") and one["count"] == 1

    SmallFiles(worn.data, "jobs", "ingest").write("accepted.json", {"left_out": [], "gaps": [
        {**{n: place[n] for n in ("topic", "partition")}, "start": place["offset"],
         "end": place["offset"] + 1, "cause": "expired; accepted by me: a test"}]})
    found = balanced(worn)
    assert found["balances"] and found["gaps"][0]["cause"].endswith("accepted by me: a test")
    assert sum(counts["gaps"] for counts in found["surveys"].values()) == 1


def test_deliveries_too_many_too_few_and_of_nothing(worn):
    row, sent = chosen(worn, "deliveries", 4)
    append(worn, "deliveries", row)
    found = balanced(worn)
    one = only(found, "delivered_twice")
    assert one["where"] == f"filter {sent['filter']}: alert {sent['diaSourceId']}"
    assert one["batch"] == only(found, "ledger_differs")["batch"] == sent["batch_id"]

    condition = f"\"diaSourceId\" = {sent['diaSourceId']} AND filter = '{sent['filter']}'"
    gone = delete(worn, "deliveries", condition)
    append(worn, "deliveries", changed(row, diaSourceId=12345))
    found = balanced(worn)
    assert only(found, "delivered_unknown")["where"].endswith("alert 12345")
    assert kinds(found) == {"delivered_unknown"} | ({"ledger_differs"} if gone != 2 else set())
    delete(worn, "deliveries", '"diaSourceId" = 12345')
    one = only(balanced(worn), "ledger_differs")
    assert one["table"] == "deliveries" and sent["topic"] in one["where"]


def test_a_ledger_that_is_late_is_no_discrepancy(worn):
    for job in ("ingest", "science", "distribute"):
        delete(worn, f"ledger/{job}", "batch = 1")
    found = balanced(worn)
    assert found["balances"] and found["behind"] == {"ingest": 1, "science": 1, "distribute": 1}


def test_all_of_the_ledger_is_lost(worn):
    """The commits' notes still tell what each batch was: late, not wrong."""
    shutil.rmtree(worn.path("ledger"))
    found = balanced(worn)
    assert found["balances"] and found["behind"] == {"ingest": 2, "science": 2, "distribute": 2}
    for log in ("00000000000000000001.json", "00000000000000000002.json"):
        path = worn.path("bronze", "_delta_log", log)
        with open(path) as file:
            text = re.sub(r'"userMetadata":"(?:[^"\\]|\\.)*",?', "", file.read())
        with open(path, "w") as file:
            file.write(text)
    found = balanced(worn)
    rows = sum(one["count"] for one in found["discrepancies"])
    assert kinds(found) == {"ledger_differs"} and rows == len(rows_of_bronze(worn))


def rows_of_bronze(settings):
    return client.open_table(settings.data, "bronze", columns=["offset"])


def test_what_is_in_flight_is_no_discrepancy(worn):
    """Science, then distribute, as if they had not done their second batch yet."""
    log = "_delta_log/00000000000000000002"
    late = [p["topic"] for p in rows(worn, "bronze", (pc.field("state") == "ok") & (
        pc.field("batch_id") == 1)).to_pylist()]
    for table, station in (("deliveries", "to_distribute"), ("silver", "to_science")):
        for suffix in ("json", "crc"):
            shutil.move(f"{worn.path(table, log)}.{suffix}", f"{worn.data}/{table}.{suffix}")
        found = balanced(worn)
        assert found["balances"], found["discrepancies"]
        waiting = {name: counts[station] for name, counts in found["surveys"].items()}
        assert waiting == {name: sum(name in topic for topic in late) for name in waiting}


def test_ledger_and_dead_letters_are_tables_of_the_client(worn_street):
    data = worn_street.settings.data
    lines = client.open_table(data, "ledger", columns=["job", "rows"])
    assert lines.groupby("job")["rows"].sum().to_dict() == {
        job: worn_street.table(table).count() for job, table in
        (("ingest", "bronze"), ("science", "silver"), ("distribute", "deliveries"))}
    letters = client.open_table(data, "dead_letters", columns=["reason", "offset"])
    assert len(letters) == worn_street.table("bronze").where("state != 'ok'").count()
    assert list(letters) == ["reason", "offset"] and letters["reason"].notna().all()
