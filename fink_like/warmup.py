"""Compiling every kernel once, in set-up, instead of in the first batch or simulation."""

from pathlib import Path

from fink_like import config
from fink_like.steps import Steps

COMPILED = [Path(__file__).parent / room / "__pycache__" for room in ("kit", "simulator")]


def is_done():
    """Whether numba has kept compiled kernels beside the kit and the simulator."""
    return all(any(folder.glob("*.nbi")) for folder in COMPILED)


def warm_up():
    """Describe a light curve and simulate a few alerts of every survey: that calls every kernel."""
    # With numba and pandas: a second that `is_done` need not pay.
    from fink_like import simulator
    from fink_like.kit import LightCurve, Ragged, features
    features.describe(LightCurve(*[Ragged.from_lists([[1.0, 2.0]])] * 6))
    root = Path(config.load().root)
    for recipe in sorted((root / "conf" / "simulator").glob("*.yaml")):
        for _ in simulator.night(simulator.open_survey(root, recipe.stem), 4, seed=1):
            pass


def main():
    """Compile if that has not been done; called by bin/environment.sh."""
    if not is_done():
        with Steps().step("compile the kernels of features and simulator, once"):
            warm_up()


if __name__ == "__main__":
    main()
