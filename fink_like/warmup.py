"""Compiling the simulator's kernels once, in set-up, instead of in the first simulation."""

from pathlib import Path

from fink_like import config
from fink_like.steps import Steps

COMPILED = Path(__file__).parent / "simulator" / "__pycache__"


def is_done():
    """Whether numba has kept compiled kernels beside the simulator."""
    return any(COMPILED.glob("*.nbi"))


def warm_up():
    """Simulate a handful of alerts of every survey, so that every kernel is compiled."""
    from fink_like import simulator  # with numba and pandas: a second that `is_done` need not pay
    root = Path(config.load().root)
    for recipe in sorted((root / "conf" / "simulator").glob("*.yaml")):
        for _ in simulator.night(simulator.open_survey(root, recipe.stem), 4, seed=1):
            pass


def main():
    """Compile if that has not been done; called by bin/environment.sh."""
    if not is_done():
        with Steps().step("compile the simulator's kernels, once"):
            warm_up()


if __name__ == "__main__":
    main()
