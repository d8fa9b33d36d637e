"""Canonical column types: where connectors meet.

A connector maps only its own types to and from these; an unknown type is an error, never a
silent string. `arrow_type` fixes the Arrow form every batch between the stages has, and it holds
every value of the type exactly.
"""

from typing import assert_never

import pyarrow as pa
from msgspec import Struct

MICROSECOND_DIGITS = 6
"""Most fractional digits an Arrow timestamp holds over the years 1 to 9999 (int64 microseconds)."""
MILLISECOND_DIGITS = 3


class _Type(Struct, frozen=True, tag_field="type", forbid_unknown_fields=True):
    """Base of the union; `type` is the tag in JSON."""


class Boolean(_Type, frozen=True, tag="boolean"):
    """True or false."""


class Integer(_Type, frozen=True, tag="integer"):
    """Signed integer of 16, 32 or 64 bits (an unsigned byte travels as 16 bits)."""

    bits: int


class Decimal(_Type, frozen=True, tag="decimal"):
    """Exact number of at most 38 digits, `scale` of them after the point."""

    precision: int
    scale: int


class Float(_Type, frozen=True, tag="float"):
    """IEEE 754 number of 32 or 64 bits."""

    bits: int


class Date(_Type, frozen=True, tag="date"):
    """Calendar date, years 1 to 9999."""


class Time(_Type, frozen=True, tag="time"):
    """Time of day with 0 to 7 fractional digits."""

    digits: int


class Timestamp(_Type, frozen=True, tag="timestamp"):
    """Date and time without zone, years 1 to 9999, 0 to 7 fractional digits.

    Seven digits over these years do not fit an int64 of nanoseconds, so such a column travels as
    text `YYYY-MM-DD HH:MM:SS.fffffff`, which is exact and sorts in time order.
    """

    digits: int


class TimestampTz(_Type, frozen=True, tag="timestamp_tz"):
    """Date and time with its UTC offset, as text `YYYY-MM-DD HH:MM:SS[.fffffff] +HH:MM`.

    The text shows the local time, as SQL Server does; an Arrow zone would lose the offset.
    """

    digits: int


class String(_Type, frozen=True, tag="string"):
    """Unicode text. `max_chars` is the declared limit, None when unbounded (a LOB)."""

    max_chars: int | None = None


class Binary(_Type, frozen=True, tag="binary"):
    """Bytes. `max_bytes` is the declared limit, None when unbounded (a LOB)."""

    max_bytes: int | None = None


class Uuid(_Type, frozen=True, tag="uuid"):
    """128-bit id as 36 lower-case characters."""


class Xml(_Type, frozen=True, tag="xml"):
    """XML document or fragment, as text."""


class Json(_Type, frozen=True, tag="json"):
    """JSON document, as text."""


class Variant(_Type, frozen=True, tag="variant"):
    """A value with its own type, as JSON text `{"type": "int", "value": "42"}`."""


ColumnType = (
    Boolean
    | Integer
    | Decimal
    | Float
    | Date
    | Time
    | Timestamp
    | TimestampTz
    | String
    | Binary
    | Uuid
    | Xml
    | Json
    | Variant
)


def arrow_type(column: ColumnType) -> pa.DataType:  # noqa: C901 - one case a type
    """Return the Arrow type that carries `column` between the stages, without loss."""
    match column:
        case Boolean():
            return pa.bool_()
        case Integer(bits=bits):
            return {16: pa.int16(), 32: pa.int32(), 64: pa.int64()}[bits]
        case Decimal(precision=precision, scale=scale):
            return pa.decimal128(precision, scale)
        case Float(bits=bits):
            return {32: pa.float32(), 64: pa.float64()}[bits]
        case Date():
            return pa.date32()
        case Time(digits=digits):
            return pa.time64("us" if digits <= MICROSECOND_DIGITS else "ns")
        case Timestamp(digits=digits):
            if digits > MICROSECOND_DIGITS:
                return pa.string()
            return pa.timestamp("ms" if digits <= MILLISECOND_DIGITS else "us")
        case TimestampTz() | Uuid() | Xml() | Json() | Variant() | String():
            return pa.string()
        case Binary():
            return pa.binary()
        case _:
            assert_never(column)


def is_lob(column: ColumnType) -> bool:
    """Return whether one value may be too large to size buffers by its declared length."""
    match column:
        case String(max_chars=None) | Binary(max_bytes=None) | Xml() | Json():
            return True
        case _:
            return False
