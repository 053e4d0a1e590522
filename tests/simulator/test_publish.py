"""Publishing, to librdkafka's in-process test cluster and to files."""

import pandas as pd
import pytest

from fink_like import simulator
from fink_like.errors import SetupError
from fink_like.simulator import publish

CLUSTER = {"test.mock.num.brokers": "1"}


def batches(model, n=500):
    return simulator.night(model, n, seed=10, cutouts=False)


def test_all_messages_are_acknowledged(model):
    calls = []
    summary = publish.to_kafka(batches(model), "", "alerts", options=CLUSTER,
                               progress=lambda so_far: calls.append(so_far.sent))
    assert (summary.sent, summary.acknowledged, summary.failed) == (500, 500, 0)
    assert summary.bytes == sum(len(v) for b in batches(model) for v in b.values)
    assert calls[-1] == 500 and summary.error == ""


def test_a_rate_is_kept(model):
    summary = publish.to_kafka(batches(model, 200), "", "alerts", rate=400.0, options=CLUSTER)
    assert 0.45 < summary.seconds < 3.0 and summary.acknowledged == 200


def test_failures_are_counted_and_the_others_arrive(model):
    """Half of the messages are larger than this producer may send."""
    sizes = sorted(len(value) for batch in batches(model) for value in batch.values)
    options = {**CLUSTER, "message.max.bytes": sizes[250]}
    summary = publish.to_kafka(batches(model), "", "alerts", options=options)
    assert summary.sent == 500 == summary.acknowledged + summary.failed
    assert 200 < summary.failed < 300 and "size" in summary.error.lower()


def test_wrong_options_are_refused(model):
    with pytest.raises(SetupError, match="cannot publish"):
        publish.to_kafka(batches(model), "", "alerts", options={"no.such.option": 1})


def test_files_and_truth_belong_together(model, tmp_path, look):
    kept = publish.keep_truth(batches(model), tmp_path / "truth" / "night.parquet")
    summary = publish.to_files(kept, tmp_path / "night", ".msg")
    files = sorted((tmp_path / "night").iterdir())
    truth = pd.read_parquet(tmp_path / "truth" / "night.parquet")
    assert summary.sent == len(files) == len(truth) == 500
    assert truth["diaSourceId"].dtype == "int64"
    ids = [look.alert_id(look.source(look.read(model, path.read_bytes()))) for path in files[:20]]
    assert ids == truth["diaSourceId"].tolist()[:20]
