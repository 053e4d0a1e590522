"""A night added up: what came, what became of it, how long it took, what does not balance."""

import dataclasses

import numpy as np
import pandas as pd

from fink_like.books import checks, gaps
from fink_like.books.night import among, place_codes
from fink_like.books.scores import summary

QUANTILES = (0.5, 0.95, 0.99)
NO_SURVEY = "(none)"  # topics that no survey claims


def balance(night):
    """Add a night up.

    Parameters
    ----------
    night : Night

    Returns
    -------
    dict
        ``nights``, ``other_nights``, ``surveys`` {name: counts}, ``substreams`` list,
        ``jobs`` {name: batches, seconds, ...}, ``behind`` {job: batches its ledger lacks},
        ``gaps`` that are explained, ``unscored`` {module: ...} of `fink_like.books.scores.summary`,
        ``discrepancies``, ``balances``. Plain values, fit for JSON.
    """
    wrong = [dataclasses.asdict(found) for found in checks.discrepancies(night)]
    explained = gaps.explained(night)
    return {"nights": night.nights, "other_nights": night.others,
            "surveys": _surveys(night, explained), "substreams": _substreams(night),
            "jobs": {job: _job(night, job) for job in night.ledger},
            "behind": {job: len(late) for job, late in night.behind.items()},
            "gaps": explained, "unscored": summary(night), "discrepancies": wrong,
            "balances": not wrong}


def _surveys(night, explained):
    bronze, silver = night.bronze, night.silver
    in_flight = _to_science(night)
    topics = _survey_of_topics(night)
    to_distribute = _to_distribute(night, topics)
    found = {}
    for code in sorted({*bronze["survey"].unique(), *silver["survey"].unique()}):
        survey = night.snapshot.text(code) or NO_SURVEY
        mine = (bronze["survey"] == code).to_numpy()
        scores = silver[silver["survey"] == code]
        found[survey] = {
            **_received(night, mine),
            "gaps": sum(gap["messages"] for gap in explained if topics.get(gap["topic"]) == survey),
            "scored": int((scores["packet_status"] >= 0).sum()),
            "keys_only": int((scores["packet_status"] < 0).sum()),
            "to_science": int((mine & in_flight).sum()),
            "to_distribute": to_distribute.get(survey, 0),
            "latency_s": {"bronze": _quantiles(bronze["delay"][mine]),
                          "silver": _quantiles(scores["delay"]),
                          "substream": _quantiles(night.deliveries["delay"][
                              night.deliveries["survey"] == code])}}
    return found


def _received(night, mine):
    first = mine & (night.bronze["attempt"] == 0).to_numpy()
    again = mine & ~first
    ok = night.is_in("ok")
    hashes = night.bronze["datum_hash"].to_numpy()[mine & ok]
    return {"received": int(first.sum()), "readable": int((first & ok).sum()),
            "dead": int((first & night.is_in("dead")).sum()),
            "waiting": int((first & night.is_in("waiting")).sum()),
            "redriven": int((again & ok).sum()),
            "duplicates": len(hashes) - len(pd.unique(hashes)),
            "bytes": int(night.bronze["bytes"].to_numpy()[first].sum(dtype="int64"))}


def _to_science(night):
    """Which rows of bronze science has not read yet."""
    new = night.is_in("ok") & (night.bronze["version"]
                               >= night.read_version["science"]).to_numpy()
    new[new] = ~among(night.bronze["key"].to_numpy()[new], np.sort(night.silver["key"].to_numpy()))
    return new


def _survey_of_topics(night):
    places = pd.Series(place_codes(night.bronze["key"])).drop_duplicates()
    surveys = night.bronze["survey"].to_numpy()[places.index]
    return {night.snapshot.place(place)[0]: night.snapshot.text(survey) or NO_SURVEY
            for place, survey in zip(places.tolist(), surveys.tolist())}


def _to_distribute(night, topics):
    """Survey -> rows of silver that distribute has not read yet, by the ledger of science."""
    lines = night.ledger["science"]
    lines = lines[lines["table_version"] >= night.read_version["distribute"]]
    lines = lines.explode(["nights", "night_rows"])
    lines = lines[lines["nights"].isin(night.nights)]
    sums = lines["night_rows"].groupby(lines["topic"].map(topics)).sum()
    return {survey: int(rows) for survey, rows in sums.items()}


def _substreams(night):
    """Deliveries by filter, topic and outcome."""
    sums = night.deliveries.groupby(["survey", "filter", "topic", "outcome"]).size()
    text = night.snapshot.text
    return [{"survey": text(survey), "filter": text(name), "topic": text(topic),
             "outcome": text(outcome), "alerts": int(count)}
            for (survey, name, topic, outcome), count in sums.items()]


def _job(night, job):
    lines = night.ledger[job]
    nights = lines["nights"].explode()
    lines = lines.loc[nights[nights.isin(night.nights)].index.unique()]
    batches = lines.drop_duplicates(["kind", "batch"])
    if batches.empty:
        return {"batches": 0}
    return {"batches": int((batches["kind"] == "batch").sum()),
            "redrives": int((batches["kind"] == "redrive").sum()),
            "rows": int(lines["rows"].sum()), "seconds": round(float(batches["seconds"].sum()), 3),
            "first": f"{batches['committed_at'].min():%F %T}",
            "last": f"{batches['committed_at'].max():%F %T}"}


def _quantiles(delays):
    if not len(delays):
        return None
    return [round(float(q), 3) for q in pd.Series(delays).quantile(list(QUANTILES))]
