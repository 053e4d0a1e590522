"""Readers that VACUUM shall wait for: whoever follows a table from outside says how far it is."""

import re
import time

from fink_like.errors import ConfigError
from fink_like.reports import SmallFiles

FOLDER = "readers"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def register_reader(data, name, table, version):
    """Keep the files that a table's versions from this one on need, until the next word.

    Call it again as you get on; one who is silent for ``readers_days`` (``conf/retention.yaml``)
    is forgotten. Who reads a table now and then needs none of this: files that were replaced stay
    for ``files_days``.

    Parameters
    ----------
    data : str or Path
        The broker's data folder, to which you may write.
    name : str
        Yours: letters, digits, ``_ . -``.
    table : str
        ``bronze``, ``silver``, ...
    version : int
        Oldest version of the Delta table that you have yet to read.

    Raises
    ------
    ConfigError
        A name that is no file's name.
    """
    SmallFiles(data, FOLDER).write(_file(name), {"table": table, "version": int(version),
                                                 "at": time.time()})


def forget_reader(data, name):
    """Give the files back; parameters as `register_reader`."""
    SmallFiles(data, FOLDER).delete(_file(name))


def _file(name):
    if not NAME.fullmatch(name):
        raise ConfigError(f"a reader's name is of letters, digits, '_', '.' and '-', not {name!r}")
    return f"{name}.json"
