"""Simulated sources as the neutral alert, without packets: the columns of silver.

The recipe says what a packet's fields hold, the survey's YAML what they mean; both are evaluated on
arrays. So there is one definition, and these are the columns that the packets would give.
"""

from functools import cached_property

import numpy as np
import pyarrow as pa

from fink_like.errors import ConfigError
from fink_like.kit.outputs import column
from fink_like.kit.lightcurve import KINDS
from fink_like.kit.lightcurve import LIGHT_CURVE as ORDER
from fink_like.kit.own_history import merged, until
from fink_like.packets.arrays import ArrayEvaluator
from fink_like.packets.expressions import Path
from fink_like.packets.survey import POINT
from fink_like.simulator import frames, packets, points
from fink_like.simulator.fields import AlertFields, RowFields
from fink_like.simulator.recipe import ALERT
from fink_like.vocabulary import (BANDS, COUNTED, CUTOUTS, DETAILS, DETECTION, HISTORY, KEYS,
                                  LIGHT_CURVE, NOT_STORED, SKY, leaves)

FIELDS = leaves((*KEYS, *DETAILS, *COUNTED)) | {f"sky.{field.name}": field for field in SKY}
LISTS = tuple(f"lc.{field.name}" for field in LIGHT_CURVE)
BESIDE = tuple(leaves(NOT_STORED))
"""What silver does not keep: our own history of the object, and the images."""

FROM_KAFKA = ("packet", "broker")
"""Structs that an alert has only once it has been a message."""


class NeutralAlerts:
    """Neutral columns of simulated sources.

    Parameters
    ----------
    run : cadence.Run
    sources : Sources
        Their last exposure is the alert's. At least one.
    """

    def __init__(self, run, sources):
        self.model, self.survey, self.n = run.model, run.model.declared(), len(sources.key)
        self._run, self._sources = run, sources
        self.tables = packets.rows(run, sources)
        self.alerts = ArrayEvaluator(self.survey.columns, self.survey.sentinels,
                                     AlertFields(self.model, self.tables))

    def columns(self, names):
        """Arrow columns by dotted name, as modules get them from silver.

        Parameters
        ----------
        names : iterable of str

        Returns
        -------
        dict of str to pyarrow.Array
            Without what only other surveys' packets or science modules have.

        Raises
        ------
        ConfigError
            A column that an alert has only once it has been a message on Kafka.
        """
        made = {name: self._column(name) for name in names}
        return {name: found for name, found in made.items() if found is not None}

    def _column(self, name):
        struct, dot, own = name.partition(".")
        if name in LISTS:
            return self._lists[name]
        if struct == HISTORY.name:
            return self._own_history[name]
        if struct == CUTOUTS.name:
            return _binary(self._files[f"stamp_{own}"])
        if name in FIELDS:
            return column(self._value(name), FIELDS[name])
        if name == "survey":
            return pa.array([self.survey.name] * self.n)
        if struct == self.survey.name and own in self.survey.own_columns:
            (field,) = [field for field in self.survey.own.fields if field.name == own]
            return column(self._masked(self.survey.own_columns[own]), field)
        if not dot or struct in FROM_KAFKA:
            raise ConfigError(f"a simulated alert has no column {name}; it has "
                              f"{', '.join((*FIELDS, *LISTS, *BESIDE))}, survey and "
                              f"{self.survey.name}.*")
        return None

    def _value(self, name):
        if name in self.survey.columns:
            return self._masked(self.survey.columns[name])
        if name in COUNTS:
            return COUNTS[name](self)
        if name in SKY_OF:
            return SKY_OF[name](*(self._masked(self.survey.columns[axis]).filled(np.nan)
                                  for axis in ("ra", "dec")))
        return np.full(self.n, np.nan)

    def _masked(self, node):
        """An expression's values with one an alert, text decoded, masked where missing."""
        value, missing = self.alerts.value(node)
        value = np.broadcast_to(value, self.n)
        value = np.char.decode(value) if value.dtype.kind == "S" else value
        return np.ma.MaskedArray(value, mask=np.broadcast_to(missing, self.n))

    @cached_property
    def points(self):
        """`points.Points` of the light curves, in order."""
        own = self._points(np.arange(self.n), DETECTION, self.tables[ALERT], {
            name: self.alerts.value(self.survey.columns[name]) for name in POINT})
        return points.in_order([own, *self._histories(self.tables)])

    @cached_property
    def _lists(self):
        return points.arrow(self.points, self.n)

    @cached_property
    def _own_history(self):
        """As the table `history` has it after the night before; null of an object not met."""
        before = packets.rows_before(self._run, self._sources)
        found = points.arrow(points.in_order(self._histories(before)), self.n)
        kept = merged([found[name] for name in ORDER],
                      [pa.nulls(self.n, found[name].type) for name in ORDER])
        is_known = self._value("diaObjectId").filled(0) != 0  # a moving object has no history
        return until([kept.field(place) for place in range(len(ORDER))],
                     np.where(is_known, np.inf, -np.inf))

    @cached_property
    def _files(self):
        return packets.files(self.model, self.tables[ALERT])

    def _histories(self, tables):
        return [self._history(history, tables[self.model.records[history.array].rows])
                for history in self.survey.light_curve if history.array in self.model.records]

    def _history(self, history, rows):
        """Points that rows of one of the packet's arrays give."""
        shown = packets.there(self.model, history.array, rows, self.tables[ALERT])
        value, missing = self._of(history.array, rows).value(history.where)
        kept = np.broadcast_to(value & ~np.asarray(missing), len(rows.objects))
        kept = kept & shown[rows.objects]
        if history.not_own:
            kept = kept & ~self._is_own(history, rows)
        rows = rows.rows(kept)
        evaluator = self._of(history.array, rows)
        return self._points(rows.objects, history.kind, rows, {
            name: evaluator.value(node) for name, node in history.columns.items()})

    def _of(self, array, rows):
        return ArrayEvaluator({}, self.survey.sentinels, RowFields(self.model, array, rows))

    def _is_own(self, history, rows):
        """Rows that are the alert itself."""
        item, missing = self._of(history.array, rows).value(Path((history.not_own,)))
        source, _ = self.alerts.value(self.survey.columns["diaSourceId"])
        return (item == np.broadcast_to(source, self.n)[rows.objects]) & ~np.asarray(missing)

    def _points(self, parents, kind, rows, columns):
        n = len(parents)
        names, no_band = columns["band"]
        band = np.full(n, -1, dtype=np.int8)
        for code, name in enumerate(BANDS):
            word = name.encode() if np.asarray(names).dtype.kind == "S" else name
            band[np.broadcast_to((names == word) & ~np.asarray(no_band), n)] = code
        flux, error = (_single(*columns[name], n) for name in ("psfFlux", "psfFluxErr"))
        visit = np.broadcast_to(columns["visit"][0], n).astype(np.int64)
        mjd = np.broadcast_to(columns["midpointMjdTai"][0], n)
        return points.Points(parents, mjd, np.full(n, KINDS.index(kind), np.int8), band, visit,
                             flux, error, rows["true_flux"])


def _single(values, missing, n):
    """In single precision, NaN where missing."""
    return np.broadcast_to(np.where(missing, np.nan, values), n).astype(np.float32)


def _binary(files):
    """Files one behind the other as Arrow."""
    offsets = np.append(files.start, files.start[-1] + files.length[-1])
    return pa.Array.from_buffers(pa.large_binary(), len(files.start), [
        None, pa.py_buffer(offsets), pa.py_buffer(files.pool)]).cast(pa.binary())


def _counted(alerts):
    detected = alerts.points.kind == KINDS.index(DETECTION)
    return np.bincount(alerts.points.parent[detected], minlength=alerts.n)


def _age(alerts):
    detected = alerts.points.kind == KINDS.index(DETECTION)
    parent, first = np.unique(alerts.points.parent[detected], return_index=True)
    begun = np.full(alerts.n, np.nan)
    begun[parent] = alerts.points.mjd[detected][first]
    return alerts._masked(alerts.survey.columns["midpointMjdTai"]) - begun


COUNTS = {"n_det_in_packet": _counted, "age_in_packet": _age}
SKY_OF = {"sky.gal_l": lambda ra, dec: frames.galactic(ra, dec)[0],
          "sky.gal_b": lambda ra, dec: frames.galactic(ra, dec)[1],
          "sky.ecl_lat": lambda ra, dec: frames.ecliptic(ra, dec)[1]}
"""How the columns that no packet holds are made."""
