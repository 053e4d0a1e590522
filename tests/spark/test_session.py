"""What the session sets so that batches are quick."""

from pathlib import Path

from fink_like.spark import tables


def test_half_of_the_heap_is_for_what_is_young(spark):
    given = spark.conf.get("spark.driver.extraJavaOptions")
    assert "-Xms2048m" in given and "-Xmn1024m" in given


def test_local_tables_have_no_checksum_files(spark, tmp_path):
    """Hadoop would start chmod for each."""
    tables.append(spark.range(3), str(tmp_path / "table"), "job", 0, {})
    files = [path for path in Path(tmp_path).rglob("*") if path.is_file()]
    assert any(path.suffix == ".parquet" for path in files)
    assert not [path for path in files if path.name.startswith(".")]
