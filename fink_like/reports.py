"""What the jobs are doing, read from the small files they leave; and how they are asked to stop.

No Spark: `fink-like status` answers in a second, also for tables on an object store.
"""

import json
import time
from pathlib import Path

from pyarrow import fs

JOBS = ("ingest", "science", "distribute")


class JobFiles:
    """The small files of the jobs.

    Parameters
    ----------
    data : str
        The setting ``data``: folder or URL.
    """

    def __init__(self, data):
        self.files, self.root = filesystem(data)

    def reports(self, job):
        """What each kept batch of a job did, in the order of batches.

        Returns
        -------
        list of dict
            ``batch``, ``at`` (seconds since 1970), and the job's own counts.
        """
        read = (self._read(f"{self.root}/jobs/{job}/reports/{name}") for name in self._names(job))
        return sorted((content for content in read if content is not None),
                      key=lambda report: report["batch"])

    def settings(self, job):
        """What a job remembered of its settings when it started, None if nothing."""
        return self._read(f"{self.root}/jobs/{job}/settings.json")

    def _names(self, job):
        folder = fs.FileSelector(f"{self.root}/jobs/{job}/reports", allow_not_found=True)
        names = (entry.base_name for entry in self.files.get_file_info(folder))
        return [name for name in names if name.endswith(".json") and not name.startswith(".")]

    def age(self, job):
        """Seconds since a job ended a batch, or found that there was none; None: never."""
        folder = f"{self.root}/jobs/{job}"
        newest = sorted(self._names(job), key=lambda name: int(name.removesuffix(".json")))[-1:]
        signs = [self._read(path) for path in
                 (f"{folder}/alive.json", *(f"{folder}/reports/{name}" for name in newest))]
        return time.time() - max((s["at"] for s in signs if s), default=0) if any(signs) else None

    def ask_to_stop(self, job):
        """Leave the marker that a running job looks at between batches."""
        folder = f"{self.root}/jobs/{job}"
        self.files.create_dir(folder, recursive=True)
        with self.files.open_output_stream(f"{folder}/.stop.json.part") as stream:
            stream.write(json.dumps({"at": time.time()}).encode())
        self.files.move(f"{folder}/.stop.json.part", f"{folder}/stop.json")  # all of it, or none

    def is_asked_to_stop(self, job):
        """Whether the marker is still there; the job removes it when it has stopped."""
        info = self.files.get_file_info(f"{self.root}/jobs/{job}/stop.json")
        return info.type == fs.FileType.File

    def _read(self, path):
        """Content of a report; None if it is being replaced just now."""
        try:
            with self.files.open_input_file(path) as stream:
                return json.loads(stream.read())
        except FileNotFoundError:
            return None


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
