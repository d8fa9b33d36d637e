"""A bound expression: SQL of the storage, and what T-SQL says of its value."""

from enum import IntEnum
from typing import Final

from msgspec import Struct

from dtaas.sandbox.sqlserver.types import SqlType


class Coercibility(IntEnum):
    """Whose collation wins (Microsoft Learn, "Collation precedence")."""

    DEFAULT = 0
    IMPLICIT = 1
    NONE = 2
    EXPLICIT = 3


class Value(Struct, frozen=True, kw_only=True):
    """An expression in storage form.

    Attributes:
        sql: needs no parentheses around it.
        is_null: a bare NULL, which takes the type of its neighbours.
        digits: a numeric constant's digits without sign, for decimal arithmetic; None for others.
        text: a string constant's characters, None for others.
        constant: its value does not depend on a row.
        column: how error messages name the column, None when it is none.
        conflict: the two collations that met when coercibility is NONE.
    """

    sql: str
    type: SqlType
    nullable: bool = True
    is_null: bool = False
    digits: str | None = None
    text: str | None = None
    constant: bool = False
    identity: bool = False
    computed: bool = False
    column: str | None = None
    coercibility: Coercibility = Coercibility.DEFAULT
    conflict: tuple[str, str] | None = None


BIT: Final = SqlType("bit")
INT: Final = SqlType("int")
BIGINT: Final = SqlType("bigint")
FLOAT: Final = SqlType("float", precision=53)
REAL: Final = SqlType("real", precision=24)
MONEY: Final = SqlType("money")
DATE: Final = SqlType("date")
DATETIME: Final = SqlType("datetime")
DATETIME2: Final = SqlType("datetime2", scale=7)
DATETIMEOFFSET: Final = SqlType("datetimeoffset", scale=7)


def quote(text: str) -> str:
    """Return a text as a constant of the storage's SQL."""
    return "'" + text.replace("'", "''") + "'"
