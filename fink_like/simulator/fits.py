"""FITS files of cutouts, many at a time (FITS standard 4.0)."""

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
from isal import igzip

from fink_like.simulator.encoder import Blobs

BLOCK, CARD = 2880, 80
LEVEL = 1
"""Of ISA-L's gzip, 0 to 3: 1 is near the size of real cutouts and five times faster than zlib."""

WORKERS = 2
"""Threads; more than two gain nothing, the rest of a packet's work takes as long on one."""


def card(keyword, value=None, comment=""):
    """One 80-character card; text values are quoted, numbers end in column 30."""
    if value is None:
        return keyword.ljust(CARD)
    if isinstance(value, bool):
        written = f"{'T' if value else 'F':>20}"
    elif isinstance(value, str):
        written = f"'{value:<8}'".ljust(20)
    else:
        written = f"{value:>20}"
    return f"{keyword:<8}= {written}{' / ' + comment if comment else ''}".ljust(CARD)


def header(cards):
    """Cards as bytes, END added, padded to blocks."""
    text = "".join([*cards, card("END")])
    return text.ljust(-(-len(text) // BLOCK) * BLOCK).encode()


def image_cards(bits, size):
    """The cards that tell the shape of a square image."""
    return [card("BITPIX", bits), card("NAXIS", 2), card("NAXIS1", size), card("NAXIS2", size)]


def padded(size):
    """Bytes rounded up to whole blocks."""
    return -(-size // BLOCK) * BLOCK


def single(images, unit):
    """One file of one image each.

    Parameters
    ----------
    images : numpy.ndarray, shape (n, size, size)
    unit : str

    Returns
    -------
    numpy.ndarray of uint8, shape (n, bytes)
    """
    n, size = len(images), images.shape[1]
    head = header([card("SIMPLE", True), *image_cards(-32, size), card("BUNIT", unit)])
    files = np.zeros((n, len(head) + padded(4 * size * size)), dtype=np.uint8)
    files[:, :len(head)] = np.frombuffer(head, dtype=np.uint8)
    _fill(files, len(head), images, ">f4")
    return files


def _fill(files, at, images, kind):
    data = images.astype(kind).reshape(len(files), -1).view(np.uint8)
    files[:, at:at + data.shape[1]] = data


@lru_cache(maxsize=1)
def _workers():
    return ThreadPoolExecutor(max_workers=WORKERS)


def compress(files):
    """Gzip each file; on threads, since ISA-L lets go of Python's lock.

    Parameters
    ----------
    files : numpy.ndarray of uint8, shape (n, bytes)

    Returns
    -------
    Blobs
    """
    shares = _workers().map(_gzip, np.array_split(files, 2 * WORKERS))
    packed = [one for share in shares for one in share]
    length = np.array([len(one) for one in packed], dtype=np.int64)
    pool = np.frombuffer(b"".join(packed), dtype=np.uint8)
    return Blobs(pool, np.cumsum(length) - length, length)


def _gzip(files):
    return [igzip.compress(data, compresslevel=LEVEL, mtime=0) for data in files]


def plain(files):
    """Files as they are."""
    n, size = files.shape
    return Blobs(files.reshape(-1), np.arange(n, dtype=np.int64) * size,
                 np.full(n, size, dtype=np.int64))


def with_uncertainty(images, variance, psf, world):
    """Files of three parts: image, variance, point spread function.

    Parameters
    ----------
    images : numpy.ndarray, shape (n, size, size)
        nJy.
    variance : numpy.ndarray, shape (n,)
        nJy squared, the same in all pixels of a file.
    psf : numpy.ndarray, shape (n, width, width)
    world : dict of numpy.ndarray, shape (n,)
        Header numbers, by keyword.

    Returns
    -------
    numpy.ndarray of uint8, shape (n, bytes)
    """
    n, size, width = len(images), images.shape[1], psf.shape[1]
    heads = _first_header(size, world, n), _extension("UNCERT", -32, size), _extension(
        "PSFIMAGE", -64, width)
    planes = ((images, ">f4"), (np.broadcast_to(variance[:, None, None], images.shape), ">f4"),
              (psf, ">f8"))
    lengths = [BLOCK + padded(plane[0].size * np.dtype(kind).itemsize) for plane, kind in planes]
    files = np.zeros((n, sum(lengths)), dtype=np.uint8)
    at = 0
    for head, (plane, kind), length in zip(heads, planes, lengths, strict=True):
        files[:, at:at + BLOCK] = head
        _fill(files, at + BLOCK, plane, kind)
        at += length
    return files


def _extension(name, bits, size):
    kind = [card("UTYPE", "VarianceUncertainty")] if name == "UNCERT" else []
    cards = [card("XTENSION", "IMAGE"), *image_cards(bits, size), card("PCOUNT", 0),
             card("GCOUNT", 1), *kind, card("EXTNAME", name)]
    return np.frombuffer(header(cards), dtype=np.uint8)


def _first_header(size, world, n):
    """The primary header, with each file's own numbers in it."""
    before = [card("SIMPLE", True), *image_cards(-32, size), card("EXTEND", True),
              card("BUNIT", "nJy"), card("WCSAXES", 2)]
    after = [card("CDELT1", 1.0), card("CDELT2", 1.0), card("LATPOLE", 90.0), card("MJDREF", 0.0)]
    blank = header([*before, *[card(keyword, 0) for keyword in world], *after])
    heads = np.repeat(np.frombuffer(blank, dtype=np.uint8)[None, :], n, axis=0)
    for line, values in enumerate(world.values(), start=len(before)):
        form = "%20d" if np.asarray(values).dtype.kind == "i" else "%20.14f"
        written = np.char.mod(form, np.broadcast_to(values, n)).astype("S20")
        heads[:, line * CARD + 10:line * CARD + 30] = written.view(np.uint8).reshape(n, 20)
    return heads
