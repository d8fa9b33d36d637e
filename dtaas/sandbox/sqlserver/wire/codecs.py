"""The codec of every type, sql_variant with its inner values included."""

from functools import lru_cache
from typing import Any, Final

from dtaas.sandbox.sqlserver.types import SqlType
from dtaas.sandbox.sqlserver.wire.typeinfo import type_info
from dtaas.sandbox.sqlserver.wire.values import Codec, Column, Segment, cells, value_codec
from dtaas.sandbox.sqlserver.wire.variants import variant_cell

_NULL_U32: Final = b"\0\0\0\0"


@lru_cache(maxsize=1024)
def codec(sql: SqlType, *, nullable: bool) -> Codec:
    """Return the codec of a column.

    Raises:
        UnsupportedTypeError: the wire knows no such type.
        SqlError: 448, its collation does not exist.
    """
    if sql.name == "sql_variant":
        return Codec(type_info(sql, nullable=nullable), _NULL_U32, _variant)
    return value_codec(sql, nullable=nullable)


def cell(sql: SqlType, value: Any) -> bytes:
    """Write one value of a nullable column, NULL included."""
    form = codec(sql, nullable=True)
    return form.null if value is None else cells(form.segments, (value,))[0]


def _variant(column: Column) -> list[Segment]:
    return [("", (map(variant_cell, column),))]
