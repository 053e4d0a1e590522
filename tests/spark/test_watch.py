"""What the Kafka server says of topics, also while it is still finding itself."""

from concurrent.futures import Future

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from fink_like.errors import SetupError
from fink_like.spark import watch
from fink_like.spark.kafka import ensure_topics


class Unsettled(AdminClient):
    """Answers the first questions for offsets as a server does that was just started again."""

    def __init__(self, servers, code, times):
        super().__init__({"bootstrap.servers": servers})
        self.code, self.times = code, times

    def list_offsets(self, places, **more):
        if not self.times:
            return super().list_offsets(places, **more)
        self.times -= 1
        answer = Future()
        answer.set_exception(KafkaException(KafkaError(self.code)))
        return dict.fromkeys(places, answer)


@pytest.fixture
def topic(kafka, settings):
    ensure_topics(settings, ["watched"], 2, kafka.servers)
    return "watched"


@pytest.mark.kafka
@pytest.mark.parametrize("code", [KafkaError.UNKNOWN_LEADER_EPOCH, KafkaError.LEADER_NOT_AVAILABLE])
def test_a_server_that_was_just_started_again_is_asked_again(kafka, topic, code):
    """A job that was started meanwhile ended for good: seen once in a run of bin/torture."""
    found = watch.look(Unsettled(kafka.servers, code, times=2), [topic])
    assert found[topic].end == found[topic].first == {0: 0, 1: 0}


@pytest.mark.kafka
def test_one_that_never_settles_or_refuses_is_told(kafka, topic, monkeypatch):
    monkeypatch.setattr(watch, "SETTLED_S", 0.2)
    for code in (KafkaError.UNKNOWN_LEADER_EPOCH, KafkaError.TOPIC_AUTHORIZATION_FAILED):
        with pytest.raises(SetupError, match="does not say which offsets"):
            watch.look(Unsettled(kafka.servers, code, times=99), [topic])
