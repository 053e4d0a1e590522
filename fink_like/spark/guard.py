"""Watches over the input: what Kafka no longer has, though it was not read, stops the job.

Spark can do this itself (``failOnDataLoss``), but it stops for ever at a topic that was deleted
after it had been read to its end, as those of past nights are, and it says nothing at a topic that
was made anew and has grown past the old offset. So Spark is told to go on, and each batch passes
here first.
"""

import getpass
import re
import time

from fink_like.errors import RefusedStart
from fink_like.spark import kafka
from fink_like.spark.control import ControlFolder
from fink_like.spark.watch import look

EXPIRED, DELETED, RECREATED = "expired", "topic deleted", "topic recreated"
NOT_READ = "topic no longer read"
LEFT_OUT = (RECREATED, NOT_READ)  # accepted: the topic is not read again under its name


class Guard:
    """Looks at the topics before a batch is read.

    Parameters
    ----------
    spark : SparkSession
    settings : Settings
    folder : str
        Of the job.
    """

    def __init__(self, spark, settings, folder):
        self._client = kafka.admin(settings, settings.kafka.servers)
        self._files = ControlFolder(spark, folder)

    def check(self, before, after=None):
        """Refuse to go on if messages are gone that were not read, unless somebody accepted it.

        Parameters
        ----------
        before : dict
            (topic, partition) -> offset that has been read to.
        after : dict, optional
            The same behind the batch that is to be read; None: no batch yet.

        Returns
        -------
        dict
            ``starts`` {topic: {partition: offset}} where the batch begins to read, and ``gaps``,
            a list of what was accepted: topic, partition, start, end, cause.

        Raises
        ------
        RefusedStart
            With each gap and what to do.
        """
        seen = self._files.read("topics.json") or {}
        now = look(self._client, {topic for topic, _ in (*before, *(after or {}))})
        left_out = self.left_out()
        gaps = [gap for place, offset in before.items() if place[0] not in left_out
                for gap in _gap(place, offset, now.get(place[0]), seen.get(place[0]))]
        accepted = self._accepted(gaps)
        self._remember(seen, now)
        return {"starts": _starts(before, after or {}, now), "gaps": accepted}

    def check_subscription(self, before, pattern):
        """Refuse to start if a topic that was read is not subscribed to any more.

        Spark would drop it from the checkpoint; when the pattern takes it in again, it would be
        read from its beginning, and all of it be in bronze twice.

        Parameters
        ----------
        before : dict
            (topic, partition) -> offset that has been read to.
        pattern : str
            Regular expression of the topics to read.

        Raises
        ------
        RefusedStart
            With the topics.
        """
        there = look(self._client, {topic for topic, _ in before})
        lost = [{"topic": topic, "partition": partition, "start": offset, "end": None,
                 "cause": NOT_READ} for (topic, partition), offset in sorted(before.items())
                if topic in there and not re.match(pattern, topic)
                and topic not in self.left_out()]
        self._accepted(lost)

    def _accepted(self, gaps):
        given = (self._files.read("accepted.json") or {"gaps": []})["gaps"]
        told = {_place(gap): gap for gap in given}
        open_gaps = [gap for gap in gaps if not _covers(told.get(_place(gap)), gap)]
        if open_gaps:
            self._files.write("refused.json", {"gaps": open_gaps})
            raise RefusedStart(_complaint(open_gaps))
        return [told[_place(gap)] for gap in gaps]

    def _remember(self, seen, now):
        """Keep identity and end of the topics, to know what one held when it is gone."""
        state = {name: {"id": topic.id, "ends": {str(p): o for p, o in topic.end.items()}}
                 for name, topic in now.items()}
        if {**seen, **state} != seen:
            self._files.write("topics.json", {**seen, **state})

    def check_read(self, batch_id, plan, ends, rows):
        """Refuse to go on if messages expired while a batch read them.

        Parameters
        ----------
        batch_id : int
        plan : dict
            From `check`.
        ends : dict
            (topic, partition) -> offset behind the batch.
        rows : int
            That the batch wrote.

        Raises
        ------
        RefusedStart
            With what is missing; the ledger tells it, too.
        """
        starts = {(t, int(p)): o for t, of in plan["starts"].items() for p, o in of.items()}
        if rows >= sum(end - starts[place] for place, end in ends.items()):
            return
        now = look(self._client, {topic for topic, _ in ends})
        told = {_place(gap) for gap in plan["gaps"]}
        lost = [{**gap, "end": min(gap["end"] or ends[place], ends[place])}
                for place in ends if place not in told and ends[place] > starts[place]
                for gap in _gap(place, starts[place], now.get(place[0]), None)]
        if lost:
            lost = [{**gap, "cause": f"{gap['cause']} while it was read"} for gap in lost]
            self._files.write(f"lost_{batch_id}.json", {"gaps": lost})
            self._files.write("refused.json", {"gaps": lost})
            raise RefusedStart(_complaint(lost))

    def left_out(self):
        """Topics that were made anew and accepted: they are not read under this name again."""
        return set((self._files.read("accepted.json") or {}).get("left_out", ()))

    def lag(self, read):
        """Messages that wait in Kafka: {topic: {partition: messages}}.

        Parameters
        ----------
        read : dict
            (topic, partition) -> offset that has been read to.
        """
        now = look(self._client, {topic for topic, _ in read})
        return {name: {str(p): end - read.get((name, p), topic.first.get(p, end))
                       for p, end in topic.end.items()} for name, topic in now.items()}


def accept(files, reason):
    """Accept the gaps at which the job stopped: it goes on behind them, and the ledger tells.

    Parameters
    ----------
    files : ControlFolder or alike
        Of the job: ``read``, ``write``, ``delete``.
    reason : str
        For the ledger.

    Returns
    -------
    list of dict
        What was accepted; empty if the job did not stop at a gap.
    """
    gaps = (files.read("refused.json") or {"gaps": []})["gaps"]
    kept = files.read("accepted.json") or {"gaps": [], "left_out": []}
    who = f"accepted by {getpass.getuser()} on {time.strftime('%F %T', time.gmtime())} UTC"
    for gap in gaps:
        if gap["cause"] in LEFT_OUT:
            kept["left_out"] = sorted({*kept["left_out"], gap["topic"]})
        else:
            kept["gaps"].append({**gap, "cause": f"{gap['cause']}; {who}: {reason}"})
    if gaps:
        files.write("accepted.json", kept)
        files.delete("refused.json")
    return gaps


def _gap(place, offset, now, seen):
    """The gap between what was read of a partition and what it has, as a list of none or one."""
    topic, partition = place
    made = {"topic": topic, "partition": partition, "start": offset}
    if now is None or partition not in now.first:
        end = seen["ends"].get(str(partition), offset) if seen else None
        if end is None or end > offset:
            return [{**made, "end": end, "cause": DELETED}]
    elif seen and seen["id"] != now.id:
        return [{**made, "end": None, "cause": RECREATED}]
    elif offset < now.first[partition]:
        return [{**made, "end": now.first[partition], "cause": EXPIRED}]
    return []


def _starts(before, after, now):
    starts = {}
    for topic, partition in after:
        first = now[topic].first.get(partition, 0) if topic in now else 0
        offset = before.get((topic, partition), first)
        starts.setdefault(topic, {})[str(partition)] = offset
    return starts


def _place(gap):
    return gap["topic"], gap["partition"]


def _covers(told, gap):
    return (told is not None and told["start"] <= gap["start"]
            and (gap["end"] is None or (told["end"] or 0) >= gap["end"]))


def _complaint(gaps):
    lines = []
    for gap in gaps:
        place = f"{gap['topic']}:{gap['partition']}"
        if gap["cause"] == NOT_READ:
            lines.append(f"{place} was read to {gap['start']}, and the surveys' topic patterns (or "
                         "the setting surveys) do not take it in any more; put them back, or "
                         "accept that it is left out for good")
        elif gap["cause"] == RECREATED:
            lines.append(f"{place} was deleted and made anew: its offsets name other messages now "
                         f"(read to {gap['start']})")
        elif gap["end"] is None:
            lines.append(f"{place} is gone, and nobody knows how much of it was not read "
                         f"(read to {gap['start']})")
        else:
            lines.append(f"{place}: messages {gap['start']} to {gap['end'] - 1} are gone "
                         f"({gap['cause']}) and were not read")
    return ("ingest: " + "; ".join(lines) + ". Read docs/runbook.md, \"Offsets are gone\"; to go "
            "on behind the gap: fink-like checkpoint accept-gap --reason WHY")
