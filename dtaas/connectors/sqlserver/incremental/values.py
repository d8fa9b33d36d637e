"""Watermark values: from the server's exact text to numbers that can be reckoned with, and back."""

import re
from datetime import date
from typing import Final

from dtaas.connectors.sqlserver.types import SqlColumn
from dtaas.model.errors import SourceQueryError

_INTEGERS: Final = {"tinyint": 0, "smallint": -(1 << 15), "int": -(1 << 31), "bigint": -(1 << 63)}
"""Types and the least value of each."""
_DECIMALS: Final = ("decimal", "numeric")
_MOST_DIGITS: Final = 18
_SECOND: Final = 10_000_000
_DAY: Final = 86_400 * _SECOND
_TIMES: Final = {"datetime": 1753, "datetime2": 1, "smalldatetime": 1900, "datetimeoffset": 1}
"""Types and the first year of each."""
_SCALES: Final = {"datetime": 3, "smalldatetime": 0}
_MOMENT: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,7}))?(?: ([+-])(\d\d):(\d\d))?"
)


def is_rowversion(column: SqlColumn) -> bool:
    """Return whether the database sets the column with every change of its row."""
    return column.base_type == "timestamp"


def is_number(column: SqlColumn) -> bool:
    """Return whether the column can be an ascending key."""
    whole = column.base_type in _DECIMALS and column.scale == 0
    return column.base_type in _INTEGERS or (whole and column.precision <= _MOST_DIGITS)


def is_moment(column: SqlColumn) -> bool:
    """Return whether the column can tell when a row was modified."""
    return column.base_type in _TIMES


def number_of(column: SqlColumn, text: str) -> int:
    """Return a value as a number: itself, or a moment in units of 100 ns since the year 1.

    Moments of `datetimeoffset` are in UTC, as the server compares them; others as they stand.

    Raises:
        SourceQueryError: the text is none of a value of the column.
    """
    if not is_moment(column):
        return int(text)
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise SourceQueryError(f"{text!r} is not a value of watermark column {column.name}.")
    year, month, day, hour, minute, second = (int(found[i]) for i in range(1, 7))
    fraction = int((found[7] or "").ljust(7, "0"))
    number = (date(year, month, day).toordinal() - 1) * _DAY
    number += ((hour * 60 + minute) * 60 + second) * _SECOND + fraction
    if found[8]:
        offset = (int(found[9]) * 60 + int(found[10])) * 60 * _SECOND
        number -= offset if found[8] == "+" else -offset
    return number


def text_of(column: SqlColumn, number: int) -> str | None:
    """Return the exact text of a value, None for one below what the type can hold."""
    if not is_moment(column):
        return None if number < _INTEGERS.get(column.base_type, number) else str(number)
    first = (date(_TIMES[column.base_type], 1, 1).toordinal() - 1) * _DAY
    if number < first:
        return None
    days, rest = divmod(number, _DAY)
    seconds, fraction = divmod(rest, _SECOND)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    text = f"{date.fromordinal(days + 1)} {hour:02}:{minute:02}:{second:02}"
    scale = _SCALES.get(column.base_type, column.scale)
    if scale:
        text += f".{fraction:07}"[: scale + 1]
    return f"{text} +00:00" if column.base_type == "datetimeoffset" else text


def overlap_of(column: SqlColumn, *, overlap_s: int, overlap_values: int) -> int:
    """Return an overlap in the units of `number_of`."""
    return overlap_s * _SECOND if is_moment(column) else overlap_values
