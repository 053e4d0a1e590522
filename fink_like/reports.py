"""What the jobs are doing, read from the small files they leave; and how they are asked to stop.

No Spark: `fink-like status` answers in a second, also for tables on an object store.
"""

import contextlib
import json
import time
import uuid
from pathlib import Path

from pyarrow import fs

JOBS = ("ingest", "science", "distribute")


class SmallFiles:
    """A folder of small JSON files, as `fink_like.spark.control.ControlFolder`, without Spark.

    Parameters
    ----------
    data : str
        The setting ``data``: folder or URL.
    *parts : str
        Folders below it.
    """

    def __init__(self, data, *parts):
        self._data, self._parts = data, parts
        self.files, root = filesystem(data)
        self.path = "/".join((root, *parts))

    def below(self, *parts):
        """A folder inside."""
        return SmallFiles(self._data, *self._parts, *parts)

    def names(self):
        """Names of the files, sorted; none if the folder is not there."""
        found = self.files.get_file_info(fs.FileSelector(self.path, allow_not_found=True))
        return sorted(f.base_name for f in found if not f.base_name.startswith((".", "_")))

    def read(self, name):
        """Content of a file; None if it is not there, or is being replaced just now."""
        try:
            with self.files.open_input_file(f"{self.path}/{name}") as stream:
                return json.loads(stream.read())
        except FileNotFoundError:
            return None

    def age(self, name):
        """Seconds since a file was written; None if it is not there."""
        found = self.files.get_file_info(f"{self.path}/{name}")
        return None if found.mtime_ns is None else time.time() - found.mtime_ns / 1e9

    def write(self, name, content):
        """Write a file, all of it or nothing; what was there is replaced."""
        self.write_bytes(name, json.dumps(content).encode())

    def write_bytes(self, name, content):
        """Write a file that is not JSON, as `write`."""
        self.files.create_dir(self.path, recursive=True)
        part = f"{self.path}/.{name}.{uuid.uuid4().hex}"
        with self.files.open_output_stream(part) as stream:
            stream.write(content)
        self.files.move(part, f"{self.path}/{name}")

    def delete(self, name):
        """Remove a file, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            self.files.delete_file(f"{self.path}/{name}")


class JobFiles:
    """The small files of the jobs.

    Parameters
    ----------
    data : str
        The setting ``data``: folder or URL.
    """

    def __init__(self, data):
        self._data = data

    def reports(self, job):
        """What each kept batch of a job did, in the order of batches.

        Returns
        -------
        list of dict
            ``batch``, ``at`` (seconds since 1970), and the job's own counts.
        """
        folder = self.of(job).below("reports")
        read = (folder.read(name) for name in folder.names())
        return sorted((content for content in read if content is not None),
                      key=lambda report: report["batch"])

    def of(self, job):
        """The folder of one job."""
        return SmallFiles(self._data, "jobs", job)

    def settings(self, job):
        """What a job remembered of its settings when it started, None if nothing."""
        return self.of(job).read("settings.json")


    def age(self, job):
        """Seconds since a job ended a batch, or found that there was none; None: never."""
        reports = self.of(job).below("reports")
        newest = sorted(reports.names(), key=lambda name: int(name.removesuffix(".json")))[-1:]
        signs = [self.of(job).read("alive.json"), *(reports.read(name) for name in newest)]
        return time.time() - max((s["at"] for s in signs if s), default=0) if any(signs) else None

    def ask_to_stop(self, job):
        """Leave the marker that a running job looks at between batches."""
        self.of(job).write("stop.json", {"at": time.time()})

    def is_asked_to_stop(self, job):
        """Whether the marker is still there; the job removes it when it has stopped."""
        return self.of(job).read("stop.json") is not None


def totals(files):
    """Sums over the last batches (some 200) of all jobs.

    Parameters
    ----------
    files : JobFiles

    Returns
    -------
    dict
        ``bronze`` {state: rows}, ``silver`` rows, ``substreams`` {topic: rows}, ``latency_s``
        quantiles (0.5, 0.95, 1) of the last batch that sent anything, or None.
    """
    bronze, substreams, latency = {}, {}, None
    for report in files.reports("ingest"):
        _add(bronze, report["rows"])
    silver = sum(sum(r["nights"].values()) for r in files.reports("science"))
    for report in files.reports("distribute"):
        _add(substreams, report["sent"])
        latency = report["latency_s"] or latency
    return {"bronze": bronze, "silver": silver, "substreams": substreams, "latency_s": latency}


def _add(sums, counts):
    for name, count in counts.items():
        sums[name] = sums.get(name, 0) + count


def filesystem(data):
    """Where a data folder is.

    Parameters
    ----------
    data : str or Path
        Folder or URL.

    Returns
    -------
    tuple of (pyarrow.fs.FileSystem, str)
        And the path on it.
    """
    data = str(data)
    if "://" in data:
        return fs.FileSystem.from_uri(data)
    return fs.LocalFileSystem(), str(Path(data).resolve())
