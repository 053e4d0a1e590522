"""Labels that the operator brings: what objects are, who says so, and how surely.

::

    object,class,source,date,confidence
    ZTF18aadlaxo,SN Ia,BTS,2021-03-05,1.0

They join in where modules are trained, and where their purity is measured.
"""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import write_deltalake

from fink_like.bookkeeping import LABELS
from fink_like.client.archive import open_table
from fink_like.errors import ConfigError, SetupError
from fink_like.kit.columns import ARROW_TYPES

TABLE = "labels"
NAMES = [field.name for field in LABELS]
NEEDED = NAMES[:3]
SCHEMA = pa.schema([(field.name, ARROW_TYPES[field.type]) for field in LABELS])


def add(settings, path):
    """Add a file of labels to the table; a label that is there already is not added again.

    Parameters
    ----------
    settings : Settings
    path : str or Path
        CSV or Parquet with the columns of `fink_like.bookkeeping.LABELS`; date and confidence may
        be absent.

    Returns
    -------
    tuple of int
        Labels that are new, and all of the file.

    Raises
    ------
    ConfigError
        A column is missing, or a line has no object, class or source.
    """
    found = _read(Path(path))
    known = read(settings)
    merged = found.merge(known.drop_duplicates(), how="left", on=NAMES, indicator=True)
    new = found[(merged["_merge"] == "left_only").to_numpy()].drop_duplicates()
    if len(new):
        write_deltalake(settings.path(TABLE), pa.Table.from_pandas(new, SCHEMA,
                                                                   preserve_index=False),
                        mode="append")
    return len(new), len(found)


def read(settings):
    """All labels, in the columns of `LABELS`; no row if none was ever added."""
    try:
        return open_table(settings.data, TABLE)[NAMES]
    except SetupError:
        return SCHEMA.empty_table().to_pandas()


def of_objects(labels):
    """Object -> class: of several labels of an object the surest, of equals the newest."""
    order = labels.sort_values(["confidence", "date"], na_position="first", kind="stable")
    return order.drop_duplicates("object", keep="last").set_index("object")["class"]


def _read(path):
    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    found = (pq.read_table(path).to_pandas() if path.suffix == ".parquet"
             else pd.read_csv(path, dtype=str))
    absent = [name for name in NEEDED if name not in found]
    if absent:
        raise ConfigError(f"{path}: no column {', '.join(absent)}; a file of labels has "
                          f"{', '.join(NAMES)}")
    found = found.reindex(columns=NAMES).astype({name: "object" for name in NAMES})
    empty = found[NEEDED].isna().any(axis=1)
    if empty.any():
        raise ConfigError(f"{path}, line {int(empty.to_numpy().argmax()) + 2}: an object, its "
                          "class and the source must be given")
    texts = {name: found[name].where(found[name].isna(), found[name].astype(str))
             for name in NAMES[:-1]}
    sure = pd.to_numeric(found["confidence"], errors="coerce")
    wrong = (found["confidence"].notna() & ~sure.between(0, 1))
    if wrong.any():
        raise ConfigError(f"{path}, line {int(wrong.to_numpy().argmax()) + 2}: confidence is a "
                          "number from 0 to 1")
    return pd.DataFrame({**texts, "confidence": sure})
