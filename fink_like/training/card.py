"""``card.json``: what a model was made from and how good it is. The same seed, the same card."""

import hashlib
import json
from dataclasses import asdict

from fink_like import __version__
from fink_like.kit.classifier import FILE as MODEL
from fink_like.kit.identity import identity
from fink_like.modules.check import CARD as FILE
from fink_like.training import declaration

MADE_FROM = ("populations/training.yaml", "populations/independent.yaml", "worlds/training.yaml",
             "worlds/independent.yaml", "stream_shares.yaml")


def card(settings, spec, given, declared, found):
    """The card of a model.

    Parameters
    ----------
    settings : Settings
    spec : ModuleSpec
    given : fink_like.training.train.Given
    declared : Declaration
    found : dict
        See `fink_like.training.train.train`.

    Returns
    -------
    dict
        Plain values.
    """
    folder = settings.modules / given.name
    made = identity(folder, spec)
    return {
        "module": spec.name, "version": spec.version, "seed": given.seed,
        "trained_on": "simulation" if not found["stored"]["alerts"] else
        "simulation, and stored alerts of labelled objects",
        "model": {"file": MODEL, "bytes": (folder / MODEL).stat().st_size,
                  "sha256": found["sha256"], "features": found["features"],
                  "classes": declared.names, "thresholds": found["thresholds"],
                  "training": found["training"]},
        "declared": asdict(declared), "priors": {"calibration": declared.prior,
                                                 "stream": found["stream"]},
        "data": {"light_curves": found["counts"], "labels": found["stored"]},
        "simulated": found["judged"], "real": found["real"],
        "made_from": {"code_sha256": made.code_hash, "fink_like": __version__,
                      "libraries": json.loads(made.libraries),
                      **{name: hashlib.sha256((settings.conf / name).read_bytes()).hexdigest()
                         for name in MADE_FROM},
                      declaration.FILE: hashlib.sha256(
                          (folder / declaration.FILE).read_bytes()).hexdigest()}}


def write(folder, written):
    """Write it beside the model."""
    (folder / FILE).write_text(json.dumps(written, indent=1) + "\n")


def lines(written):
    """The card in a few lines, for people."""
    model = written["model"]
    yield (f"{written['module']} {written['version']}: {MODEL} of {model['bytes']:,} bytes, "
           f"{model['features']} features, seed {written['seed']}")
    for share, judged in written["simulated"].items():
        yield (f"{share}, {judged['n']:,} alerts: macro precision {judged['macro_precision']:.3f}, "
               f"recall {judged['macro_recall']:.3f}, F1 {judged['macro_f1']:.3f}, calibration "
               f"error {judged['ece']:.3f}")
        for name, figures in judged["classes"].items():
            yield (f"  {name} above {model['thresholds'][name]:.3f}: recall "
                   f"{_with_interval(figures['recall'])}, precision 1:1 "
                   f"{_with_interval(figures['precision_1_to_1'])}, in the stream "
                   f"{_with_interval(figures['precision_in_stream'])}")
    for source, found in written["real"].items():
        seen = found["labels_seen"]
        mine = {label: figures for label, figures in seen.items() if figures["is"]}
        yield (f"real, {source}: {found['labels']} labels; {len(seen)} kinds of objects were "
               f"computed, {len(mine)} of them named in {declaration.FILE}:")
        for label, figures in mine.items():
            said = ", ".join(f"{count} {name}" for name, count in figures["said"].items() if count)
            yield f"  {label}: {figures['n']} objects: {said}"
        if found.get("trained_on"):
            yield f"  left out: {found['trained_on']} alerts of objects that it was trained on"
        for file, why in found.get("left_out", {}).items():
            yield f"  left out: {file}: {why}"[:200]


def _with_interval(share):
    if share is None or share[0] is None:
        return "-"
    return f"{share[0]:.3f} ({share[1]:.3f} to {share[2]:.3f})"
