"""sql_variant: a value with its own type in front (MS-TDS 2.2.5.5.4)."""

import struct
from typing import Final

from dtaas.sandbox.sqlserver.types import SqlType, Variant
from dtaas.sandbox.sqlserver.wire.collations import collation_named
from dtaas.sandbox.sqlserver.wire.protocol import Type
from dtaas.sandbox.sqlserver.wire.typeinfo import string_bytes, type_info
from dtaas.sandbox.sqlserver.wire.values import raw_bytes

_STRINGS: Final = frozenset({"char", "varchar", "nchar", "nvarchar", "sysname"})
_BINARIES: Final = frozenset({"binary", "varbinary"})


def variant_cell(value: Variant) -> bytes:
    """Write a sql_variant that is not NULL: length, base type, its properties, data.

    Raises:
        UnsupportedTypeError: the base type is none a sql_variant can hold.
    """
    properties = _properties(value.type)
    token = type_info(value.type, nullable=False)[0]
    data = raw_bytes(value.type, value.value)
    head = struct.pack("<IBB", 2 + len(properties) + len(data), token, len(properties))
    return head + properties + data


def _properties(sql: SqlType) -> bytes:
    if sql.name in _STRINGS:
        return collation_named(sql.collation).wire + struct.pack("<H", string_bytes(sql))
    if sql.name in _BINARIES:
        return struct.pack("<H", string_bytes(sql))
    if sql.name in {"decimal", "numeric"}:
        return bytes([sql.precision, sql.scale])
    if sql.name in {"time", "datetime2", "datetimeoffset"}:
        return bytes([sql.scale])
    return b""


# The types without properties, by the token that stands for them in a sql_variant.
SIMPLE_BASES: Final = {
    Type.BIT: "bit",
    Type.INT1: "tinyint",
    Type.INT2: "smallint",
    Type.INT4: "int",
    Type.INT8: "bigint",
    Type.REAL: "real",
    Type.FLOAT: "float",
    Type.MONEY: "money",
    Type.SMALLMONEY: "smallmoney",
    Type.DATETIME: "datetime",
    Type.SMALLDATETIME: "smalldatetime",
    Type.DATE_N: "date",
    Type.GUID: "uniqueidentifier",
}
