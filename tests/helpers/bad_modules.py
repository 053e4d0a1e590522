"""Science modules that misbehave in every way there is, for the tests of streams."""

from textwrap import dedent

HEAD = """
import ctypes, os, signal, time
import numpy as np
import pandas as pd
from fink_like.kit import Field, science_module

@science_module(version="1.0", inputs=("diaSourceId", {more}), outputs=(Field("x", "float"),),
                budget=1.0)
def {name}(ids, *others):
    '''Misbehaves.'''
    ids = np.asarray(ids)
"""

GENTLE = {  # what a `try` in Python catches, or an alarm
    "raises_on_one": "if (ids % 10 == 7).any(): raise ValueError('a seven')\nreturn {'x': ids * 1.}",
    "raises": "raise KeyError('nothing works')",
    "leaves": "raise SystemExit(1)",
    "wrong_shape": "return {'x': np.ones(len(ids) + 1)}",
    "wrong_type": "return {'x': np.full(len(ids), 'a', dtype=object)}",
    "wrong_index": "return pd.DataFrame({'x': np.ones(len(ids))}, index=np.arange(len(ids)) + 5)",
    "wrong_names": "return {'y': np.ones(len(ids))}",
    "sleeps": "time.sleep(600)",
    "loops": "while True: pass",
    "catches_all": "while True:\n    try: time.sleep(600)\n    except Exception: pass",
    "greedy": "return {'x': np.ones(len(ids)) * np.ones(2 ** 31).sum()}",
}
FATAL = {  # what ends the Python worker that all modules share
    "exits": "os._exit(3)",
    "killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "crashes": "ctypes.string_at(0)",
    "deaf": "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})\n"
            "ctypes.PyDLL(None).sleep(600)",
}
LEAK = {"leaks": "np.kept = getattr(np, 'kept', []) + [b'x' * 2 ** 27]\nreturn {'x': ids * 1.}"}
ALL_FAIL = set(GENTLE) - {"raises_on_one"}
TIMED_OUT = {"sleeps", "loops", "catches_all"}


def add_modules(project, bodies, more=""):
    """Write modules into a project, all live; `features`, which loads for a second, is off."""
    lines = ["quality: live", "rates: live", "features: off"]
    for name, body in bodies.items():
        folder = project / "science_modules" / name
        folder.mkdir()
        indented = "\n".join("    " + line for line in dedent(body).splitlines())
        (folder / "module.py").write_text(HEAD.format(name=name, more=more) + indented + "\n")
        lines.append(f"{name}: live")
    (project / "conf" / "modules.yaml").write_text("\n".join(lines) + "\n")
