"""Functions of dates and times.

Source: Microsoft Learn, "Date and time data types and functions".
"""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.tsql.conditions import as_text
from dtaas.sandbox.sqlserver.tsql.conversion import Conversion, convert
from dtaas.sandbox.sqlserver.tsql.errors import invalid_argument_type
from dtaas.sandbox.sqlserver.tsql.function import Function, call
from dtaas.sandbox.sqlserver.tsql.moment_conversion import from_ticks, ticks
from dtaas.sandbox.sqlserver.tsql.names import Compilation
from dtaas.sandbox.sqlserver.tsql.type_rules import CHARACTERS, INTEGERS, MOMENTS, NUMBERS
from dtaas.sandbox.sqlserver.tsql.value import (
    BIGINT,
    DATE,
    DATETIME,
    DATETIME2,
    DATETIMEOFFSET,
    INT,
    Value,
)
from dtaas.sandbox.sqlserver.types import SqlType

_Values = Sequence[Value]
_NAMES: Final = {
    "year": "year yy yyyy",
    "quarter": "quarter qq q",
    "month": "month mm m",
    "dayofyear": "dayofyear dy y",
    "day": "day dd d",
    "week": "week wk ww",
    "weekday": "weekday dw w",
    "hour": "hour hh",
    "minute": "minute mi n",
    "second": "second ss s",
    "millisecond": "millisecond ms",
    "microsecond": "microsecond mcs",
    "nanosecond": "nanosecond ns",
    "tzoffset": "tzoffset tz",
    "iso_week": "iso_week isowk isoww",
}
_PARTS: Final = {word: part for part, words in _NAMES.items() for word in words.split()}
_NOT_COUNTED: Final = frozenset({"tzoffset", "iso_week"})
_TIME_PARTS: Final = frozenset(
    {"hour", "minute", "second", "millisecond", "microsecond", "nanosecond"}
)
_OLD: Final = frozenset({"datetime", "smalldatetime"})


def date_part(word: str, function: str) -> str:
    """Return the part an abbreviation means.

    Raises:
        SqlError: 155.
    """
    part = _PARTS.get(word.lower())
    if part is None or (function in {"dateadd", "datediff"} and part in _NOT_COUNTED):
        raise SqlError(155, f"'{word}' is not a recognized {function} option.", severity=15)
    return part


def bind_date_part_call(name: str, word: str, values: _Values, compilation: Compilation) -> Value:
    """Bind DATEADD, DATEDIFF, DATEPART and their kin; `word` is their first argument."""
    function = name.lower()
    part = date_part(word, "datediff" if name == "DATEDIFF_BIG" else function)
    needed = 1 if name in {"DATEPART", "DATENAME"} else 2
    if len(values) != needed:
        raise SqlError(
            174, f"The {function} function requires {needed + 1} argument(s).", severity=15
        )
    match name:
        case "DATEADD":
            return _date_add(part, values)
        case "DATEDIFF" | "DATEDIFF_BIG":
            return _date_diff(part, values, big=name == "DATEDIFF_BIG")
        case "DATEPART":
            value = _moment(values[0], 2, "datepart")
            return _part(part, value, word, "datepart")
        case "DATENAME":
            value = _moment(values[0], 2, "datename")
            sql = f"tsql.datename('{part}', {ticks(value)}, {_offset(value)})"
            type_ = SqlType("nvarchar", 30, collation=compilation.collation)
            return Value(sql=sql, type=type_, nullable=value.nullable)
        case _:
            raise SqlError(
                195, f"'{name}' is not a recognized built-in function name.", severity=15
            )


def _moment(value: Value, position: int, function: str) -> Value:
    """Return an argument as a moment: texts are datetime2, numbers datetime."""
    if value.type.name in MOMENTS and not value.is_null:
        return value
    if value.is_null or value.type.name in NUMBERS:
        return convert(value, DATETIME)
    if value.type.name in CHARACTERS:
        return (
            convert(value, DATETIMEOFFSET) if function == "datepart" else convert(value, DATETIME2)
        )
    raise invalid_argument_type(value.type.name, position, function)


def _offset(value: Value) -> str:
    return f"tsql.offset_minutes({value.sql})" if value.type.name == "datetimeoffset" else "NULL"


def _part(part: str, value: Value, word: str, function: str) -> Value:
    name = value.type.name
    if (
        (name == "date" and part in _TIME_PARTS)
        or (name == "time" and part not in _TIME_PARTS)
        or (part == "tzoffset" and name not in {"datetimeoffset", "datetime2"})
    ):
        raise SqlError(
            9810,
            f"The datepart {word} is not supported by date function {function} for data type "
            f"{name}.",
        )
    sql = f"tsql.datepart('{part}', {_shown_ticks(value)}, {_offset(value)})"
    return Value(sql=sql, type=INT, nullable=value.nullable)


def _shown_ticks(value: Value) -> str:
    """Return ticks with datetime's 1/300 s shown as milliseconds, as DATEPART reports them."""
    if value.type.name == "datetime":
        return f"((tsql.datetime_ticks({value.sql}) + 5000) / 10000 * 10000)"
    return ticks(value)


def _date_add(part: str, values: _Values) -> Value:
    value = _moment(values[1], 3, "dateadd")
    if values[1].type.name in CHARACTERS:
        value = convert(values[1], DATETIME)
    number = (
        convert(values[0], BIGINT)
        if values[0].type.name in INTEGERS
        else (convert(Conversion(INT)(values[0]), BIGINT))
    )
    name = value.type.name
    if (name == "date" and part in _TIME_PARTS) or (name == "time" and part not in _TIME_PARTS):
        raise SqlError(
            9810,
            f"The datepart {part} is not supported by date function dateadd for data type {name}.",
        )
    unit = "day" if part in {"dayofyear", "weekday"} else part
    moved = f"tsql.dateadd('{unit}', {number.sql}, {ticks(value)}, '{name}')"
    nullable = value.nullable or number.nullable
    if name == "datetimeoffset":
        sql = f"tsql.ticks_datetimeoffset({moved}, {_offset(value)}, {value.type.scale})"
    else:
        sql = from_ticks(moved, value.type)
    return Value(sql=sql, type=value.type, nullable=nullable)


def _date_diff(part: str, values: _Values, *, big: bool) -> Value:
    moments = []
    for position, value in enumerate(values, start=2):
        moment = _moment(value, position, "datediff")
        sql = (
            f"tsql.utc_ticks({moment.sql})"
            if moment.type.name == "datetimeoffset"
            else (_shown_ticks(moment))
        )
        moments.append(sql)
    unit = "day" if part in {"dayofyear", "weekday"} else part
    nullable = any(value.nullable for value in values)
    if big:
        sql = f"tsql.datediff('{unit}', {', '.join(moments)})"
        return Value(sql=sql, type=BIGINT, nullable=nullable)
    return Value(
        sql=f"tsql.datediff_int('{unit}', {', '.join(moments)})", type=INT, nullable=nullable
    )


def _now(type_: SqlType) -> Function:
    sql = from_ticks("tsql.now_ticks()", type_)
    return Function(0, 0, lambda _, __: Value(sql=sql, type=type_, nullable=False, constant=True))


def _field(part: str) -> Function:
    def build(values: _Values, _: Compilation) -> Value:
        return _part(part, _moment(values[0], 1, part), part, part)

    return Function(1, 1, build)


def _end_of_month(values: _Values, _: Compilation) -> Value:
    value = convert(_moment(values[0], 1, "eomonth"), DATE)
    months = convert(values[1], INT).sql if len(values) > 1 else "0"
    first = f"date_trunc('month', {value.sql}::timestamp)"
    sql = f"({first} + make_interval(months => {months} + 1) - interval '1 day')::date"
    return Value(sql=sql, type=DATE, nullable=True)


def _integers(values: _Values) -> list[str]:
    return [convert(value, INT).sql for value in values]


def _date_from_parts(values: _Values, _: Compilation) -> Value:
    return call("tsql.date_from_parts", _integers(values), DATE, *values)


def _datetime2_from_parts(values: _Values, _: Compilation) -> Value:
    digits = values[-1].digits
    if digits is None or int(digits) > 7:  # noqa: PLR2004 - fractional digits of datetime2
        raise SqlError(
            10760,
            "Scale argument is not valid. Valid expressions for data type datetime2 scale argument "
            "are integer constants and integer constant expressions.",
        )
    type_ = SqlType("datetime2", scale=int(digits))
    return call("tsql.datetime2_from_parts", _integers(values), type_, *values)


def _switch_offset(values: _Values, _: Compilation) -> Value:
    value = (
        convert(values[0], DATETIMEOFFSET) if values[0].type.name != "datetimeoffset" else values[0]
    )
    return call(
        "tsql.switchoffset",
        [value.sql, f"tsql.zone_minutes({_zone(values[1])})"],
        value.type,
        *values,
    )


def _to_offset(values: _Values, _: Compilation) -> Value:
    value = _moment(values[0], 1, "todatetimeoffset")
    scale = 3 if value.type.name in _OLD else value.type.scale
    minutes = f"tsql.zone_minutes({_zone(values[1])})"
    return call(
        "tsql.ticks_datetimeoffset",
        [ticks(value), minutes, str(scale)],
        replace(DATETIMEOFFSET, scale=scale),
        *values,
    )


def _zone(value: Value) -> str:
    return (
        f"{value.sql}::text"
        if value.type.name in INTEGERS
        else as_text(value, 2, "switchoffset").sql
    )


def _is_date(values: _Values, _: Compilation) -> Value:
    if values[0].type.name in _OLD:
        return Value(sql=f"({values[0].sql} IS NOT NULL)::integer", type=INT, nullable=False)
    return Value(
        sql=f"tsql.isdate({as_text(values[0], 1, 'isdate').sql})", type=INT, nullable=False
    )


DATE_PART_FUNCTIONS: Final = frozenset(
    {"DATEADD", "DATEDIFF", "DATEDIFF_BIG", "DATEPART", "DATENAME"}
)

DATE_FUNCTIONS: Final[Mapping[str, Function]] = {
    "GETDATE": _now(DATETIME),
    "GETUTCDATE": _now(DATETIME),
    "CURRENT_TIMESTAMP": _now(DATETIME),
    "SYSDATETIME": _now(DATETIME2),
    "SYSUTCDATETIME": _now(DATETIME2),
    "SYSDATETIMEOFFSET": _now(DATETIMEOFFSET),
    "YEAR": _field("year"),
    "MONTH": _field("month"),
    "DAY": _field("day"),
    "EOMONTH": Function(1, 2, _end_of_month),
    "DATEFROMPARTS": Function(3, 3, _date_from_parts),
    "DATETIME2FROMPARTS": Function(8, 8, _datetime2_from_parts),
    "SWITCHOFFSET": Function(2, 2, _switch_offset),
    "TODATETIMEOFFSET": Function(2, 2, _to_offset),
    "ISDATE": Function(1, 1, _is_date),
}
"""By upper-case name."""
