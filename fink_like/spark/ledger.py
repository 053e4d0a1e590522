"""The ledger: what each batch did, read off the commits of the job's table and their files.

Never off the batch itself: a batch that is repeated after a crash writes nothing and would count
nothing. So a kill at any moment leaves the ledger late, not wrong.
"""

import datetime
import json

import numpy as np
import pandas as pd
from pyspark.sql import functions as F

from fink_like.bookkeeping import LEDGER
from fink_like.spark import commits, tables

APP = "ledger"
MOST_ROWS = 200_000  # of the table, looked at at once
MOST_NIGHTS = 4  # kept between parts: their packets, 8 bytes each, to tell duplicates

# What is read of a job's table, under names that all share. Only small columns: no packet is read.
COLUMNS = {
    "ingest": ("topic", "partition", "offset", "state AS outcome", "night", "bytes",
               "(unix_micros(ingest_time) - unix_micros(kafka_time)) / 1e6 AS delay",
               "IF(state = 'ok', xxhash64(survey, diaSourceId, datum_hash), NULL) AS thing"),
    "science": ("packet.topic AS topic", "packet.partition AS partition",
                "packet.offset AS offset", "IF(packet_status = 0, 'ok', 'dead') AS outcome",
                "night", "packet.bytes AS bytes", "CAST(NULL AS bigint) AS thing",
                "(unix_micros(broker.science_time) - unix_micros(broker.kafka_time)) / 1e6 "
                "AS delay"),
    "distribute": ("topic", "CAST(NULL AS int) AS partition", "CAST(NULL AS bigint) AS offset",
                   "IF(outcome = 'sent', 'ok', 'dead') AS outcome", "night",
                   "CAST(NULL AS int) AS bytes", "CAST(NULL AS bigint) AS thing",
                   "(unix_micros(sent_at) - unix_micros(kafka_time)) / 1e6 AS delay")}


class Ledger:
    """Writes the ledger of one job.

    Parameters
    ----------
    spark : SparkSession
    settings : Settings
    checkpoint : Checkpoint
        Of the job.
    table : str
        Path of the table that the job writes.
    """

    def __init__(self, spark, settings, checkpoint, table):
        self.spark, self.job, self.table = spark, checkpoint.job, table
        self.files = checkpoint.files
        self.path = tables.create_ledger(spark, settings, self.job)
        self.done = commits.last_batch(spark, self.path, APP)
        self._nights = {}

    def catch_up(self):
        """Write what the commits since the last time did; a part at a time."""
        newest = commits.version_of(self.spark, self.table)
        while self.done < newest:
            before = self.done
            try:
                self._write(self._next_part(newest))
            except Exception:  # whatever it was, the same part is tried again
                self.done, self._nights = before, {}
                raise

    def _next_part(self, newest):
        """Commits of batches that are not in the ledger yet, of at most `MOST_ROWS` rows."""
        part, rows = [], 0
        for version in range(self.done + 1, newest + 1):
            commit = commits.actions(self.spark, self.table, version)
            note = commits.note_of(commit)
            self.done = version
            if note and ("batch" in note or "redrive" in note):
                files = commits.files_of(commit)
                part.append((version, commit, note, files))
                rows += sum(json.loads(file["stats"])["numRecords"] for file in files)
                if rows >= MOST_ROWS:
                    break
        return part

    def _write(self, part):
        if not part:
            return
        found = self._rows(part)
        lines = [line for version, commit, note, _ in part
                 for line in self._lines(version, commit, note, found[found["version"] == version])]
        if lines:
            frame = self.spark.createDataFrame([tuple(line[f.name] for f in LEDGER)
                                                for line in lines], tables.schema(LEDGER))
            tables.append(frame, self.path, APP, self.done, {"ledger": self.done})
            sizes = [line["bytes_p95"] for line in lines if line["bytes_p95"]]
            if sizes:
                self.files.write("size.json", {"bytes_p95": max(sizes)})

    def _rows(self, part):
        """The rows that these commits wrote, small columns only, as a pandas frame."""
        paths = {file["path"].rpartition("/")[2]: (version, file["path"])
                 for version, _, _, files in part for file in files}
        if not paths:
            return pd.DataFrame(columns=["version"])
        frame = (self.spark.read.schema(tables.read(self.spark, self.table).schema)
                 .option("basePath", self.table)
                 .parquet(*(f"{self.table}/{path}" for _, path in paths.values()))
                 .selectExpr(*COLUMNS[self.job], "_metadata.file_name AS file"))
        found = frame.toArrow().to_pandas(integer_object_nulls=True)
        found["version"] = [paths[name][0] for name in found.pop("file")]
        found = found.sort_values(["version", "topic", "partition", "offset"], kind="stable")
        found["duplicate"] = self._duplicates(found)
        return found

    def _duplicates(self, rows):
        """Which rows bring a packet again that an earlier message of the same night brought."""
        again = np.zeros(len(rows), bool)
        known = rows["thing"].notna().to_numpy()
        nights = sorted(rows.loc[known, "night"].unique())
        self._remember(nights, rows["version"].min())
        for night in nights:
            mine = np.flatnonzero(known & (rows["night"] == night).to_numpy())
            things = rows["thing"].to_numpy()[mine].astype("int64")
            before = self._nights[night]
            again[mine] = np.isin(things, before) | pd.Series(things).duplicated().to_numpy()
            self._nights[night] = np.union1d(before, things)
        for night in sorted(self._nights)[:-MOST_NIGHTS]:
            del self._nights[night]
        return again

    def _remember(self, nights, version):
        """Hashes of the packets of nights that the table had below a version; one query for all."""
        new = [int(night) for night in nights if night not in self._nights]
        if not new:
            return
        thing, = (column for column in COLUMNS[self.job] if column.endswith(" AS thing"))
        old = (self.spark.read.format("delta").option("versionAsOf", int(version) - 1)
               .load(self.table).where(F.col("night").isin(new)).selectExpr("night", thing)
               .where("thing IS NOT NULL").distinct().toArrow().to_pandas())
        held = dict(tuple(old.groupby("night")["thing"]))
        for night in new:
            self._nights[night] = np.sort(held.get(night, pd.Series(dtype="int64")).to_numpy())

    def _lines(self, version, commit, note, rows):
        """The ledger's lines of one commit: one for each topic and partition."""
        written = next(a["commitInfo"]["timestamp"] for a in commit if "commitInfo" in a) / 1000
        common = {"job": self.job, "kind": "batch" if "batch" in note else "redrive",
                  "batch": note.get("batch", note.get("redrive")), "table_version": version,
                  "read_version": _read_version(note), "seconds": written - note["began"],
                  "committed_at": datetime.datetime.fromtimestamp(written, datetime.timezone.utc)}
        ranges = _ranges(note)
        found = {(topic, None if pd.isna(part) else int(part)): group for (topic, part), group in
                 rows.groupby(["topic", "partition"], dropna=False)} if len(rows) else {}
        for place in sorted({*ranges, *found}, key=str):
            yield {**common, "topic": place[0], "partition": place[1],
                   **self._range(note, place, ranges.get(place), found.get(place)),
                   **_counts(found.get(place))}

    def _range(self, note, place, ends, rows):
        if ends is None:
            return {"start_offset": None, "end_offset": None, "gap": None, "cause": None}
        gap = ends[1] - ends[0] - (0 if rows is None else len(rows))
        told = [*note.get("gaps", ()), *self._lost(note)]
        causes = [g["cause"] for g in told if (g["topic"], g["partition"]) == place]
        cause = "; ".join(causes) or "Kafka has no message there: transaction marker or compaction"
        return {"start_offset": ends[0], "end_offset": ends[1], "gap": gap,
                "cause": cause if gap else None}

    def _lost(self, note):
        """What expired while the batch read it, see `fink_like.jobs.ingest`."""
        return (self.files.read(f"lost_{note['batch']}.json") or {"gaps": []})["gaps"]


def _ranges(note):
    """(topic, partition) -> (start, end) of an ingest batch; empty for all others."""
    starts = note.get("starts", {})
    ends = json.loads(note["sources"][0]) if starts and note["sources"] else {}
    return {(topic, int(p)): (starts[topic][p], end) for topic, partitions in ends.items()
            for p, end in partitions.items() if end > starts.get(topic, {}).get(p, end)}


def _read_version(note):
    """Versions of the table before this job's below this one have been read in full."""
    if "starts" in note or not note.get("sources"):
        return None
    offset = json.loads(note["sources"][0])
    return 0 if offset.get("isStartingVersion") else offset["reservoirVersion"]


def _counts(rows):
    """What the ledger counts in the rows of one topic and partition; None: there is no row."""
    if rows is None:
        rows = pd.DataFrame({"outcome": [], "duplicate": [], "bytes": [], "night": [], "delay": []})
    outcomes, nights = rows["outcome"].value_counts(), rows["night"].value_counts().sort_index()
    delays = rows["delay"].dropna().astype(float)
    sizes = rows["bytes"].dropna().astype(float)
    quantiles = delays.quantile([0.5, 0.95, 1.0]).tolist() if len(delays) else [None] * 3
    return {"rows": len(rows), **{n: int(outcomes.get(n, 0)) for n in ("ok", "dead", "waiting")},
            "duplicates": int(rows["duplicate"].sum()),
            "bytes": int(sizes.sum()) if len(sizes) else None,
            "bytes_p95": int(sizes.quantile(0.95)) if len(sizes) else None,
            "nights": [int(n) for n in nights.index], "night_rows": [int(n) for n in nights],
            **dict(zip(("latency_p50", "latency_p95", "latency_max"), quantiles))}
