"""The broker's tables at one moment, as numbers: Kafka coordinates and other small columns."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fink_like.client.archive import dataset_of, open_delta
from fink_like.errors import BrokerError, SetupError
from fink_like.reports import filesystem

ROWS = 131072  # of a piece that is read at once
OFFSET_BITS = 44  # 1.8e13 messages of a partition; 2^19 partitions beside them in 64 bits
MISSING = -1
# Downstream first: what has reached a table by then is in those that are opened later.
TABLES = ("deliveries", "rescores", "silver", "bronze")


class Snapshot:
    """All tables, each at the version it had when this was made.

    Parameters
    ----------
    data : str or Path
        The broker's data folder.
    """

    def __init__(self, data):
        self.data = str(data)
        self._tables = {name: _newest(data, name) for name in TABLES}
        self._texts, self._codes = [], {}
        self._places, self._place_codes = [], {}

    def version(self, name):
        """Version of a table; -1 if it is not there."""
        return self._tables[name].version() if self._tables[name] else -1

    def nights(self, name, state=None):
        """Night -> rows of a table (of bronze in one state, if given), by its files alone."""
        if not self._tables[name]:
            return {}
        files = pa.table(self._tables[name].get_add_actions(flatten=True))
        if state:
            files = files.filter(pc.field("partition.state") == state)
        sums = files.group_by("partition.night").aggregate([("num_records", "sum")]).to_pylist()
        return {int(s["partition.night"]): s["num_records_sum"] for s in
                sorted(sums, key=lambda s: int(s["partition.night"]))}

    def structs(self, name, fields):
        """Names of the columns of a table that are structs with these fields; none without it."""
        if not self._tables[name]:
            return []
        return [column.name for column in dataset_of(self._tables[name], self.data, name).schema
                if pa.types.is_struct(column.type) and fields <= {f.name for f in column.type}]

    def numbers(self, name, columns, where=None):
        """Columns of a table as whole numbers.

        Parameters
        ----------
        name : str
        columns : dict
            Name -> path of the column in the table, a tuple.
        where : pyarrow.compute.Expression, optional

        Returns
        -------
        dict of str to numpy.ndarray
            Text by its number (see `text`), times in microseconds, null is -1.
        """
        parts = {column: [] for column in columns}
        if self._tables[name]:
            scanner = dataset_of(self._tables[name], self.data, name).scanner(
                columns={c: pc.field(*path) for c, path in columns.items()}, filter=where,
                batch_size=ROWS)
            for batch in scanner.to_batches():
                for column, found in parts.items():
                    found.append(self._numbers(batch.column(column)))
        return {c: np.concatenate(found) if found else np.empty(0, "int64")
                for c, found in parts.items()}

    def _numbers(self, column):
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
        elif not pa.types.is_integer(column.type):
            column = column.dictionary_encode()
            codes = [*map(self.code, column.dictionary.to_pylist()), MISSING]
            return np.array(codes, "int32")[column.indices.fill_null(len(codes) - 1).to_numpy()]
        return column.fill_null(MISSING).to_numpy(zero_copy_only=False)

    def code(self, text):
        """The number that stands for a text."""
        if text not in self._codes:
            self._codes[text] = len(self._texts)
            self._texts.append(text)
        return self._codes[text]

    def text(self, code):
        """The text that a number stands for; None for -1."""
        return None if code < 0 else self._texts[code]

    def keys(self, topic, partition, offset):
        """Kafka coordinates as one number each, which sorts by topic, partition and offset.

        Parameters
        ----------
        topic, partition, offset : numpy.ndarray
            Topics by their numbers.
        """
        if len(offset) and not 0 <= offset.min() <= offset.max() < 1 << OFFSET_BITS:
            raise BrokerError(f"offsets from {offset.min()} to {offset.max()}: no Kafka offsets")
        places, which = np.unique(topic.astype("int64") << 32 | partition, return_inverse=True)
        codes = np.array([self.place_code(self.text(p >> 32), p & 0xFFFFFFFF)
                          for p in places.tolist()], "int64")
        return codes[which] << OFFSET_BITS | offset

    def place_code(self, topic, partition):
        """The number that stands for a partition of a topic."""
        place = topic, int(partition)
        if place not in self._place_codes:
            self._place_codes[place] = len(self._places)
            self._places.append(place)
        return self._place_codes[place]

    def place(self, code):
        """(topic, partition) that a number of `place_code` stands for."""
        return self._places[code]

    def coordinates(self, key):
        """(topic, partition, offset) of one of `keys`."""
        return (*self.place(int(key) >> OFFSET_BITS), int(key) & (1 << OFFSET_BITS) - 1)

    def notes(self, name, above=-1):
        """The notes of a table's commits, newest first: (version, note, rows written).

        Parameters
        ----------
        name : str
        above : int
            Only of later versions.
        """
        files, root = filesystem(self.data)
        for version in range(self.version(name), above, -1):
            try:
                with files.open_input_file(f"{root}/{name}/_delta_log/{version:020d}.json") as log:
                    actions = [json.loads(line) for line in log.read().splitlines()]
            except FileNotFoundError:
                return  # cleaned away, and all older ones with it
            texts = [a["commitInfo"].get("userMetadata") for a in actions if "commitInfo" in a]
            note = json.loads(texts[0]) if texts and texts[0] else {}
            if "batch" in note or "redrive" in note:
                yield version, note, sum(json.loads(a["add"]["stats"])["numRecords"]
                                         for a in actions if "add" in a)


def _newest(data, name):
    try:
        return open_delta(data, name)
    except SetupError:
        return None  # its job has not run yet
