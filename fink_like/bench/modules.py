"""What the kit adds to the science modules: all live ones run by it, and their functions alone."""

import resource
import statistics
import time
from pathlib import Path

import numpy as np
import yaml
from rich.console import Console
from rich.table import Table

from fink_like import config, simulator
from fink_like.bench import measured
from fink_like.jobs.science import live_modules
from fink_like.kit.columns import Batch
from fink_like.kit.registry import external_inputs
from fink_like.kit.run import run as run_modules
from fink_like.modules.trial import in_bulk
from fink_like.packets import survey as survey_declarations
from fink_like.spark.silver import SCORED_ROWS

REPEATS_A_REPEAT = 15  # a run takes 20 ms


def run(given):
    """Measure the kit's share of the CPU time, without Spark.

    Parameters
    ----------
    given : argparse.Namespace
        alerts (in a batch, default: as many as a Spark worker sees at once), repeats.
    """
    settings = config.load()
    folder = Path(settings.root) / "var" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    surveys = survey_declarations.load_all(settings.conf / "surveys")
    specs = live_modules(settings, surveys)
    seed = yaml.safe_load((settings.conf / "bench.yaml").read_text())["seed"]
    rows = [row for name in sorted(surveys)
            for row in _survey(settings, name, specs, given.alerts or SCORED_ROWS,
                               (seed, REPEATS_A_REPEAT * given.repeats))]
    table = Table("survey", "module", title="us of CPU time an alert, median, on one core")
    for name in ("function alone", "by the kit", "the kit adds"):
        table.add_column(name, justify="right")
    for row in rows:
        whole = row["kit_us"]
        table.add_row(row["survey"], row["module"], f"{row['function_us']:.1f}",
                      *([f"{whole:.1f}", f"{whole / row['function_us'] - 1:.0%}"] if whole
                        else ["", ""]))
    Console().print(table)
    measured.write(folder, "modules", {"rows": rows, "alerts": given.alerts or SCORED_ROWS},
                   1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def _survey(settings, name, specs, alerts, plan):
    """A row for each module's function, and one for all of them."""
    seed, repeats = plan
    made = simulator.light_curves(simulator.open_survey(Path(settings.root), name), alerts,
                                  seed=seed, columns=in_bulk(external_inputs(specs), name)).columns
    whole = _micros(lambda: run_modules(specs, made), repeats) / alerts
    scores, _ = run_modules(specs, made)
    batch = Batch(made | {f"{spec.name}.{field.name}": scores.field(place).field(field.name)
                          for place, spec in enumerate(specs) for field in spec.struct.fields})
    rows = []
    for place, spec in enumerate(specs):
        applies = np.flatnonzero(scores.field(place).field("status").to_numpy() == 0)
        inputs = batch.inputs(spec.inputs, applies)
        rows.append({"survey": name, "module": spec.name, "alerts": len(applies), "kit_us": None,
                     "function_us": _micros(lambda: spec.compute(*inputs), repeats) / alerts})
    functions = sum(row["function_us"] for row in rows)
    return [*rows, {"survey": name, "module": "all", "alerts": alerts, "kit_us": whole,
                    "function_us": functions}]


def _micros(work, repeats):
    """Median microseconds of CPU time; the first run, which compiles, is thrown away."""
    taken = []
    with np.errstate(all="ignore"):
        for _ in range(repeats + 1):
            began = time.process_time()
            work()
            taken.append(1e6 * (time.process_time() - began))
    return statistics.median(taken[1:])
