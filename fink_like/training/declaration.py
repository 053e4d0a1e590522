"""``training.yaml`` of a module: what its model is trained on, and for what.

::

    classes:                 # of the model: classes of conf/populations/training.yaml
      transient: [SN Ia, SN IIP, TDE]
      variable: [RR Lyrae ab, EW, AGN]
    each: 2000               # light curves of each simulated class and survey, to fit
    test: 1000               # the same again, to test, in each of the two worlds
    detections: [3, null]    # an alert is any detection from the 3rd on; null: up to the last
    network: {layers: [64, 32], members: 5, epochs: 100}
    prior: {transient: 1, variable: 9}       # left out: all classes alike
    thresholds: {transient: {recall: 0.9}}   # or a number; left out: 0.5
    labels: {SN Ia: transient, SN II: transient, RR Lyrae: variable}
    label_weight: 10         # of an object's alerts together, in simulated light curves
    light_curves:            # plain ones of --labelled folders: NAME.parquet, NAME_labels.csv
      bts_snia: {survey: ztf, days: 30, detections: [3, 10], before: peak_mjd}
      s82_rrlyrae: {survey: lsst, label: Type, total: true}

`labels` are those of the operator's table (`fink-like labels add`) and of folders of labelled
packets; what is not named here is left out, and counted.
"""

from dataclasses import dataclass, field, fields
from pathlib import Path

import yaml

from fink_like.errors import ConfigError
from fink_like.kit.mlp_training import TrainingSettings

FILE = "training.yaml"
OF_CURVES = {"survey", "days", "detections", "before", "label", "total"}
BOUNDS = "[least, most], whole numbers from 1; most may be null"
NETWORK = {entry.name for entry in fields(TrainingSettings)} - {"seed"}


@dataclass(frozen=True)
class Declaration:
    """How a model is trained, as declared.

    Parameters
    ----------
    classes : dict of str to tuple of str
        Class of the model -> the simulator's classes.
    each, test : int
        Light curves of each simulated class and survey.
    surveys : tuple of str
        Empty: those of the module.
    detections : tuple
        Least and most of the object's detections at the alert; None: no most.
    network : dict
        Of `TrainingSettings`.
    prior : dict of str to float
        Share of each class that the probabilities are calibrated to; sums to 1.
    thresholds : dict of str to float or dict
        A probability, or ``{"recall": share}`` of the calibration rows.
    labels : dict of str to str
        Label -> class of the model.
    label_weight : float
    light_curves : dict of str to dict
        File name -> ``survey`` that they are taken for; ``detections`` [least, most] within the
        last ``days`` at the moment of the alert; ``before``: column of the labels with the latest
        time; ``label``: column of the label; ``total``: see `fink_like.modules.plain.Plain.read`.
    """

    classes: dict
    each: int = 2000
    test: int = 1000
    surveys: tuple = ()
    detections: tuple = (1, None)
    network: dict = field(default_factory=dict)
    prior: dict = field(default_factory=dict)
    thresholds: dict = field(default_factory=dict)
    labels: dict = field(default_factory=dict)
    label_weight: float = 10.0
    light_curves: dict = field(default_factory=dict)

    @property
    def names(self):
        """Classes of the model, in their order."""
        return tuple(self.classes)

    @property
    def simulated(self):
        """Simulated class -> place of the model's class."""
        return {one: place for place, ones in enumerate(self.classes.values()) for one in ones}


def load(folder):
    """The declaration of the module in a folder.

    Raises
    ------
    ConfigError
        There is none, or something in it cannot be.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        raise ConfigError(f"{path} is not there: it says what the model is trained on; "
                          "`fink-like module new NAME --trained` writes one with its module")
    try:
        content = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {error}") from error
    problems = list(_problems(content))
    if problems:
        raise ConfigError(f"{path}: " + "; ".join(problems))
    names = tuple(content["classes"])
    total = sum(content.get("prior", dict.fromkeys(names, 1)).values())
    return Declaration(**{
        **content, "classes": {name: tuple(ones) for name, ones in content["classes"].items()},
        "surveys": tuple(content.get("surveys", ())),
        "detections": tuple(content.get("detections", (1, None))),
        "prior": {name: content.get("prior", {}).get(name, 0 if "prior" in content else 1) / total
                  for name in names},
        "thresholds": {name: content.get("thresholds", {}).get(name, 0.5) for name in names}})


def _problems(content):
    """What is wrong, in words."""
    known = {entry.name for entry in fields(Declaration)}
    if not isinstance(content, dict) or not isinstance(content.get("classes"), dict):
        yield "it should begin with `classes:`, each with a list of simulated classes"
        return
    if unknown := sorted(set(content) - known):
        yield f"unknown: {', '.join(unknown)}; there are {', '.join(sorted(known))}"
    classes = content["classes"]
    simulated = [one for ones in classes.values() for one in (ones if _is_list(ones) else ())]
    if len(classes) < 2 or not all(_is_list(ones) and ones for ones in classes.values()):
        yield "classes: two or more, each with a list of simulated classes"
    if twice := sorted({one for one in simulated if simulated.count(one) > 1}):
        yield f"classes: {', '.join(twice)} stand in more than one"
    for part in ("prior", "thresholds"):
        if strange := sorted(set(content.get(part, {})) - set(classes)):
            yield f"{part}: {', '.join(strange)} are no classes here"
    if strange := sorted(set(content.get("labels", {}).values()) - set(classes)):
        yield f"labels: {', '.join(map(str, strange))} are no classes here"
    if strange := sorted(set(content.get("network", {})) - NETWORK):
        yield f"network: {', '.join(strange)} are unknown; there are {', '.join(sorted(NETWORK))}"
    if not all(isinstance(value, (int, float)) and value >= 0 for value
               in content.get("prior", {}).values()) or sum(content.get("prior", {0: 1}).values()
                                                            ) == 0:
        yield "prior: numbers from 0, not all of them 0"
    yield from _number_problems(content)
    yield from _curves_problems(content)


def _number_problems(content):
    for part in ("each", "test"):
        if not (isinstance(content.get(part, 1), int) and content.get(part, 1) > 0):
            yield f"{part}: a whole number above 0"
    if not _are_bounds(content.get("detections", [1, None])):
        yield f"detections: {BOUNDS}"
    for name, threshold in content.get("thresholds", {}).items():
        share = threshold.get("recall") if isinstance(threshold, dict) else threshold
        if not (isinstance(share, (int, float)) and 0 < share < 1):
            yield f"thresholds: {name}: a probability, or {{recall: share}}, between 0 and 1"


def _curves_problems(content):
    for name, given in content.get("light_curves", {}).items():
        if not isinstance(given, dict) or "survey" not in given:
            yield f"light_curves: {name}: {{survey: ...}} at least"
        elif strange := sorted(set(given) - OF_CURVES):
            yield (f"light_curves: {name}: {', '.join(strange)} are unknown; there are "
                   f"{', '.join(sorted(OF_CURVES))}")
        elif not _are_bounds(given.get("detections", [1, None])):
            yield f"light_curves: {name}: detections: {BOUNDS}"


def _are_bounds(value):
    return (_is_list(value) and len(value) == 2 and isinstance(value[0], int) and value[0] > 0
            and (value[1] is None or value[1] >= value[0]))


def _is_list(value):
    return isinstance(value, list)
