"""Which nights are closed, and what is done of them."""

import datetime
import time

from fink_like import client
from fink_like.books.snapshot import Snapshot
from fink_like.errors import SetupError
from fink_like.packets import survey as survey_declarations
from fink_like.reports import JOBS

STEPS = ("sizes", *(f"compact {job}" for job in JOBS), "history", "duplicates",
         "report")


class Night:
    """What is done of one night, kept in a file; another write to the night begins it anew.

    Parameters
    ----------
    files : SmallFiles
    number : int
        YYYYMMDD.
    written : float
        When a batch wrote to it last, seconds since 1970.
    """

    def __init__(self, files, number, written):
        self._files, self.number = files, number
        kept = files.read(f"{number}.json")
        if not kept or kept["written"] != written:
            kept = {"night": number, "written": written, "steps": {}}
        self._kept = kept

    @property
    def is_done(self):
        """Whether there is nothing left to do."""
        return not self.left()

    def left(self):
        """Steps that are not done."""
        return [step for step in STEPS if step not in self._kept["steps"]]

    def step(self, name, work):
        """Do a step unless it is done, and note it; its answer."""
        if name not in self._kept["steps"]:
            answer = work()
            self._kept["steps"][name] = {"at": time.time(), "answer": answer}
            self._write()
        return self._kept["steps"][name]["answer"]

    def _write(self):
        self._files.write(f"{self.number}.json", self._kept)


def written(settings):
    """When each night that bronze has was written to last, by any job.

    Parameters
    ----------
    settings : Settings

    Returns
    -------
    dict
        Night -> seconds since 1970, in the order of nights.
    """
    try:
        lines = client.open_table(settings.data, "ledger", columns=["nights", "committed_at"])
    except SetupError:
        return {}  # nothing has run yet
    lines = lines.explode("nights").dropna()
    last = lines.groupby(lines["nights"].astype(int))["committed_at"].max()
    have = Snapshot(settings.data).nights("bronze")
    return {night: at.timestamp() for night, at in last.sort_index().items() if night in have}


def closed(settings, now=None):
    """Nights that are over at every site and that no batch has written to for some hours.

    Returns
    -------
    dict
        As `written`.
    """
    now = time.time() if now is None else now
    current = current_night(settings, now)
    return {night: at for night, at in written(settings).items()
            if night < current and now - at >= 3600 * settings.jobs.closed_after_hours}


def open_reason(settings, night):
    """Why a night is not closed, in words."""
    at = written(settings).get(night)
    if at is None:
        return "the ledger knows no batch of it"
    return (f"is not closed: written to {(time.time() - at) / 3600:.1f} h ago (closed after "
            f"{settings.jobs.closed_after_hours:g}, setting jobs.closed_after_hours); the night "
            f"at the sites is {current_night(settings, time.time())}")


def current_night(settings, now):
    """The earliest night, YYYYMMDD, that some survey's site has now; it begins at local noon."""
    surveys = survey_declarations.load_all(settings.conf / "surveys", settings.surveys)
    utc = datetime.datetime.fromtimestamp(now, datetime.timezone.utc)
    local = [utc + datetime.timedelta(hours=survey.utc_offset_hours - 12)
             for survey in surveys.values()]
    return int(min(local).strftime("%Y%m%d"))
