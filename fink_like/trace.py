"""The way of one alert through the broker: packet, scores, filters, topics, times."""

import datetime

import pyarrow.compute as pc

from fink_like import client
from fink_like.errors import ConfigError
from fink_like.filters import library
from fink_like.filters.compile import from_tree
from fink_like.filters.tree import Call, written
from fink_like.kit import registry
from fink_like.packets import survey as survey_declarations
from fink_like.vocabulary import NEUTRAL, Status, leaves

BRONZE_COLUMNS = ("survey", "topic", "partition", "offset", "kafka_time", "ingest_time", "state",
                  "lane", "schema_key", "bytes", "diaSourceId")


def trace(settings, alert_id):
    """Lines that tell where an alert came from, what was found, where it went and why not.

    Parameters
    ----------
    settings : Settings
    alert_id : int
        diaSourceId (candid).

    Returns
    -------
    list of str

    Raises
    ------
    ConfigError
        Bronze has no such alert.
    """
    same = pc.field("diaSourceId") == alert_id
    packets = client.open_table(settings.data, "bronze", columns=list(BRONZE_COLUMNS), where=same)
    if packets.empty:
        raise ConfigError(f"no alert {alert_id} in {settings.path('bronze')}")
    lines = [f"alert {alert_id}"]
    for packet in packets.itertuples():
        lines += [f"  packet     {packet.topic}:{packet.partition}:{packet.offset}, {packet.bytes} "
                  f"bytes, schema {packet.schema_key}, reached Kafka {packet.kafka_time:%F %T.%f}",
                  f"  bronze     {packet.ingest_time:%F %T.%f}, {packet.state}, {packet.lane} lane"]
    alerts = client.open_table(settings.data, "silver", where=same)
    for _, alert in alerts.iterrows():
        lines.append(f"  silver     {alert['broker.science_time']:%F %T.%f}, "
                     f"packet status {alert['packet_status']}")
        lines += _module_lines(settings, alert)
    if not alerts.empty:
        lines += _filter_lines(settings, alerts.iloc[:1])
    sent = client.open_table(settings.data, "deliveries", where=same)
    for row in sent.itertuples():
        seconds = (row.sent_at - row.kafka_time).total_seconds()
        lines.append(f"  delivered  {row.topic}: {row.outcome} {row.sent_at:%F %T.%f}, "
                     f"{seconds:.1f} s after the packet reached Kafka")
    return lines if not sent.empty else [*lines, "  delivered  to no topic"]


def columns_of(settings):
    """All columns a filter may use, and the public rule of each survey."""
    surveys = survey_declarations.load_all(settings.conf / "surveys")
    specs = registry.load(settings.modules, settings.conf / "modules.yaml", tuple(surveys))
    structs = (*(s.own for s in surveys.values()),
               *(spec.struct for spec in specs if spec.state == registry.LIVE))
    return leaves((*NEUTRAL, *structs)), {n: s.public for n, s in surveys.items()}


def _module_lines(settings, alert):
    names = sorted({name.split(".")[0] for name in alert.index if name.endswith(".status")})
    return [f"  module     {name} {alert[f'{name}.version']}: "
            f"{_status(alert[f'{name}.status'])}" for name in names]


def _status(code):
    return "no result" if code is None or code != code else Status(int(code)).name.lower()


def _filter_lines(settings, alert):
    columns, public = columns_of(settings)
    today = datetime.datetime.now(datetime.timezone.utc).date()
    specs, _ = library.load(settings.conf / "filters", columns, today, public)
    lines = []
    for spec in specs:
        for route in spec.routes:
            if route.survey == alert["survey"].iloc[0]:
                verdict = _verdict(route.condition, alert, columns)
                lines.append(f"  filter     {spec.name}: {verdict}")
    return lines


def _verdict(condition, alert, columns):
    if condition.mask(alert)[0]:
        return "passed"
    missed = [written(term) for term in _terms(condition.tree)
              if not from_tree(term, columns).mask(alert)[0]]
    return "missed: not (" + ") and not (".join(missed) + ")"


def _terms(tree):
    """The conditions that an ``and`` joins, flat."""
    if isinstance(tree, Call) and tree.operation == "and":
        return [term for argument in tree.arguments for term in _terms(argument)]
    return [tree]


