"""Packets out of files: single ones, folders, a night's tarball, Avro files of many, Parquet."""

import gzip
import io
import lzma
import tarfile
import zlib
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable

from fink_like import parquet_packets
from fink_like.errors import ConfigError, PacketError, SetupError
from fink_like.outbox import LARGEST_MESSAGE, ORIGIN, Message
from fink_like.packets import container_files
from fink_like.packets.inputs import CONTAINER_BEGINS

TARBALLS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
PARQUET = b"PAR1"
HIDDEN = (".", "_")  # _SUCCESS, .part-0.crc, ._member: what others leave beside their files
DAMAGED_FILE = (OSError, EOFError, tarfile.TarError, zlib.error, gzip.BadGzipFile, lzma.LZMAError,
                pa.ArrowException)


def files_of(paths):
    """Files named, and all files in folders named, sorted within each.

    In a folder what begins with ``.`` or ``_`` is left out; of a Delta table the files of its
    newest version are taken.

    Raises
    ------
    SetupError
        A path does not exist, or there is no file at all.
    """
    found = []
    for path in map(Path, paths):
        if not path.exists():
            raise SetupError(f"{path} does not exist")
        found += _inside(path) if path.is_dir() else [path]
    if not found:
        raise SetupError(f"no files in {', '.join(map(str, paths))}")
    return found


def _inside(folder):
    if (folder / "_delta_log").is_dir():
        return sorted(map(Path, DeltaTable(str(folder)).file_uris()))
    files = (f for f in folder.rglob("*") if f.is_file())
    return sorted(f for f in files
                  if not any(p.startswith(HIDDEN) for p in f.relative_to(folder).parts))


class PacketFiles:
    """Reads files one after the other, none of them as a whole.

    Damage is reported and counted, and what is behind it goes on.

    Parameters
    ----------
    keep_damaged : bool
        Pass damaged packets on as they are, for ingest to park.
    parquet_as : parquet_packets.Target, optional
        What to make of Parquet files.
    report : callable
        Called with one line for each damaged packet.
    """

    def __init__(self, keep_damaged=False, parquet_as=None, report=print):
        self.keep_damaged, self.parquet_as, self.report = keep_damaged, parquet_as, report
        self.damaged = 0

    def messages(self, files):
        """Messages of files; their header ``origin`` is ``file``, ``file!member``, ``file#number``.

        Parameters
        ----------
        files : iterable of Path

        Yields
        ------
        Message

        Raises
        ------
        ConfigError
            A Parquet file, and nothing was said of what to make of it.
        """
        for file in files:
            try:
                for origin, value in self._packets(Path(file)):
                    yield Message(value, None, [(ORIGIN, origin.encode(errors="replace"))])
            except DAMAGED_FILE as error:
                self._note(str(file), f"cannot be read further: {error}")

    def _packets(self, file):
        if file.name.lower().endswith(TARBALLS):
            yield from self._of_tarball(file)
            return
        with open(file, "rb") as stream:
            begin = stream.read(len(PARQUET))
            stream.seek(0)
            yield from (self._of_parquet(file) if begin == PARQUET
                        else self._of_stream(str(file), stream))

    def _of_tarball(self, file):
        with tarfile.open(file, "r|*") as tarball:
            while (member := tarball.next()) is not None:
                tarball.members = []  # else it remembers each of 300,000
                if member.isfile() and not Path(member.name).name.startswith(HIDDEN):
                    yield from self._of_stream(f"{file}!{member.name}",
                                               io.BytesIO(tarball.extractfile(member).read()))

    def _of_stream(self, origin, stream):
        is_container = stream.read(len(CONTAINER_BEGINS)) == CONTAINER_BEGINS
        stream.seek(0)
        for number, found in (container_files.one_each(stream, LARGEST_MESSAGE) if is_container
                              else [(None, _as_it_is(stream))]):
            place = origin if number is None else f"{origin}#{number}"
            if isinstance(found, container_files.Damaged):
                self._note(place, found.why)
                if self.keep_damaged:
                    yield place, found.value
            else:
                yield place, found

    def _of_parquet(self, file):
        if self.parquet_as is None:
            raise ConfigError(f"{file} is Parquet: say which packets to make of it, such as "
                              "--parquet-as SURVEY/VERSION, a file of schemas/")
        for number, found in enumerate(parquet_packets.packets(file, self.parquet_as)):
            if isinstance(found, PacketError):
                self._note(f"{file}#{number}", found)
            else:
                yield f"{file}#{number}", found

    def _note(self, origin, why):
        self.damaged += 1
        self.report(f"damaged: {origin}: {why}")


def _as_it_is(stream):
    """Bytes of a file that is no container: a frame, or anything else that a topic may hold."""
    value = stream.read(LARGEST_MESSAGE + 1)
    if not value:
        return container_files.Damaged(value, PacketError("empty", "no bytes"))
    if len(value) > LARGEST_MESSAGE:
        raise OSError(f"more than {LARGEST_MESSAGE} bytes, no message")
    return value
