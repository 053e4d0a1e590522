"""Schemas met in packets, kept beside the tables: one file a schema, never changed."""

import base64
import sys

from py4j.protocol import Py4JJavaError

from fink_like.errors import SchemaError
from fink_like.packets import normalise, projection, schemas
from fink_like.spark.control import ControlFolder


class SchemaStore:
    """All schemas that packets of the configured surveys may be written in.

    Parameters
    ----------
    spark : SparkSession
    settings : Settings
    surveys : dict
        Name -> Survey.
    """

    def __init__(self, spark, settings, surveys):
        self._folders = {name: ControlFolder(spark, settings.path("schemas", name))
                         for name in surveys}
        self._known = {name: schemas.SchemaBook(settings.schemas / name).known
                       for name in surveys}
        # The project's own files, also those for writing only: a strange first packet must not
        # decide what type a field has.
        self._anchors = {name: [schemas.load_notation(path) for path in
                                sorted((settings.schemas / name).glob("*.yaml"))]
                         for name in surveys}
        self._wanted = {name: normalise.wanted_paths(survey, stamps=True)
                        for name, survey in surveys.items()}
        self.refused = {name: set() for name in surveys}
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
        """Survey name -> sorted keys."""
        return {name: sorted(known) for name, known in self._known.items()}

    def pick(self, keys):
        """Survey name -> list of PacketSchema, of the keys given.

        Parameters
        ----------
        keys : dict
            Survey name -> iterable of keys; a key that is not here is left out.
        """
        return {name: [known[key] for key in keys.get(name, ()) if key in known]
                for name, known in self._known.items()}

    def add(self, survey, schema):
        """Keep a schema; false if the JVM cannot use it: its packets are in silver by keys only.

        Java's Avro must be able to parse it, and its fields must be of types that go together
        with those of the schemas already here: one reader schema serves all.

        Parameters
        ----------
        survey : str
        schema : PacketSchema
        """
        every = [*self._anchors[survey], *(k.avro for k in self._known[survey].values()),
                 schema.avro]
        try:
            self._jvm_parser.Parser().parse(schemas.text(schema.avro))
            projection.leaf_types(every, self._wanted[survey])
        except (Py4JJavaError, SchemaError) as error:
            print(f"packets of schema {schema.key} are kept in bronze, but not decoded further: "
                  f"{error}"[:500], file=sys.stderr, flush=True)
            self.refused[survey].add(schema.key)
            return False
        self._folders[survey].freeze(f"{schema.key}.json", {
            "key": schema.key, "avro": schema.avro, "codec": schema.codec,
            "header": base64.b64encode(schema.header).decode()})
        self._known[survey][schema.key] = schema
        return True


def _from_file(content):
    return schemas.PacketSchema(content["key"], content["avro"],
                                base64.b64decode(content["header"]), content["codec"])
