"""TYPE_INFO of a column: its token with the parameters clients decode values by (MS-TDS 2.2.5)."""

import struct
from typing import Final

from dtaas.sandbox.sqlserver.types import MAX, SqlType
from dtaas.sandbox.sqlserver.wire.collations import collation_named
from dtaas.sandbox.sqlserver.wire.protocol import PLP_MARK, Type

VARIANT_BYTES: Final = 8009
_LEGACY_LIMIT: Final = 0x7FFFFFFF
_CLR: Final = (
    "Microsoft.SqlServer.Types.Sql{}, Microsoft.SqlServer.Types, Version=11.0.0.0, "
    "Culture=neutral, PublicKeyToken=89845dcd8080cc91"
)
_CLR_TYPES: Final = {
    "hierarchyid": ("HierarchyId", 892),
    "geometry": ("Geometry", PLP_MARK),
    "geography": ("Geography", PLP_MARK),
}

# Types of a fixed width: token of NOT NULL columns, token of nullable ones, bytes.
FIXED: Final = {
    "bit": (Type.BIT, Type.BIT_N, 1),
    "tinyint": (Type.INT1, Type.INT_N, 1),
    "smallint": (Type.INT2, Type.INT_N, 2),
    "int": (Type.INT4, Type.INT_N, 4),
    "bigint": (Type.INT8, Type.INT_N, 8),
    "real": (Type.REAL, Type.FLOAT_N, 4),
    "float": (Type.FLOAT, Type.FLOAT_N, 8),
    "money": (Type.MONEY, Type.MONEY_N, 8),
    "smallmoney": (Type.SMALLMONEY, Type.MONEY_N, 4),
    "datetime": (Type.DATETIME, Type.DATETIME_N, 8),
    "smalldatetime": (Type.SMALLDATETIME, Type.DATETIME_N, 4),
}
_TIMES: Final = {
    "time": Type.TIME_N,
    "datetime2": Type.DATETIME2_N,
    "datetimeoffset": Type.DATETIMEOFFSET_N,
}
_STRINGS: Final = {
    "char": (Type.CHAR, 1),
    "varchar": (Type.VARCHAR, 1),
    "nchar": (Type.NCHAR, 2),
    "nvarchar": (Type.NVARCHAR, 2),
    "sysname": (Type.NVARCHAR, 2),
}
_BINARIES: Final = {
    "binary": Type.BINARY,
    "varbinary": Type.VARBINARY,
    "timestamp": Type.BINARY,
    "rowversion": Type.BINARY,
}
LEGACY: Final = {"text": Type.TEXT, "ntext": Type.NTEXT, "image": Type.IMAGE}
ROWVERSION_BYTES: Final = 8
SYSNAME_UNITS: Final = 128


class UnsupportedTypeError(Exception):
    """A type the wire has no form for: a mistake of whoever described the column."""


def fixed_name(sql: SqlType) -> str:
    """Return the type's name with `float(24)` and below told apart: that is a `real`."""
    if sql.name == "float" and 0 < sql.precision <= 24:  # noqa: PLR2004 - 24 bits are a real
        return "real"
    return sql.name


def decimal_bytes(precision: int) -> int:
    """Return the bytes of a decimal: a sign and a magnitude of 4, 8, 12 or 16 bytes."""
    return next(size for limit, size in ((9, 5), (19, 9), (28, 13), (38, 17)) if precision <= limit)


def time_bytes(scale: int) -> int:
    """Return the bytes of a time of day with `scale` digits."""
    return 3 + (scale > 2) + (scale > 4)  # noqa: PLR2004 - 3 bytes to scale 2, 4 to 4, then 5


def string_bytes(sql: SqlType) -> int:
    """Return the longest value's bytes of a char or binary kind, `PLP_MARK` for (max)."""
    if sql.name in {"timestamp", "rowversion"}:
        return ROWVERSION_BYTES
    if sql.length == MAX:
        return PLP_MARK
    if sql.name == "sysname":
        return 2 * (sql.length or SYSNAME_UNITS)
    return (_STRINGS[sql.name][1] if sql.name in _STRINGS else 1) * max(sql.length, 1)


def type_info(sql: SqlType, *, nullable: bool) -> bytes:
    """Build the TYPE_INFO of a column, without the table name of the legacy types.

    Raises:
        UnsupportedTypeError: the wire knows no such type.
        SqlError: 448, its collation does not exist.
    """
    name = fixed_name(sql)
    if name in FIXED:
        plain, nullable_token, size = FIXED[name]
        return bytes([nullable_token, size]) if nullable else bytes([plain])
    if name in _TIMES:
        return bytes([_TIMES[name], sql.scale])
    if name in _STRINGS:
        head = struct.pack("<BH", _STRINGS[name][0], string_bytes(sql))
        return head + collation_named(sql.collation).wire
    if name in _BINARIES:
        return struct.pack("<BH", _BINARIES[name], string_bytes(sql))
    return _other_info(sql)


def _other_info(sql: SqlType) -> bytes:
    match sql.name:
        case "decimal" | "numeric":
            token = Type.DECIMAL_N if sql.name == "decimal" else Type.NUMERIC_N
            return bytes([token, decimal_bytes(sql.precision), sql.precision, sql.scale])
        case "date":
            return bytes([Type.DATE_N])
        case "uniqueidentifier":
            return bytes([Type.GUID, 16])
        case "text" | "ntext":
            limit = _LEGACY_LIMIT - (sql.name == "ntext")
            head = struct.pack("<BI", LEGACY[sql.name], limit)
            return head + collation_named(sql.collation).wire
        case "image":
            return struct.pack("<BI", Type.IMAGE, _LEGACY_LIMIT)
        case "xml":
            return bytes([Type.XML, 0])
        case "sql_variant":
            return struct.pack("<BI", Type.VARIANT, VARIANT_BYTES)
        case "hierarchyid" | "geometry" | "geography":
            return _clr_info(sql.name)
        case _:
            raise UnsupportedTypeError(f"the wire has no form for the type {sql.name}")


def _clr_info(name: str) -> bytes:
    clr_name, limit = _CLR_TYPES[name]
    assembly = _CLR.format(clr_name)
    return (
        struct.pack("<BH", Type.UDT, limit)
        + b"".join(
            bytes([len(part)]) + part.encode("utf-16-le") for part in ("master", "sys", name)
        )
        + struct.pack("<H", len(assembly))
        + assembly.encode("utf-16-le")
    )
