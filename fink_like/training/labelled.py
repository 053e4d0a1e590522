"""Real alerts with labels: stored ones of objects in the table `labels`, and folders of packets.

Rows are in the order of the alerts' ids, which grow with time, so that an object's last is known.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fink_like import labels, packet_files
from fink_like.errors import ConfigError, SetupError
from fink_like.modules.plain import Plain, number
from fink_like.modules.stored import alerts
from fink_like.training.rows import joined, of, seen

HELD_OUT = 0.3  # of labelled objects: never trained on, but what the card's figures are of
FILE = "labels.csv"
ROWS_A_READ = 64  # rows of Parquet, of up to 0.9 MB
COLUMNS = ("object_id", "alert_id", "label", "file")


def stored(settings, trial, declaration):
    """Alerts of labelled objects in the table of alerts.

    Parameters
    ----------
    settings : Settings
    trial : fink_like.modules.trial.Trial
    declaration : Declaration

    Returns
    -------
    Rows or None
        Weights: those of all of an object's alerts sum to `label_weight` times the label's
        confidence. None if there are none.
    dict
        How many ``labels`` there are, of ``known`` classes, and ``objects`` with stored alerts.
    """
    known = labels.read(settings)
    classes = labels.of_objects(known)
    wanted = classes[classes.isin(declaration.labels)]
    told = {"labels": len(classes), "known": len(wanted), "objects": 0, "alerts": 0}
    if wanted.empty:
        return None, told
    is_mine = pc.field("objectId").isin(pa.array(wanted.index))
    try:
        found = alerts(settings, {*trial.columns, "objectId", "survey"}, trial.types, is_mine)
    except SetupError:
        return None, told
    rows, features = seen(trial.specs, found)
    objects = found["objectId"].to_pandas().iloc[rows]
    told |= {"objects": objects.nunique(), "alerts": len(rows)}
    if not len(rows):
        return None, told
    sure = known.groupby("object")["confidence"].max().fillna(1.0)
    alerts_of = objects.groupby(objects).transform("size")
    weight = declaration.label_weight * objects.map(sure) / alerts_of
    survey = found["survey"].to_pandas().iloc[rows].to_numpy()
    return of(features, _truth(objects.map(wanted), objects, survey, declaration),
              weight.to_numpy()), told


def held_out(rows):
    """Mask of the rows of objects that are not trained on: the same objects whatever the seed."""
    return (rows.group % 1000) < 1000 * HELD_OUT


def folder(trial, declaration, path):
    """Packets of a folder, labelled by its ``labels.csv``: to test with, never to train.

    Parameters
    ----------
    trial : Trial
    declaration : Declaration
    path : str or Path
        With ``labels.csv``: object_id, alert_id, label and file, relative to the folder.

    Returns
    -------
    Rows or None
    dict
        How many ``labels`` there are, alerts ``read`` and ``computed``; and file -> why its alerts
        are left out.

    Raises
    ------
    ConfigError
        There is no such file, or a column is missing.
    """
    path = Path(path) / FILE
    if not path.is_file():
        raise ConfigError(f"{path} is not there: a folder of labelled packets has one")
    table = pd.read_csv(path, dtype=str)
    if absent := sorted(set(COLUMNS) - set(table)):
        raise ConfigError(f"{path}: no column {', '.join(absent)}")
    table["survey"] = table.get("survey", pd.Series("", table.index)).str.lower()
    table = table.sort_values("alert_id", kind="stable",
                              key=lambda ids: pd.to_numeric(ids, errors="coerce"))
    told, parts = {"labels": len(table), "read": 0, "computed": 0, "left_out": {}}, []
    for survey, mine in table.groupby("survey"):
        if survey not in trial.declared:
            told["left_out"] |= dict.fromkeys(
                mine["file"].unique(), f"{survey or 'its survey'} is not declared here")
            continue
        for file, lines in mine.groupby("file", sort=False):
            part = _of_file(trial, declaration, path.parent / file, (survey, lines, told))
            parts += [part] if part is not None else []
    return joined(parts) if parts else None, told


def plain(trial, declaration, path):
    """Plain light curves of a folder, `NAME.parquet` and `NAME_labels.csv`, as declared.

    Parameters
    ----------
    trial : Trial
    declaration : Declaration
        Its ``light_curves`` say which, and at which of its points an object is an alert.
    path : str or Path

    Yields
    ------
    tuple of (str, Rows or None, dict)
        Name; the rows; how many ``labels`` there are, objects ``read``, ``at_a_moment`` such as
        is declared, and ``computed``.

    Raises
    ------
    ConfigError
        There are no labels with a file, or they lack a column.
    """
    for name, given in declaration.light_curves.items():
        file = Path(path) / f"{name}.parquet"
        if file.is_file():
            known = _labels(file.with_name(f"{name}_labels.csv"), given)
            read = Plain.read(file, given.get("total", False))
            until = known[given["before"]].reindex(read.objects).to_numpy(float) if (
                "before" in given) else np.inf
            least, most = given.get("detections", declaration.detections)
            curves = read.at(least, most, given.get("days"), until)
            rows, features = seen(trial.specs, trial.of_plain(curves, given["survey"]))
            objects = pd.Series(curves.objects).iloc[rows]
            label = objects.map(known[given.get("label", "label")])
            told = {"labels": len(known), "read": len(read), "at_a_moment": len(curves),
                    "computed": len(rows)}
            yield name, (of(features, _truth(label, objects, given["survey"], declaration))
                         if len(rows) else None), told


def _labels(path, given):
    """Labels by object."""
    if not path.is_file():
        raise ConfigError(f"{path} is not there: light curves to test with need labels")
    known = pd.read_csv(path, dtype={"object_id": str})
    wanted = ("object_id", given.get("label", "label"), given.get("before", "object_id"))
    if absent := sorted(set(wanted) - set(known)):
        raise ConfigError(f"{path}: no column {', '.join(absent)}")
    return known.drop_duplicates("object_id").set_index("object_id", drop=False)


def _of_file(trial, declaration, file, given):
    """Rows of one file."""
    survey, lines, told = given
    read, said = _alerts(trial, survey, file)
    read = sorted(read, key=lambda row: row["diaSourceId"])
    ids = pd.Series([str(row["diaSourceId"]) for row in read], dtype=str)
    label = ids.map(lines.drop_duplicates("alert_id").set_index("alert_id")["label"])
    chosen = np.flatnonzero(label.notna())
    if not len(chosen):
        told["left_out"][lines["file"].iloc[0]] = (said or ["no alert with one of these ids"])[0]
        return None
    told["read"] += len(chosen)
    rows, features = seen(trial.specs, trial.columns_of([read[row] for row in chosen]))
    told["computed"] += len(rows)
    # By the packet's own name, as stored alerts are known: a list may call an asteroid otherwise.
    objects = pd.Series([read[row]["objectId"] or read[row]["diaSourceId"] for row in chosen])
    mine = label.iloc[chosen].iloc[rows]
    return of(features, _truth(mine, objects.iloc[rows], survey, declaration)) if len(
        rows) else None


def _alerts(trial, survey, file):
    """Neutral alerts of a file; and why others are not among them.

    Rows of Parquet are read as they are: what is rounded in them, of a history for instance, does
    not matter here, as long as the alert's own id is whole.
    """
    if file.suffix != ".parquet":
        said = []
        values = packet_files.PacketFiles(report=said.append).messages([file])
        return [row for row in trial.read(m.value for m in values) if row is not None], said
    if not file.is_file():
        return [], [f"{file}: no such file"]
    rows = [trial.of_record(survey, record) for batch in pq.ParquetFile(file).iter_batches(
        ROWS_A_READ) for record in batch.to_pylist()]
    whole = [row for row in rows if isinstance(row["diaSourceId"], int)]
    return whole, ["the alerts' ids are not whole numbers"] * (len(whole) < len(rows))


def _truth(label, objects, survey, declaration):
    places = {name: place for place, name in enumerate(declaration.names)}
    return pd.DataFrame({
        "label": label.map(declaration.labels).map(places).fillna(-1).to_numpy(np.int64),
        "name": label.to_numpy(object), "survey": survey,
        "group": [number(text) for text in objects]})
