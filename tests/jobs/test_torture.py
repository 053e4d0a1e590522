"""A sample of `bin/torture`: each job killed at moments and stages that a seed draws."""

import pytest

from fink_like import config, torture


@pytest.mark.slow
def test_ten_kills_lose_nothing_and_repeat_nothing(project, tmp_path):
    settings = config.load(project, environment={})
    found = torture.run(settings, tmp_path / "torture", kills=10, seed=7, kafka_kills=1)
    assert found.problems == []
    assert len(found.kills) == 11 and not any("by itself" in kill for kill in found.kills)
    assert found.counts["in Kafka"] == found.counts["bronze"] > 200
    assert found.counts["delivered"] > 0 and found.counts["compactions asked and done"] > 0
