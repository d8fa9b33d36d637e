"""Bytes of one value to its wire form: the opposite of `values`."""

import struct
from collections.abc import Callable
from typing import Any, Final

from dtaas.sandbox.sqlserver.types import SqlType
from dtaas.sandbox.sqlserver.wire.collations import collation_named
from dtaas.sandbox.sqlserver.wire.protocol import ProtocolError
from dtaas.sandbox.sqlserver.wire.typeinfo import time_bytes
from dtaas.sandbox.sqlserver.wire.values import TICKS_PER_DAY, UTF_16

WIDE: Final = frozenset({"nchar", "nvarchar", "ntext", "xml"})
BINARY: Final = frozenset({"binary", "varbinary", "image"})
_AS_THEY_ARE: Final = BINARY | {"uniqueidentifier"}
_MONEY: Final = struct.Struct("<iI")


def decode(sql: SqlType, data: bytes) -> Any:
    """Read a value that is not NULL.

    Raises:
        ProtocolError: the bytes are none of the type.
    """
    if sql.name in {"char", "varchar", "text"}:
        return data.decode(collation_named(sql.collation).codec, "replace")
    if sql.name in _AS_THEY_ARE:
        return data
    try:
        if sql.name in WIDE:
            return data.decode(UTF_16, "surrogatepass")
        return _DECODERS[sql.name](sql, data)
    except (struct.error, KeyError, UnicodeDecodeError) as exc:
        raise ProtocolError(f"{len(data)} bytes are no {sql.name}") from exc


def _unpack(codes: str) -> Callable[[SqlType, bytes], Any]:
    form = struct.Struct("<" + codes)
    return lambda _sql, data: form.unpack(data)[0]


def _money(_sql: SqlType, data: bytes) -> int:
    high, low = _MONEY.unpack(data)
    value: int = high << 32 | low
    return value


def _signed_magnitude(_sql: SqlType, data: bytes) -> int:
    magnitude = int.from_bytes(data[1:], "little")
    return magnitude if data[:1] == b"\1" else -magnitude


def _datetime(_sql: SqlType, data: bytes) -> int:
    days, ticks = struct.unpack("<iI", data)
    return int(days) * 25_920_000 + int(ticks)


def _smalldatetime(_sql: SqlType, data: bytes) -> int:
    days, minutes = struct.unpack("<HH", data)
    return int(days) * 1_440 + int(minutes)


def _days(_sql: SqlType, data: bytes) -> int:
    return int.from_bytes(data, "little")


def _ticks(sql: SqlType, data: bytes) -> int:
    size = time_bytes(sql.scale)
    unit: int = 10 ** (7 - sql.scale)
    days = int.from_bytes(data[size : size + 3], "little")
    return days * TICKS_PER_DAY + int.from_bytes(data[:size], "little") * unit


def _offset(sql: SqlType, data: bytes) -> bytes:
    (minutes,) = struct.unpack("<h", data[-2:])
    try:
        return struct.pack(">QH", _ticks(sql, data[:-2]), minutes + 840)
    except struct.error as exc:
        raise ProtocolError(f"{minutes} minutes are no time zone") from exc


_DECODERS: Final[dict[str, Callable[[SqlType, bytes], Any]]] = {
    "bit": lambda _sql, data: int(data != b"\0"),
    "tinyint": _unpack("B"),
    "smallint": _unpack("h"),
    "int": _unpack("i"),
    "bigint": _unpack("q"),
    "real": _unpack("f"),
    "float": _unpack("d"),
    "money": _money,
    "smallmoney": _unpack("i"),
    "decimal": _signed_magnitude,
    "numeric": _signed_magnitude,
    "datetime": _datetime,
    "smalldatetime": _smalldatetime,
    "date": _days,
    "time": _days,
    "datetime2": _ticks,
    "datetimeoffset": _offset,
}
