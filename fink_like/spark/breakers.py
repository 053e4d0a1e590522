"""Breakers: a module that fails batch after batch is switched off until an operator says otherwise.

One small file a module that has failed of late, ``jobs/science/modules/NAME.json``; the science job
writes it, `fink-like module resume NAME` deletes it.
"""

import sys
import time

from fink_like.vocabulary import Status

BAD_BATCHES = 3  # of the last `WINDOW`, and the module is off
LEAST_FAILED = 10  # alerts of a batch: a single odd one says little
WINDOW = 20  # batches; a module that spoils one in ten of them goes on


class Breakers:
    """The breakers of all modules.

    Parameters
    ----------
    files : ControlFolder
        Theirs alone.
    """

    def __init__(self, files):
        self._files = files

    def off(self):
        """Modules that are switched off: name -> Status.OFF. Read before each batch's plan."""
        found = {name.removesuffix(".json"): self._files.read(name) for name in self._files.names()}
        return {name: Status.OFF for name, kept in found.items() if kept and kept["off"]}

    def note(self, batch, tally, died):
        """Note how the modules fared on a batch; a repeated batch counts once.

        Parameters
        ----------
        batch : int
        tally : dict
            Of `fink_like.spark.udfs.Tally`.
        died : dict of str to str
            Modules over which a worker died in this batch, and what is known of it.
        """
        bad = {name: counts["message"] or f"it keeps memory: {counts['kept'] / 2**20:.0f} MiB"
               for name, counts in tally.items() if _is_bad(counts)}
        for name, message in {**bad, **died}.items():
            self._strike(name, batch, message)

    def _strike(self, name, batch, message):
        kept = self._files.read(f"{name}.json") or {"bad": [], "off": False}
        recent = sorted({batch, *(b for b in kept["bad"] if b > batch - WINDOW)})
        off = len(recent) >= BAD_BATCHES
        self._files.write(f"{name}.json", {"bad": recent, "off": off, "at": time.time(),
                                           "batch": batch, "message": message})
        what = (f"switched off, after {len(recent)} bad batches; mend it, then `fink-like module "
                f"resume {name}`" if off else f"bad batch, {len(recent)} of {BAD_BATCHES}")
        print(f"science module {name}: {what}. Batch {batch}: {message}", file=sys.stderr,
              flush=True)


def _is_bad(counts):
    """Whether a module spoilt a batch: it hung, leaks, or failed on most of its alerts."""
    failed = counts["failed"]
    return bool(counts["timed_out"] or counts["kept"]
                or (2 * failed > counts["rows"] and failed >= LEAST_FAILED))
