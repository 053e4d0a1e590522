"""``fink-like module train NAME``: simulate, fit, calibrate, test, and write it all down."""

import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from fink_like.errors import ConfigError
from fink_like.kit.classifier import FILE, Classifier
from fink_like.kit.model_file import save_model
from fink_like.modules.trial import WORLD, Trial
from fink_like.training import card, declaration, evaluate, labelled, picture, rows
from fink_like.training.fit import fit

INDEPENDENT = "independent"
SHARES = {"fit": (WORLD, 0), "in_sample": (WORLD, 1), INDEPENDENT: (INDEPENDENT, 2)}
"""What rows are for: their world, and what is added to the seed."""

PROCESSES, CLASSES_A_JOB = 2, 5
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
                            "NUMBA_NUM_THREADS"), "1")
"""Sums in another order are other sums: the same seed shall give the same bytes."""


@dataclass(frozen=True)
class Given:
    """What the user asks for.

    Parameters
    ----------
    name : str
        Of the module.
    seed : int
    each : int or None
        In place of the declaration's `each`; `test` shrinks or grows with it.
    folders : tuple of str
        Folders of labelled packets, to test with.
    """

    name: str
    seed: int = 1
    each: int = None
    folders: tuple = ()


def train(settings, given, say=print):
    """Train a module's model; write ``model.npz``, ``card.json`` and ``training.png`` beside it.

    Parameters
    ----------
    settings : Settings
    given : Given
    say : callable
        Called with one line at a time.

    Returns
    -------
    dict
        The card.

    Raises
    ------
    ConfigError
        There is no such module, or its training.yaml cannot be.
    ModuleError
        Its function `matrix` fails, or the model is too large.
    """
    folder, trial = settings.modules / given.name, Trial(settings, given.name)
    declared = _resized(declaration.load(folder), given.each)
    surveys = declared.surveys or trial.specs[-1].surveys or tuple(sorted(trial.surveys))
    with _pool() as pool:
        simulated, counts = _simulate(pool, settings, given, declared, surveys, say)
        own, stored = labelled.stored(settings, trial, declared)
        say(f"{stored['labels']} labels: {stored['known']} of classes here, {stored['objects']} "
            "objects with stored alerts")
        taught, mine = simulated["fit"], None
        if own is not None:
            mine = own.take(~labelled.held_out(own))
            taught = rows.joined([taught, mine])
        say(f"training on {len(taught):,} alerts")
        parts, thresholds, told = pool.submit(fit, taught, declared, given.seed).result()
    found = {"sha256": save_model(folder / FILE, parts), "training": told, "counts": counts,
             "features": taught.features.shape[1], "stored": stored, "thresholds": thresholds,
             "stream": evaluate.stream_shares(settings.conf)}
    model = Classifier(parts)
    found["judged"] = {share: evaluate.judge(model, simulated[share], thresholds, found["stream"])
                       for share in ("in_sample", INDEPENDENT)}
    found["real"] = {source: {**read, "labels_seen": evaluate.judge_labelled(
        model, real, thresholds) if real is not None else {}}
        for source, real, read in _real(settings, given, trial, declared, (own, mine, stored))}
    written = card.card(settings, trial.specs[-1], given, declared, found)
    card.write(folder, written)
    picture.draw(folder / picture.FILE, written)
    return written


def _real(settings, given, trial, declared, own):
    """(source, rows or None, what was read) of each source of real alerts with labels.

    Of a folder without the objects that were trained on, as stored alerts with a label.
    """
    every, taught, stored = own
    if every is not None:
        yield "stored alerts, held out", every.take(labelled.held_out(every)), stored
    for path in given.folders:
        for source, found, read in _of_folder(trial, declared, path):
            known = np.isin(found.group, taught.group) if found and taught else np.zeros(0, bool)
            yield (source, found.take(~known) if known.any() else found,
                   {**read, "trained_on": int(known.sum())})


def _of_folder(trial, declared, path):
    """Labelled packets, if it has any, and the plain light curves that are declared."""
    curves = [(f"{path}/{name}", *found) for name, *found in labelled.plain(trial, declared, path)]
    if not curves or (Path(path) / labelled.FILE).is_file():
        yield (str(path), *labelled.folder(trial, declared, path))
    yield from curves


def _resized(declared, each):
    if each is None:
        return declared
    if each < 1:
        raise ConfigError(f"--each {each}: 1 light curve at least")
    return replace(declared, each=each, test=max(declared.test * each // declared.each, 1))


@contextmanager
def _pool():
    """Processes that count with one thread each; they are told before they import numpy."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
            yield pool
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _simulate(pool, settings, given, declared, surveys, say):
    """Rows for each of `SHARES`, and how many light curves there were."""
    jobs = [(share, job) for share in SHARES
            for job in _jobs(settings, given, declared, surveys, share)]
    running = {pool.submit(rows.simulate, job): (place, share, job)
               for place, (share, job) in enumerate(jobs)}
    found, made = {}, 0
    for number, future in enumerate(as_completed(running), start=1):
        place, _, job = running[future]
        found[place] = future.result()
        made += sum(count["made"] for count in found[place][1].values())
        say(f"simulated {number} of {len(jobs)} shares, {made:,} light curves; the last: "
            f"{job.survey}, {job.world}: {', '.join(job.classes)}")
    shares = {share: [found[place] for place, (mine, _) in enumerate(jobs) if mine == share]
              for share in SHARES}
    counts = {share: {survey: {} for survey in surveys} for share in SHARES}
    for place, (share, job) in enumerate(jobs):
        counts[share][job.survey] |= found[place][1]
    together = {}
    for share, parts in shares.items():
        parts = [part for part, _ in parts if part is not None]
        if not parts:
            raise ConfigError(f"{given.name}: of all simulated alerts none can be computed")
        together[share] = rows.joined(parts)
    return together, counts


def _jobs(settings, given, declared, surveys, share):
    world, step = SHARES[share]
    classes = list(declared.simulated.items())
    for survey in surveys:
        for start in range(0, len(classes), CLASSES_A_JOB):
            yield rows.Job(settings, given.name, survey, world,
                           dict(classes[start:start + CLASSES_A_JOB]),
                           declared.each if share == "fit" else declared.test,
                           3 * given.seed + step, declared.detections)
