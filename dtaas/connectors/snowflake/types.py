"""Canonical types in Snowflake: the column, the form it is staged in, and the way back.

What Parquet or the loader cannot carry exactly travels as text and is cast by Snowflake: offsets,
and seven fractional digits over the years 1 to 9999. Reading back turns to text whatever the
connector would squeeze into 64 bits of nanoseconds.
"""

from typing import Final, assert_never

import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from dtaas.connectors.lake.text_forms import to_text
from dtaas.model.types import (
    MICROSECOND_DIGITS,
    Binary,
    Boolean,
    ColumnType,
    Date,
    Decimal,
    Float,
    Integer,
    Json,
    String,
    Time,
    Timestamp,
    TimestampTz,
    Uuid,
    Variant,
    Xml,
    arrow_type,
)

_INTEGER_DIGITS: Final = {16: 5, 32: 10, 64: 19}
_MOST_SCALE: Final = 37
"""Snowflake's limit; a decimal(38,38) travels as text."""
_MOST_BYTES: Final = 8_388_608
_MOST_CHARS: Final = 16_777_216
_OFFSET: Final = r"^(\S+) (\S+) (\S+)$"


class StoredType(Struct, frozen=True):
    """How a column is kept.

    Attributes:
        ddl: type of the table's column.
        staged: type of the staging table's column, which the Parquet files fill.
        cast: expression of the column from the staged `{c}`.
        read: expression that reads the column `{c}` back exactly.
    """

    ddl: str
    staged: str
    cast: str = "{c}"
    read: str = "{c}"


def stored_type(kind: ColumnType) -> StoredType:  # noqa: C901, PLR0912 - one case a type
    """Return how values of a type are kept, each of them exactly."""
    match kind:
        case Boolean():
            return _same("BOOLEAN")
        case Integer(bits=bits):
            return _same(f"NUMBER({_INTEGER_DIGITS[bits]},0)")
        case Decimal(scale=scale) if scale > _MOST_SCALE:
            return _same("VARCHAR(41)")
        case Decimal(precision=precision, scale=scale):
            return _same(f"NUMBER({precision},{scale})")
        case Float():
            return _same("FLOAT")
        case Date():
            return _same("DATE")
        case Time(digits=digits):
            return _read_as(f"TIME({digits})", f"TO_VARCHAR({{c}}, '{_clock(digits)}')")
        case Timestamp(digits=digits):
            read = f"TO_VARCHAR({{c}}, 'YYYY-MM-DD {_clock(digits)}')"
            ddl = f"TIMESTAMP_NTZ({digits})"
            if digits <= MICROSECOND_DIGITS:
                return _read_as(ddl, read)
            return StoredType(ddl, "VARCHAR(34)", "TO_TIMESTAMP_NTZ({c})", read)
        case TimestampTz(digits=digits):
            read = f"TO_VARCHAR({{c}}, 'YYYY-MM-DD {_clock(digits)} TZH:TZM')"
            return StoredType(
                f"TIMESTAMP_TZ({digits})", "VARCHAR(40)", "TO_TIMESTAMP_TZ({c})", read
            )
        case Uuid():
            return _same("VARCHAR(36)")
        case String(max_chars=limit):
            return _same("VARCHAR" if limit is None else f"VARCHAR({min(limit, _MOST_CHARS)})")
        case Xml() | Json() | Variant():
            return _same("VARCHAR")
        case Binary(max_bytes=limit):
            return _same(
                f"BINARY({_MOST_BYTES if limit is None else min(limit or 1, _MOST_BYTES)})"
            )
        case _:
            assert_never(kind)


def _clock(digits: int) -> str:
    """Return the format of a time of day; without digits there is no point either."""
    return f"HH24:MI:SS.FF{digits}" if digits else "HH24:MI:SS"


def staged_column(column: pa.ChunkedArray, kind: ColumnType) -> pa.ChunkedArray:
    """Return values in the form they are staged in."""
    if isinstance(kind, Decimal) and kind.scale > _MOST_SCALE:
        column = pa.chunked_array([to_text(part) for part in column.chunks])
    elif isinstance(kind, TimestampTz):
        # ISO 8601: with a blank before the offset the offset would not be read.
        column = pc.replace_substring_regex(column, _OFFSET, r"\1T\2\3")
    return column


def canonical_column(column: pa.Array, kind: ColumnType) -> pa.Array:
    """Return values that were read back in the canonical form.

    Args:
        column: as the connector gives what `StoredType.read` selects.
    """
    wanted = arrow_type(kind)
    match kind:
        case Time():
            moment = pc.binary_join_element_wise("1970-01-01 ", column.cast(pa.string()), "")
            return moment.cast(pa.timestamp(wanted.unit)).cast(wanted)
        case Timestamp(digits=digits) if digits > MICROSECOND_DIGITS:
            return _padded(column.cast(pa.string()), digits)
        case TimestampTz(digits=digits):
            return _with_offset(column.cast(pa.string()), digits)
        case _:
            return column.cast(wanted)


def _padded(moment: pa.Array, digits: int) -> pa.Array:
    """Return times of day with all the digits of their type."""
    if digits == 0:
        return moment
    whole = pc.replace_substring_regex(moment, r"\..*$", "")
    fraction = pc.replace_substring_regex(moment, r"^[^.]*\.?", "")
    full = pc.utf8_slice_codeunits(pc.utf8_rpad(fraction, digits, "0"), 0, digits)
    return pc.binary_join_element_wise(whole, full, ".")


def _with_offset(moment: pa.Array, digits: int) -> pa.Array:
    local = pc.replace_substring_regex(moment, r"\s*[+-]\d\d(:?\d\d)?$", "")
    offset = pc.replace_substring_regex(moment, r"^.*?([+-]\d\d)(:?(\d\d))?$", r"\1:\3")
    offset = pc.replace_substring_regex(offset, r":$", ":00")
    return pc.binary_join_element_wise(_padded(local, digits), offset, " ")


def _same(ddl: str) -> StoredType:
    return StoredType(ddl, ddl)


def _read_as(ddl: str, read: str) -> StoredType:
    return StoredType(ddl, ddl, read=read)
