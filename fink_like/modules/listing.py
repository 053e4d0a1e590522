"""How the science modules fare: what is on, what it costs, what failed of late."""

import time

from fink_like.errors import ModuleError
from fink_like.kit import registry
from fink_like.reports import JobFiles

NIGHT_S = 86400.0
FIGURES = ("rows", "failed", "timed_out", "micros", "nulls")


def listing(settings):
    """All modules of the folder, by name.

    Parameters
    ----------
    settings : Settings

    Returns
    -------
    list of dict
        ``module``, ``state`` (live, shadow, off, or ``switched off`` by its breaker), ``version``,
        ``budget`` and ``micros`` (microseconds an alert), ``rows``, ``failed``, ``timed_out``,
        ``nulls`` (0 to 1) of the science batches of the last 24 hours that are still kept (200 of
        them), None if there are none; ``message``, the last error, or empty. One that cannot be
        read is listed with what is wrong, and without version and budget.
    """
    states = registry.read_states(settings.conf / "modules.yaml")
    science = JobFiles(settings.data).of("science")
    breakers = science.below("modules")
    fared = last_night(JobFiles(settings.data))
    found = []
    for name in registry.names(settings.modules):
        try:
            spec = registry.read_module(settings.modules / name / "module.py")
        except ModuleError as error:  # one that somebody is writing hides no other
            found.append(dict.fromkeys(FIGURES) | {
                "module": name, "version": "?", "budget": None, "message": str(error),
                "state": f"{states.get(name, registry.OFF)}, cannot be read"})
            continue
        breaker, did = breakers.read(f"{name}.json") or {}, fared.get(name)
        found.append({
            "module": name, "version": spec.version, "budget": spec.budget,
            "state": "switched off" if breaker.get("off") else states.get(name, registry.OFF),
            "message": breaker.get("message") or (did["message"] if did else ""),
            **(_shares(did) if did else dict.fromkeys(FIGURES))})
    return found


def last_night(files):
    """Sums over the science batches of the last 24 hours: module -> counts of `Tally`."""
    sums = {}
    for report in files.reports("science"):
        if time.time() - report["at"] > NIGHT_S:
            continue
        for name, counts in report.get("modules", {}).items():
            mine = sums.setdefault(name, {"message": ""})
            for key in ("rows", "failed", "timed_out", "nulls", "seconds"):
                mine[key] = mine.get(key, 0) + counts[key]
            mine["message"] = counts["message"] or mine["message"]
    return sums


def _shares(did):
    scored = did["rows"] - did["failed"] - did["timed_out"]
    return {"rows": did["rows"], "failed": did["failed"], "timed_out": did["timed_out"],
            "micros": 1e6 * did["seconds"] / max(did["rows"], 1),
            "nulls": did["nulls"] / max(scored, 1)}
