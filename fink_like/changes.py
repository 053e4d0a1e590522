"""What has changed since each job started, and what the change needs: ``config diff`` and ``show``.

Without Spark and without Kafka: from the settings and from the small file that each job leaves.
"""

import dataclasses
from dataclasses import dataclass

from fink_like import config, effects, reports

URGENT = (effects.NEW_CHECKPOINT, effects.RESTART)  # what the user must do, worst first


@dataclass(frozen=True)
class Change:
    """One setting or file that is not what it was when a job started.

    Parameters
    ----------
    job, name : str
    was, now : object
        Values; of files their hashes; None: was not there, or is not.
    effect : str
        One of those in `fink_like.effects`.
    note : str
        What really happens.
    """

    job: str
    name: str
    was: object
    now: object
    effect: str
    note: str


def diff(settings):
    """Changes since each job started, by job.

    Parameters
    ----------
    settings : Settings

    Returns
    -------
    dict
        Job -> list of Change, worst first; None for a job that has left nothing.
    """
    files = reports.JobFiles(settings.data)
    found = {}
    for job in effects.JOBS:
        kept = files.settings(job)
        found[job] = None if kept is None else _changes(job, kept, settings)
    return found


def _changes(job, kept, settings):
    now = effects.remember(settings, kept["salt"])
    changes = []
    for part, declare in (("settings", _of_setting), ("files", effects.of_file)):
        for name in sorted({*kept[part], *now[part]}):
            one, other = kept[part].get(name), now[part].get(name)
            declared = declare(name)
            if one != other and job in declared["effects"]:
                effect = _lesser(name, one, other) or declared["effects"][job]
                changes.append(Change(job, name, one, other, effect, declared["note"]))
    return sorted(changes, key=lambda change: _rank(change.effect))


def _lesser(name, was, now):
    """A restart, where the values show that the offsets of the checkpoint stay right."""
    same_cluster = name == "kafka.servers" and {*was.split(",")} & {*now.split(",")}
    return effects.RESTART if same_cluster else None


def _rank(effect):
    return URGENT.index(effect) if effect in URGENT else len(URGENT)


def _of_setting(name):
    """``effects`` and ``note`` of a dotted name; one that is unknown here needs a restart."""
    kind = config.Settings
    for part in name.split("."):
        known = {f.name: f for f in dataclasses.fields(kind)}
        if part not in known:
            break
        kind = known[part].type
        if not dataclasses.is_dataclass(kind):
            return known[part].metadata
    return {"effects": dict.fromkeys(effects.JOBS, effects.RESTART),
            "note": "this version has no such setting"}


def lines(settings):
    """`diff` in words.

    Returns
    -------
    list of str
    """
    found, written = diff(settings), []
    for job, changes in found.items():
        if changes is None:
            written.append(f"{job}: has not started in {settings.data}: it will begin with a new "
                           f"checkpoint, at kafka.starting_offsets")
        elif not changes:
            written.append(f"{job}: nothing has changed since it started")
        else:
            written += [f"{job}:", *(line for change in changes for line in _written(change))]
    return [*written, *_to_do(found)]


def _written(change):
    if "/" in change.name:  # a file: hashes tell nobody anything
        what = ("is new" if change.was is None else "is gone" if change.now is None else "changed")
    else:
        what = f"{_value(change.was)} -> {_value(change.now)}"
    yield f"  {change.effect + ':':<21} {change.name}  {what}"
    if change.note:
        yield f"{'':24}{change.note}"


def _value(value):
    if isinstance(value, str) and value.startswith("secret "):
        return "***"
    return "not set" if value is None else "(empty)" if value in ("", []) else str(value)


def _to_do(found):
    for effect in URGENT:
        jobs = [job for job, changes in found.items()
                if changes and min(_rank(c.effect) for c in changes) == _rank(effect)]
        if jobs:
            yield f"to do: {effect} for {', '.join(jobs)}" + (
                "; see docs/runbook.md, \"Start again in a new folder\""
                if effect == effects.NEW_CHECKPOINT else "")


def shown(explained):
    """Lines of ``config show``: setting, value, and where it comes from.

    Parameters
    ----------
    explained : list of tuple
        From `fink_like.config.explain`.

    Returns
    -------
    list of str
    """
    wide = [max(len(str(row[n])) for row in explained) for n in (0, 1)]
    return [f"{name:<{wide[0]}}  {_value(value):<{min(wide[1], 40)}}  {origin}"
            for name, value, origin in explained]
