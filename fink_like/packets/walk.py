"""Where in a datum the reading fails: the field's path and the byte.

A second, slow reader beside `fink_like.packets.wire.decode`, which says only that it failed. What
it names is where the bytes stop making sense; the damage may lie before.
"""

from dataclasses import dataclass

FIXED = {"null": 0, "boolean": 1, "float": 4, "double": 8}
LONGEST_VARINT = 10


@dataclass(frozen=True)
class Stop:
    """Where the reading ended early.

    Parameters
    ----------
    path : str
        Of the field, ``prvDiaSources[3].band``.
    offset : int
        Byte of the datum where the field begins.
    problem : str
    """

    path: str
    offset: int
    problem: str


class _Unreadable(Exception):
    pass


def locate(datum, avro):
    """Follow a schema through a datum.

    Parameters
    ----------
    datum : bytes
    avro : dict
        Names and types, `PacketSchema.avro`.

    Returns
    -------
    Stop or None
        None: every byte has its field.
    """
    walk = _Walk(datum)
    try:
        walk.value(avro, "")
    except (_Unreadable, UnicodeDecodeError) as error:
        return Stop(walk.path, walk.began, str(error))
    if walk.at < len(datum):
        return Stop("", walk.at, f"{len(datum) - walk.at} bytes are left over behind the record")
    return None


class _Walk:
    def __init__(self, datum):
        self.datum, self.at, self.names = datum, 0, {}
        self.path, self.began = "", 0

    def value(self, schema, path):
        """Step over one value."""
        if isinstance(schema, str) and schema in self.names:
            schema = self.names[schema]
        kind = schema if isinstance(schema, str) else (
            "union" if isinstance(schema, list) else schema["type"])
        if isinstance(schema, dict) and "name" in schema:
            self.names[schema["name"]] = schema
        if kind == "record":
            for field in schema["fields"]:
                self.value(field["type"], f"{path}.{field['name']}".lstrip("."))
        elif kind in ("array", "map"):
            self._blocks(schema, kind, path)
        else:
            self.path, self.began = path, self.at
            self._leaf(schema, kind, path)

    def _leaf(self, schema, kind, path):
        if kind == "union":
            branch = self._number()
            if not 0 <= branch < len(schema):
                raise _Unreadable(f"branch {branch} of a union of {len(schema)}")
            self.value(schema[branch], path)
        elif kind == "enum":
            symbol = self._number()
            if not 0 <= symbol < len(schema["symbols"]):
                raise _Unreadable(f"symbol {symbol} of an enum of {len(schema['symbols'])}")
        elif kind in ("int", "long"):
            self._number()
        elif kind in ("bytes", "string"):
            content = self._take(self._number())
            if kind == "string":
                content.decode()
        else:
            self._take(schema["size"] if kind == "fixed" else FIXED[kind])

    def _blocks(self, schema, kind, path):
        item = 0
        while True:
            self.path, self.began = path, self.at
            count = self._number()
            if count == 0:
                return
            if count < 0:  # then the block's size in bytes follows
                count, _ = -count, self._number()
            if count > len(self.datum):
                raise _Unreadable(f"{count} items in a datum of {len(self.datum)} bytes")
            for item in range(item, item + count):
                key = self._take(self._number()).decode() if kind == "map" else item
                self.value(schema["items" if kind == "array" else "values"], f"{path}[{key}]")
            item += 1

    def _take(self, size):
        if not 0 <= size <= len(self.datum) - self.at:
            raise _Unreadable(f"needs {size} bytes, {len(self.datum) - self.at} are there")
        self.at += size
        return self.datum[self.at - size:self.at]

    def _number(self):
        """A zigzag number of variable length."""
        found = 0
        for shift in range(0, 7 * LONGEST_VARINT, 7):
            byte = self._take(1)[0]
            found |= (byte & 0x7F) << shift
            if byte < 0x80:
                return found >> 1 ^ -(found & 1)
        raise _Unreadable("a number of more than 10 bytes")
