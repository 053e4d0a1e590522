"""The table of what ran when: a row for each change, none for a restart."""

from dataclasses import replace

from fink_like import config
from fink_like.client import open_table
from fink_like.spark import module_runs
from fink_like.spark.control import ControlFolder


def test_a_row_for_each_change_and_none_for_a_restart(spark, project, specs, tmp_path):
    settings = config.load(project, environment={}, data=str(tmp_path / "data"))
    files = ControlFolder(spark, settings.path("jobs", "science"))
    assert module_runs.note(spark, settings, specs, files, 0) == len(specs)
    assert module_runs.note(spark, settings, specs, files, 5) == 0
    files.delete(module_runs.LAST)  # a kill between the two writes
    assert module_runs.note(spark, settings, specs, files, 0) == len(specs)
    assert len(open_table(settings.data, "module_runs")) == len(specs)
    shadow = [replace(specs[0], state="shadow"), *specs[2:]]
    assert module_runs.note(spark, settings, shadow, files, 7) == 2
    runs = open_table(settings.data, "module_runs")
    changed = runs[runs["first_batch"] == 7].set_index("module")["state"].to_dict()
    assert changed == {specs[0].name: "shadow", specs[1].name: "off"}
    assert module_runs.note(spark, settings, specs, files, 9) == 2
