"""Conversions from and to dates and times.

All moments meet in 100 ns ticks since 0001-01-01: `tsql.<type>_ticks` gives them, and
`tsql.ticks_<type>` makes a value of them, rounded as that type rounds.
"""

from typing import Final

from dtaas.sandbox.sqlserver.storage.forms import TICKS_TO_1900
from dtaas.sandbox.sqlserver.tsql.type_rules import BINARIES, CHARACTERS, MOMENTS, NUMBERS
from dtaas.sandbox.sqlserver.tsql.value import Value
from dtaas.sandbox.sqlserver.types import SqlType

_OLD: Final = frozenset({"datetime", "smalldatetime"})


def ticks(value: Value) -> str:
    """Return SQL for the local ticks of a moment; a time lies on 1900-01-01."""
    match value.type.name:
        case "datetime2" | "smalldatetime":
            return value.sql
        case "time":
            return f"({value.sql} + {TICKS_TO_1900})"
        case name:
            return f"tsql.{name}_ticks({value.sql})"


def from_ticks(sql: str, target: SqlType, lenient: str = "false") -> str:
    """Return SQL for a moment of type `target` made of local ticks, at offset +00:00."""
    match target.name:
        case "date":
            return f"tsql.ticks_date({sql})"
        case "datetime2" | "time":
            return f"tsql.ticks_{target.name}({sql}, {target.scale})"
        case "datetimeoffset":
            return f"tsql.ticks_datetimeoffset({sql}, 0, {target.scale})"
        case name:
            return f"tsql.ticks_{name}({sql}, {lenient})"


def to_moment(value: Value, target: SqlType, style: int | None, lenient: str) -> str | None:
    """Return SQL for `value` as a moment, None when there is no such conversion."""
    source = value.type
    if source.name in CHARACTERS:
        return (
            f"tsql.text_to_{target.name}({value.sql}, {target.scale}, {style or 0}, "
            f"'{source.name}', {lenient})"
        )
    if source.name in NUMBERS and target.name in _OLD:
        return f"tsql.days_{target.name}({value.sql}::numeric, '{source.name}', {lenient})"
    if source.name in BINARIES and target.name in _OLD:
        return f"tsql.bytes_{target.name}({value.sql})"
    if source.name not in MOMENTS or {source.name, target.name} == {"date", "time"}:
        return None
    if source.name == target.name:
        if source.scale <= target.scale:
            return value.sql
        if target.name == "datetimeoffset":
            return f"tsql.round_datetimeoffset({value.sql}, {target.scale})"
        if target.name == "time":
            return f"tsql.ticks_time({value.sql} + {TICKS_TO_1900}, {target.scale})"
    return from_ticks(ticks(value), target, lenient)


def from_moment(value: Value, style: int | None) -> str:
    """Return SQL for the text of a moment."""
    name = value.type.name
    scale = {"datetime": 3, "smalldatetime": 0, "date": 0}.get(name, value.type.scale)
    offset = f"tsql.offset_minutes({value.sql})" if name == "datetimeoffset" else "NULL"
    chosen = style if style is not None else (0 if name in _OLD else 121)
    return f"tsql.moment_text({ticks(value)}, '{name}', {scale}, {offset}, {chosen})"
