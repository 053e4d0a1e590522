"""A Kafka server, a Spark session and simulated packets, for measuring."""

import shutil
from pathlib import Path

import yaml

from fink_like import config, jars, java, simulator
from fink_like.kafka_server import KafkaServer
from fink_like.memory import PeakMemory
from fink_like.simulator import publish
from fink_like.spark import kafka, session
from fink_like.steps import Steps


class Street:
    """All that a benchmark needs, in ``var/bench``; a context manager that leaves only figures.

    Attributes
    ----------
    folder : pathlib.Path
    plan : dict
        ``conf/bench.yaml``.
    settings : Settings
    spark : SparkSession
    steps : Steps
        Tells what is being measured.
    peak : int
        Largest memory so far, bytes.
    """

    def __init__(self):
        java.use(java.find_java())
        self.root = Path(config.load().root)
        self.folder = self.root / "var" / "bench"
        self.plan = yaml.safe_load((self.root / "conf" / "bench.yaml").read_text())
        self._work = self.folder / "work"
        self._memory, self.spark, self.steps = PeakMemory(), None, Steps()

    def __enter__(self):
        shutil.rmtree(self._work, ignore_errors=True)
        self._server = KafkaServer(self._work / "kafka")
        self._server.start()
        self._memory.__enter__()
        self.begin()
        return self

    def __exit__(self, *failure):
        self.spark.stop()
        self._server.stop()
        self._memory.__exit__(*failure)
        shutil.rmtree(self._work, ignore_errors=True)

    @property
    def peak(self):
        """Largest memory so far, bytes."""
        return self._memory.peak

    def begin(self, data="data", **flags):
        """Start a session, in place of the one before, on tables of its own."""
        if self.spark is not None:
            self.spark.stop()
        self.settings = config.load(self.root, data=str(self._work / data),
                                    **{"kafka.servers": self._server.servers, **flags})
        self.spark = session.build(self.settings, "fink_like bench", jars.paths("spark"))

    def make_topics(self, names):
        """Make topics with as many partitions as the plan says."""
        kafka.ensure_topics(self.settings, names, self.plan["partitions"])

    def publish(self, recipe, topic, alerts, seed):
        """Publish alerts of nights that no other seed has: other ids, other bytes.

        Returns
        -------
        fink_like.simulator.publish.Summary
        """
        model = simulator.open_survey(self.root, recipe)
        start = model.recipe["start_mjd"] + 10 * seed
        batches = simulator.night(model, alerts, seed=self.plan["seed"] + seed, start_mjd=start)
        return publish.to_kafka(batches, self.settings.kafka.servers, topic)

    def catch_up(self, job, settings=None):
        """Run a job until it has done all there is; with its own settings, or the street's."""
        job.run(settings or self.settings, self.spark, until_caught_up=True).awaitTermination()
