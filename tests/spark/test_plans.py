"""What Spark makes of our SQL: each packet decoded once, each alert in Python once."""

import re

from fink_like import config
from fink_like.spark import bronze, silver


def plan(frame):
    return frame._jdf.queryExecution().executedPlan().toString()


def optimised(frame):
    return frame._jdf.queryExecution().optimizedPlan().toString()


def test_one_python_node_scores_all_modules(real_bronze, surveys, known_all, specs):
    text = plan(silver.rows(real_bronze, surveys, known_all, specs))
    assert len(specs) >= 3
    assert len(re.findall(r"\b(?:Arrow|Batch)EvalPython\b", text)) == 1
    assert text.count("run_modules(") == 1


def test_without_modules_there_is_no_python(real_bronze, surveys, known_all):
    assert "EvalPython" not in plan(silver.rows(real_bronze, surveys, known_all, []))


def test_each_schema_is_decoded_at_one_place(real_bronze, surveys, known_all, specs):
    """Spark copies an expression to wherever it is used, unless it knows it to be dear."""
    schemas = sum(len(found) for found in known_all.values())
    assert optimised(silver.rows(real_bronze, surveys, known_all, specs)).count(
        "from_avro(") == schemas


def test_ingest_decodes_once_and_asks_python_once(messages, topics, surveys, known_all, settings):
    frame = bronze.rows(messages([(topics["lsst"], b"\x00")]), settings, surveys, known_all, 0)
    assert optimised(frame).count("from_avro(") == sum(len(v) for v in known_all.values())
    assert len(re.findall(r"\b(?:Arrow|Batch)EvalPython\b", plan(frame))) == 1


def test_nothing_is_shuffled_or_collected(real_bronze, messages, topics, surveys, known_all, specs,
                                          settings):
    one = bronze.rows(messages([(topics["lsst"], b"\x00")]), settings, surveys, known_all, 0)
    assert "Exchange" not in plan(one)
    cached = plan(silver.rows(real_bronze, surveys, known_all, specs)).split("InMemoryTableScan")[0]
    assert "Exchange" not in cached


def test_settings_that_the_decoding_rests_on(spark):
    assert spark.conf.get("spark.sql.ansi.enabled") == "false"
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
    assert config.load(environment={}).spark.master.startswith("local[")
