"""Compiling every kernel once, in set-up, instead of in the first batch or simulation."""

from pathlib import Path

from fink_like import config
from fink_like.steps import Steps

COMPILED = [Path(__file__).parent / room / "__pycache__" for room in ("kit", "simulator")]


def is_done():
    """Whether numba has kept compiled kernels beside the kit and the simulator."""
    return all(any(folder.glob("*.nbi")) for folder in COMPILED)


def warm_up():
    """Describe and fit a light curve, simulate a few alerts of every survey: calls every kernel."""
    # With numba and pandas: a second that `is_done` need not pay.
    from fink_like import simulator
    from fink_like.kit import features, template_grid
    from fink_like.kit.columns import Batch
    from fink_like.kit.handmade import alerts, light_curve
    lc = Batch(alerts([light_curve([61000.0, 61001.0], [1.0, 2.0], 1.0)])).light_curve
    features.describe(lc)
    grid = template_grid.TemplateGrid.of([-9.0, 9.0], [[[1.0, 2.0]]], "r")
    template_grid.fit_templates(lc, grid, template_grid.trial_epochs(lc.mjd.last(), [0.0]))
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
