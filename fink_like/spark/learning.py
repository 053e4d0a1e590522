"""New schemas are learnt between the batches: from what packets brought, and from the registry.

The workers ask nobody. A packet of an id not met before waits in bronze; behind the batch the
driver asks the registry, once an id for all batches, workers and restarts, since `SchemaStore`
keeps the answer. Then the waiting rows can be read again.
"""

from typing import NamedTuple

from fink_like.errors import PacketError
from fink_like.packets import wire
from fink_like.packets.schemas import PacketSchema, SchemaBook

SAMPLES = 5  # waiting packets that a schema is tried on: one of them may be damaged


class Learned(NamedTuple):
    """What became of the schemas that rows wait for: sets of (survey, schema_key)."""

    known: set
    absent: set


def learn(waiting, store, registry):
    """Ask the registry for the schemas that rows of bronze wait for, and keep the answers.

    It takes a second at most for new questions, and nothing for those still open: call it behind
    each batch that has waiting rows, and before they are read again.

    Parameters
    ----------
    waiting : DataFrame
        Rows of bronze of state ``waiting``; survey, schema_key, topic, key and value are read.
    store : SchemaStore
    registry : SchemaRegistry

    Returns
    -------
    Learned
        Rows of these can be read again with ``store.pick(store.keys())`` and ``store.absent()``:
        the known ones become ok, the absent ones dead letters (``unknown_schema``).
    """
    here, said_no = store.keys(), store.absent()
    found = Learned(set(), set())
    open_questions = []
    for survey, key in _wanted(waiting, store):
        if key in here[survey]:
            found.known.add((survey, key))
        elif key in said_no[survey]:
            found.absent.add((survey, key))
        else:
            open_questions.append((survey, key))
    answers = registry.ask([key for _, key in open_questions]) if open_questions else {}
    for survey, key in (pair for pair in open_questions if pair[1] in answers):
        schema = answers[key] and PacketSchema(key, answers[key])
        if schema is None:
            store.note_absent(survey, key)
            found.absent.add((survey, key))
        elif _reads_one(waiting.where(f"survey = '{survey}' AND schema_key = '{key}'"), store,
                        survey, schema):
            store.add(survey, schema, f"registry {registry.url}")
            found.known.add((survey, key))
        else:
            registry.failed(key, f"{registry.url} gave a schema that reads none of its packets")
    return found


def _wanted(waiting, store):
    """(survey, schema_key) that rows wait for, the most frequent first."""
    counted = (waiting.where("schema_key IS NOT NULL").groupBy("survey", "schema_key").count()
               .collect())
    return [(survey, key) for survey, key, _ in sorted(counted, key=lambda row: -row["count"])
            if survey in store.surveys]


def _reads_one(rows, store, survey, schema):
    book = SchemaBook(None, [schema])
    declared = store.surveys[survey]
    for topic, key, value in rows.select("topic", "key", "value").limit(SAMPLES).collect():
        source = declared.input_of(topic)
        if source is None:  # the survey's YAML has changed since
            continue
        try:
            packet = wire.split(bytes(value), source, book, key and bytes(key))
            wire.decode(packet.datum, packet.schema)
            return True
        except PacketError:
            continue
    return False


def learn_schemas(rows, store):
    """Keep the schemas that packets brought along, for the fast lane of the next batch.

    Parameters
    ----------
    rows : DataFrame
        Of bronze, lane ``slow``.
    store : SchemaStore
    """
    met = (rows.where("header IS NOT NULL").groupBy("survey", "schema_key")
           .agg({"header": "max"}).collect())
    for survey, key, header in met:
        if key not in store.keys()[survey]:
            store.add(survey, wire.read_header(bytes(header)))
