"""Survey -> SQL expressions of the neutral alert.

The SQL works on a struct ``p_<survey>``, the packet decoded with the projected reader schema of
`fink_like.packets.projection`. `fink_like.packets.reference` is the same in plain Python.
"""

from fink_like.packets import projection
from fink_like.packets.conversions import tai_minus_utc_sql
from fink_like.packets.expressions import Path, SqlWriter, paths, references
from fink_like.vocabulary import DETAILS, DETECTION, FORCED, KEYS

POINT_TYPE = ("struct<midpointMjdTai:double,kind:string,band:string,visit:bigint,"
              "psfFlux:float,psfFluxErr:float>")
"""A point of the light curve; its field order is the order the points are sorted in."""

POINT_COLUMNS = (("midpointMjdTai", "double"), ("band", "string"), ("visit", "bigint"),
                 ("psfFlux", "float"), ("psfFluxErr", "float"))
NEIGHBOURS = 2  # points to either side in which a forced point's detection is looked for
UNIX_EPOCH_MJD = 40587


def wanted_paths(survey, light_curve=True, own=True, stamps=False):
    """Packet fields that the survey's YAML reads.

    Parameters
    ----------
    survey : Survey
    light_curve, own, stamps : bool
        Whether to include the history, the survey's own columns, the cutouts.

    Returns
    -------
    set of tuple
    """
    names = None if own else {f.name for f in KEYS}
    wanted = set().union(*(_paths(survey, e) for n, e in survey.columns.items()
                           if names is None or n in names))
    for on, expressions in ((own, survey.own_columns), (stamps, survey.stamps)):
        if on:
            wanted |= set().union(*(_paths(survey, e) for e in expressions.values()), set())
    for history in survey.light_curve if light_curve else ():
        inside = set().union(paths(history.where), *(paths(e) for e in history.columns.values()))
        inside |= {(history.not_own,)} if history.not_own else set()
        wanted |= {(history.array, projection.ITEMS, *path) for path in inside}
    return wanted


def _paths(survey, node):
    found = paths(node)
    for name in references(node):
        found |= _paths(survey, survey.columns[name])
    return found


class AlertSql:
    """SQL of one survey's alerts, for the writer schemas known now.

    Parameters
    ----------
    survey : Survey
    types : dict
        From `projection.leaf_types`.
    """

    def __init__(self, survey, types):
        self.survey, self.types = survey, types
        self.alias = f"p_{survey.name}"
        self.writer = SqlWriter(self.alias, types, survey.columns, survey.sentinels)

    def keys(self):
        """Neutral name -> SQL, of what bronze keeps."""
        return {f.name: self._column(f) for f in KEYS}

    def details(self):
        """Neutral name -> SQL, of what only silver keeps."""
        return {f.name: self._column(f) for f in DETAILS}

    def own(self):
        """SQL of the survey's own struct."""
        parts = [f"'{f.name}', CAST({self.writer.write(self.survey.own_columns[f.name])} "
                 f"AS {f.type})" for f in self.survey.own.fields]
        return f"named_struct({', '.join(parts)})"

    def stamps(self):
        """Stamp name -> SQL of its bytes."""
        return {name: self.writer.write(e) for name, e in self.survey.stamps.items()}

    def points(self):
        """SQL of the sorted array of light curve points, the alert's own included."""
        parts = [f"array({self._point(self._own_point(), DETECTION)})"]
        parts += [self._history(h) for h in self.survey.light_curve if self._has(h.array)]
        joined = f"concat({', '.join(parts)})"
        return f"sort_array(filter({joined}, y -> y.midpointMjdTai IS NOT NULL))"

    def _column(self, column):
        node = self.survey.columns.get(column.name)
        sql = "NULL" if node is None else self.writer.write(node)
        return f"CAST({sql} AS {column.type})"

    def _has(self, array):
        return any(path[0] == array for path in self.types)

    def _own_point(self):
        return {name: self.writer.write(self.survey.columns[name])
                if name in self.survey.columns else "NULL" for name, _ in POINT_COLUMNS}

    def _point(self, columns, kind):
        typed = {name: f"CAST({columns[name]} AS {kind_})" for name, kind_ in POINT_COLUMNS}
        typed["kind"] = f"'{kind}'"
        order = ("midpointMjdTai", "kind", "band", "visit", "psfFlux", "psfFluxErr")
        return f"named_struct({', '.join(f'{chr(39)}{n}{chr(39)}, {typed[n]}' for n in order)})"

    def _history(self, history):
        inside = {path[2:]: kind for path, kind in self.types.items()
                  if path[:2] == (history.array, projection.ITEMS)}
        writer = SqlWriter("x", inside, {}, self.survey.sentinels)
        point = self._point({n: writer.write(e) for n, e in history.columns.items()},
                            history.kind)
        condition = writer.write(history.where)
        if history.not_own:
            own = self.writer.write(self.survey.columns["diaSourceId"])
            item = writer.write(Path((history.not_own,)))
            condition += f" AND NOT ({item} <=> {own})"
        return (f"coalesce(transform({self.alias}.`{history.array}`, x -> CASE WHEN {condition} "
                f"THEN {point} END), CAST(array() AS array<{POINT_TYPE}>))")


def light_curve_sql(points="points"):
    """SQL of `lc` from the sorted points.

    A forced point is paired if its exposure and band have a detection. Both then have the same
    time (8,551 of 8,551 in real Rubin packets) or differ by less than an exposure, so the
    detection is a close neighbour; a search of the whole array would cost 12 ms where 1,100
    forced points meet 1,100 detections.
    """
    near = (f"slice({points}, greatest(i + 1 - {NEIGHBOURS}, 1), {2 * NEIGHBOURS + 1})")
    paired = (f"transform({points}, (x, i) -> x.kind = '{FORCED}' AND coalesce(exists({near}, "
              f"y -> y.kind = '{DETECTION}' AND y.visit = x.visit AND y.band = x.band), false))")
    arrays = [f"'{n}', {points}.{n}"
              for n in ("midpointMjdTai", "band", "psfFlux", "psfFluxErr", "kind")]
    return f"named_struct({', '.join(arrays)}, 'paired', {paired})"


def counted_sql(points="points"):
    """Neutral name -> SQL of what is counted in the packet."""
    detections = f"filter({points}, x -> x.kind = '{DETECTION}')"
    return {"n_det_in_packet": f"array_size({detections})",
            "age_in_packet": f"midpointMjdTai - get({detections}, 0).midpointMjdTai"}


def night_sql(survey, kafka_time="timestamp"):
    """SQL of (night, whether it comes from Kafka's clock), noon to noon at the site.

    A time that is null, before first light or more than a day after the packet arrived is
    damage; such a packet takes the night of its Kafka timestamp, so that a flipped bit cannot
    make a partition in the year 9000.
    """
    arrived = f"(unix_micros({kafka_time}) / 86400e6D + {UNIX_EPOCH_MJD})"
    leap = tai_minus_utc_sql("midpointMjdTai", survey.first_light_mjd)
    mjd = f"(midpointMjdTai - {leap} / 86400D)"
    sane = f"coalesce({mjd} BETWEEN {survey.first_light_mjd}D AND {arrived} + 1, false)"
    local = (f"((CASE WHEN {sane} THEN {mjd} ELSE {arrived} END) "
             f"+ {survey.utc_offset_hours}D / 24D - 0.5D)")
    date = f"date_add(DATE'1858-11-17', int(floor({local})))"
    return f"int(date_format({date}, 'yyyyMMdd'))", f"(NOT {sane})"


def sky_sql():
    """SQL of `sky` from ra and dec: IAU 1958 galactic pole in J2000 (Hipparcos vol. 1, 1.5.3),
    IAU 2006 obliquity."""
    ra, dec = "radians(ra - 192.85948D)", "radians(dec)"
    pole = "radians(27.12825D)"
    tilt = "radians(23.4392794D)"
    sin_b = f"sin({dec}) * sin({pole}) + cos({dec}) * cos({pole}) * cos({ra})"
    x = f"sin({dec}) * cos({pole}) - cos({dec}) * sin({pole}) * cos({ra})"
    sin_beta = f"sin({dec}) * cos({tilt}) - cos({dec}) * sin({tilt}) * sin(radians(ra))"
    return (f"named_struct('gal_l', float(pmod(122.93192D - degrees(atan2(cos({dec}) * sin({ra}), "
            f"{x})), 360D)), 'gal_b', float(degrees(asin({sin_b}))), "
            f"'ecl_lat', float(degrees(asin({sin_beta}))))")


