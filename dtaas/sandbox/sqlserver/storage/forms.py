"""How a SQL Server value lies in the storage, and how it gets from there to the wire form.

| base type | PostgreSQL type | value |
|---|---|---|
| bit, tinyint, smallint | smallint | the number; bit is 0 or 1 |
| int / bigint | integer / bigint | the number |
| decimal(p,s), numeric(p,s) | numeric(p,s) | the number |
| money / smallmoney | numeric(19,4) / numeric(10,4) | the number |
| real / float | real / double precision | the number |
| date | date | the date |
| time(n) | bigint | 100 ns ticks since midnight, rounded to n digits |
| datetime2(n) | bigint | 100 ns ticks since 0001-01-01, rounded to n digits |
| smalldatetime | bigint | 100 ns ticks since 0001-01-01, rounded to the minute |
| datetime | bigint | 1/300 s since 1900-01-01 |
| datetimeoffset(n) | bytea | u64 big-endian UTC ticks, u16 big-endian offset minutes + 840 |
| (n)char, (n)varchar, (n)text | text | see `escape_text`; order is by `collations.sort_key` |
| sysname | as nvarchar(128) | |
| xml | text | |
| binary, varbinary, image | bytea | |
| rowversion | bytea | 8 bytes |
| uniqueidentifier | uuid | bytes permuted so that uuid order is SqlGuid order |
| sql_variant | bytea | `name,length,precision,scale,collation` U+001F text of the storage form |
| hierarchyid, geometry, geography | bytea | the CLR serialisation |

PostgreSQL text holds neither U+0000 nor lone surrogates: `escape_text` moves them to private use
characters of plane 16, and a text that already holds those is refused.
"""

import re
from datetime import date
from typing import Any, Final

from dtaas.sandbox.sqlserver.types import SqlType

CHARACTER_TYPES: Final = frozenset(
    {"char", "varchar", "text", "nchar", "nvarchar", "ntext", "sysname", "xml"}
)
UNICODE_TYPES: Final = frozenset({"nchar", "nvarchar", "ntext", "sysname", "xml"})
BINARY_TYPES: Final = frozenset(
    {"binary", "varbinary", "image", "timestamp", "hierarchyid", "geometry", "geography"}
)
MONEY_SCALE: Final = 4
TICKS_TO_1900: Final = 599266080000000000
"""100 ns ticks from 0001-01-01 to 1900-01-01."""

_PLAIN: Final = {
    "bit": "smallint",
    "tinyint": "smallint",
    "smallint": "smallint",
    "int": "integer",
    "bigint": "bigint",
    "money": "numeric(19,4)",
    "smallmoney": "numeric(10,4)",
    "real": "real",
    "float": "double precision",
    "date": "date",
    "time": "bigint",
    "datetime2": "bigint",
    "smalldatetime": "bigint",
    "datetime": "bigint",
    "datetimeoffset": "bytea",
    "uniqueidentifier": "uuid",
    "sql_variant": "bytea",
}
_BIGINT_DIGITS: Final = 18
_TIME_DIGITS: Final = 7
TICKS_PER_MINUTE: Final = 600_000_000
_DAY_ONE: Final = "DATE '0001-01-01'"

# U+0000 becomes U+10F7FF; the surrogate U+D800 + n becomes U+10F800 + n.
_NUL_TWIN: Final = 0x10F7FF
_SURROGATE_SHIFT: Final = 0x10F800 - 0xD800
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_ESCAPED: Final = re.compile("[\U0010f7ff-\U0010ffff]")


def storage_type(type_: SqlType) -> str:
    """Return the PostgreSQL type that holds values of `type_`."""
    if type_.name in CHARACTER_TYPES:
        return "text"
    if type_.name in BINARY_TYPES:
        return "bytea"
    if type_.name in {"decimal", "numeric"}:
        return f"numeric({type_.precision},{type_.scale})"
    return _PLAIN[type_.name]


def to_wire(expr: str, type_: SqlType) -> str:
    """Return SQL that turns `expr`, a value in storage form, into what fetching gives as wire form.

    Most forms need nothing. `StorageConnection` finishes the two that SQL cannot: escaped text
    and sql_variant.
    """
    match type_.name:
        case "decimal" | "numeric" if type_.scale == 0 and type_.precision <= _BIGINT_DIGITS:
            return f"({expr})::bigint"
        case "decimal" | "numeric" if type_.precision <= _BIGINT_DIGITS:
            return f"(({expr}) * {10**type_.scale})::bigint"
        case "decimal" | "numeric":
            return f"trunc(({expr}) * {10**type_.scale})"
        case "money" | "smallmoney":
            # 922337203685477.5807 * 10000 is the greatest bigint
            return f"(({expr}) * {10**MONEY_SCALE})::bigint"
        case "date":
            return f"(({expr}) - {_DAY_ONE})"
        case "time" if type_.scale < _TIME_DIGITS:
            return f"(({expr}) / {10 ** (_TIME_DIGITS - type_.scale)})"
        case "smalldatetime":
            return f"((({expr}) - {TICKS_TO_1900}) / {TICKS_PER_MINUTE})"
        case _:
            return expr


def bind(value: Any, type_: SqlType) -> Any:
    """Return what asyncpg takes for `value`, a wire form, as a parameter of `storage_type`.

    Decimals go as their exact text: `StorageConnection` sets that codec for numeric, and one for
    uuid that takes the 16 bytes of the wire. It binds sql_variant itself (see `variants`).

    Raises:
        ValueError: a text holds a private use character of plane 16 that `escape_text` needs.
    """
    if value is None:
        return None
    match type_.name:
        case "decimal" | "numeric":
            return decimal_text(value, type_.scale)
        case "money" | "smallmoney":
            return decimal_text(value, MONEY_SCALE)
        case "date":
            return date.fromordinal(value + 1)
        case "time":
            return value * 10 ** (_TIME_DIGITS - type_.scale)
        case "smalldatetime":
            return value * TICKS_PER_MINUTE + TICKS_TO_1900
        case name if name in CHARACTER_TYPES:
            return escape_text(value)
        case _:
            return value


def escape_text(text: str) -> str:
    """Return `text` without the characters PostgreSQL cannot hold.

    Raises:
        ValueError: it holds one of U+10F7FF to U+10FFFF, which stand for those.
    """
    if text.isascii() and "\x00" not in text:
        return text
    if _ESCAPED.search(text):
        raise ValueError("U+10F7FF to U+10FFFF cannot be stored")
    return _UNSTORABLE.sub(
        lambda found: chr(ord(found[0]) + _SURROGATE_SHIFT if found[0] != "\x00" else _NUL_TWIN),
        text,
    )


def has_escaped(text: str) -> bool:
    """Tell whether `unescape_text` would change a text; at once for ASCII."""
    return not text.isascii() and _ESCAPED.search(text) is not None


def unescape_text(text: str) -> str:
    """Undo `escape_text`."""
    if not has_escaped(text):
        return text
    return _ESCAPED.sub(
        lambda found: (
            chr(ord(found[0]) - _SURROGATE_SHIFT) if ord(found[0]) != _NUL_TWIN else "\x00"
        ),
        text,
    )


def decimal_text(unscaled: int, scale: int) -> str:
    """Return the decimal number `unscaled` * 10^-`scale` in plain digits."""
    if scale == 0:
        return str(unscaled)
    digits = str(abs(unscaled)).rjust(scale + 1, "0")
    return f"{'-' if unscaled < 0 else ''}{digits[:-scale]}.{digits[-scale:]}"


def guid_to_storage(wire: bytes) -> bytes:
    """Permute the 16 bytes of the wire so that byte order is the order of .NET's SqlGuid."""
    return wire[10:16] + wire[8:10] + wire[6:8] + wire[4:6] + wire[0:4]


def guid_to_wire(stored: bytes) -> bytes:
    """Undo `guid_to_storage`."""
    return stored[12:16] + stored[10:12] + stored[8:10] + stored[6:8] + stored[0:6]
