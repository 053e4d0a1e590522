"""Schemas met in packets, kept beside the tables: one file a schema, never changed."""

import base64
import sys
import time

from py4j.protocol import Py4JJavaError

from fink_like.errors import ConfigError, SchemaError
from fink_like.packets import normalise, projection, schemas
from fink_like.packets.inputs import CONTAINER_BEGINS
from fink_like.spark.control import ControlFolder

ABSENT_S = 600  # how long a registry's "no such id" is believed


class SchemaStore:
    """All schemas that packets of the configured surveys may be written in.

    Parameters
    ----------
    spark : SparkSession
    settings : Settings
    surveys : dict
        Name -> Survey.

    Raises
    ------
    ConfigError
        An input names a schema that the project does not have.
    """

    def __init__(self, spark, settings, surveys):
        self.surveys = surveys
        self._folders = {name: ControlFolder(spark, settings.path("schemas", name))
                         for name in surveys}
        # Empty files, whose names are an id and a time; jobs and processes share them.
        self._refusals = {name: ControlFolder(spark, settings.path("schemas", "_absent", name))
                          for name in surveys}
        self._known, self._unused, self._anchors, self._wanted = {}, {}, {}, {}
        for name, survey in surveys.items():
            book = schemas.SchemaBook(settings.schemas / name)
            self._known[name] = dict(book.known)
            self._unused[name] = {key for key in book.known if not key.isdigit()} - _named_by(
                survey, book)
            # The project's own files, also those that no input names: a strange first packet
            # must not decide what type a field has.
            self._anchors[name] = [schema.avro for schema in book.known.values()]
            self._wanted[name] = normalise.wanted_paths(survey, stamps=True)
        self._jvm_parser = spark._jvm.org.apache.avro.Schema
        self.refresh()

    def refresh(self):
        """Read what other jobs have added since."""
        for name, folder in self._folders.items():
            for file in folder.names():
                key = file.removesuffix(".json")
                if key not in self._known[name]:
                    self._known[name][key] = _from_file(folder.read(file))

    def keys(self):
        """Survey name -> sorted keys of all that packets may be written in."""
        return {name: sorted(set(known) - self._unused[name])
                for name, known in self._known.items()}

    def absent(self):
        """Survey name -> sorted ids that the registry said, not long ago, not to have."""
        oldest = time.time() - ABSENT_S
        return {name: sorted({key for key, at in map(_refusal, folder.names()) if at > oldest})
                for name, folder in self._refusals.items()}

    def note_absent(self, survey, key):
        """Remember, for `ABSENT_S`, that the registry does not have an id."""
        folder, now = self._refusals[survey], time.time()
        for name in folder.names():
            if _refusal(name)[1] < now - ABSENT_S:
                folder.delete(name)
        folder.freeze(f"{key}-{int(now)}.json", {})

    def pick(self, keys):
        """Survey name -> list of PacketSchema, of the keys given.

        Parameters
        ----------
        keys : dict
            Survey name -> iterable of keys; a key that is not here is left out.
        """
        return {name: [known[key] for key in keys.get(name, ()) if key in known]
                for name, known in self._known.items()}

    def add(self, survey, schema, source=""):
        """Keep a schema; false if the JVM cannot use it: its packets are in silver by keys only.

        Java's Avro must be able to parse it, and its fields must be of types that go together
        with those of the schemas already here: one reader schema serves all.

        Parameters
        ----------
        survey : str
        schema : PacketSchema
        source : str
            Where it comes from; empty: the packet brought it.
        """
        problem = self._problem(survey, schema)
        if problem:
            print(f"packets of schema {schema.key} are kept in bronze, but not decoded further: "
                  f"{problem}"[:500], file=sys.stderr, flush=True)
        kept = self._folders[survey].freeze(f"{schema.key}.json", {
            "key": schema.key, "avro": schema.avro, "codec": schema.codec,
            "header": base64.b64encode(schema.header).decode(), "fast": not problem,
            "fingerprint": schemas.fingerprint(schema.avro), "first_seen": time.time(),
            "source": source or _brought_by(schema)})
        self._known[survey][schema.key] = _from_file(kept)
        return not problem

    def _problem(self, survey, schema):
        every = [*self._anchors[survey], *(k.avro for k in self._known[survey].values() if k.fast),
                 schema.avro]
        try:
            self._jvm_parser.Parser().parse(schemas.text(schema.avro))
            projection.leaf_types(every, self._wanted[survey])
        except (Py4JJavaError, SchemaError) as error:
            return str(error)
        return ""


def _named_by(survey, book):
    """Keys of the project's schemas that a survey's inputs name.

    Files without a registry id serve writing and bare packets; who uses none is not slowed down.
    """
    try:
        found = {book.by_name(name).key for source in survey.inputs for name in source.names}
        if any(source.wire == "json" for source in survey.inputs):
            book.newest()
    except SchemaError as error:
        raise ConfigError(f"conf/surveys/{survey.name}.yaml: inputs: {error}") from error
    newest = any(source.needs_newest for source in survey.inputs) and book.named
    return found | ({book.newest().key} if newest else set())


def _refusal(name):
    key, _, at = name.removesuffix(".json").partition("-")
    return key, int(at)


def _brought_by(schema):
    return "packet header" if schema.header.startswith(CONTAINER_BEGINS) else "message key"


def _from_file(content):
    return schemas.PacketSchema(content["key"], content["avro"],
                                base64.b64decode(content["header"]), content["codec"],
                                fast=content.get("fast", True))
