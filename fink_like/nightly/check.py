"""Whether a night balances: what the ledger says was written, the tables have, once."""

from dataclasses import asdict, dataclass, field

import pyarrow.compute as pc

from fink_like import client
from fink_like.nightly.nights import ledger

PLACES = ["topic", "partition", "offset"]


@dataclass
class Balance:
    """The balance of a night."""

    night: int
    bronze: int = 0  # rows of state ok
    silver: int = 0
    ledger: dict = field(default_factory=dict)  # job -> rows
    discrepancies: list = field(default_factory=list)

    def to_dict(self):
        """Plain values."""
        return asdict(self)


def balance(settings, night):
    """Compare the ledger, bronze and silver of a night.

    Parameters
    ----------
    settings : Settings
    night : int

    Returns
    -------
    Balance
    """
    here = pc.field("night") == night
    found = Balance(night)
    bronze = client.open_table(settings.data, "bronze", columns=["state", *PLACES], where=here)
    silver = client.open_table(settings.data, "silver", columns=["packet"],
                               where=here & (pc.field("revision") == 0))
    ok = bronze[bronze["state"] == "ok"]
    found.bronze, found.silver = len(ok), len(silver)
    for job in ("ingest", "science"):
        lines = ledger(settings, job)
        found.ledger[job] = sum(dict(zip(nights, rows)).get(night, 0) for nights, rows in
                                zip(lines["nights"], lines["night_rows"]))
    _compare(found, f"bronze has {len(bronze)} rows", len(bronze), "ingest")
    _compare(found, f"silver has {len(silver)} rows", len(silver), "science")
    if len(ok) != len(silver):
        found.discrepancies.append(f"bronze has {len(ok)} readable rows, silver {len(silver)}")
    twice = int(ok.duplicated(PLACES).sum())
    if twice:
        found.discrepancies.append(f"{twice} Kafka coordinates are in bronze more than once")
    return found


def _compare(found, said, rows, job):
    if rows != found.ledger[job]:
        found.discrepancies.append(f"{said}, the ledger of {job} {found.ledger[job]}")
