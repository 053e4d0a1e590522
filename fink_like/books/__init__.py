"""The books of a night: what came, what became of it, and what does not balance.

``snapshot`` reads the tables' small columns at one moment, ``night`` holds them for a night,
``checks`` finds what does not balance, ``gaps`` what the ledger's ranges tell, ``balance`` adds up,
``page`` writes it for people. No Spark, no packet is read: a night of 10 million alerts needs some
40 bytes of memory an alert.
"""

from fink_like.books.balance import balance
from fink_like.books.night import read
from fink_like.books.page import page

__all__ = ["balance", "page", "read"]
