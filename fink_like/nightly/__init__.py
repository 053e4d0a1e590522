"""The nightly job: closed nights are compacted, checked and reported; what nobody needs goes.

The tables' own jobs do the work when asked (`fink_like.ask`), beside their batches; a job that does
not run is stood in for, under its lease. Each step is noted when it is done: a kill at any moment
and a second run finish the work, a third finds nothing to do.

``nights`` which nights, and what is done of them; ``figures`` what happened in one; ``report``,
``page`` and ``plots`` tell it. Whether it balances, `fink_like.books` says.
"""

import contextlib

from fink_like import books
from fink_like.ask import ask
from fink_like.nightly import figures, report
from fink_like.nightly.nights import Night, closed, open_reason
from fink_like.reports import JOBS, SmallFiles

PATIENCE_S = 6 * 3600.0  # a large night is Z-ordered in one piece
TABLES = "tables.json"  # when retention and VACUUM were done last


class Nightly:
    """One run.

    Parameters
    ----------
    settings : Settings
    session : callable
        As of `fink_like.ask.ask`.
    say : callable
        Takes a line of progress.
    """

    def __init__(self, settings, session, say=print):
        self._settings, self._session, self._say = settings, session, say
        self._files = SmallFiles(settings.data, "jobs", "nightly")

    def run(self, night=None, dry_run=False):
        """Do what is to be done.

        Parameters
        ----------
        night : int, optional
            That one; all closed nights if not given.
        dry_run : bool
            Only say it.

        Returns
        -------
        int
            0; 1 if the night asked for is not closed, or one does not balance.
        """
        nights = [Night(self._files, *found) for found in closed(self._settings).items()]
        if night is not None:
            nights = [one for one in nights if one.number == night]
            if not nights:
                self._say(f"night {night}: {open_reason(self._settings, night)}")
                return 1
        nights = [one for one in nights if not one.is_done]
        if dry_run:
            return self._plan(nights)
        with _kept(self._session) as self._session:
            return self._work(nights)

    def _plan(self, nights):
        for one in nights:
            self._say(f"night {one.number}: to do: {', '.join(one.left())}")
        self._say(f"{len(nights)} closed nights to do; nothing was changed")
        return 0

    def _work(self, nights):
        for one in nights:
            one.step("sizes", lambda n=one: figures.sizes(self._settings.data, n.number))
            for job in JOBS:
                one.step(f"compact {job}", lambda n=one, j=job: self._compact(n, j))
            one.step("history", lambda n=one: self._ask("science", "history", night=n.number))
            one.step("duplicates", lambda n=one: self._ask("ingest", "duplicates", night=n.number))
        kept = self._tables(nights)
        wrong = [one for one in nights if not self._report(one, kept)]
        self._say(f"{len(nights)} nights done" + (f"; {len(wrong)} do not balance" if wrong else "")
                  if nights else "every closed night is done")
        return int(bool(wrong))

    def _compact(self, one, job):
        """Ask until nothing is left."""
        while True:
            answer = self._ask(job, "compact", night=one.number)
            for table, found in answer["tables"].items():
                self._say(f"night {one.number}: {table}: {found['before']['files']} -> "
                          f"{found['after']['files']} files, {found['after']['bytes'] / 1e6:.0f} MB"
                          + (f"; {answer['left']} to go" if answer["left"] else ""))
            if not answer["left"]:
                return answer

    def _tables(self, nights):
        """Retention and VACUUM, once a run that has work; what VACUUM kept."""
        if not nights:
            return {}
        found = {}
        for job in JOBS:
            gone = self._ask(job, "expire")
            for table, old in gone["nights"].items():
                self._say(f"{table}: nights deleted: {old or 'none'}")
            answer = self._ask(job, "vacuum")["tables"]
            found.update({name: {**one, "past_but_unread": gone["kept"].get(name, [])}
                          for name, one in answer.items()})
        self._files.write(TABLES, found)
        self._say(f"vacuumed {len(found)} tables")
        return found

    def _report(self, one, tables):
        """Check and report a night; whether it balances."""
        found = books.balance(books.read(self._settings.data, one.number))
        where = report.write(self._settings, one, found, tables)
        one.step("report", lambda: {"where": where})
        wrong = len(found["discrepancies"])
        self._say(f"night {one.number}: " + (f"DOES NOT BALANCE: {wrong} discrepancies" if wrong
                                             else "balances") + f"; see {where}/report.md")
        return found["balances"]

    def _ask(self, job, what, **arguments):
        return ask(self._settings, job, {"do": what, **arguments}, self._session, PATIENCE_S)


@contextlib.contextmanager
def _kept(session):
    """The same, but a session that was made stays until the end."""
    with contextlib.ExitStack() as stack:
        made = []

        @contextlib.contextmanager
        def get():
            if not made:
                made.append(stack.enter_context(session()))
            yield made[0]

        yield get
