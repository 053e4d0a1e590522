"""What set-up prints: one line a step with its time, and how far a download has come."""

import sys
import time
from contextlib import contextmanager

PLAIN_EVERY = 5.0  # seconds between two progress lines where there is no terminal


class Steps:
    """Writes steps and progress, in place on a terminal, as plain lines elsewhere.

    Parameters
    ----------
    out : text file, optional
        Standard error if not given: set-up prints nothing that a pipe should catch.
    """

    def __init__(self, out=None):
        self.out = sys.stderr if out is None else out
        self.live = self.out.isatty()
        self._shown = 0.0
        self._width = 0

    def say(self, text):
        """Print one line."""
        self._wipe()
        print(text, file=self.out, flush=True)

    @contextmanager
    def step(self, what):
        """Print ``what`` and, when the block has ended well, the seconds it took."""
        self.say(f"· {what}")
        began = self._shown = time.monotonic()
        yield
        self.say(f"  done in {time.monotonic() - began:.1f} s")

    def progress(self, text):
        """Show a passing state: overwritten on a terminal, every few seconds elsewhere."""
        now = time.monotonic()
        if self.live:
            self._wipe()
            print(f"  {text}", end="", file=self.out, flush=True)
            self._width = len(text) + 2
        elif now - self._shown >= PLAIN_EVERY:
            print(f"  {text}", file=self.out, flush=True)
            self._shown = now

    def _wipe(self):
        if self._width:
            print("\r" + " " * self._width + "\r", end="", file=self.out)
            self._width = 0
