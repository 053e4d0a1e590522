"""What contributors and operators do with science modules, behind `fink-like module ...`.

``scaffold`` writes a new one, ``check`` tries whether it keeps the contract (in ``alone``, a
process of its own), ``trial`` runs it on alerts, ``listing`` shows how modules fare.
"""

SHOWN = ("survey", "diaSourceId", "objectId")
"""What stands beside outputs, where alerts have it."""
