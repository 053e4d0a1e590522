"""Dead letters for people: choose, count, look at, take along, have read again.

``selection`` says which, ``counts`` how many of what, ``describe`` all about one, ``export`` writes
files. A letter is *open* until a later attempt has read it; *redriven* afterwards.
"""

from fink_like.letters.counts import read, summary
from fink_like.letters.describe import describe
from fink_like.letters.export import export
from fink_like.letters.selection import Selection, place

__all__ = ["Selection", "describe", "export", "place", "read", "summary"]
