"""Nights of alerts: runs, visits and batches in the order of time."""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from fink_like.errors import ConfigError
from fink_like.simulator import cadence, observing, packets
from fink_like.simulator import faults as damage

CHUNK = 400
"""Alerts made at a time; with cutouts about 40 MB."""

MARGIN, SCATTER = 5.0, 0.05
"""Alerts planned above those asked for, in standard deviations and as a share: the last visit is
cut when all are made, and a run hardly ever needs another night."""


@dataclass(frozen=True)
class Batch:
    """Messages that leave together, in the order of time.

    Parameters
    ----------
    values : list of bytes
        Kafka values.
    keys : list of None
        Kafka keys; neither survey sets one.
    header_names : tuple of str
        Kafka headers that the survey sets when it sends.
    times : numpy.ndarray
        MJD TAI of each message's exposure.
    truth : pandas.DataFrame
        One row a message.
    """

    values: list
    keys: list
    header_names: tuple
    times: np.ndarray
    truth: pd.DataFrame = field(repr=False)


def plan(model, n_alerts, seed, start_mjd=None, nights=1):
    """Lay out a run: how many visits, how many alerts in each.

    Parameters
    ----------
    model : SurveyModel
    n_alerts : int
    seed : int
    start_mjd : float, optional
        Evening of the first night; the recipe's if not given.
    nights : int, optional

    Returns
    -------
    cadence.Run

    Raises
    ------
    ConfigError
        Fewer than one alert a night, or more objects in a field than ids.
    """
    if nights < 1 or n_alerts < nights:
        raise ConfigError(f"{n_alerts} alerts in {nights} nights: each night needs one at least")
    a_night = n_alerts / nights
    visits = int(np.ceil(a_night / model.recipe["alerts_per_visit"]))
    start = model.recipe["start_mjd"] if start_mjd is None else start_mjd
    expected = a_night / visits * (1.0 + MARGIN / np.sqrt(n_alerts) + SCATTER * (visits > 1))
    run = cadence.Run(model, int(seed), int(np.floor(start)), visits, expected, nights)
    run = replace(run, efficiencies=observing.efficiencies(run))
    if run.rows_per_field > model.recipe["site"]["most_rows"]:
        raise ConfigError(f"{model.survey}: {run.alerts_per_visit:.0f} alerts in a visit need "
                          f"{run.rows_per_field} objects in a field, more than the ids can count "
                          f"(site.most_rows {model.recipe['site']['most_rows']}): lower "
                          "alerts_per_visit in its recipe")
    return run


def night(model, n_alerts, *, seed, start_mjd=None, nights=1, faults=None, cutouts=True):
    """Alerts of one or more nights.

    Parameters
    ----------
    model : SurveyModel
    n_alerts : int
        Alerts before faults; a duplicate comes on top.
    seed : int
        The same seed, night and numbers give the same bytes.
    start_mjd, nights : optional
        See `plan`. Objects seen again have grown histories.
    cutouts : bool, optional
    faults : dict of str to float, optional
        Rate of each of `faults.KINDS`, the share of messages.

    Yields
    ------
    Batch
        In the order of time; memory does not grow with `n_alerts`.
    """
    damage.check(faults or {})
    run = plan(model, n_alerts, seed, start_mjd, nights)
    left = n_alerts
    for visit in cadence.visits(run):
        found = observing.detect(run, visit)
        size = min(left, len(found.key))
        for low in range(0, size, CHUNK):
            rows = np.arange(low, min(low + CHUNK, size))
            yield _batch(run, found.take(rows), cutouts, faults or {})
        left -= size
        if left == 0:
            return


def _batch(run, sources, cutouts, rates):
    values, columns = packets.make(run, sources, cutouts)
    table = truth(run, sources, columns)
    if rates:
        chosen = damage.choose(rates, sources.key)
        values, order = damage.spoil(values, chosen, sources.key)
        table = table.assign(fault=chosen).iloc[order].reset_index(drop=True)
    headers = tuple(run.model.recipe["wire"].get("headers", ()))
    return Batch(values, [None] * len(values), headers, table["midpointMjdTai"].to_numpy(), table)


def truth(run, sources, columns):
    """What is really there, one row an alert.

    Parameters
    ----------
    run : cadence.Run
    sources : Sources
    columns : Columns
        Of the alerts, from `packets.make`.

    Returns
    -------
    pandas.DataFrame
        Fluxes in nJy, positions in degrees, `parameters` as JSON.
    """
    names = np.array([source.name for source in run.model.classes])
    last = -1
    return pd.DataFrame({
        "survey": run.model.survey, "diaSourceId": columns["alert_id"].astype(np.int64),
        "objectKey": sources.key.view(np.int64), "objectId": columns["object_text"].astype("U"),
        "class": names[sources.source_class], "fault": "",
        "midpointMjdTai": columns["mjd"], "ra": sources.ra, "dec": sources.dec,
        "band": columns["band"].astype("U"),
        "true_flux": sources.true_flux[:, last], "template_flux": sources.template_flux[:, last],
        "flux": sources.flux[:, last], "flux_err": sources.flux_err[:, last],
        "n_det": columns["n_det"], "parameters": sources.truth})
