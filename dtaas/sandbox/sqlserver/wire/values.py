"""Values of a column to bytes, a whole column at a time.

A codec does not write bytes itself: it returns *segments*, whose pieces of fixed width the row
packer merges with their neighbours into one `struct` for the row. So the loop over the rows runs
in C, and a row of nine columns costs about a microsecond.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from itertools import repeat
from operator import methodcaller
from typing import Any, Final

from msgspec import Struct

from dtaas.sandbox.sqlserver.types import MAX, SqlType
from dtaas.sandbox.sqlserver.wire.collations import collation_named
from dtaas.sandbox.sqlserver.wire.typeinfo import (
    FIXED,
    LEGACY,
    decimal_bytes,
    fixed_name,
    time_bytes,
    type_info,
)

Column = Sequence[Any]
Segment = tuple[str, tuple[Iterable[Any], ...]]
"""`struct` codes and one iterable for each code, or an empty text and one iterable of bytes."""

Segments = Callable[[Column], list[Segment]]

UTF_16: Final = "utf-16-le"
TICKS_PER_DAY: Final = 864_000_000_000
_DATETIME_TICKS_PER_DAY: Final = 300 * 86_400
_MINUTES_PER_DAY: Final = 1_440
_LOW_U64: Final = 0xFFFFFFFFFFFFFFFF
_NULL_LENGTH: Final = b"\0"
_NULL_U16: Final = b"\xff\xff"
_NULL_PLP: Final = b"\xff" * 8
_TEXT_POINTER: Final = b"\x10" + b"dtaas text point" + b"\0\0\0\0\0\0\0\x01"


class Codec(Struct, frozen=True):
    """How a column goes over the wire.

    Attributes:
        info: its TYPE_INFO.
        null: what stands for NULL in a ROW token.
        segments: values without NULLs to segments.
    """

    info: bytes
    null: bytes
    segments: Segments


@lru_cache(maxsize=1024)
def value_codec(sql: SqlType, *, nullable: bool) -> Codec:
    """Return the codec of a column of any type but sql_variant.

    Raises:
        UnsupportedTypeError: the wire knows no such type.
        SqlError: 448, its collation does not exist.
    """
    info = type_info(sql, nullable=nullable)
    name = fixed_name(sql)
    if name in FIXED:
        segments = _FIXED_SEGMENTS[name]
        return Codec(
            info, _NULL_LENGTH, _prefixed(FIXED[name][2], segments) if nullable else segments
        )
    if name in _TIME_SEGMENTS or name in {"decimal", "numeric", "date", "uniqueidentifier"}:
        return Codec(info, _NULL_LENGTH, _short_segments(sql))
    if name in {"xml", "hierarchyid", "geometry", "geography"} or sql.length == MAX:
        return Codec(info, _NULL_PLP, _framed(sql, _plp))
    if name in LEGACY:
        return Codec(info, _NULL_LENGTH, _framed(sql, _legacy))
    return Codec(info, _NULL_U16, _counted(_bytes_of(sql)))


def cells(segments: Segments, column: Column) -> list[bytes]:
    """Write the values of a column, none of them NULL, one by one."""
    return [b"".join(pieces) for pieces in zip(*map(_pieces, segments(column)), strict=True)]


def raw_bytes(sql: SqlType, value: Any) -> bytes:
    """Write a value that is not NULL without its length, as sql_variant holds it."""
    if sql.name in _STRING_KINDS:
        return next(iter(_bytes_of(sql)((value,))))
    return cells(value_codec(sql, nullable=True).segments, (value,))[0][1:]


def _pieces(segment: Segment) -> Iterable[bytes]:
    codes, iterables = segment
    return map(struct.Struct("<" + codes).pack, *iterables) if codes else iterables[0]


# ---- fixed width


def _plain(codes: str) -> Segments:
    return lambda column: [(codes, (column,))]


def _money(column: Column) -> list[Segment]:
    """High half first, both little-endian (MS-TDS 2.2.5.5.1.2)."""
    return [("iI", ((v >> 32 for v in column), (v & 0xFFFFFFFF for v in column)))]


def _datetime(column: Column) -> list[Segment]:
    per_day = _DATETIME_TICKS_PER_DAY
    return [("iI", ((v // per_day for v in column), (v % per_day for v in column)))]


def _smalldatetime(column: Column) -> list[Segment]:
    per_day = _MINUTES_PER_DAY
    return [("HH", ((v // per_day for v in column), (v % per_day for v in column)))]


_FIXED_SEGMENTS: Final[dict[str, Segments]] = {
    "bit": _plain("B"),
    "tinyint": _plain("B"),
    "smallint": _plain("h"),
    "int": _plain("i"),
    "bigint": _plain("q"),
    "real": _plain("f"),
    "float": _plain("d"),
    "money": _money,
    "smallmoney": _plain("i"),
    "datetime": _datetime,
    "smalldatetime": _smalldatetime,
}


def _prefixed(size: int, segments: Segments) -> Segments:
    """Put the length, always the same, before each value."""

    def with_length(column: Column) -> list[Segment]:
        (codes, iterables), *rest = segments(column)
        if not codes:
            return [("B", (repeat(size, len(column)),)), (codes, iterables), *rest]
        return [("B" + codes, (repeat(size, len(column)), *iterables)), *rest]

    return with_length


# ---- a length byte, then few bytes


def _short_segments(sql: SqlType) -> Segments:
    match sql.name:
        case "decimal" | "numeric":
            size = decimal_bytes(sql.precision)
            return _prefixed(size, partial(_decimal, size))
        case "date":
            return _prefixed(3, _date)
        case "uniqueidentifier":
            return _prefixed(16, _plain("16s"))
        case _:
            extra = {"time": 0, "datetime2": 3, "datetimeoffset": 5}[sql.name]
            size = time_bytes(sql.scale) + extra
            return _prefixed(size, partial(_TIME_SEGMENTS[sql.name], sql.scale))


def _decimal(size: int, column: Column) -> list[Segment]:
    """Sign, 1 for positive, then the magnitude (MS-TDS 2.2.5.5.1.6)."""
    signs = [v >= 0 for v in column]
    if size == 5:  # noqa: PLR2004 - one 32-bit magnitude
        return [("BI", (signs, map(abs, column)))]
    if size == 9:  # noqa: PLR2004 - one 64-bit magnitude
        return [("BQ", (signs, map(abs, column)))]
    low = (abs(v) & _LOW_U64 for v in column)
    high = (abs(v) >> 64 for v in column)
    return [("BQI" if size == 13 else "BQQ", (signs, low, high))]  # noqa: PLR2004 - 64 + 32 bits


def _date(column: Column) -> list[Segment]:
    return [("HB", ((v & 0xFFFF for v in column), (v >> 16 for v in column)))]


def _time_of_day(scale: int, counts: Column) -> Segment:
    """A count of 10^-scale seconds in 3, 4 or 5 bytes (MS-TDS 2.2.5.5.1.8)."""
    match time_bytes(scale):
        case 3:
            return "HB", ((v & 0xFFFF for v in counts), (v >> 16 for v in counts))
        case 4:
            return "I", (counts,)
        case _:
            return "IB", ((v & 0xFFFFFFFF for v in counts), (v >> 32 for v in counts))


def _time(scale: int, column: Column) -> list[Segment]:
    return [_time_of_day(scale, column)]


def _datetime2(scale: int, column: Column) -> list[Segment]:
    unit = 10 ** (7 - scale)
    counts = [v % TICKS_PER_DAY // unit for v in column]
    days = [v // TICKS_PER_DAY for v in column]
    return [_time_of_day(scale, counts), *_date(days)]


def _datetimeoffset(scale: int, column: Column) -> list[Segment]:
    """UTC time and date, then the offset in minutes (MS-TDS 2.2.5.5.1.8)."""
    ticks, offsets = zip(*map(struct.Struct(">QH").unpack, column), strict=True)
    return [*_datetime2(scale, ticks), ("h", ((v - 840 for v in offsets),))]


_TIME_SEGMENTS: Final[dict[str, Callable[[int, Column], list[Segment]]]] = {
    "time": _time,
    "datetime2": _datetime2,
    "datetimeoffset": _datetimeoffset,
}


# ---- strings

_WIDE_KINDS: Final = frozenset({"nchar", "nvarchar", "sysname", "ntext", "xml"})
_NARROW_KINDS: Final = frozenset({"char", "varchar", "text"})
_STRING_KINDS: Final = (
    _WIDE_KINDS | _NARROW_KINDS | {"binary", "varbinary", "image", "timestamp", "rowversion"}
)


def _bytes_of(sql: SqlType) -> Callable[[Column], Iterable[bytes]]:
    """Return what turns a column of a char, binary or CLR kind into its bytes."""
    if sql.name in _WIDE_KINDS:
        encode = methodcaller("encode", UTF_16, "surrogatepass")
        return lambda column: map(encode, column)
    if sql.name in _NARROW_KINDS:
        return partial(_narrow, collation_named(sql.collation).codec)
    return iter


def _narrow(codepage: str, column: Column) -> Iterable[bytes]:
    """Encode; what the code page lacks becomes `?`.

    Every code page holds ASCII, whose own encoder is several times faster.
    """
    if "".join(column).isascii():
        return map(methodcaller("encode", "ascii"), column)
    return map(methodcaller("encode", codepage, "replace"), column)


def _counted(to_bytes: Callable[[Column], Iterable[bytes]]) -> Segments:
    """Two bytes of length, then the value: it merges the lengths with the fixed part before."""

    def segments(column: Column) -> list[Segment]:
        data = list(to_bytes(column))
        return [("H", (map(len, data),)), ("", (data,))]

    return segments


def _framed(sql: SqlType, frame: Callable[[bytes], bytes]) -> Segments:
    to_bytes = _bytes_of(sql)
    return lambda column: [("", (map(frame, to_bytes(column)),))]


def _plp(data: bytes) -> bytes:
    """One chunk; an empty value has none, but the terminator always (MS-TDS 2.2.5.2.3)."""
    if not data:
        return b"\0" * 12
    size = len(data)
    return b"".join((struct.pack("<QI", size, size), data, b"\0\0\0\0"))


def _legacy(data: bytes) -> bytes:
    """Text pointer, timestamp, length, value (MS-TDS 2.2.7.19)."""
    return b"".join((_TEXT_POINTER, struct.pack("<I", len(data)), data))
