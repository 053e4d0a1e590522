"""FITS files of a whole batch: where each one's images are, without an object a file.

::

    pool, status = gathered(column)
    found = find_images(inflated(pool, status), status)     # {"image": Images, "psf": ...}

The headers of all rows are read side by side, 2,880 bytes at a time, and the cards that tell shape
and type are parsed once for each different set of them. Layout of a file: FITS standard 4.0,
section 3 (https://fits.gsfc.nasa.gov/fits_standard.html).
"""

from dataclasses import dataclass

import numpy as np

from fink_like.kit.byte_pool import StampStatus
from fink_like.kit.fits_headers import CARD, IMAGE, ROLES, STRUCTURE, parse_header

BLOCK, CARDS = 2880, 36
VALUE_AT = 10  # behind ``KEYWORD = ``
MOST_BLOCKS, MOST_PARTS = 64, 16  # of a header, of a file: with more it is no stamp


def _codes(*keywords):
    """Their 8 bytes as numbers: `numpy.isin` is 14 times as fast as with text."""
    return np.frombuffer("".join(f"{keyword:<8}" for keyword in keywords).encode(), np.uint64)


_SIMPLE, _EXTENSION, _END = _codes("SIMPLE", "XTENSION", "END")
_STRUCTURE = _codes(*STRUCTURE)


@dataclass(frozen=True, eq=False)
class Images:
    """The images of one role: where each row's bytes are, and how to read them.

    Parameters
    ----------
    header_at, start : numpy.ndarray of int64, shape (n,)
        Place in the pool of the header, of the pixels; -1: the row has no such image.
    kind : numpy.ndarray of int64, shape (n,)
        Place in `headers`.
    headers : list of Header
    """

    header_at: np.ndarray
    start: np.ndarray
    kind: np.ndarray
    headers: list

    @property
    def shapes(self):
        """Height and width in pixels, shape (n, 2); 0 where there is none."""
        shapes = np.array([header.shape for header in self.headers] or [(0, 0)])
        return np.where(self.start[:, None] < 0, 0, shapes[self.kind])

    def take(self, rows):
        """Those of some rows."""
        return Images(self.header_at[rows], self.start[rows], self.kind[rows], self.headers)


def find_images(pool, status):
    """Where the images of each file are.

    Parameters
    ----------
    pool : BytePool
        Files that are not compressed.
    status : numpy.ndarray of int8, shape (n,)
        Rows that are OK are read, and what is wrong with them is written here. A file with one
        bad part counts as bad.

    Returns
    -------
    dict of str to Images
        By role; of several images the first.
    """
    headers = _Headers()
    found = {role: Images(*np.full((3, len(pool)), -1), headers.read) for role in ROLES}
    at, end = pool.start.copy(), pool.start + pool.length
    rows = np.flatnonzero(status == StampStatus.OK)
    begins = _begins(pool, at[rows], end[rows], _SIMPLE)
    status[rows[~begins]] = StampStatus.NOT_FITS
    for _ in range(MOST_PARTS):
        rows = rows[begins]
        if not len(rows):
            break
        texts, data_at = _structural_cards(pool, at[rows], end[rows])
        kind = np.array([headers[text] for text in texts])
        n_bytes = np.array([header.n_bytes for header in headers.read])[kind]
        status[rows[n_bytes < 0]] = StampStatus.BAD_HEADER
        status[rows[(data_at < 0) | (data_at + n_bytes > end[rows])]] = StampStatus.TRUNCATED
        _note(found, rows, at[rows], data_at, kind)
        at[rows] = data_at + -(-n_bytes // BLOCK) * BLOCK
        rows = rows[status[rows] == StampStatus.OK]
        begins = _begins(pool, at[rows], end[rows], _EXTENSION)
    status[(status == StampStatus.OK) & (found[IMAGE].start < 0)] = StampStatus.NO_IMAGE
    for images in found.values():
        images.start[status != StampStatus.OK] = -1
    return found


class _Headers(dict):
    """Structural cards to place in `read`."""

    def __init__(self):
        self.read = []

    def __missing__(self, text):
        self[text] = len(self.read)
        self.read.append(parse_header(text))
        return self[text]


def _note(found, rows, header_at, start, kind):
    """Write down the images of one part of each file, but of rows that have such a one already."""
    for role, images in found.items():
        is_role = np.array([header.role == role for header in images.headers])
        new = is_role[kind] & (images.start[rows] < 0)
        images.header_at[rows[new]] = header_at[new]
        images.start[rows[new]] = start[new]
        images.kind[rows[new]] = kind[new]


def _begins(pool, at, end, keyword):
    """Mask of the places where a header with this first keyword may begin."""
    begins = at + 8 <= end
    begins[begins] = pool.stretches(at[begins], 8).view(np.uint64)[:, 0] == keyword
    return begins


def _blocks(pool, at, end):
    """Blocks of headers until each has ended: rows, keywords, cards, whether it ends here."""
    rows = np.arange(len(at))
    for number in range(MOST_BLOCKS):
        place = at + number * BLOCK
        rows = rows[place[rows] + BLOCK <= end[rows]]
        if not len(rows):
            return
        blocks = pool.stretches(place[rows], BLOCK)
        codes = blocks.view(np.uint64)[:, ::CARD // 8]
        is_end = codes == _END
        ended = is_end.any(axis=1)
        codes[np.logical_or.accumulate(is_end, axis=1)] = _END
        yield rows, codes, blocks.reshape(-1, CARDS, CARD), ended
        rows = rows[~ended]


def _structural_cards(pool, at, end):
    """The structural cards of each header, and where its data begin, -1: it does not end."""
    texts, data_at = [b""] * len(at), np.full(len(at), -1)
    for number, (rows, codes, cards, ended) in enumerate(_blocks(pool, at, end), start=1):
        wanted = np.isin(codes, _STRUCTURE)
        picked = cards[wanted].tobytes()
        ends = np.cumsum(wanted.sum(axis=1)) * CARD
        begin = 0
        for row, stop in zip(rows.tolist(), ends.tolist()):
            texts[row] += picked[begin:stop]
            begin = stop
        data_at[rows[ended]] = at[rows[ended]] + number * BLOCK
    return texts, data_at


def header_numbers(pool, images, *keywords):
    """Numbers of the headers of each row's image.

    Parameters
    ----------
    pool : BytePool
    images : Images
    *keywords : str

    Returns
    -------
    numpy.ndarray, shape (n, len(keywords))
        NaN where there is no image, no such card, or no number on it.
    """
    found = np.full((len(pool), len(keywords)), np.nan)
    have = np.flatnonzero(images.start >= 0)
    at, end = images.header_at[have], images.start[have]
    for rows, codes, cards, _ in _blocks(pool, at, end):
        for column, code in enumerate(_codes(*keywords)):
            here, place = np.nonzero(codes == code)
            values = cards[here, place, VALUE_AT:].tobytes()
            found[have[rows[here]], column] = [
                _number(values[i:i + CARD - VALUE_AT])
                for i in range(0, len(values), CARD - VALUE_AT)]
    return found


def _number(text):
    try:
        return float(text.partition(b"/")[0].replace(b"D", b"E"))
    except ValueError:
        return np.nan
