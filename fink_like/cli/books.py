"""The command that balances the books of a night."""

import json

from fink_like.cli.command import DATA, command, option
from fink_like.cli.machine import settings_of


@command(option("--night", type=int, action="append", metavar="YYYYMMDD",
                help="observing night; may be given several times"),
         option("--last", action="store_true", help="the last night (the default)"),
         option("--json", action="store_true", help="all of it, for machines"), DATA,
         example="fink-like ledger --night 20260311 --data var/demo/data")
def ledger(given):
    """Balance a night: what came, what became of it, what is missing or there twice, and where.

    Exit code 0: it balances; 1: it does not.
    """
    from fink_like import books
    night = books.read(settings_of(given).data, None if given.last else given.night)
    found = books.balance(night)
    if given.json:
        print(json.dumps(found))
    else:
        books.page(found)
    return int(not found["balances"])
