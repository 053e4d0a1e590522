"""Care for the disk and the flow: when ingest must wait, and how much it takes at once."""

import sys

from fink_like.config import in_bytes
from fink_like.errors import NotNow

SIZE_UNKNOWN = 150_000  # bytes of a packet before any was seen; wide-survey packets have 110-176 kB


class Care:
    """Says whether ingest may go on, and how many messages a batch may have.

    Parameters
    ----------
    settings : Settings
    files : ControlFolder
        Of the job.
    """

    def __init__(self, settings, files):
        self._jobs, self._files = settings.jobs, files
        self._warned = False

    def may_go_on(self):
        """Wait for room on the disk, and for somebody's word after a flood.

        Raises
        ------
        NotNow
            With what must happen first.
        """
        used, limit = self._files.used(), self._jobs.disk_pause
        if used >= limit:
            raise NotNow(f"ingest waits: {self._files.path} is on a disk that is {used:.0%} full "
                         f"(limit {limit:.0%}, setting jobs.disk_pause). Kafka keeps what comes; "
                         "make room, see docs/runbook.md, \"The disk is full\".")
        if used >= self._jobs.disk_warn and not self._warned:
            print(f"ingest: the disk of {self._files.path} is {used:.0%} full; at {limit:.0%} "
                  "ingest waits", file=sys.stderr, flush=True)
            self._warned = True
        flood = self._files.read("flood.json")
        if flood and flood["paused"]:
            raise NotNow(f"ingest waits: {flood['said']}. Look at them: fink-like dead-letters "
                         "list; then go on: fink-like resume")

    def after(self, counts):
        """Raise the alarm, and pause if so configured, when too much of a batch was unreadable.

        Parameters
        ----------
        counts : dict
            State -> rows of the batch.
        """
        total, bad = sum(counts.values()), sum(counts.values()) - counts.get("ok", 0)
        if total < self._jobs.flood_least or bad < self._jobs.flood_share * total:
            return
        pauses = self._jobs.flood_action == "pause"
        said = f"{bad} of {total} messages of one batch cannot be read"
        self._files.write("flood.json", {"said": said, "paused": pauses})
        print(f"ingest: ALARM: {said}" + ("; it pauses" if pauses else ""), file=sys.stderr,
              flush=True)

    def start(self):
        """Messages of one batch, from now on; kept for `is_off`."""
        limit = self.messages()
        self._files.write("limit.json", {"messages": limit})
        return limit

    def is_off(self):
        """Whether the size of packets has changed so much that the limit is off by more than 2."""
        kept = self._files.read("limit.json")
        return bool(kept) and not 0.5 <= self.messages() / kept["messages"] <= 2

    def messages(self):
        """Messages of one batch: the byte budget over the size of the largest packets of late."""
        size = (self._files.read("size.json") or {"bytes_p95": SIZE_UNKNOWN})["bytes_p95"]
        by_size = in_bytes(self._jobs.ingest_bytes) // max(size, 1)
        return int(max(1, min(self._jobs.ingest_messages, by_size)))
