"""Run science modules on a batch of alerts: Arrow columns in, one Arrow struct out.

Called by the one Spark UDF that holds all modules, and by tests and notebooks without Spark. No
row is ever lost and no module can hurt another: what goes wrong is a status beside the outputs,
and a `ModuleFailure` for the log.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from fink_like.errors import ModuleError
from fink_like.kit.columns import ARROW_TYPES, Batch, to_arrow
from fink_like.vocabulary import Status


@dataclass(frozen=True)
class ModuleFailure:
    """What went wrong in one module on one batch.

    Parameters
    ----------
    module : str
    message : str
        The first error: its class, text, file and line.
    rows : int
        How many rows got Status.FAILED.
    """

    module: str
    message: str
    rows: int


def run(specs, columns):
    """Outputs of all modules.

    Parameters
    ----------
    specs : list of ModuleSpec
        In the order of `registry.load`: a module after those it takes outputs from. Not empty.
    columns : dict of str to pyarrow.Array
        `registry.external_inputs`, by dotted name, all of one length; a survey-only column may be
        absent.

    Returns
    -------
    pyarrow.StructArray
        One child a module, a struct of its outputs, status and version.
    list of ModuleFailure
        Empty when all went well; one entry a failing module.
    """
    batch, statuses, results, failures = Batch(columns), {}, [], []
    for spec in specs:
        outputs, status, failure = _run_module(spec, batch, statuses)
        failures.extend(failure)
        statuses[spec.name] = status
        results.append(_struct(spec, outputs, status))
        batch.columns.update({f"{spec.name}.{field.name}": results[-1].field(field.name)
                              for field in spec.struct.fields})
    return pa.StructArray.from_arrays(results, names=[spec.name for spec in specs]), failures


def _run_module(spec, batch, statuses):
    """Its full-length output columns, its status of each row, and its failure, if any."""
    errors = []
    try:
        status = _status(spec, batch, statuses)
    except Exception as error:  # noqa: BLE001  a condition may be a contributor's code
        _note(errors, error)
        status = np.full(len(batch), Status.FAILED, dtype=np.int8)
    pieces = _guarded(spec, batch, np.flatnonzero(status == Status.OK), errors)
    done = np.concatenate([rows for rows, _ in pieces], dtype=np.int64)
    status[np.setdiff1d(np.flatnonzero(status == Status.OK), done)] = Status.FAILED
    pieces = [piece for piece in pieces if len(piece[0])] or pieces[:1]
    places = _places(done, len(batch))
    full = {field.name: _scatter([outputs[field.name] for _, outputs in pieces], places)
            for field in spec.outputs}
    n_failed = int((status == Status.FAILED).sum())
    return full, status, [ModuleFailure(spec.name, text, n_failed) for text in errors]


def _status(spec, batch, statuses):
    """OK where the module can be computed, else the first reason why not."""
    for name in spec.inputs:
        batch.values(name)  # an input that no module can take fails here, once, not row by row
    status = np.zeros(len(batch), dtype=np.int8)
    for stopped, reason in _reasons(spec, batch, statuses):
        status[(status == Status.OK) & stopped] = reason
    return status


def _reasons(spec, batch, statuses):
    for condition in spec.conditions:
        yield ~condition.holds(batch), condition.status
    for name in spec.needs:
        source, _, output = name.partition(".")
        if output and source in statuses:
            yield statuses[source] != Status.OK, Status.INPUT_MISSING


def _guarded(spec, batch, rows, errors):
    """Compute `rows`; if that raises, each half again, down to the rows that raise alone.

    Same result as a retry row by row, but one bad row in 10,000 costs 28 calls, not 10,000.

    Returns
    -------
    list of (rows, dict of output name to pyarrow.Array)
        Without the failed rows. Never empty: the first entry holds no rows.
    """
    nothing = (rows[:0], {f.name: pa.array([], ARROW_TYPES[f.type]) for f in spec.outputs})
    if not len(rows):
        return [nothing]
    try:
        with np.errstate(all="ignore"):  # NaN is the kit's word for null
            found = spec.compute(*batch.inputs(spec.inputs, rows))
    except (Exception, SystemExit) as error:  # noqa: BLE001  any fault of a contributor's code
        _note(errors, error)
        if len(rows) == 1:
            return [nothing]
        middle = len(rows) // 2
        return (_guarded(spec, batch, rows[:middle], errors)
                + _guarded(spec, batch, rows[middle:], errors))
    try:
        return [nothing, (rows, _checked(spec, found, len(rows)))]
    except ModuleError as error:
        _note(errors, error)
        return [nothing]


def _checked(spec, found, n_rows):
    """What a module returned, as Arrow arrays of the declared types, or ModuleError."""
    if isinstance(found, pd.DataFrame):
        found = {name: found[name] for name in found.columns}
    if not isinstance(found, dict):
        raise ModuleError(f"it returned a {type(found).__name__}, not a dict or DataFrame")
    declared = {field.name for field in spec.outputs}
    if set(found) != declared:
        raise ModuleError(f"it returned {sorted(set(found) - declared, key=str)} undeclared and "
                          f"left out {sorted(declared - set(found))}")
    return {field.name: to_arrow(found[field.name], field, n_rows) for field in spec.outputs}


def _places(rows, n_rows):
    """Where each row of the batch stands in `rows`, null if not there; None: just where it is."""
    if len(rows) == n_rows and (np.diff(rows) > 0).all():
        return None
    places = np.full(n_rows, -1, dtype=np.int64)
    places[rows] = np.arange(len(rows))
    return pa.array(places, mask=places < 0)


def _scatter(arrays, places):
    """Values of some rows put into a column of the whole batch, null elsewhere."""
    values = arrays[0] if len(arrays) == 1 else pa.concat_arrays(arrays)
    return values if places is None else values.take(places)


def _struct(spec, outputs, status):
    version = pa.repeat(pa.scalar(spec.version), len(status))
    columns = [*outputs.values(), pa.array(status), version]
    return pa.StructArray.from_arrays(columns, names=[field.name for field in spec.struct.fields])


def _note(errors, error):
    """Keep the first error, as text: its traceback would keep the batch in memory."""
    if errors:
        return
    innermost = error.__traceback__
    while innermost.tb_next is not None:
        innermost = innermost.tb_next
    file = Path(innermost.tb_frame.f_code.co_filename)
    errors.append(f"{type(error).__name__}: {error} "
                  f"({file.parent.name}/{file.name}:{innermost.tb_lineno})")
