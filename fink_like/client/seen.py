"""Which alerts a subscriber has been given: a small file that outlives it."""

import sqlite3
from pathlib import Path
from urllib.parse import quote

from fink_like.errors import SetupError

REMEMBERED = 1_000_000  # alerts; 150 MB. A topic's week at 10,000 alerts a night is 70,000
TRIM_EVERY = 10_000
WAIT_S = 30.0  # for another member of the group that writes to the same file


class SeenAlerts:
    """A bounded set of (topic, alert id, revision), kept in a file.

    What was added is there after a crash of the program; after one of the machine the last
    seconds may be lost, and their alerts are handed out again.

    Parameters
    ----------
    folder : str, Path or None
        Made if it is missing. None: in memory, forgotten at the end.
    group : str
        Consumer group; each has a file of its own.
    remembered : int
        How many of the newest are kept.

    Raises
    ------
    SetupError
        The file cannot be written.
    """

    def __init__(self, folder, group, remembered=REMEMBERED):
        self.remembered, self._added = remembered, 0
        try:
            self._file = sqlite3.connect(_place(folder, group), timeout=WAIT_S,
                                         isolation_level=None)
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute("PRAGMA synchronous = NORMAL")
            self._file.execute("CREATE TABLE IF NOT EXISTS seen (topic TEXT, alert TEXT, revision "
                               "INTEGER, UNIQUE (topic, alert, revision))")
        except (OSError, sqlite3.Error) as error:
            raise SetupError(f"cannot remember alerts in {folder}: {error}; choose a folder that "
                             "can be written") from error

    def __contains__(self, identity):
        return self._file.execute("SELECT 1 FROM seen WHERE topic = ? AND alert = ? AND "
                                  "revision = ?", identity).fetchone() is not None

    def __len__(self):
        return self._file.execute("SELECT count(*) FROM seen").fetchone()[0]

    def add(self, identity):
        """Remember (topic, alert id as text, revision)."""
        self._file.execute("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", identity)
        self._added += 1
        if self._added % min(TRIM_EVERY, self.remembered) == 0:
            self._file.execute("DELETE FROM seen WHERE rowid <= (SELECT max(rowid) FROM seen) - ?",
                               (self.remembered,))

    def close(self):
        """Close the file."""
        self._file.close()


def _place(folder, group):
    if folder is None:
        return ":memory:"
    folder = Path(folder).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder / f"seen-{quote(group, safe='')}.sqlite")
