"""Small JSON files beside the tables, on whatever file system the tables are on.

They hold what must be decided once and survive a crash: the inputs of each batch, the schemas
met so far, the marker that stops a job. Files are written under another name and renamed, so a
reader sees all of one or nothing. On a local disk the new text takes the old one's place at once;
HDFS and object stores have a moment with neither.
"""

import json
import uuid

from py4j.java_gateway import is_instance_of
from py4j.protocol import Py4JJavaError

ATTEMPTS = 5
ABSENT = "java.io.FileNotFoundException"
LOCAL = "org.apache.hadoop.fs.LocalFileSystem"


class ControlFolder:
    """A folder of small JSON files.

    Parameters
    ----------
    spark : SparkSession
        For its Hadoop file systems: local folders, HDFS, s3a, ...
    path : str
    """

    def __init__(self, spark, path):
        self.spark, self._jvm = spark, spark._jvm
        self._root = self._jvm.org.apache.hadoop.fs.Path(path)
        self._fs = self._root.getFileSystem(spark._jsc.hadoopConfiguration())
        if is_instance_of(spark._sc._gateway, self._fs, LOCAL):
            self._fs = self._fs.getRaw()  # a checksum in a file of its own can't follow at once
        self.path = path

    def _path(self, name):
        return self._jvm.org.apache.hadoop.fs.Path(self._root, name)

    def names(self):
        """Names of the files, sorted; none if the folder is not there."""
        if not self._fs.exists(self._root):
            return []
        found = (status.getPath().getName() for status in self._fs.listStatus(self._root))
        return sorted(name for name in found if not name.startswith((".", "_")))

    def half_written(self):
        """Names of temporary files that somebody began and did not finish."""
        if not self._fs.exists(self._root):
            return []
        found = (status.getPath().getName() for status in self._fs.listStatus(self._root))
        return [name for name in found
                if name.startswith(".") and name.removesuffix(".crc").endswith(".tmp")]

    def exists(self, name):
        """Whether a file is there."""
        return self._fs.exists(self._path(name))

    def read(self, name):
        """Content of a file, None if it is not there."""
        try:
            return json.loads(self._text(name))
        except Py4JJavaError as error:  # not asked before: it may go in between
            if is_instance_of(self.spark._sc._gateway, error.java_exception, ABSENT):
                return None
            raise

    def read_lines(self, name):
        """Lines of a text file; OSError from the JVM if it is not there."""
        return self._text(name).splitlines()

    def _text(self, name):
        stream = self._fs.open(self._path(name))
        try:
            return self._jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8")
        finally:
            stream.close()

    def write(self, name, content):
        """Write a file; what was there is replaced."""
        self.write_text(name, json.dumps(content))

    def write_text(self, name, text):
        """Write a text file; what was there is replaced."""
        part = self._part(name, text)
        for _ in range(ATTEMPTS):  # another process may write the same file at the same moment
            if self._fs.rename(part, self._path(name)):
                return
            self._fs.delete(self._path(name), False)  # where a file can't take another's place
        raise OSError(f"could not write {self.path}/{name}")

    def freeze(self, name, content):
        """Write a file unless it is there; return what is there now, whoever wrote it."""
        existing = self.read(name)
        if existing is not None:
            return existing
        part = self._part(name, json.dumps(content))
        if self._fs.rename(part, self._path(name)):
            return content
        self._fs.delete(part, False)
        existing = self.read(name)
        if existing is None:
            raise OSError(f"could not write {self.path}/{name}")
        return existing

    def _part(self, name, text):
        """The text under a name that readers do not look at."""
        self._fs.mkdirs(self._root)
        part = self._path(f".{name}.{uuid.uuid4().hex}")
        stream = self._fs.create(part, True)
        try:
            stream.write(bytearray(text.encode()))
        finally:
            stream.close()
        return part

    def move(self, to):
        """Give the folder another path on the same file system, if it is there."""
        target = self._jvm.org.apache.hadoop.fs.Path(to)
        if self._fs.exists(self._root) and not self._fs.rename(self._root, target):
            raise OSError(f"could not move {self.path} to {to}")

    def used(self):
        """Share of the file system that is full, 0 to 1; 0 where it has no limit to tell."""
        status = self._fs.getStatus(self._root)
        return 1 - status.getRemaining() / status.getCapacity() if status.getCapacity() else 0.0

    def delete(self, name):
        """Remove a file, if it is there."""
        self._fs.delete(self._path(name), False)
