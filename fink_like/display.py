"""The demo's live table: packets in, bronze, silver, substreams, dead letters, latency."""

import sys
import time

from confluent_kafka import Consumer, TopicPartition
from rich.console import Console
from rich.live import Live
from rich.table import Table

from fink_like import reports

EVERY_S = 1.0
LINE_EVERY_S = 5.0  # where there is no terminal


class Display:
    """Shows how far the jobs are; a context manager.

    Parameters
    ----------
    settings : Settings
    topics : dict
        Survey name -> ``{"topic": ...}``.
    title : str
    """

    def __init__(self, settings, topics, title):
        self.files = reports.JobFiles(settings.data)
        self.topics = [what["topic"] for what in topics.values()]
        self.title, self.began = title, time.monotonic()
        self.looked, self.printed, self.now = 0.0, 0.0, self._count_nothing()
        self.kafka = Consumer({"bootstrap.servers": settings.kafka.servers, "group.id": "display",
                               "log_level": 0})
        self.live = Live(console=Console(), refresh_per_second=2) if sys.stdout.isatty() else None

    def __enter__(self):
        if self.live:
            self.live.__enter__()
        return self

    def __exit__(self, *failure):
        self.kafka.close()
        if self.live:
            self.live.update(self._table())
            self.live.__exit__(*failure)

    def refresh(self):
        """Look, and show; returns the counts, for the caller to see whether they change."""
        now = time.monotonic()
        if now - self.looked >= EVERY_S:
            self.looked = now
            self.now = {"in": self._messages(), **reports.totals(self.files)}
            self._show(now)
        return str(self.now)

    def is_all_done(self):
        """Whether all that is in the topics has gone through all three jobs."""
        rows = sum(self.now["bronze"].values())
        distributed = self.files.reports("distribute")
        seen = sum(report["alerts"] for report in distributed)
        readable = self.now["bronze"].get("ok", 0)
        return self.now["in"] == rows > 0 and self.now["silver"] == readable == seen

    def _count_nothing(self):
        return {"in": 0, "bronze": {}, "silver": 0, "substreams": {}, "latency_s": None}

    def _messages(self):
        total = 0
        listed = self.kafka.list_topics(timeout=10).topics
        for topic in self.topics:
            for partition in listed[topic].partitions if topic in listed else ():
                low, high = self.kafka.get_watermark_offsets(TopicPartition(topic, partition),
                                                             timeout=10)
                total += high - low
        return total

    def _show(self, now):
        if self.live:
            self.live.update(self._table())
        elif now - self.printed >= LINE_EVERY_S:
            self.printed = now
            dead = sum(n for state, n in self.now["bronze"].items() if state != "ok")
            print(f"{now - self.began:4.0f} s  packets in {self.now['in']}  "
                  f"bronze {self.now['bronze'].get('ok', 0)}  dead letters {dead}  "
                  f"silver {self.now['silver']}  sent {sum(self.now['substreams'].values())}",
                  flush=True)

    def _table(self):
        table = Table("", "alerts", title=f"{self.title}, {time.monotonic() - self.began:.0f} s")
        dead = sum(n for state, n in self.now["bronze"].items() if state != "ok")
        rows = {"packets in": self.now["in"], "bronze": self.now["bronze"].get("ok", 0),
                "dead letters": dead, "silver": self.now["silver"], **self.now["substreams"]}
        for name, count in rows.items():
            table.add_row(name, str(count))
        if self.now["latency_s"]:
            median, most, _ = self.now["latency_s"]
            table.add_row("latency, median / 95 %", f"{median:.1f} / {most:.1f} s")
        return table
