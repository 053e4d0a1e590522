"""The broker's tables as pandas frames and pyarrow datasets."""

import difflib

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError
from pyarrow import fs

from fink_like import bookkeeping
from fink_like.errors import ConfigError, SetupError
from fink_like.reports import JOBS, SmallFiles, filesystem
from fink_like.vocabulary import AB_ZEROPOINT, LIGHT_CURVE

LEDGER, DEAD_LETTERS, DUPLICATES = "ledger", "dead_letters", "duplicates"
MODULE_RUNS = "module_runs"
PLACE = list(bookkeeping.PLACE)  # as pandas wants it

MAGNITUDE_SNR = 3.0  # below, a magnitude and its error say less than the 5-sigma limit
LIMIT_SIGMAS = 5.0
MAG_PER_RELATIVE_FLUX = 2.5 / np.log(10)  # d(mag) = this * d(flux) / flux


def open_table(data, name, nights=None, columns=None, where=None, duplicates=True):
    """Rows of a table, structs flattened: ``table["quality.is_clean"]``.

    Read what you need: a few columns of a night are quick, all of bronze is every packet.

    Parameters
    ----------
    data : str or Path
        The broker's data folder, setting ``data``.
    name : str
        ``silver``, ``rescores``, ``bronze`` or ``deliveries``; ``ledger``: what each batch of each
        job did; ``shadow``: results of modules in shadow; ``module_runs``: which module was run in
        which batches of science, with hashes; ``history``: light curves of objects, if a
        module takes them; ``dead_letters``: rows of bronze that could not be read, and have not
        been read later either. Columns are described in `fink_like.vocabulary`.
    nights : int or iterable of int, optional
        Observing nights YYYYMMDD; all if not given.
    columns : iterable of str, optional
        Column names; ``rates`` means all of that struct, ``rates.slope`` one of its fields. All
        if not given.
    where : pyarrow.compute.Expression, optional
        Which rows, for instance ``pc.field("diaSourceId") == 25409136044802067``.
    duplicates : bool
        False: of bronze and silver, without rows that bring the bytes of an earlier one again;
        as far as `fink-like nightly` has marked them, in the night after.

    Returns
    -------
    pandas.DataFrame
        Integers and booleans are numpy's, or pandas' nullable ``Int64`` and ``boolean`` where
        there are nulls: a 64-bit id never passes through a float, and a mask with nulls selects
        nothing there. Light-curve columns hold one array a row.

    Raises
    ------
    SetupError
        There is no such table.
    ConfigError
        There is no such column.
    """
    if name == DEAD_LETTERS:
        return _dead_letters(data, nights, columns, where)
    if name == MODULE_RUNS and columns is None:
        return _module_runs(data)
    if not duplicates:
        return _first_ones(data, name, nights, columns, where)
    dataset = open_dataset(data, name)
    leaves = _leaves(dataset.schema)
    chosen = _choose(leaves, columns, name)
    near = None if nights is None else in_nights(nights)
    if nights is not None and "night" not in leaves:
        raise ConfigError(f"table {name} has no column night to select by; its lines name several")
    if where is not None:
        near = where if near is None else near & where
    return frame(dataset.to_table(columns={n: pc.field(*leaves[n]) for n in chosen}, filter=near))


def frame(table):
    """An Arrow table as `open_table` returns it."""
    return pd.DataFrame({name: _series(table[name]) for name in table.column_names})


def in_nights(nights):
    """The rows of one or several nights, as a condition."""
    one = isinstance(nights, (int, np.integer))
    return pc.field("night").isin([int(night) for night in ([nights] if one else nights)])


def _dead_letters(data, nights, columns, where):
    """Letters of which the newest attempt is not ok: `fink_like.spark.redrive.open_letters`."""
    unread = pc.field("state") != "ok"
    tried = open_table(data, "bronze", columns=[*PLACE, "attempt", "state"],
                       where=unread | (pc.field("attempt") > 0))
    newest = tried.sort_values("attempt").drop_duplicates(PLACE, keep="last")
    still = newest.loc[newest["state"] != "ok", [*PLACE, "attempt"]]
    chosen = _choose(_leaves(open_dataset(data, "bronze").schema), columns, DEAD_LETTERS)
    rows = open_table(data, "bronze", nights, [*chosen, *PLACE, "attempt"],
                      unread if where is None else unread & where)
    return rows.merge(still, on=[*PLACE, "attempt"])[chosen]


def _module_runs(data):
    """With ``last_batch``: the one before the module's next row, or the newest that was scored."""
    runs = frame(open_dataset(data, MODULE_RUNS).to_table())
    runs = runs.sort_values(["first_batch", "began_at"], kind="stable", ignore_index=True)
    names = SmallFiles(data, "jobs", "science", "reports").names()
    newest = max((int(name.removesuffix(".json")) for name in names), default=-1)
    following = runs.groupby("module")["first_batch"].shift(-1)
    return runs.assign(last_batch=(following - 1).fillna(newest).astype("int64"))


def _first_ones(data, name, nights, columns, where):
    """Rows but those of Kafka coordinates that the table of duplicates names."""
    place = PLACE if name == "bronze" else [f"packet.{part}" for part in PLACE]
    chosen = _choose(_leaves(open_dataset(data, name).schema), columns, name)
    rows = open_table(data, name, nights, [*chosen, *place], where)
    again = open_table(data, DUPLICATES, nights, PLACE, pc.field("kind") == "duplicate")
    repeated = pd.MultiIndex.from_frame(rows[place]).isin(pd.MultiIndex.from_frame(again))
    return rows.loc[~repeated, chosen].reset_index(drop=True)


def open_dataset(data, name, version=None):
    """A table as a lazy `pyarrow.dataset.Dataset`, for more rows than memory holds.

    Parameters and errors as `open_table`, not of ``dead_letters``; an older ``version`` of the
    table, if given.
    """
    if name == LEDGER:
        kept = [job for job in JOBS if SmallFiles(data, name, job, "_delta_log").names()]
        paths = [f"{name}/{job}" for job in kept or JOBS[:1]]
        return ds.dataset([dataset_of(open_delta(data, path), data, path) for path in paths])
    return dataset_of(open_delta(data, name, version), data, name)


def dataset_of(table, data, name):
    """A Delta table as a dataset on Arrow's own file system.

    deltalake's calls Python from Arrow's threads, and one that is still reading ahead when Python
    ends aborts it (apache/arrow issue 34314).
    """
    files, folder = filesystem(data)
    return table.to_pyarrow_dataset(
        filesystem=fs.SubTreeFileSystem(f"{folder.rstrip('/')}/{name}", files))


def open_delta(data, name, version=None):
    """A table of the data folder, at its newest version unless another is given.

    Parameters and errors as `open_table`.

    Returns
    -------
    deltalake.DeltaTable
    """
    try:
        return DeltaTable(f"{str(data).rstrip('/')}/{name}", version=version)
    except TableNotFoundError as error:
        raise SetupError(f"no table {name} in {data}: give the broker's data folder (setting "
                         "`data`); `bin/demo` makes one in var/demo/data") from error
    except DeltaError as error:
        raise SetupError(f"table {name} in {data}, version {version}: {error}") from error


def light_curve(row):
    """Points of a row's light curve, ascending in time, the alert's own included.

    Parameters
    ----------
    row : mapping
        A line of `open_table`, or `Alert.row`.

    Returns
    -------
    pandas.DataFrame
        mjd (d, TAI), band, psfFlux and psfFluxErr (nJy, difference flux), kind (detection,
        forced or limit) and paired as in `fink_like.vocabulary.LIGHT_CURVE`; mag and mag_err
        (AB, where psfFlux is above 3 errors, else NaN), mag_limit (AB, 5 sigma). No rows where
        science could not read the packet (``packet_status`` < 0).
    """
    lacking = [f"lc.{f.name}" for f in LIGHT_CURVE if f"lc.{f.name}" not in row]
    if lacking:
        raise ConfigError(f"the row has no {lacking}: read the column `lc` of silver too")
    columns = {f.name: row[f"lc.{f.name}"] for f in LIGHT_CURVE}
    points = pd.DataFrame({name: [] if column is None else list(column)
                           for name, column in columns.items()})
    points = points.rename(columns={"midpointMjdTai": "mjd"})
    points = points.astype({"mjd": float, "psfFlux": float, "psfFluxErr": float, "paired": bool})
    flux, error = points["psfFlux"], points["psfFluxErr"]
    bright = flux.where(flux > MAGNITUDE_SNR * error)
    return points.assign(mag=magnitude(bright), mag_err=MAG_PER_RELATIVE_FLUX * error / bright,
                         mag_limit=magnitude(LIMIT_SIGMAS * error.where(error > 0)))


def magnitude(flux):
    """AB magnitude of a positive flux in nJy."""
    return AB_ZEROPOINT - 2.5 * np.log10(flux)


def _leaves(schema):
    """Dotted name -> path, of all that is not a struct."""
    found = {}
    for field in schema:
        if pa.types.is_struct(field.type):
            inner = _leaves(field.type)
            found.update({f"{field.name}.{n}": (field.name, *path) for n, path in inner.items()})
        else:
            found[field.name] = (field.name,)
    return found


def _choose(leaves, columns, table):
    if columns is None:
        return list(leaves)
    chosen = {}
    for wanted in [columns] if isinstance(columns, str) else columns:
        found = [n for n in leaves if n == wanted or n.startswith(f"{wanted}.")]
        if not found:
            near = difflib.get_close_matches(wanted, leaves, n=3)
            raise ConfigError(f"table {table} has no column {wanted}"
                              + (f"; did you mean {', '.join(near)}?" if near else ""))
        chosen.update(dict.fromkeys(found))
    return list(chosen)


def _series(column):
    """A column as pandas should hold it: no null may turn a number into a float."""
    kind = column.type
    if column.null_count and pa.types.is_boolean(kind):
        return column.to_pandas(types_mapper={kind: pd.BooleanDtype()}.get)
    if column.null_count and pa.types.is_integer(kind):
        width = pd.api.types.pandas_dtype(kind.to_pandas_dtype()).name.capitalize()
        return column.to_pandas(types_mapper={kind: pd.api.types.pandas_dtype(width)}.get)
    return column.to_pandas()
