"""Dead letters as files, to be shown to the survey's team."""

import csv
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from fink_like.client.archive import PLACE, open_dataset
from fink_like.letters.counts import read, unread
from fink_like.vocabulary import BRONZE

ROWS = 256  # at once: letters are up to 0.9 MB
NOT_IN_CSV = ("datum", "value", "header", "sync")


def export(data, selection, state, to):
    """Write dead letters: a Parquet file of all columns, or a folder of raw messages.

    Parameters
    ----------
    data : str
    selection : Selection
    state : str
        ``open``, ``redriven`` or ``all``.
    to : str or Path
        A name that ends with ``.parquet``, or a folder: in it a file
        ``topic-partition-offset`` for each message that has a value, and ``index.csv``.

    Returns
    -------
    dict
        ``letters``, ``files``, ``bytes`` written.
    """
    to = Path(to)
    wanted = pa.Table.from_pandas(read(data, selection, state)[[*PLACE, "attempt"]],
                                  preserve_index=False)
    batches = _batches(data, selection, wanted)
    if to.suffix == ".parquet":
        to.parent.mkdir(parents=True, exist_ok=True)
        return _to_parquet(batches, to)
    to.mkdir(parents=True, exist_ok=True)
    return _to_folder(batches, to)


def _batches(data, selection, wanted):
    """The rows wanted with all columns, a bounded number at a time."""
    scanner = open_dataset(data, "bronze").scanner(
        columns=[f.name for f in BRONZE], filter=unread(selection),
        batch_size=ROWS, batch_readahead=1, fragment_readahead=1)
    keys = [*PLACE, "attempt"]
    wanted = wanted.cast(pa.schema([scanner.projected_schema.field(name) for name in keys]))
    for batch in scanner.to_batches():
        rows = pa.Table.from_batches([batch])
        number = pa.array(range(len(rows)), pa.int64())
        here = rows.select(keys).append_column("row", number).join(wanted, keys, join_type="inner")
        if len(here):
            yield rows.take(here["row"].sort())


def _to_parquet(batches, to):
    letters = size = 0
    writer = None
    try:
        for rows in batches:
            writer = writer or pq.ParquetWriter(to, rows.schema)
            writer.write_table(rows)
            letters += len(rows)
            size += sum(len(v.as_py() or b"") for v in rows["value"])
    finally:
        if writer:
            writer.close()
    return {"letters": letters, "files": int(letters > 0), "bytes": size}


def _to_folder(batches, to):
    done = {"letters": 0, "files": 0, "bytes": 0}
    names = ["file", *(f.name for f in BRONZE if f.name not in NOT_IN_CSV)]
    with open(to / "index.csv", "w", newline="", encoding="utf-8") as index:
        lines = csv.DictWriter(index, names, extrasaction="ignore")
        lines.writeheader()
        for rows in batches:
            for letter in rows.to_pylist():
                value, file = letter["value"], ""
                if value is not None:
                    file = f"{letter['topic']}-{letter['partition']}-{letter['offset']}"
                    (to / file).write_bytes(value)
                    done["files"] += 1
                    done["bytes"] += len(value)
                lines.writerow({**letter, "file": file, "key": _text(letter["key"]),
                                "headers": headers(letter)})
                done["letters"] += 1
    return done


def headers(letter):
    """Kafka headers of a row as text."""
    return "; ".join(f"{h['key']}={_text(h['value'])}" for h in letter["headers"] or ())


def _text(content):
    """Bytes as people can read them; None stays."""
    return None if content is None else content.decode("utf-8", "backslashreplace")
