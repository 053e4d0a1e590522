"""Security options: one spelling for users, two clients that understand them."""

import pytest

from fink_like.errors import ConfigError
from fink_like.spark.kafka import java_options, stream


def test_a_scram_login_becomes_a_jaas_line_with_quotes_escaped():
    options = java_options({"security.protocol": "SASL_SSL", "sasl.mechanisms": "SCRAM-SHA-512",
                            "sasl.username": "me", "sasl.password": 'a"b\\c',
                            "ssl.ca.location": "/etc/ca.pem"})
    assert options == {
        "security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required "
                            'username="me" password="a\\"b\\\\c";',
        "ssl.truststore.type": "PEM", "ssl.truststore.location": "/etc/ca.pem"}


def test_what_both_clients_call_the_same_passes():
    assert java_options({"client.id": "x"}) == {"client.id": "x"}
    assert java_options({}) == {}


def test_a_jaas_line_is_refused_because_only_one_client_would_understand_it():
    with pytest.raises(ConfigError, match="sasl.username"):
        java_options({"sasl.jaas.config": "..."})


def test_a_user_name_needs_a_mechanism_that_takes_one():
    with pytest.raises(ConfigError, match="SCRAM-SHA-512"):
        java_options({"sasl.username": "me"})


def test_the_end_of_a_partition_is_not_waited_for(spark, settings, surveys, monkeypatch):
    """Spark asks for a partition's ends behind each fetch; Kafka holds that for 500 ms by default,
    and it took half a second of each batch."""
    given = {}
    reader = type(spark.readStream)
    kept = reader.option
    monkeypatch.setattr(reader, "option", lambda self, name, value:
                        given.update({name: value}) or kept(self, name, value))
    monkeypatch.setattr(reader, "load", lambda self: None)
    stream(spark, settings, surveys, messages=10)
    assert given["kafka.fetch.max.wait.ms"] <= 20 and given["maxOffsetsPerTrigger"] == 10
