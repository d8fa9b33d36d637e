"""Column types as people write them: `decimal(18,2)`, `string(50)`, `timestamp(3)`."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from dtaas.model.types import (
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
)

TYPE_WORDS: Final = (
    "boolean, smallint, integer, bigint, decimal(p,s), real, double, date, time(d), timestamp(d), "
    "timestamp_tz(d), string, string(n), binary, binary(n), uuid, json, xml"
)
_SHAPE: Final = re.compile(r"([a-z_0-9]+(?: precision)?)(?:\(([^()]*)\))?")
_ALIASES: Final = {
    "bool": "boolean",
    "bit": "boolean",
    "int16": "smallint",
    "tinyint": "smallint",
    "int": "integer",
    "int32": "integer",
    "int64": "bigint",
    "numeric": "decimal",
    "float32": "real",
    "float": "double",
    "float64": "double",
    "double precision": "double",
    "datetime2": "timestamp",
    "datetimeoffset": "timestamp_tz",
    "text": "string",
    "char": "string",
    "nchar": "string",
    "varchar": "string",
    "nvarchar": "string",
    "varbinary": "binary",
    "uniqueidentifier": "uuid",
}
_PLAIN: Final[Mapping[str, ColumnType]] = {
    "boolean": Boolean(),
    "smallint": Integer(16),
    "integer": Integer(32),
    "bigint": Integer(64),
    "real": Float(32),
    "double": Float(64),
    "date": Date(),
    "uuid": Uuid(),
    "json": Json(),
    "xml": Xml(),
}
_MOST_DIGITS: Final = 38
_MOST_FRACTION: Final = 7
_DEFAULT_DIGITS: Final = 18


def parse_type(text: str) -> ColumnType:
    """Return the type a person wrote.

    Raises:
        ValueError: it is none; the message says what may be written.
    """
    shape = _SHAPE.fullmatch(text.strip().lower())
    if shape is None:
        raise ValueError(_unknown(text))
    name = _ALIASES.get(shape[1], shape[1])
    numbers = _numbers(text, shape[2])
    if name in _PLAIN and not numbers:
        return _PLAIN[name]
    build = _WITH_NUMBERS.get(name)
    if build is None:
        raise ValueError(_unknown(text))
    found = build(numbers)
    if found is None:
        raise ValueError(_unknown(text))
    return found


def type_text(column: ColumnType) -> str:
    """Return how a type is written; `parse_type` reads it back."""
    match column:
        case Decimal(precision=precision, scale=scale):
            return f"decimal({precision},{scale})"
        case Time(digits=digits) | Timestamp(digits=digits) | TimestampTz(digits=digits):
            return f"{_tag(column)}({digits})"
        case String(max_chars=limit) | Binary(max_bytes=limit):
            return _tag(column) if limit is None else f"{_tag(column)}({limit})"
        case Variant():
            return "variant"
        case _:
            return next(name for name, plain in _PLAIN.items() if plain == column)


def _tag(column: ColumnType) -> str:
    return str(column.__struct_config__.tag)


def _unknown(text: str) -> str:
    return f"{text!r} is no type. Write one of: {TYPE_WORDS}."


def _numbers(text: str, inside: str | None) -> tuple[int, ...]:
    if inside is None or inside.strip() == "max":
        return ()
    try:
        return tuple(int(part) for part in inside.split(","))
    except ValueError:
        raise ValueError(_unknown(text)) from None


def _decimal(numbers: tuple[int, ...]) -> ColumnType | None:
    precision, scale = (*numbers, 0)[:2] if numbers else (_DEFAULT_DIGITS, 0)
    if len(numbers) <= 2 and 1 <= precision <= _MOST_DIGITS and 0 <= scale <= precision:  # noqa: PLR2004
        return Decimal(precision, scale)
    return None


def _digits(kind: type[Time] | type[Timestamp] | type[TimestampTz]) -> "_Build":
    def build(numbers: tuple[int, ...]) -> ColumnType | None:
        digits = numbers[0] if numbers else 6
        return kind(digits) if len(numbers) <= 1 and 0 <= digits <= _MOST_FRACTION else None

    return build


def _string(numbers: tuple[int, ...]) -> ColumnType | None:
    if not numbers:
        return String(None)
    return String(numbers[0]) if len(numbers) == 1 and numbers[0] > 0 else None


def _binary(numbers: tuple[int, ...]) -> ColumnType | None:
    if not numbers:
        return Binary(None)
    return Binary(numbers[0]) if len(numbers) == 1 and numbers[0] > 0 else None


_Build = Callable[[tuple[int, ...]], ColumnType | None]
_WITH_NUMBERS: Final[Mapping[str, _Build]] = {
    "decimal": _decimal,
    "time": _digits(Time),
    "timestamp": _digits(Timestamp),
    "timestamp_tz": _digits(TimestampTz),
    "string": _string,
    "binary": _binary,
}
