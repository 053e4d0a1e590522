"""Commands for science modules: write one, check it, try it, see how all of them fare."""

import time

from fink_like.cli.command import DATA, command, option
from fink_like.cli.machine import settings_of
from fink_like.errors import ConfigError

NAME = option("name", help="of its folder in science_modules/")
SOURCES = (option("--night", type=int, help="stored alerts of this night, YYYYMMDD"),
           option("--file", nargs="+", help="packets: files, folders or tarballs"),
           option("--simulate", metavar="CLASS",
                  help="simulated alerts of a class of conf/populations/training.yaml; `all`: "
                       "of the stream"),
           option("--light-curves", metavar="FILE",
                  help="plain ones, a line a point: object_id, time, mag, magerr, band"),
           option("--total", action="store_true", help="of --light-curves: magnitudes are of all "
                  "the light, not of what was added"),
           option("--survey", help="of simulated alerts, default: each; what light curves are "
                                   "taken for"),
           option("--limit", type=int, default=1000, help="most alerts, default 1000"),
           option("--seed", type=int, default=1, help="of simulated alerts, default 1"))


@command(NAME, option("--trained", action="store_true",
                      help="with a model that `module train` makes"),
         example="fink-like module new my_module", name="module new")
def new(given):
    """Write a new science module that already keeps the contract, for you to change."""
    from fink_like.modules import scaffold
    for path in scaffold.write(settings_of(given), given.name, given.trained):
        print(f"wrote {path}")
    train = f" `fink-like module train {given.name}`," if given.trained else ""
    print(f"next: change it,{train} `fink-like module check {given.name}`, `fink-like module try "
          f"{given.name} --simulate all`; then `{given.name}: live` in conf/modules.yaml")


@command(NAME, DATA, example="fink-like module check rates", name="module check")
def check(given):
    """Try every rule of the contract on a science module; exit 1 if it breaks one."""
    from fink_like.modules import check as door
    from fink_like.modules import page
    return int(page.checked(given.name, door.check(settings_of(given), given.name), door.RULES,
                            page.console()) > 0)


@command(NAME, *SOURCES, option("--rows", type=int, default=3, help="alerts shown, default 3"),
         DATA, example="fink-like module try rates --simulate 'SN Ia'", name="module try")
def try_it(given):
    """Run a science module on stored, packed or simulated alerts, without Spark."""
    from fink_like.modules import page
    trial, columns = _alerts(given)
    answer = trial.score(columns)
    page.answered(answer, given.rows, page.console())
    return int(bool(answer.outcome.message))


@command(NAME, *SOURCES, DATA, example="fink-like module profile rates --simulate all",
         name="module profile")
def profile(given):
    """Show the CPU time a science module takes for an alert, and in which functions."""
    from fink_like.modules import page
    from fink_like.modules import profile as door
    trial, columns = _alerts(given)
    page.profiled(trial.specs, door.profile(trial, columns), page.console())


@command(NAME, option("--seed", type=int, default=1, help="same seed, same model; default 1"),
         option("--each", type=int, help="light curves of a class and survey, in place of the "
                                         "module's own choice: fewer for a first look"),
         option("--labelled", nargs="+", default=[], metavar="FOLDER",
                help="packets with a labels.csv, to test with; never trained on"),
         DATA, example="fink-like module train my_module --each 200", name="module train")
def train(given):
    """Make the model of a science module from simulated alerts and your labels; write its card."""
    from fink_like.steps import Steps
    from fink_like.training import card
    from fink_like.training import train as door
    asked = door.Given(given.name, given.seed, given.each, tuple(given.labelled))
    steps, began = Steps(), time.monotonic()
    written = door.train(settings_of(given), asked, steps.say)
    print("\n".join(card.lines(written)))
    print(f"wrote model.npz, card.json and training.png in {time.monotonic() - began:.0f} s; next: "
          f"`fink-like module check {given.name}`")


def _alerts(given):
    """A trial and the alerts that the options ask for."""
    from fink_like.modules.trial import Trial
    trial = Trial(settings_of(given), given.name)
    sources = given.night, given.file, given.simulate, given.light_curves
    if sum(source is not None for source in sources) != 1:
        raise ConfigError("say which alerts: --night NIGHT, --file PATH, --simulate CLASS or "
                          "--light-curves FILE")
    if given.night is not None:
        return trial, trial.of_night(given.night, given.limit)
    if given.file is not None:
        return trial, trial.of_files(given.file, given.limit)
    if given.light_curves is not None:
        return trial, trial.of_light_curves(given.light_curves, given.survey, given.total,
                                            given.limit)
    chosen = None if given.simulate == "all" else given.simulate
    return trial, trial.simulated(chosen, given.survey, given.limit, given.seed)


@command(option("words", nargs="*", help="only columns with these in name or meaning"),
         example="fink-like module inputs flux", name="module inputs")
def inputs(given):
    """List the columns that a science module may take, with unit and meaning."""
    from fink_like.modules import page
    from fink_like.modules.check import input_columns
    page.columns(input_columns(settings_of(given)), given.words, page.console())


@command(option("--json", action="store_true", help="for machines"), DATA,
         example="fink-like module list", name="module list")
def list_modules(given):
    """List the science modules: what is on, version, cost, nulls, failures of the last 24 hours."""
    import json

    from fink_like.modules import page
    from fink_like.modules.listing import listing
    found = listing(settings_of(given))
    if given.json:
        print(json.dumps(found, indent=2))
    else:
        page.listed(found, page.console())


@command(option("first", help="a module, live or in shadow"), option("second", help="another"),
         option("--night", nargs="+", required=True, metavar="NIGHT",
                help="YYYYMMDD, or YYYYMMDD-YYYYMMDD for all between"),
         option("--plots", metavar="FOLDER", help="draw each output there, as PNG"),
         option("--class", dest="wanted", metavar="CLASS",
                help="of labelled objects: what a positive --verdict means"),
         option("--verdict", metavar="OUTPUT", help="a boolean, or a number with --threshold"),
         option("--threshold", type=float, help="a number at or above it is positive"), DATA,
         example="fink-like module compare rates rates_next --night 20260310",
         name="module compare")
def compare(given):
    """Show where two science modules agree, and which verdicts have changed."""
    from fink_like import labels
    from fink_like.kit import registry
    from fink_like.modules import backfill, page
    from fink_like.modules import check as check_door
    from fink_like.modules import compare as door
    settings, names = settings_of(given), (given.first, given.second)
    if bool(given.wanted) != bool(given.verdict):
        raise ConfigError("--class and --verdict go together: which output means that class?")
    found = door.alerts(settings, *names, backfill.nights(settings, given.night))
    spec = registry.read_module(check_door.folder_of(settings, given.first) / "module.py")
    page.compared(names, door.compare(found, *names, spec.struct.fields), page.console())
    if given.wanted:
        known = labels.of_objects(labels.read(settings))
        page.judged(door.against_labels(found, names, given.verdict, known, given.wanted,
                                        given.threshold), given.wanted, page.console())
    if given.plots:
        from fink_like.modules import plots
        for path in plots.compared(found, names, spec.outputs, given.plots):
            print(f"wrote {path}")


@command(option("file", help="CSV or Parquet: object, class, source, date, confidence"), DATA,
         example="fink-like labels add bts.csv", name="labels add")
def add_labels(given):
    """Add labels of objects, for training and for purity; those that are known are not repeated."""
    from fink_like import labels
    new, every = labels.add(settings_of(given), given.file)
    print(f"{new} of {every} labels are new")


@command(DATA, example="fink-like labels show", name="labels show")
def show_labels(given):
    """Count the labels by class and source."""
    from fink_like import labels
    found = labels.read(settings_of(given))
    if found.empty:
        print("no labels yet: fink-like labels add FILE")
        return
    counts = found.groupby(["class", "source"]).size().rename("labels").reset_index()
    print(counts.to_string(index=False))


@command(NAME, DATA, example="fink-like module resume my_module --data /data/broker",
         name="module resume")
def resume(given):
    """Switch a science module on again that was switched off because it failed."""
    from fink_like.reports import SmallFiles
    breakers = SmallFiles(settings_of(given).data, "jobs", "science", "modules")
    kept = breakers.read(f"{given.name}.json")
    if kept is None:
        print(f"{given.name} has not failed of late; conf/modules.yaml says what is live")
        return 1
    breakers.delete(f"{given.name}.json")
    print(f"forgotten: {len(kept['bad'])} bad batches of {given.name}, the last: "
          f"{kept['message']}; it is on from the next batch")
    return 0


@command(option("module", help="a live one; those that build on it go with it"),
         option("--nights", nargs="+", required=True, metavar="NIGHT",
                help="YYYYMMDD, or YYYYMMDD-YYYYMMDD for all between"),
         option("--failed", action="store_true",
                help="only alerts where it failed, was stopped or was off"),
         option("--send", action="store_true",
                help="send what passes a filter now and did not before; --failed does"),
         option("--wait", type=float, default=3600.0, metavar="SECONDS",
                help="for a running science job, each night; default 3600"), DATA,
         example="fink-like backfill rates --nights 20260301-20260331")
def backfill(given):
    """Score past nights again with a science module, as revisions beside what is there.

    Exit code 0: every alert could be scored; 1: some could not.
    """
    from fink_like.cli.jobs import spark_session
    from fink_like.modules import backfill as door
    settings = settings_of(given)
    wanted, tried, scored = door.nights(settings, given.nights), 0, 0
    request = {"module": given.module, "failed": given.failed, "send": given.send or given.failed}
    for number, (night, did) in enumerate(door.backfill(
            settings, wanted, request, lambda: spark_session(settings), given.wait), 1):
        tried, scored = tried + did["alerts"], scored + did["scored"]
        print(f"night {night} ({number} of {len(wanted)}): {did['scored']} of {did['alerts']} "
              "alerts scored", flush=True)
    fate = "" if request["send"] else ", marked retrospective, not sent"
    print(f"{given.module}: {len(wanted)} nights, {scored} of {tried} alerts have a new revision "
          f"in rescores{fate}")
    return int(scored < tried)
