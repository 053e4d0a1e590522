"""Fields of packets that need not be written: what a survey's expressions read, as arrays.

A recipe fills a field with an expression; the schema narrows it to a float or an int on the wire.
Both happen here too, so that a column made of these fields is the one that the packet would give.
"""

import numpy as np

from fink_like.simulator import packets
from fink_like.simulator.encoder import BOOLEAN, BYTES, DOUBLE, FLOAT, LONG
from fink_like.simulator.recipe import ALERT

ON_WIRE = {LONG: np.int64, DOUBLE: np.float64, FLOAT: np.float32, BOOLEAN: np.bool_}
MISSING = np.nan, True


class AlertFields:
    """Fields outside the arrays of the packet, one value an alert.

    Parameters
    ----------
    model : SurveyModel
    tables : dict of str to Columns
        From `packets.rows`.
    """

    def __init__(self, model, tables):
        self.model, self.tables, self._there = model, tables, {}

    def __call__(self, parts):
        """Values of a path in the packet, and where they are null."""
        record, name = parts if len(parts) == 2 else (ALERT, *parts)
        if record not in self.model.records or len(parts) > 2:
            return MISSING
        value, missing = read(self.model, record, name, self.tables[ALERT])
        return value, missing | ~self._shown(record)

    def _shown(self, record):
        if record not in self._there:
            rows = self.tables[self.model.records[record].rows]
            self._there[record] = packets.there(self.model, record, rows, self.tables[ALERT])
        return self._there[record]


class RowFields:
    """Fields of one of the packet's arrays, one value a row.

    Parameters
    ----------
    model : SurveyModel
    record : str
        Name of the array.
    columns : Columns
        Of its rows.
    """

    def __init__(self, model, record, columns):
        self.model, self.record, self.columns = model, record, columns

    def __call__(self, parts):
        """Values of a path in the row, and where they are null."""
        return read(self.model, self.record, parts[0], self.columns)


def read(model, record, name, columns):
    """A field as whoever decodes the packet has it.

    Parameters
    ----------
    model : SurveyModel
    record, name : str
        As the recipe has them.
    columns : Columns
        Of the record's rows.

    Returns
    -------
    tuple of (numpy.ndarray, numpy.ndarray or bool)
        Values, and where they are null; NaN is a value.
    """
    if name not in model.records[record].fields:
        return MISSING
    value = packets.field(model, record, name, columns)
    if value is None:
        return MISSING
    value, missing = np.ma.getdata(value), np.ma.getmask(value)
    program = model.program if record == ALERT else model.program.children()[record]
    value = _narrowed(value, program.kinds[name])
    shape = columns.objects.shape
    return value if value.shape == shape else np.broadcast_to(value, shape), missing


def _narrowed(value, kind):
    """A value as it is on the wire; single precision goes on as double."""
    if kind == BYTES:
        return value if value.dtype.kind in "SU" else value.astype("S")
    narrow = value.astype(ON_WIRE[kind])
    return narrow.astype(np.float64) if kind == FLOAT else narrow
