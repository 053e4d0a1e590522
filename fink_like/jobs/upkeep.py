"""Upkeep of the tables that a job owns: what `fink-like nightly` asks of it.

Carried out by the job's process beside its batches, see `fink_like.jobs.errands`, since a table
has one writer. Each request can be repeated: what is done is found done.
"""

import datetime

from fink_like.spark import commits, duplicates, packing, retention, tables

SORTED_BY = ("diaObjectId", "diaSourceId")  # what silver is looked up by, inside a night

# Job -> its tables, and how each is compacted.
OWNED = {
    "ingest": {tables.BRONZE_TABLE: "pack", tables.DUPLICATES_TABLE: "merge"},
    "science": {tables.SILVER_TABLE: "sort", tables.RESCORES_TABLE: "sort",
                tables.SHADOW_TABLE: "sort", tables.HISTORY_TABLE: "rewritten"},
    "distribute": {tables.DELIVERIES_TABLE: "merge"}}


class Upkeep:
    """Upkeep of one job's tables.

    Parameters
    ----------
    spark : SparkSession
    settings : Settings
    job : str
    """

    def __init__(self, spark, settings, job):
        self._spark, self._settings, self._job = spark, settings, job
        self._ledger = f"{tables.LEDGER_FOLDER}/{job}"

    def handlers(self):
        """What may be asked -> who does it."""
        return {"compact": self.compact, "expire": self.expire, "vacuum": self.vacuum}

    def compact(self, night, seconds=60.0):
        """Compact a night of each table, and the ledger.

        Parameters
        ----------
        night : int
        seconds : float
            After them bronze leaves the rest for another call, so that other errands have a turn.

        Returns
        -------
        dict
            ``tables`` {name: {before, after}} with {files, bytes}; ``left``: files still to make.
        """
        found, left = {}, 0
        for name, how in self._existing(OWNED[self._job]):
            if how == "rewritten":  # whole cells at a time: there are no small files
                continue
            path = self._settings.path(name)
            if how == "pack":
                found[name] = packing.pack(self._spark, path, night, seconds)
                left += found[name].pop("left")
            else:
                columns = SORTED_BY if how == "sort" else ()
                found[name] = packing.optimize(self._spark, path, night, columns)
        if not left:
            packing.merge(self._spark, self._settings.path(self._ledger))
        return {"tables": found, "left": left}

    def expire(self):
        """Delete the nights that ``conf/retention.yaml`` gives up and every consumer has read.

        Returns
        -------
        dict
            ``nights`` {table: list}, ``kept`` {table: list}: past their time, but not yet read.
        """
        gone, kept = {}, {}
        policy = self._policy()
        for name, _ in self._existing(OWNED[self._job]):
            if name in policy.keep_days:
                before = _day(policy.keep_days[name])
                path = self._settings.path(name)
                old = retention.nights_to_expire(self._spark, self._settings, name, policy, before)
                past = [n for n in retention.nights(self._spark, path) if n < before]
                gone[name], kept[name] = old, [n for n in past if n not in old]
                if old:
                    retention.expire(self._spark, path, old)
        return {"nights": gone, "kept": kept}

    def vacuum(self):
        """Delete the files that nobody can need any more.

        Returns
        -------
        dict
            ``tables`` {name: {hours, readers}}: of files replaced within these hours none was
            deleted (None: no file at all), and who has yet to read which version.
        """
        found, policy = {}, self._policy()
        for name, _ in self._existing({**OWNED[self._job], self._ledger: "merge"}):
            path = self._settings.path(name)
            readers = retention.consumers(self._spark, self._settings, name, policy.readers_days)
            hours = retention.hours_to_keep(self._spark, path, readers, policy.files_days)
            if hours is not None:
                retention.vacuum(self._spark, path, hours)
            found[name] = {"hours": hours, "readers": readers,
                           "newest": commits.version_of(self._spark, path)}
        return {"tables": found}

    def mark_duplicates(self, night):
        """Note which messages of a night repeat an alert, see `fink_like.spark.duplicates`."""
        return duplicates.mark(self._spark, self._settings, night)

    def _existing(self, names):
        return [(name, how) for name, how in names.items()
                if commits.exists(self._spark, self._settings.path(name))]

    def _policy(self):
        return retention.load(self._settings.conf / "retention.yaml")


def _day(days):
    """The night so many days ago."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return int((now - datetime.timedelta(days=days)).strftime("%Y%m%d"))
