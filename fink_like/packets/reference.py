"""The neutral alert in plain Python: slow, and the yardstick of the fast lane.

Ingest's slow lane uses it for the few packets of a schema not met before; the tests compare it
with silver, field by field, on every real packet.
"""

from fink_like.packets.expressions import Evaluator
from fink_like.vocabulary import DETAILS, DETECTION, FORCED, KEYS

POINT = ("midpointMjdTai", "kind", "band", "visit", "psfFlux", "psfFluxErr")


def keys(survey, record):
    """Key columns of a decoded packet: neutral name -> value."""
    return _columns(survey, record, KEYS)


def alert(survey, record):
    """All neutral columns that come from the packet.

    Parameters
    ----------
    survey : Survey
    record : dict
        From `fink_like.packets.wire.decode`.

    Returns
    -------
    dict
        Neutral name -> value; ``lc`` and the survey's own struct as dicts of their own.
    """
    row = _columns(survey, record, (*KEYS, *DETAILS))
    evaluator = Evaluator(survey.columns, survey.sentinels)
    row[survey.name] = {name: evaluator.value(e, record)
                        for name, e in survey.own_columns.items()}
    points = light_curve(survey, record)
    row["lc"] = {name: [p[name] for p in points]
                 for name in ("midpointMjdTai", "band", "psfFlux", "psfFluxErr", "kind", "paired")}
    detected = [p["midpointMjdTai"] for p in points if p["kind"] == DETECTION]
    row["n_det_in_packet"] = len(detected)
    row["age_in_packet"] = row["midpointMjdTai"] - detected[0] if detected else None
    return row


def cutouts(survey, record):
    """Images of a decoded packet: science, template and difference -> bytes or None."""
    evaluator = Evaluator(survey.columns, survey.sentinels)
    return {name: evaluator.value(e, record) for name, e in survey.stamps.items()}


def light_curve(survey, record):
    """Points of the light curve, ascending in time, as dicts."""
    evaluator = Evaluator(survey.columns, survey.sentinels)
    own = {name: evaluator.value(survey.columns[name], record)
           for name in POINT if name in survey.columns}
    points = [{**dict.fromkeys(POINT), **own, "kind": DETECTION}]
    source_id = evaluator.value(survey.columns["diaSourceId"], record)
    inside = Evaluator({}, survey.sentinels)
    for history in survey.light_curve:
        for item in record.get(history.array) or ():
            if history.not_own and item.get(history.not_own) == source_id:
                continue
            if inside.value(history.where, item):
                point = {n: inside.value(e, item) for n, e in history.columns.items()}
                points.append({**point, "kind": history.kind})
    points = sorted((p for p in points if p["midpointMjdTai"] is not None),
                    key=lambda p: [(p[n] is not None, p[n]) for n in POINT])
    seen = {(p["visit"], p["band"]) for p in points if p["kind"] == DETECTION}
    for point in points:
        epoch = (point["visit"], point["band"])
        point["paired"] = point["kind"] == FORCED and None not in epoch and epoch in seen
    return points


def _columns(survey, record, fields):
    evaluator = Evaluator(survey.columns, survey.sentinels)
    return {f.name: evaluator.value(survey.columns[f.name], record)
            if f.name in survey.columns else None for f in fields}
