"""How a column of a result becomes an Arrow column: what the decoder is told."""

from enum import IntEnum
from typing import Final

import pyarrow as pa
from msgspec import Struct

from dtaas.tds.code_pages import DOUBLE_BYTES, UTF8, codec_of
from dtaas.tds.errors import NotDecodableError
from dtaas.tds.metadata import WireColumn


class Length(IntEnum):
    """How long a value is on the wire; as in decoder.h."""

    FIXED = 0
    BYTE = 1
    SHORT = 2
    PARTIAL = 3
    POINTER = 4


class As(IntEnum):
    """What a value becomes; as in decoder.h."""

    INT = 0
    FLOAT = 1
    BIT = 2
    DECIMAL = 3
    MONEY = 4
    DATE = 5
    TIME = 6
    TIMESTAMP = 7
    DATETIME = 8
    TIMESTAMP_TEXT = 9
    OFFSET_TEXT = 10
    GUID_TEXT = 11
    UTF16 = 12
    CODE_PAGE = 13
    UTF8 = 14
    BYTES = 15
    DOUBLE_BYTE = 16


class ColumnPlan(Struct, frozen=True, kw_only=True):
    """One column, as the decoder is told.

    Attributes:
        width: bytes of a fixed-length value in Arrow, 0 for bits, text and bytes.
        scale: fractional digits on the wire; unit: those of the Arrow type.
        wire: bytes on the wire of a fixed-length value.
        codec: code page of `As.CODE_PAGE` and `As.DOUBLE_BYTE`.
    """

    length: Length
    how: As
    width: int = 0
    scale: int = 0
    unit: int = 0
    wire: int = 0
    codec: str = ""


_FIXED_TOKENS: Final = frozenset({0x30, 0x32, 0x34, 0x38, 0x3A, 0x3B, 0x3C, 0x3D, 0x3E, 0x7A, 0x7F})
_INTS: Final = frozenset({0x26, 0x30, 0x34, 0x38, 0x7F})
_FLOATS: Final = frozenset({0x6D, 0x3B, 0x3E})
_BITS: Final = frozenset({0x68, 0x32})
_MONEY: Final = frozenset({0x6E, 0x3C, 0x7A})
_DATETIMES: Final = frozenset({0x6F, 0x3D, 0x3A})
_DECIMALS: Final = frozenset({0x6A, 0x6C})
_GUID: Final = 0x24
_DATE: Final = 0x28
_TIME: Final = 0x29
_DATETIME2: Final = 0x2A
_OFFSET: Final = 0x2B
_UTF16: Final = frozenset({0xE7, 0xEF, 0x63, 0xF1})
_CODE_PAGES: Final = frozenset({0xA7, 0xAF, 0x23})
_BINARY: Final = frozenset({0xA5, 0xAD, 0x22})
_POINTERS: Final = frozenset({0x22, 0x23, 0x63})
_SHORTS: Final = frozenset({0xA5, 0xA7, 0xAD, 0xAF, 0xE7, 0xEF})
_UNITS: Final = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_MONEY_SCALE: Final = 4
_SCALE_MOST: Final = 7


def plan_column(column: WireColumn, target: pa.DataType) -> ColumnPlan | None:
    """Return how `column` becomes exactly `target`, None when it is not of such a type.

    Raises:
        NotDecodableError: text in a code page that is not known here.
    """
    if column.token in _FIXED_TOKENS or column.token in _SHORTS or column.token in _POINTERS:
        length = _length(column)
    else:
        length = Length.PARTIAL if column.partial else Length.BYTE
    plan = _number(column, target, length) or _moment(column, target, length)
    return plan or _text(column, target, length)


def _length(column: WireColumn) -> Length:
    if column.token in _FIXED_TOKENS:
        return Length.FIXED
    if column.token in _POINTERS:
        return Length.POINTER
    return Length.PARTIAL if column.partial else Length.SHORT


def _number(column: WireColumn, target: pa.DataType, length: Length) -> ColumnPlan | None:
    width = 0 if pa.types.is_boolean(target) else _width(target)
    plan = None
    if column.token in _INTS and pa.types.is_signed_integer(target):
        if column.size == width or (column.size, width) == (1, 2):
            plan = As.INT
    elif column.token in _FLOATS and pa.types.is_floating(target):
        plan = As.FLOAT if column.size == width else None
    elif column.token in _BITS and pa.types.is_boolean(target):
        plan = As.BIT
    elif column.token in _DECIMALS and pa.types.is_decimal128(target):
        plan = As.DECIMAL if column.scale == target.scale else None
    elif column.token in _MONEY and pa.types.is_decimal128(target):
        plan = As.MONEY if target.scale == _MONEY_SCALE else None
    if plan is None:
        return None
    wire = column.size if length is Length.FIXED else 0
    return ColumnPlan(length=length, how=plan, width=width, wire=wire)


def _moment(column: WireColumn, target: pa.DataType, length: Length) -> ColumnPlan | None:
    scale = column.scale
    if scale > _SCALE_MOST:
        return None
    if column.token == _DATE and pa.types.is_date32(target):
        return ColumnPlan(length=length, how=As.DATE, width=4)
    if column.token in _DATETIMES and target == pa.timestamp("ms"):
        wire = column.size if length is Length.FIXED else 0
        return ColumnPlan(length=length, how=As.DATETIME, width=8, wire=wire)
    if column.token == _TIME and pa.types.is_time64(target):
        unit = _UNITS[target.unit]
        if scale <= unit:
            return ColumnPlan(length=length, how=As.TIME, width=8, scale=scale, unit=unit)
    if column.token == _DATETIME2 and pa.types.is_timestamp(target):
        unit = _UNITS[target.unit]
        if scale <= unit:
            return ColumnPlan(length=length, how=As.TIMESTAMP, width=8, scale=scale, unit=unit)
    if pa.types.is_string(target) and column.token in (_DATETIME2, _OFFSET):
        how = As.TIMESTAMP_TEXT if column.token == _DATETIME2 else As.OFFSET_TEXT
        return ColumnPlan(length=length, how=how, scale=scale)
    return None


def _text(column: WireColumn, target: pa.DataType, length: Length) -> ColumnPlan | None:
    if column.token in _BINARY and pa.types.is_binary(target):
        return ColumnPlan(length=length, how=As.BYTES)
    if not pa.types.is_string(target):
        return None
    if column.token == _GUID:
        return ColumnPlan(length=length, how=As.GUID_TEXT)
    if column.token in _UTF16:
        return ColumnPlan(length=length, how=As.UTF16)
    if column.token not in _CODE_PAGES:
        return None
    codec = codec_of(column.collation)
    if codec is None:
        raise NotDecodableError(f"the code page of collation 0x{column.collation.hex()}")
    if codec == UTF8:
        return ColumnPlan(length=length, how=As.UTF8)
    how = As.DOUBLE_BYTE if codec in DOUBLE_BYTES else As.CODE_PAGE
    return ColumnPlan(length=length, how=how, codec=codec)


def _width(target: pa.DataType) -> int:
    try:
        return int(target.bit_width) // 8
    except ValueError:  # of variable length
        return 0
