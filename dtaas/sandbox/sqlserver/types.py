"""SQL Server's types, as the wire, the T-SQL front and the storage all name them.

Between the storage and the wire a value has the *wire form* of its type:

| base type | Python value |
|---|---|
| bit, tinyint, smallint, int, bigint | int |
| decimal, numeric, money, smallmoney | int: unscaled (1.25 of scale 2 is 125; money: 4) |
| real, float | float |
| date | int: days since 0001-01-01 |
| time(n) | int: count of 10^-n seconds |
| datetime2(n) | int: 100 ns ticks since 0001-01-01, already rounded to n digits |
| datetimeoffset(n) | bytes: u64 big-endian UTC ticks, u16 offset minutes + 840 |
| datetime | int: 1/300 s since 1900-01-01, may be negative |
| smalldatetime | int: minutes since 1900-01-01 |
| char, varchar, nchar, nvarchar, text, ntext, xml, sysname | str; lone surrogates are allowed |
| binary, varbinary, image, rowversion | bytes |
| uniqueidentifier | bytes: 16, `uuid.bytes_le` |
| sql_variant | `Variant(type, value)` with the value in the wire form of its type |
| hierarchyid, geometry, geography | bytes: the CLR serialisation |

NULL is None.
"""

from typing import Any

from msgspec import Struct

MAX = -1
"""Length of `varchar(max)` and its kind."""

DEFAULT_COLLATION = "SQL_Latin1_General_CP1_CI_AS"


class SqlType(Struct, frozen=True):
    """A type with its parameters.

    Attributes:
        name: base type in lower case, as in `sys.types` (`timestamp` for rowversion).
        length: bytes for binary and char kinds, UTF-16 units for nchar kinds, `MAX` for (max).
        precision: digits of decimal and numeric; 53 or 24 of float.
        scale: digits after the point; fractional second digits of time kinds.
        collation: name, only for character types.
    """

    name: str
    length: int = 0
    precision: int = 0
    scale: int = 0
    collation: str | None = None


class Variant(Struct, frozen=True):
    """A sql_variant value: its base type and the value in that type's wire form."""

    type: SqlType
    value: Any
