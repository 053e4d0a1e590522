"""Packets of every survey, damaged ones among them, while the jobs are killed."""

import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

from fink_like import simulator
from fink_like.simulator import publish

MORE_THAN_ENOUGH = 50_000  # alerts of a survey; sending ends with the kills
PIECE = 10  # messages between two looks whether to go on


@dataclass
class Stream:
    """Packets of every survey, sent by a thread each until `end`."""

    settings: object
    plan: dict
    seed: int
    ending: threading.Event = field(default_factory=threading.Event)
    acknowledged: dict = field(default_factory=dict)
    failed: int = 0

    def start(self):
        """Start sending."""
        self.threads = [threading.Thread(target=self._send, args=(name, topic), daemon=True)
                        for name, topic in self.plan["topics"].items()]
        for thread in self.threads:
            thread.start()

    def end(self):
        """Stop, and wait for the last acknowledgement."""
        self.ending.set()
        for thread in self.threads:
            thread.join()

    def _send(self, name, topic):
        model = simulator.open_survey(Path(self.settings.root), name)
        batches = simulator.night(model, MORE_THAN_ENOUGH, seed=self.seed, cutouts=False,
                                  faults=self.plan["faults"])
        summary = publish.to_kafka(self._until_the_end(batches), self.settings.kafka.servers, topic,
                                   self.plan["rate"])
        self.acknowledged[topic] = summary.acknowledged
        self.failed += summary.failed

    def _until_the_end(self, batches):
        for batch in batches:
            for low in range(0, len(batch.values), PIECE):
                if self.ending.is_set():
                    return
                piece = slice(low, low + PIECE)
                yield replace(batch, values=batch.values[piece], keys=batch.keys[piece],
                              times=batch.times[piece], truth=batch.truth.iloc[piece])
