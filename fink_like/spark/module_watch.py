"""Watches science modules in a Python worker: how long each takes, what it keeps of the memory.

Four things may go wrong that no ``try`` in Python can catch, and each is told from the next:

===========================  ===================================================================
a module that hangs          an alarm throws `TimedOut` into it; if it is deaf to that (a loop in
                             C), the worker is ended by ``faulthandler``, which needs no Python
one that wants much memory   it may map so much more than there was, then gets a MemoryError
one that keeps memory        the worker's growth from task to task is counted, and blamed on the
                             module that grew most
one that kills the worker    the worker's black box names it: the file that Spark reads when a
                             worker has died and puts into the failure's text (`WAS_RUNNING`)
===========================  ===================================================================
"""

import contextlib
import faulthandler
import os
import re
import resource
import signal
import sys
import threading
import time

import psutil

from fink_like.errors import TimedOut

SLOWER = 10.0  # times its budget before a module is stopped: other work shares the cores
DEAF = 2.0  # times its limit, and a module that the alarm did not stop ends with its worker
AGAIN = 0.5  # s, then the alarm rings again: a bare `except` swallows one
WARM_TASKS = 4  # of a worker, in which libraries and models are loaded; its memory counts from then
WAS_RUNNING = re.compile(r"fink_like: science module (\w+) was running")


class Watch:
    """The watch over one task: ``watch(spec, rows)`` is a context around each module.

    Parameters
    ----------
    patience : float
        Seconds that any module may take for a batch, whatever its budget: models are loaded and
        kernels compiled at the first.
    memory : int
        Bytes that a module may have at once, and that a worker may grow by from task to task.
    """

    def __init__(self, patience, memory):
        self._patience, self._memory = patience, memory
        self._hung = set()
        self.seconds = {}
        _worker.begin_task()

    @contextlib.contextmanager
    def __call__(self, spec, rows):
        if spec.name in self._hung:
            raise TimedOut("stopped before: it took too long for other alerts of this batch")
        limit = self._patience + SLOWER * spec.budget * 1e-6 * rows
        _worker.write_down(spec.name)
        began, before = time.perf_counter(), _worker.resident()
        try:
            with _memory_limit(self._memory), _alarm(limit, spec.name, _worker.black_box):
                yield
        except TimedOut:
            self._hung.add(spec.name)
            raise
        finally:
            self.seconds[spec.name] = (self.seconds.get(spec.name, 0.0)
                                       + time.perf_counter() - began)
            _worker.grown(spec.name, _worker.resident() - before)
            _worker.write_down(None)

    def leaking(self):
        """The module to blame if this worker has grown too much since it was warm, and by how
        many bytes; None if it has not.
        """
        return _worker.leaking(self._memory)


class _Worker:
    """This process: how much it held when it was warm, which module made it grow, its black box."""

    def __init__(self):
        self.tasks, self.warm, self.growth, self.black_box = 0, None, {}, None

    def begin_task(self):
        """Open the black box, which Spark makes anew for each task, and look at the memory."""
        self.tasks += 1
        if self.tasks == WARM_TASKS:
            self.warm, self.growth = self.resident(), {}
        folder = os.environ.get("PYTHON_FAULTHANDLER_DIR")
        if self.black_box is not None:
            self.black_box.close()
        path = folder and os.path.join(folder, str(os.getpid()))
        self.black_box = open(path, "r+") if path and os.path.exists(path) else None
        if self.black_box:
            faulthandler.enable(self.black_box)  # behind our line, not over it

    def write_down(self, module):
        """Note in the black box which module runs now; None: none does."""
        if self.black_box:
            self.black_box.seek(0)
            self.black_box.truncate()
            if module:
                self.black_box.write(f"fink_like: science module {module} was running\n")
            self.black_box.flush()

    def grown(self, module, size):
        self.growth[module] = self.growth.get(module, 0) + size

    def leaking(self, limit):
        if self.warm is None or not self.growth or self.resident() - self.warm < limit:
            return None
        module = max(self.growth, key=self.growth.get)
        found = (module, self.resident() - self.warm)
        mine, self.tasks, self.warm = self.growth[module], 0, None
        return found if 2 * mine > limit else None  # else nobody's: libraries keep memory, too

    @staticmethod
    def resident():
        """Bytes of memory that this process holds."""
        return psutil.Process().memory_info().rss


_worker = _Worker()


@contextlib.contextmanager
def _alarm(limit, module, black_box):
    """Throw `TimedOut` into what runs longer than `limit` seconds; end the process later on."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only; a Python worker of Spark has no other
        return
    ringing, said = True, []

    def ring(number, frame):
        if ringing:
            said.append(f"stopped after {limit:.1f} s, at {frame.f_code.co_filename}:"
                        f"{frame.f_lineno}; its budget allows no more for so many alerts")
            raise TimedOut(said[0])

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, limit, AGAIN)
    faulthandler.dump_traceback_later(DEAF * limit, exit=True, file=black_box or sys.__stderr__)
    try:
        yield
        if said:
            raise TimedOut(f"{said[0]} (it caught the alarm)")
    finally:
        ringing = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _memory_limit(more):
    """Let the process map so many bytes more than it has now, and no more."""
    if sys.platform != "linux":
        yield  # others do not keep to the limit, or refuse it
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = psutil.Process().memory_info().vms + more
    told = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([wanted, *told]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
