"""Light curves in plain tables, as modules are given alerts: to try and to test with.

A Parquet or CSV file with a line a point::

    object_id,time,mag,magerr,band
    ZTF18aadlaxo,59253.237581,19.4998,0.1331,g

Times are MJD; whether TAI or UTC, 37 s apart, changes nothing here. Magnitudes are AB.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from fink_like.errors import ConfigError
from fink_like.kit.lightcurve import KINDS, LIGHT_CURVE, MAG_PER_RELATIVE_FLUX, LightCurve
from fink_like.kit.own_history import as_struct
from fink_like.kit.ragged import Ragged, Rows
from fink_like.vocabulary import AB_ZEROPOINT, BANDS, DETECTION

NEEDED = ("object_id", "time", "mag", "magerr", "band")
BAND = {"G": "g", "R": "r", "I": "i", "zg": "g", "zr": "r", "zi": "i", "Y": "y"}
"""Other words for our bands, as archives write them."""

LONGER = 1e6  # days: than any light curve


@dataclass(frozen=True)
class Plain:
    """Light curves of objects, all of their points detections.

    Parameters
    ----------
    objects : (n,) numpy.ndarray
        Names.
    lc : LightCurve
    """

    objects: np.ndarray
    lc: LightCurve

    @classmethod
    def read(cls, path, total=False):
        """From a file.

        Parameters
        ----------
        path : str or Path
        total : bool, optional
            Magnitudes are of all the light, as of a variable star, not of what was added: the
            median flux of an object in each band is taken for the template's.

        Raises
        ------
        ConfigError
            A column is missing, or no line has a band of ours, a time and a magnitude.
        """
        path = Path(path)
        if not path.is_file():
            raise ConfigError(f"{path}: no such file")
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(
            path, dtype={"object_id": str})
        if absent := sorted(set(NEEDED) - set(table)):
            raise ConfigError(f"{path}: no column {', '.join(absent)}")
        table["band"] = table["band"].replace(BAND)
        known = table["band"].isin(BANDS) & np.isfinite(table["time"]) & (table["magerr"] > 0)
        table = table[known & np.isfinite(table["mag"])]
        if table.empty:
            raise ConfigError(f"{path}: no line with a band of {', '.join(BANDS)}, a time, and a "
                              "magnitude with an error above 0")
        return cls._of(table.sort_values(["object_id", "time"], kind="stable"), total)

    @classmethod
    def _of(cls, table, total):
        flux = 10 ** ((AB_ZEROPOINT - table["mag"]) / 2.5)
        error = flux * table["magerr"] / MAG_PER_RELATIVE_FLUX
        if total:
            flux = flux - flux.groupby([table["object_id"], table["band"]]).transform("median")
        counts = table.groupby("object_id", sort=True).size()
        shape = Rows.from_counts(counts.to_numpy())
        n = len(table)
        columns = (table["time"].to_numpy(float),
                   table["band"].map(BANDS.index).to_numpy(np.int8), flux.to_numpy(float),
                   error.to_numpy(float), np.full(n, KINDS.index(DETECTION), np.int8), np.zeros(n))
        return cls(counts.index.to_numpy(str), LightCurve(*(Ragged(c, shape) for c in columns)))

    def __len__(self):
        return len(self.objects)

    def at(self, least=1, most=None, days=None, until=np.inf):
        """Each object as it was known at one of its points: which, is drawn by its name.

        Parameters
        ----------
        least, most : int, optional
            How many points it then has.
        days : float, optional
            How far back they go; all, if not given.
        until : float or (n,) array_like, optional
            MJD, the latest time.

        Returns
        -------
        Plain
            Of the objects that have such a point.
        """
        times, ids = self.lc.mjd.values, self.lc.mjd.shape.ids
        latest = np.broadcast_to(until, len(self))[ids]
        key = ids * LONGER + times - times.min(initial=0.0)
        first = np.searchsorted(key, key - min(days or LONGER, LONGER / 4))
        first = np.maximum(first, self.lc.mjd.shape.offsets[:-1][ids])
        count = np.arange(len(times)) - first + 1
        fits = (count >= least) & (count <= (most or len(times))) & (times <= latest)
        points = np.flatnonzero(fits)
        there, begins, number_of = np.unique(ids[points], return_index=True, return_counts=True)
        draw = np.array([number(name) % 10_000 / 10_000 for name in self.objects[there]])
        last = points[begins + (draw * number_of).astype(int)]
        shape = Rows.from_counts(last - first[last] + 1)
        places = np.repeat(first[last] - shape.offsets[:-1], shape.counts) + np.arange(
            shape.offsets[-1])
        return Plain(self.objects[there], LightCurve(*(Ragged(column.values[places], shape)
                                                       for column in self.lc.columns)))

    def columns(self, survey, types):
        """Arrow columns of alerts, each at its light curve's last point.

        Parameters
        ----------
        survey : str
            What they are taken for.
        types : dict of str to pyarrow.DataType
            Wanted columns; those of which plain light curves say nothing are null.

        Returns
        -------
        dict of str to pyarrow.Array
        """
        lc, n = self.lc, len(self)
        numbers = [number(name) for name in self.objects]
        age = lc.mjd.last() - lc.mjd.first()
        flux, error = lc.flux.last(), lc.flux_err.last()
        told = {"survey": [survey] * n, "objectId": self.objects.tolist(), "diaObjectId": numbers,
                "diaSourceId": numbers, "midpointMjdTai": lc.mjd.last(),
                "band": [BANDS[code] for code in lc.band.last(empty=-1)], "psfFlux": flux,
                "psfFluxErr": error, "snr": np.abs(flux) / error, "n_det": lc.counts,
                "n_det_in_packet": lc.counts, "age": age, "age_in_packet": age}
        lists = as_struct(lc)
        told |= {name: lists.field(place) for place, name in enumerate(LIGHT_CURVE)}
        return {name: _arrow(told[name], kind) if name in told else pa.nulls(n, kind)
                for name, kind in types.items()}


def number(text):
    """An object's name as int64, 0 or greater."""
    return int.from_bytes(hashlib.sha256(str(text).encode()).digest()[:8], "big") >> 1


def _arrow(values, kind):
    return values.cast(kind) if isinstance(values, pa.Array) else pa.array(values).cast(kind)
