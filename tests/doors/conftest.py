"""Kafka topics of a test's own, and what is in them."""

import uuid

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic


class Topics:
    """Makes topics on the tests' server, and reads them."""

    def __init__(self, servers):
        self.servers, self.prefix = servers, f"t{uuid.uuid4().hex[:8]}_"
        self.admin = AdminClient({"bootstrap.servers": servers, "log_level": 3})

    def name(self, name):
        return self.prefix + name

    def make(self, name, partitions=1, **config):
        full = self.name(name)
        config = {"retention.ms": "-1", **config}  # messages of 2017 are not to be removed
        made = self.admin.create_topics([NewTopic(full, partitions, 1, config=config)])
        made[full].result(20)
        return full

    def read(self, topic):
        """All messages of a topic, partition after partition."""
        consumer = Consumer({"bootstrap.servers": self.servers, "group.id": uuid.uuid4().hex})
        found = []
        for partition in consumer.list_topics(topic, timeout=20).topics[topic].partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=20)
            consumer.assign([TopicPartition(topic, partition, low)])
            got = consumer.consume(high - low, timeout=30) if high > low else []
            assert len(got) == high - low
            found += got
        consumer.close()
        return found


@pytest.fixture
def topics(kafka):
    return Topics(kafka.servers)
