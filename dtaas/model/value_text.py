"""One value as people write it, taken only when the column's type holds it exactly. Pure."""

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
import pyarrow as pa

from dtaas.model.key_text import key_values
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
    arrow_type,
)

_INTEGER: Final = re.compile(r"[+-]?\d+", re.ASCII)
_DECIMAL: Final = re.compile(r"[+-]?(?=\.?\d)(\d*)(?:\.(\d*))?", re.ASCII)
_DATE: Final = r"(\d{4}-\d{2}-\d{2})"
_CLOCK: Final = r"(\d{2}:\d{2}:\d{2})(?:\.(\d+))?"
_DAY: Final = re.compile(_DATE, re.ASCII)
_MOMENT: Final = re.compile(f"{_DATE}[ T]{_CLOCK}", re.ASCII)
_ZONED: Final = re.compile(rf"{_DATE}[ T]{_CLOCK} ?([+-])(\d{{2}}):(\d{{2}})", re.ASCII)
_TIME: Final = re.compile(_CLOCK, re.ASCII)
_HEX: Final = re.compile(r"0[xX]((?:[0-9a-fA-F]{2})*)", re.ASCII)
_MOST_OFFSET_MIN: Final = 14 * 60
_MINUTES: Final = 60


class _Typed(msgspec.Struct, forbid_unknown_fields=True):
    """A value with its own type."""

    type: str
    value: Any


def value_of(text: str, column: ColumnType) -> pa.Array:
    """Return the value as an Arrow array of the type's one value.

    Args:
        text: numbers, dates and times as SQL writes them, bytes as 0x and hex digits.

    Raises:
        ValueError: it is no value of the type, or the type would not hold all of it; says why.
    """
    plain = _PLAIN[type(column)](text, column) if type(column) in _PLAIN else text
    try:
        return key_values([plain], arrow_type(column))
    except (pa.ArrowException, ValueError, OverflowError) as exc:
        raise ValueError(_first_line(exc)) from exc


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["not a value of this type"])[0]


def _must(fits: object, why: str) -> None:
    if not fits:
        raise ValueError(why)


def _match(pattern: re.Pattern[str], text: str, why: str) -> tuple[str | None, ...]:
    found = pattern.fullmatch(text)
    if found is None:
        raise ValueError(why)
    return found.groups()


def _boolean(text: str, _: Boolean) -> str:
    _must(text.lower() in {"true", "false", "0", "1"}, "is neither true nor false")
    return text.lower()


def _integer(text: str, column: Integer) -> str:
    _match(_INTEGER, text, "is not a whole number")
    most = 2 ** (column.bits - 1)
    _must(-most <= int(text) < most, f"lies outside {-most} to {most - 1}")
    return str(int(text))


def _decimal(text: str, column: Decimal) -> str:
    parts = _match(_DECIMAL, text, "is not a decimal number")
    whole, fraction = (parts[0] or "").lstrip("0"), (parts[1] or "").rstrip("0")
    _must(len(fraction) <= column.scale, f"has more than {column.scale} digits after the point")
    most = column.precision - column.scale
    _must(len(whole) <= most, f"has more than {most} digits before the point")
    return f"{'-' if text.startswith('-') else ''}{whole or '0'}.{fraction or '0'}"


def _float(text: str, column: Float) -> str:
    try:
        value = float(text)
    except ValueError:
        raise ValueError("is not a number") from None
    _must("_" not in text and math.isfinite(value), "is not a finite number")
    single = column.bits == 32  # noqa: PLR2004 - bits of the type
    _must(not single or math.isfinite(pa.scalar(value).cast(pa.float32()).as_py()), "is too large")
    return repr(value)


def _date(text: str, _: Date) -> str:
    _match(_DAY, text, "is not a date written YYYY-MM-DD")
    return _real(text)


def _time(text: str, column: Time) -> str:
    clock, fraction = _match(_TIME, text, "is not a time written HH:MM:SS")
    _real(f"2000-01-01 {clock}")
    _few(fraction, column.digits)
    return text


def _timestamp(text: str, column: Timestamp) -> str:
    why = "is not a moment written YYYY-MM-DD HH:MM:SS"
    day, clock, fraction = _match(_MOMENT, text, why)
    _real(f"{day} {clock}")
    _few(fraction, column.digits)
    padded = (fraction or "").ljust(column.digits if column.digits > MICROSECOND_DIGITS else 0, "0")
    return f"{day} {clock}{'.' if padded else ''}{padded}"


def _timestamp_tz(text: str, column: TimestampTz) -> str:
    why = "is not a moment written YYYY-MM-DD HH:MM:SS +HH:MM"
    day, clock, fraction, sign, hours, minutes = _match(_ZONED, text, why)
    _real(f"{day} {clock}")
    _few(fraction, column.digits)
    offset = int(hours or 0) * _MINUTES + int(minutes or 0)
    _must(int(minutes or 0) < _MINUTES and offset <= _MOST_OFFSET_MIN, "has an offset beyond 14:00")
    padded = (fraction or "").ljust(column.digits, "0")
    return f"{day} {clock}{'.' if padded else ''}{padded} {sign}{hours}:{minutes}"


def _real(text: str) -> str:
    try:
        datetime.fromisoformat(text)
    except ValueError as exc:
        raise ValueError(f"is not a day or time there is: {_first_line(exc)}") from exc
    return text


def _few(fraction: str | None, digits: int) -> None:
    count = len((fraction or "").rstrip("0"))
    _must(count <= digits, f"has more than {digits} digits of a second")


def _string(text: str, column: String) -> str:
    units = len(text.encode("utf-16-le", errors="surrogatepass")) // 2
    fits = column.max_chars is None or units <= column.max_chars
    _must(fits, f"is {units} characters long; the column holds {column.max_chars}")
    return text


def _binary(text: str, column: Binary) -> str:
    digits = _match(_HEX, text, "is not bytes written as 0x and hex digits")[0] or ""
    fits = column.max_bytes is None or len(digits) // 2 <= column.max_bytes
    _must(fits, f"is {len(digits) // 2} bytes long; the column holds {column.max_bytes}")
    return f"0x{digits}"


def _uuid(text: str, _: Uuid) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise ValueError("is not a UUID") from None


def _json(text: str, _: Json) -> str:
    return _decodes(text, Any, "is not JSON")


def _variant(text: str, _: Variant) -> str:
    return _decodes(text, _Typed, 'is not written {"type": "int", "value": "42"}')


def _decodes(text: str, kind: Any, why: str) -> str:
    try:
        msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as exc:
        raise ValueError(f"{why}: {exc}") from exc
    return text


_PLAIN: Final[Mapping[type, Callable[[str, Any], str]]] = {
    Boolean: _boolean,
    Integer: _integer,
    Decimal: _decimal,
    Float: _float,
    Date: _date,
    Time: _time,
    Timestamp: _timestamp,
    TimestampTz: _timestamp_tz,
    String: _string,
    Binary: _binary,
    Uuid: _uuid,
    Json: _json,
    Variant: _variant,
}
