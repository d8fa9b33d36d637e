"""Arrow columns to the storage's forms, as columns that CSV shows the way COPY reads them.

Everything is vectorised but the rare kinds (binary, uniqueidentifier, datetimeoffset, and texts
beyond the code page's first half), which go value by value.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage import forms
from dtaas.sandbox.sqlserver.storage.code_pages import encode_text
from dtaas.sandbox.sqlserver.storage.forms import BINARY_TYPES, CHARACTER_TYPES, UNICODE_TYPES
from dtaas.sandbox.sqlserver.types import MAX, SqlType

_EPOCH_TICKS: Final = 621355968000000000
"""100 ns from 0001-01-01 to 1970-01-01."""

_RANGES: Final = {
    "bit": (0, 1),
    "tinyint": (0, 255),
    "smallint": (-(2**15), 2**15 - 1),
    "int": (-(2**31), 2**31 - 1),
    "bigint": (-(2**63), 2**63 - 1),
}
_TICK_DIGITS: Final = 7
_DATE_TIME_CHARS: Final = 19
_NUL_OR_ESCAPE: Final = "[\\x00\\x{10F7FF}-\\x{10FFFF}]"


def storage_column(column: pa.Array, type_: SqlType, name: str) -> pa.Array:
    """Return a column's values in storage form.

    Raises:
        SqlError: 8114 a value or the Arrow type does not fit, 220 out of range, 2628 too long.
    """
    try:
        return _converter(type_)(column, type_)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError, OverflowError) as error:
        raise SqlError(
            8114,
            f"Error converting data type {column.type} to {type_.name} in column '{name}': "
            f"{error}.",
            state=5,
        ) from error


def _converter(type_: SqlType) -> Callable[[pa.Array, SqlType], pa.Array]:
    converter = _CONVERTERS.get(type_.name)
    if converter is None:
        raise ValueError(f"columns of type {type_.name} cannot be filled")
    return converter


def _integers(column: pa.Array, type_: SqlType) -> pa.Array:
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    column = column.cast(pa.int64())
    least, most = _RANGES[type_.name]
    bounds = pc.min_max(column).as_py()
    if bounds["min"] is not None and (bounds["min"] < least or bounds["max"] > most):
        wrong = bounds["min"] if bounds["min"] < least else bounds["max"]
        raise SqlError(
            220,
            f"Arithmetic overflow error for data type {type_.name}, value = {wrong}.",
            state=2,
        )
    return column


def _floats(column: pa.Array, type_: SqlType) -> pa.Array:
    return column.cast(pa.float32() if type_.name == "real" else pa.float64())


def _dates(column: pa.Array, _type: SqlType) -> pa.Array:
    return column.cast(pa.date32())


def _decimals(column: pa.Array, type_: SqlType) -> pa.Array:
    digits = {"money": (19, 4), "smallmoney": (10, 4)}.get(
        type_.name, (type_.precision, type_.scale)
    )
    return column.cast(pa.decimal128(*digits))


def _times(column: pa.Array, type_: SqlType) -> pa.Array:
    nanoseconds = column.cast(pa.time64("ns")).cast(pa.int64())
    return _rounded(pc.divide(nanoseconds, 100), type_.scale)


def _moments(column: pa.Array, type_: SqlType) -> pa.Array:
    ticks = _ticks(column)
    match type_.name:
        case "datetime2":
            return _rounded(ticks, type_.scale)
        case "smalldatetime":
            minute = forms.TICKS_PER_MINUTE
            shifted = pc.add(pc.subtract(ticks, forms.TICKS_TO_1900), minute // 2)
            return pc.add(pc.multiply(pc.divide(shifted, minute), minute), forms.TICKS_TO_1900)
        case _:
            # 1/300 s are 100000/3 ticks; years 1753 to 9999 stay far from overflow
            thirds = pc.multiply(pc.subtract(ticks, forms.TICKS_TO_1900), 3)
            return pc.floor(
                pc.divide(pc.add(thirds, 50_000).cast(pa.float64(), safe=False), 100_000.0)
            ).cast(pa.int64())


def _ticks(column: pa.Array) -> pa.Array:
    """Return 100 ns ticks since 0001-01-01 of timestamps, dates or canonical text."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        seconds = pc.utf8_slice_codeunits(column, 0, _DATE_TIME_CHARS).cast(pa.timestamp("s"))
        fraction = pc.utf8_slice_codeunits(column, _DATE_TIME_CHARS + 1)
        ticks = pc.utf8_rpad(fraction, _TICK_DIGITS, "0").cast(pa.int64())
        return pc.add(pc.add(pc.multiply(seconds.cast(pa.int64()), 10**7), ticks), _EPOCH_TICKS)
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        return pc.add(pc.divide(column.cast(pa.int64()), 100), _EPOCH_TICKS)
    micros = column.cast(pa.timestamp("us")).cast(pa.int64())
    return pc.add(pc.multiply(micros, 10), _EPOCH_TICKS)


def _rounded(ticks: pa.Array, scale: int) -> pa.Array:
    unit = 10 ** (_TICK_DIGITS - scale)
    if unit == 1:
        return ticks
    return pc.multiply(pc.divide(pc.add(ticks, unit // 2), unit), unit)


def _texts(column: pa.Array, type_: SqlType) -> pa.Array:
    text = column.cast(pa.string())
    if pc.any(pc.match_substring_regex(text, _NUL_OR_ESCAPE)).as_py():
        text = _each(text, forms.escape_text)
    if type_.length > 0:
        _check_length(text, type_)
    if type_.name in {"char", "nchar"}:
        return pc.utf8_rpad(text, type_.length, " ")
    return text


def _check_length(text: pa.Array, type_: SqlType) -> None:
    """Raises: SqlError 2628 a value is too long, ValueError one is not in the code page."""
    longest = pc.max(pc.utf8_length(text)).as_py() or 0
    if not pc.all(pc.string_is_ascii(text)).as_py():
        longest = max((_size(v, type_) for v in text.to_pylist() if v is not None), default=0)
    if longest > type_.length:
        raise SqlError(
            2628,
            f"String or binary data would be truncated: a value is {longest} long, the column "
            f"holds {type_.length}.",
        )


def _size(value: str, type_: SqlType) -> int:
    """Return a text's size in the unit of its type's length."""
    if type_.name in UNICODE_TYPES:
        return len(value.encode("utf-16-le", "surrogatepass")) // 2
    return len(encode_text(value, type_.collation or ""))


def _binaries(column: pa.Array, type_: SqlType) -> pa.Array:
    raw = column.cast(pa.binary())
    longest = pc.max(pc.binary_length(raw)).as_py() or 0
    if 0 < type_.length < longest and type_.length != MAX:
        raise SqlError(
            2628,
            f"String or binary data would be truncated: a value has {longest} bytes, the column "
            f"holds {type_.length}.",
        )
    size = type_.length if type_.name == "binary" else 0
    return _each(raw, lambda value: "\\x" + value.ljust(size, b"\0").hex())


def _guids(column: pa.Array, _type: SqlType) -> pa.Array:
    return _each(column, _guid)


def _offset_moments(column: pa.Array, _type: SqlType) -> pa.Array:
    return _each(column.cast(pa.string()), _offset_moment)


def _guid(value: Any) -> str:
    guid = UUID(bytes=value) if isinstance(value, bytes) else UUID(str(value))
    return str(UUID(bytes=forms.guid_to_storage(guid.bytes_le)))


def _offset_moment(text: str) -> str:
    """Return the stored form of `YYYY-MM-DD HH:MM:SS[.fffffff] +HH:MM`."""
    local, _, zone = text.rpartition(" ")
    sign = -1 if zone[0] == "-" else 1
    minutes = sign * (int(zone[1:3]) * 60 + int(zone[4:6]))
    ticks: int = _ticks(pa.array([local]))[0].as_py()
    ticks -= minutes * forms.TICKS_PER_MINUTE
    return f"\\x{ticks:016x}{minutes + 840:04x}"


def _each(column: pa.Array, convert: Callable[[Any], str]) -> pa.Array:
    return pa.array([None if v is None else convert(v) for v in column.to_pylist()], pa.string())


_CONVERTERS: Final[Mapping[str, Callable[[pa.Array, SqlType], pa.Array]]] = {
    **dict.fromkeys(_RANGES, _integers),
    **dict.fromkeys(("decimal", "numeric", "money", "smallmoney"), _decimals),
    **dict.fromkeys(("real", "float"), _floats),
    **dict.fromkeys(("datetime2", "smalldatetime", "datetime"), _moments),
    **dict.fromkeys(CHARACTER_TYPES, _texts),
    **dict.fromkeys(BINARY_TYPES - {"timestamp"}, _binaries),
    "date": _dates,
    "time": _times,
    "datetimeoffset": _offset_moments,
    "uniqueidentifier": _guids,
}
