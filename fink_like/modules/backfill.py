"""Past nights scored again: asks the science job, night by night."""

import re
import uuid

from fink_like.ask import ask
from fink_like.books.snapshot import Snapshot
from fink_like.errors import ConfigError

SPAN = re.compile(r"(\d{8})(?:-(\d{8}))?")


def nights(settings, words):
    """Nights of silver that words name: ``20260310``, ``20260301-20260331``.

    Raises
    ------
    ConfigError
        A word of another form, or silver has none of these nights.
    """
    have, found = Snapshot(settings.data).nights("silver"), []
    for word in words:
        span = SPAN.fullmatch(word)
        if not span:
            raise ConfigError(f"--nights {word}: write YYYYMMDD or YYYYMMDD-YYYYMMDD")
        first, last = int(span[1]), int(span[2] or span[1])
        found += [night for night in have if first <= night <= last]
    if not found:
        raise ConfigError(f"silver of {settings.data} has no night in {' '.join(words)}; it has "
                          f"{', '.join(map(str, [*have][-5:])) or 'none yet'}")
    return sorted(set(found))


def backfill(settings, wanted, request, session, patience=3600.0):
    """Have nights scored again.

    Parameters
    ----------
    settings : Settings
    wanted : list of int
        Nights.
    request : dict
        ``module``, ``failed`` and ``send``, see `fink_like.spark.rescore.Rescore.night`.
    session : callable
        As `fink_like.ask.ask` takes it.
    patience : float
        Seconds to wait for a running job, each night.

    Yields
    ------
    tuple of (int, dict)
        Night, and ``alerts`` tried and ``scored``.
    """
    for night in wanted:
        asked = {"do": "rescore", "night": night, "request": uuid.uuid4().hex, **request}
        yield night, ask(settings, "science", asked, session, patience)
