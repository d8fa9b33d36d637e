"""COLMETADATA: what the columns of a result are. MS-TDS 2.2.7.4 and 2.2.5.4."""

import struct
from typing import Final

from msgspec import Struct

from dtaas.tds.errors import NotDecodableError, ProtocolError

_FIXED: Final = {
    0x30: 1, 0x32: 1, 0x34: 2, 0x38: 4, 0x3A: 4, 0x3B: 4, 0x3C: 8, 0x3D: 8, 0x3E: 8, 0x7A: 4,
    0x7F: 8,
}  # fmt: skip
"""Bytes of the types that are always that long."""
_SIZED: Final = frozenset({0x24, 0x26, 0x68, 0x6D, 0x6E, 0x6F})
_DECIMALS: Final = frozenset({0x6A, 0x6C})
_DATE: Final = 0x28
_TIMES: Final = frozenset({0x29, 0x2A, 0x2B})
_TEXTS: Final = frozenset({0xA7, 0xAF, 0xE7, 0xEF})
_BYTES: Final = frozenset({0xA5, 0xAD})
_OLD_TEXTS: Final = frozenset({0x23, 0x63})
_OLD_BYTES: Final = 0x22
_XML: Final = 0xF1
_NO_METADATA: Final = 0xFFFF
_PARTIAL: Final = 0xFFFF


class WireColumn(Struct, frozen=True, kw_only=True):
    """A column as the server announces it.

    Attributes:
        token: its TYPE_INFO's first byte.
        size: bytes of a value at most; of a fixed type always.
        partial: long values come in chunks.
        collation: five bytes, empty for other than text.
    """

    name: str
    token: int
    size: int = 0
    scale: int = 0
    partial: bool = False
    collation: bytes = b""


class _Cursor:
    """Reads from bytes that may end too early."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def take(self, layout: str) -> tuple[int, ...]:
        values = struct.unpack_from("<" + layout, self._data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values

    def bytes(self, size: int) -> bytes:
        found = self._data[self.at : self.at + size]
        if len(found) < size:
            raise IndexError
        self.at += size
        return found

    def text(self, layout: str) -> str:
        (length,) = self.take(layout)
        return self.bytes(2 * length).decode("utf-16-le", "replace")


def parse(data: bytes) -> tuple[int, list[WireColumn]] | None:
    """Return the size of the COLMETADATA token `data` begins with, and its columns.

    Returns:
        None when more bytes are needed.

    Raises:
        NotDecodableError: a column's type is not known.
        ProtocolError: the token is none of a query's result.
    """
    cursor = _Cursor(data)
    try:
        _, count = cursor.take("BH")
        if count in (0, _NO_METADATA):
            raise ProtocolError("the server sent a result without columns")
        columns = [_column(cursor) for _ in range(count)]
    except (struct.error, IndexError):
        return None
    return cursor.at, columns


def _column(cursor: _Cursor) -> WireColumn:
    _, _, token = cursor.take("IHB")
    found = _type(cursor, token)
    if token in _OLD_TEXTS or token == _OLD_BYTES:
        (parts,) = cursor.take("B")
        for _ in range(parts):
            cursor.text("H")
    return WireColumn(
        name=cursor.text("B"),
        token=token,
        size=found.size,
        scale=found.scale,
        partial=found.partial,
        collation=found.collation,
    )


def _type(cursor: _Cursor, token: int) -> WireColumn:  # noqa: C901 - one case a family
    found = WireColumn(name="", token=token)
    if token in _FIXED:
        return WireColumn(name="", token=token, size=_FIXED[token])
    if token in _SIZED:
        return WireColumn(name="", token=token, size=cursor.take("B")[0])
    if token in _DECIMALS:
        size, _, scale = cursor.take("BBB")
        return WireColumn(name="", token=token, size=size, scale=scale)
    if token == _DATE:
        return found
    if token in _TIMES:
        return WireColumn(name="", token=token, scale=cursor.take("B")[0])
    if token in _TEXTS or token in _BYTES:
        (size,) = cursor.take("H")
        collation = cursor.bytes(5) if token in _TEXTS else b""
        partial = size == _PARTIAL
        return WireColumn(name="", token=token, size=size, partial=partial, collation=collation)
    if token in _OLD_TEXTS or token == _OLD_BYTES:
        (size,) = cursor.take("I")
        collation = cursor.bytes(5) if token in _OLD_TEXTS else b""
        return WireColumn(name="", token=token, size=size, collation=collation)
    if token == _XML:
        if cursor.take("B")[0]:
            for layout in "BBH":  # a schema collection: database, owner, name
                cursor.text(layout)
        return WireColumn(name="", token=token, partial=True)
    raise NotDecodableError(f"TDS type 0x{token:02x} is not known to the decoder")
