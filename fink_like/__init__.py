"""A community alert broker: Kafka in, science modules, filtered Kafka streams out.

The rooms, from the door down (imports go down only; `tests/test_house.py` checks it):

doors   ``cli`` ``client`` ``simulator`` and the set-up (``java`` ``jars`` ``kafka_server``)
jobs    ``ingest`` ``science`` ``distribute``
spark   ``session`` ``kafka`` ``avro`` ``tables`` ``udfs`` ``progress``
pure    ``packets`` | ``kit`` | ``filters``   (numpy, pandas, pyarrow; no Spark, no network)
ground  ``vocabulary`` ``errors`` ``config``
"""

__version__ = "0.1.0"
