"""A science module on some alerts, without Spark: stored ones, packets in files, or simulated."""

from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import pyarrow as pa

from fink_like import packet_files, simulator
from fink_like.client.archive import in_nights
from fink_like.errors import ConfigError, PacketError, SchemaError, SetupError
from fink_like.kit import registry
from fink_like.kit.run import run
from fink_like.kit.specimens import ARROW
from fink_like.modules import SHOWN, plain, stored
from fink_like.packets import reference, schemas, wire
from fink_like.packets import survey as survey_declarations
from fink_like.simulator.neutral import BESIDE, FIELDS, LISTS
from fink_like.vocabulary import INPUTS, leaves

WORLD = "training"  # conf/worlds: its population has a class of every kind
SIMULATED = {*FIELDS, *LISTS, *BESIDE, "survey"}  # neutral columns that the simulator fills in bulk


@dataclass(frozen=True)
class Answer:
    """What a module said of alerts.

    Parameters
    ----------
    spec : ModuleSpec
    alerts : dict of str to pyarrow.Array
        What it was given, and `SHOWN`.
    scores : pyarrow.StructArray
        Its outputs, status and version.
    outcome : Outcome
    """

    spec: object
    alerts: dict
    scores: pa.StructArray
    outcome: object


class Trial:
    """Gets the columns that a module, and those it takes outputs from, need.

    Parameters
    ----------
    settings : Settings
    name : str
        Of the module.

    Attributes
    ----------
    specs : list of ModuleSpec
        Those it takes outputs from, then itself.
    columns : list of str
        Dotted names of what they need.
    types : dict of str to pyarrow.DataType
        Of every column that a module may take.
    surveys, declared : dict of str to Survey
        Those of conf/surveys; and with those of conf/archives, which are read from files only.
    """

    def __init__(self, settings, name):
        self._settings = settings
        self.surveys = survey_declarations.load_all(settings.conf / "surveys")
        archives = settings.conf / "archives"
        self.declared = self.surveys | (survey_declarations.load_all(archives)
                                        if archives.is_dir() else {})
        there = registry.names(settings.modules)
        if name not in there:
            raise ConfigError(f"{settings.modules} has no module {name}; it has {there}")
        self.specs = registry.with_sources(settings.modules, name, tuple(self.surveys))
        self.name = name
        own = (survey.own for survey in self.surveys.values())
        self.types = {n: ARROW[field.type] for n, field in leaves((*INPUTS, *own)).items()}
        wanted = {*registry.external_inputs(self.specs), *SHOWN}
        self.columns = sorted(wanted & self.types.keys())
        registry.refuse_unknown(self.specs, {*self.types, *leaves(s.struct for s in self.specs)})

    def of_night(self, night, limit):
        """Alerts of a stored night.

        Raises
        ------
        SetupError
            There is no such night.
        """
        found = stored.alerts(self._settings, self.columns, self.types, in_nights(night), limit)
        if not len(found["survey"]):
            raise SetupError(f"silver of {self._settings.data} has no night {night}")
        return found

    def of_files(self, paths, limit):
        """Alerts of packet files, folders or tarballs; damaged ones are told and left out."""
        messages = packet_files.PacketFiles().messages(packet_files.files_of(paths))
        rows = self.read(message.value for message in islice(messages, limit))
        read = [row for row in rows if row is not None]
        if len(read) < len(rows):
            print(f"{len(rows) - len(read)} of {len(rows)} packets are of no survey here: left out")
        if not read:
            raise SetupError(f"no alert could be read from {paths}")
        return self.columns_of(read)

    def of_light_curves(self, path, survey, total, limit):
        """Objects of a file of plain light curves, each at its last point; see `plain.Plain`.

        Raises
        ------
        ConfigError
            The file is not such a table, or the survey is unknown.
        """
        if survey not in self.surveys:
            raise ConfigError(f"--light-curves needs --survey: what they are taken for, one of "
                              f"{', '.join(self.surveys)}")
        found = self.of_plain(plain.Plain.read(path, total), survey)
        return {name: column[:limit] for name, column in found.items()}

    def of_plain(self, curves, survey):
        """The columns of plain light curves, each at its last point."""
        return curves.columns(survey, {name: self.types[name] for name in self.columns})

    def read(self, values):
        """Neutral alerts of packets, as nested dicts; None for what no survey here can read."""
        return [self._read(value) for value in values]

    @cached_property
    def _books(self):
        return {name: schemas.SchemaBook(self._settings.schemas / name) for name in self.declared}

    def columns_of(self, alerts):
        """The columns of neutral alerts."""
        return {name: pa.array([_at(row, name.split(".")) for row in alerts],
                               self.types[name]) for name in self.columns}

    def simulated(self, source_class, survey, limit, seed):
        """Alerts of one class of the world for training, or of the whole stream (None)."""
        world, counts = (None, limit) if source_class is None else (WORLD, {source_class: limit})
        parts = [self.of_world(name, world, counts, seed=seed)[0]
                 for name in ([survey] if survey else sorted(self.surveys))]
        return {name: pa.concat_arrays([part[name] for part in parts]) for name in self.columns}

    def of_world(self, survey, world, counts, **more):
        """Simulated alerts of one survey.

        Parameters
        ----------
        survey : str
        world : str or None
            None: the stream's own population.
        counts, **more
            Of `fink_like.simulator.light_curves`.

        Returns
        -------
        dict of str to pyarrow.Array
            Null where the simulator does not fill a column.
        pandas.DataFrame
            The truth.
        """
        model = simulator.open_survey(Path(self._settings.root), survey, world=world)
        made = simulator.light_curves(model, counts, columns=in_bulk(self.columns, survey),
                                      **more)
        return {name: made.columns[name].cast(kind) if name in made.columns
                else pa.nulls(len(made), kind)
                for name, kind in ((n, self.types[n]) for n in self.columns)}, made.truth

    def score(self, columns):
        """What the module says of them.

        Returns
        -------
        Answer
        """
        scores, outcomes = run(self.specs, columns)
        place = [spec.name for spec in self.specs].index(self.name)
        return Answer(self.specs[place], columns, scores.field(place), outcomes[place])

    def of_record(self, survey, record):
        """The neutral alert of a decoded packet, as a nested dict.

        Parameters
        ----------
        survey : str
            One of `declared`.
        record : dict
            As the survey's packets are, from Avro or from a row of Parquet.
        """
        declared = self.declared[survey]
        return {"survey": declared.stands_for, **reference.alert(declared, record),
                "cutouts": reference.cutouts(declared, record)}

    def _read(self, value):
        """The neutral alert of a packet, by the first survey that can read it."""
        for name, book in self._books.items():
            try:
                packet = wire.split(value, self.declared[name].wire, book)
                return self.of_record(name, wire.decode(packet.datum, packet.schema))
            except (PacketError, SchemaError, KeyError):
                continue
        return None


def in_bulk(columns, survey):
    """Those of the columns that light curves of a survey in bulk have."""
    return [name for name in columns if name in SIMULATED or name.startswith(f"{survey}.")]


def _at(row, path):
    for part in path:
        row = (row or {}).get(part)
    return row
