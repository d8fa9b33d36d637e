"""sp_datatype_info: the types a driver may name.

Source: Microsoft Learn, "sp_datatype_info", "Data type mappings (ODBC)"; ODBC 3 type codes.
"""

from typing import Final

from msgspec import Struct

from dtaas.sandbox.sqlserver.results import Columns, Done, Item, ResultColumn, Rows
from dtaas.sandbox.sqlserver.tsql.context import Context
from dtaas.sandbox.sqlserver.tsql.frame import Frame
from dtaas.sandbox.sqlserver.types import DEFAULT_COLLATION, SqlType

_SYSNAME: Final = SqlType("nvarchar", 128, collation=DEFAULT_COLLATION)
_TEXT: Final = SqlType("varchar", 32, collation=DEFAULT_COLLATION)
_SMALLINT: Final = SqlType("smallint")
_INT: Final = SqlType("int")
_SELECT: Final = 0xC1
_ODBC_3: Final = 3
_DATETIME_OF_ODBC_2: Final = 11
_DATETIME: Final = 9

_COLUMNS: Final = (
    ResultColumn(name="TYPE_NAME", type=_SYSNAME, nullable=False),
    ResultColumn(name="DATA_TYPE", type=_SMALLINT, nullable=False),
    ResultColumn(name="PRECISION", type=_INT),
    ResultColumn(name="LITERAL_PREFIX", type=_TEXT),
    ResultColumn(name="LITERAL_SUFFIX", type=_TEXT),
    ResultColumn(name="CREATE_PARAMS", type=_TEXT),
    ResultColumn(name="NULLABLE", type=_SMALLINT, nullable=False),
    ResultColumn(name="CASE_SENSITIVE", type=_SMALLINT, nullable=False),
    ResultColumn(name="SEARCHABLE", type=_SMALLINT, nullable=False),
    ResultColumn(name="UNSIGNED_ATTRIBUTE", type=_SMALLINT),
    ResultColumn(name="MONEY", type=_SMALLINT, nullable=False),
    ResultColumn(name="AUTO_INCREMENT", type=_SMALLINT),
    ResultColumn(name="LOCAL_TYPE_NAME", type=_SYSNAME),
    ResultColumn(name="MINIMUM_SCALE", type=_SMALLINT),
    ResultColumn(name="MAXIMUM_SCALE", type=_SMALLINT),
    ResultColumn(name="SQL_DATA_TYPE", type=_SMALLINT, nullable=False),
    ResultColumn(name="SQL_DATETIME_SUB", type=_SMALLINT),
    ResultColumn(name="NUM_PREC_RADIX", type=_INT),
    ResultColumn(name="INTERVAL_PRECISION", type=_SMALLINT),
    ResultColumn(name="USERTYPE", type=_SMALLINT, nullable=False),
)


class _TypeInfo(Struct, frozen=True, kw_only=True):
    """One row; what all numbers or all texts have in common is left at its default."""

    name: str
    code: int
    precision: int
    prefix: str | None = None
    suffix: str | None = None
    create: str | None = None
    case_sensitive: int = 0
    searchable: int = 2
    unsigned: int | None = None
    money: int = 0
    auto_increment: int | None = None
    scales: tuple[int | None, int | None] = (None, None)
    sql_code: int | None = None
    subcode: int | None = None
    radix: int | None = None
    user_type: int

    def row(self) -> tuple[int | str | None, ...]:
        """Return the values in the order of the columns."""
        return (
            self.name, self.code, self.precision, self.prefix, self.suffix, self.create, 1,
            self.case_sensitive, self.searchable, self.unsigned, self.money, self.auto_increment,
            self.name, *self.scales, self.sql_code or self.code, self.subcode, self.radix, None,
            self.user_type,
        )  # fmt: skip


def _number(
    name: str,
    code: int,
    precision: int,
    user_type: int,
    *,
    create: str | None = None,
    unsigned: int = 0,
    money: int = 0,
    scales: tuple[int | None, int | None] = (0, 0),
    radix: int = 10,
) -> _TypeInfo:
    return _TypeInfo(
        name=name, code=code, precision=precision, create=create, unsigned=unsigned, money=money,
        auto_increment=0, scales=scales, radix=radix, user_type=user_type,
        prefix="$" if money else None,
    )  # fmt: skip


def _text(
    name: str, code: int, precision: int, user_type: int, *, national: bool, create: str | None
) -> _TypeInfo:
    return _TypeInfo(
        name=name, code=code, precision=precision, prefix="N'" if national else "'", suffix="'",
        create=create, searchable=3 if create else 1, user_type=user_type,
    )  # fmt: skip


def _bytes(
    name: str, code: int, precision: int, user_type: int, *, create: str | None, searchable: int = 2
) -> _TypeInfo:
    return _TypeInfo(
        name=name, code=code, precision=precision, prefix="0x", create=create,
        searchable=searchable, user_type=user_type,
    )  # fmt: skip


def _moment(
    name: str,
    code: int,
    precision: int,
    user_type: int,
    *,
    create: str | None = None,
    scales: tuple[int | None, int | None] = (None, None),
    sql_code: int | None = None,
    subcode: int | None = None,
) -> _TypeInfo:
    return _TypeInfo(
        name=name, code=code, precision=precision, prefix="'", suffix="'", create=create,
        searchable=3, scales=scales, sql_code=sql_code, subcode=subcode, user_type=user_type,
    )  # fmt: skip


_TYPES: Final = (
    _TypeInfo(name="sql_variant", code=-150, precision=8000, scales=(0, 0), radix=10, user_type=39),
    _TypeInfo(
        name="uniqueidentifier", code=-11, precision=36, prefix="'", suffix="'", user_type=37
    ),
    _text("ntext", -10, 1_073_741_823, 0, national=True, create=None),
    _text("xml", -152, 0, 0, national=True, create=None),
    _text("nvarchar", -9, 4000, 0, national=True, create="max length"),
    _text("sysname", -9, 128, 18, national=True, create=None),
    _text("nchar", -8, 4000, 0, national=True, create="length"),
    _TypeInfo(name="bit", code=-7, precision=1, scales=(0, 0), user_type=16),
    _number("tinyint", -6, 3, 5, unsigned=1),
    _TypeInfo(
        name="tinyint identity", code=-6, precision=3, unsigned=1, auto_increment=1, scales=(0, 0),
        radix=10, user_type=5,
    ),
    _number("bigint", -5, 19, 0),
    _TypeInfo(
        name="bigint identity", code=-5, precision=19, unsigned=0, auto_increment=1, scales=(0, 0),
        radix=10, user_type=0,
    ),
    _bytes("image", -4, 2_147_483_647, 20, create=None, searchable=0),
    _bytes("varbinary", -3, 8000, 4, create="max length"),
    _bytes("binary", -2, 8000, 3, create="length"),
    _bytes("timestamp", -2, 8, 80, create=None),
    _text("text", -1, 2_147_483_647, 19, national=False, create=None),
    _text("char", 1, 8000, 1, national=False, create="length"),
    _number("numeric", 2, 38, 10, create="precision,scale", scales=(0, 38)),
    _number("decimal", 3, 38, 24, create="precision,scale", scales=(0, 38)),
    _number("money", 3, 19, 11, money=1, scales=(4, 4)),
    _number("smallmoney", 3, 10, 21, money=1, scales=(4, 4)),
    _number("int", 4, 10, 7),
    _TypeInfo(
        name="int identity", code=4, precision=10, unsigned=0, auto_increment=1, scales=(0, 0),
        radix=10, user_type=7,
    ),
    _number("smallint", 5, 5, 6),
    _TypeInfo(
        name="smallint identity", code=5, precision=5, unsigned=0, auto_increment=1, scales=(0, 0),
        radix=10, user_type=6,
    ),
    _number("float", 6, 53, 8, radix=2, scales=(None, None)),
    _number("real", 7, 24, 23, radix=2, scales=(None, None)),
    _text("varchar", 12, 8000, 2, national=False, create="max length"),
    _moment("date", 91, 10, 0, sql_code=_DATETIME, subcode=1),
    _moment("time", -154, 16, 0, create="scale", scales=(0, 7)),
    _moment("datetime2", 93, 27, 0, create="scale", scales=(0, 7), sql_code=_DATETIME, subcode=3),
    _moment("datetime", 93, 23, 12, scales=(3, 3), sql_code=_DATETIME, subcode=3),
    _moment("smalldatetime", 93, 16, 22, scales=(0, 0), sql_code=_DATETIME, subcode=3),
    _moment("datetimeoffset", -155, 34, 0, create="scale", scales=(0, 7)),
)  # fmt: skip


async def datatype_info(frame: Frame, context: Context) -> list[Item]:
    """Answer with the types of the asked ODBC code, all for 0."""
    wanted = frame.values["@data_type"] or 0
    if frame.values["@odbcver"] != _ODBC_3 and wanted == _DATETIME_OF_ODBC_2:
        wanted = 93
    rows = [info.row() for info in _TYPES if wanted in {0, info.code}]
    context.last.rows = len(rows)
    count = None if frame.options.nocount else len(rows)
    return [Columns(_COLUMNS), Rows(rows), Done(count, _SELECT)]
