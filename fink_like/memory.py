"""Memory of this process and all it has started, as the machine really spends it."""

import threading

import psutil

EVERY_S = 1.0


class PeakMemory:
    """Samples, each second, the sum of proportional set sizes (PSS); a context manager.

    PSS divides shared pages among those who share them, so the sum counts nothing twice.

    Attributes
    ----------
    peak : int
        Largest sum seen, in bytes.
    """

    def __init__(self):
        self.peak = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *failure):
        self._over.set()
        self._thread.join()

    def _watch(self):
        while not self._over.wait(EVERY_S):
            self.peak = max(self.peak, tree_bytes())


def tree_bytes():
    """Sum of PSS of this process and its descendants, in bytes."""
    me = psutil.Process()
    return sum(_bytes(process) for process in (me, *me.children(recursive=True)))


def _bytes(process):
    try:
        return process.memory_full_info().pss
    except (psutil.NoSuchProcess, psutil.AccessDenied):  # ended just now, or changed its user
        return 0
