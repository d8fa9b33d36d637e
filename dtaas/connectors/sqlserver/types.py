"""SQL Server's types: to the canonical ones, and how each is selected so that nothing is lost.

Source: Microsoft Learn, "Data types (Transact-SQL)" and "sys.columns"; the forms each ODBC type
arrives in were measured with driver 18.6 and arrow-odbc 10.6.
"""

from collections.abc import Callable

from msgspec import Struct

from dtaas.connectors.sqlserver.quoting import identifier
from dtaas.model.errors import UnsupportedTypeError
from dtaas.model.schema import Column
from dtaas.model.types import (
    Binary,
    Boolean,
    ColumnType,
    Date,
    Decimal,
    Float,
    Integer,
    Json,
    String,
    Time,
    Timestamp,
    TimestampTz,
    Uuid,
    Variant,
    Xml,
)

MAX_LENGTH = -1
"""`max_length` of (max) types, xml and the large CLR types."""


class SqlColumn(Struct, frozen=True, kw_only=True):
    """A column as the catalog views describe it.

    Attributes:
        base_type: system type in lower case (`nvarchar` for sysname, `timestamp` for rowversion).
        max_length: bytes; `MAX_LENGTH` for unbounded types.
        scale: digits after the point, or fractional digits of seconds.
        collation: name, None for types that are not text.
        is_masked: dynamic data masking applies.
        is_encrypted: Always Encrypted.
        is_clr: a user's own CLR type.
    """

    name: str
    base_type: str
    max_length: int
    precision: int
    scale: int
    collation: str | None
    nullable: bool
    is_masked: bool = False
    is_encrypted: bool = False
    is_clr: bool = False

    @property
    def characters(self) -> int:
        """Declared length of a character type in UTF-16 units."""
        return self.max_length // 2 if self.base_type in ("nchar", "nvarchar") else self.max_length


_UTF16_TEXT = frozenset({"nchar", "nvarchar", "ntext", "sql_variant", "xml"})
"""Types that can hold a lone surrogate. xml cannot by its own rules, but costs nothing to watch."""

_CANONICAL: dict[str, Callable[[SqlColumn], ColumnType]] = {
    "bit": lambda _: Boolean(),
    "tinyint": lambda _: Integer(16),
    "smallint": lambda _: Integer(16),
    "int": lambda _: Integer(32),
    "bigint": lambda _: Integer(64),
    "decimal": lambda c: Decimal(c.precision, c.scale),
    "numeric": lambda c: Decimal(c.precision, c.scale),
    "money": lambda _: Decimal(19, 4),
    "smallmoney": lambda _: Decimal(10, 4),
    "real": lambda _: Float(32),
    "float": lambda _: Float(64),
    "date": lambda _: Date(),
    "time": lambda c: Time(c.scale),
    "datetime2": lambda c: Timestamp(c.scale),
    "datetime": lambda _: Timestamp(3),
    "smalldatetime": lambda _: Timestamp(0),
    "datetimeoffset": lambda c: TimestampTz(c.scale),
    "char": lambda c: String(c.characters),
    "nchar": lambda c: String(c.characters),
    "varchar": lambda c: String(_bounded(c)),
    "nvarchar": lambda c: String(_bounded(c)),
    "text": lambda _: String(),
    "ntext": lambda _: String(),
    "binary": lambda c: Binary(c.max_length),
    "varbinary": lambda c: Binary(_bounded(c)),
    "image": lambda _: Binary(),
    "timestamp": lambda _: Binary(8),
    "uniqueidentifier": lambda _: Uuid(),
    "xml": lambda _: Xml(),
    "json": lambda _: Json(),
    "vector": lambda _: Json(),
    "sql_variant": lambda _: Variant(),
    "hierarchyid": lambda _: String(4000),
    "geometry": lambda _: String(),
    "geography": lambda _: String(),
}

_VARIANT_VALUE = """CASE CAST(SQL_VARIANT_PROPERTY({c}, 'BaseType') AS nvarchar(128))
 WHEN N'float' THEN CONVERT(nvarchar(max), CAST({c} AS float), 3)
 WHEN N'real' THEN CONVERT(nvarchar(max), CAST({c} AS real), 3)
 WHEN N'money' THEN CONVERT(nvarchar(max), CAST({c} AS money), 2)
 WHEN N'smallmoney' THEN CONVERT(nvarchar(max), CAST({c} AS money), 2)
 WHEN N'date' THEN CONVERT(nvarchar(max), CAST({c} AS date), 23)
 WHEN N'datetime' THEN CONVERT(nvarchar(max), CAST({c} AS datetime), 121)
 WHEN N'smalldatetime' THEN CONVERT(nvarchar(max), CAST({c} AS smalldatetime), 120)
 WHEN N'datetime2' THEN CONVERT(nvarchar(max), CAST({c} AS datetime2(7)), 121)
 WHEN N'datetimeoffset' THEN CONVERT(nvarchar(max), CAST({c} AS datetimeoffset(7)), 121)
 WHEN N'time' THEN CONVERT(nvarchar(max), CAST({c} AS time(7)), 121)
 WHEN N'binary' THEN CONVERT(nvarchar(max), CAST({c} AS varbinary(8000)), 1)
 WHEN N'varbinary' THEN CONVERT(nvarchar(max), CAST({c} AS varbinary(8000)), 1)
 ELSE CAST({c} AS nvarchar(max)) END"""
"""Exact text of each base type: style 3 is 17 digits, 2 is four decimals, 1 is hexadecimal."""

_EXPRESSIONS: dict[str, str] = {
    "hierarchyid": "{c}.ToString()",
    "geometry": "N'SRID=' + CAST({c}.STSrid AS nvarchar(11)) + N';' + {c}.AsTextZM()",
    "geography": "N'SRID=' + CAST({c}.STSrid AS nvarchar(11)) + N';' + {c}.AsTextZM()",
    "json": "CAST({c} AS nvarchar(max))",
    "vector": "CAST({c} AS nvarchar(max))",
    "sql_variant": (
        "N'{{\"type\": \"' + CAST(SQL_VARIANT_PROPERTY({c}, 'BaseType') AS nvarchar(128))"
        ' + N\'", "value": "\' + STRING_ESCAPE(' + _VARIANT_VALUE + ", 'json') + N'\"}}'"
    ),
}
"""What to select instead of the column; every one of them is NULL for NULL."""

_UNBOUNDED = frozenset(
    {"text", "ntext", "image", "xml", "json", "vector", "sql_variant", "geometry", "geography"}
)


def canonical_type(column: SqlColumn) -> ColumnType:
    """Return the canonical type that holds every value of the column.

    Raises:
        UnsupportedTypeError: there is none; names the column, the reason and the way out.
    """
    reason = unsupported_reason(column)
    if reason:
        raise UnsupportedTypeError(
            f"Column {identifier(column.name)} cannot be moved: {reason}.",
            hint="Create a view that converts the column or leaves it out, and load the view.",
        )
    return _CANONICAL[column.base_type](column)


def unsupported_reason(column: SqlColumn) -> str:
    """Return why the column cannot be moved without loss, '' when it can."""
    if column.is_encrypted:
        return "it is encrypted with Always Encrypted, and only the client holds the key"
    if column.is_clr or column.base_type not in _CANONICAL:
        return f"its type {column.base_type} has no exact form outside SQL Server"
    return ""


def to_column(column: SqlColumn) -> Column:
    """Return the column in the canonical model."""
    return Column(
        name=column.name,
        type=canonical_type(column),
        nullable=column.nullable,
        native_type=declaration(column),
    )


def declaration(column: SqlColumn) -> str:
    """Return the type as T-SQL declares it, such as `decimal(18,4)` or `nvarchar(max)`."""
    match column.base_type:
        case "decimal" | "numeric":
            return f"{column.base_type}({column.precision},{column.scale})"
        case "time" | "datetime2" | "datetimeoffset":
            return f"{column.base_type}({column.scale})"
        case "char" | "varchar" | "nchar" | "nvarchar" | "binary" | "varbinary":
            length = "max" if column.max_length == MAX_LENGTH else str(column.characters)
            return f"{column.base_type}({length})"
        case "timestamp":
            return "rowversion"
        case other:
            return other


def value_expression(column: SqlColumn) -> str:
    """Return the expression that gives the column's value in a form ODBC carries exactly."""
    return _EXPRESSIONS.get(column.base_type, "{c}").format(c=identifier(column.name))


def select_item(column: SqlColumn, position: int) -> str:
    """Return the column's item of the select list.

    It goes by its position: arrow-odbc cannot fetch a name outside the locale's characters.
    """
    return f"{value_expression(column)} AS dtaas_{position}"


def is_unbounded(column: SqlColumn) -> bool:
    """Return whether the longest value must be measured before buffers can be sized."""
    return column.max_length == MAX_LENGTH or column.base_type in _UNBOUNDED


def may_hold_lone_surrogates(column: SqlColumn) -> bool:
    """Return whether the column's text can be something that is not Unicode."""
    return column.base_type in _UTF16_TEXT


def length_expression(column: SqlColumn) -> str:
    """Return the length of an unbounded value: bytes of binary, UTF-16 units of text, at most."""
    match column.base_type:
        case "image" | "varbinary" | "varchar" | "text":
            # A character of any code page takes at least as many bytes as UTF-16 units.
            return f"DATALENGTH({identifier(column.name)})"
        case "ntext" | "nvarchar":
            return f"DATALENGTH({identifier(column.name)}) / 2"
        case "xml":
            return f"DATALENGTH(CAST({identifier(column.name)} AS nvarchar(max))) / 2"
        case _:
            return f"DATALENGTH({value_expression(column)}) / 2"


def _bounded(column: SqlColumn) -> int | None:
    return None if column.max_length == MAX_LENGTH else column.characters
