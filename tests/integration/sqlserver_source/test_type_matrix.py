"""Every type from T-SQL literal to Arrow, exact: NULL, least, greatest, longest, Unicode."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from dtaas.connectors.sqlserver.source import SqlServerSource
from dtaas.model.schema import TableRef
from tests.integration.sqlserver_source.database import BOTH_READERS, Database, column_of

pytestmark = BOTH_READERS

LONG_TEXT = "日本é😀" * 5_000

MATRIX: list[tuple[str, list[tuple[str, Any]]]] = [
    ("bit", [("0", False), ("1", True)]),
    ("tinyint", [("0", 0), ("255", 255)]),
    ("smallint", [("-32768", -32768), ("32767", 32767)]),
    ("int", [("-2147483648", -(2**31)), ("2147483647", 2**31 - 1)]),
    ("bigint", [("-9223372036854775808", -(2**63)), ("9223372036854775807", 2**63 - 1)]),
    ("decimal(5,2)", [("-999.99", Decimal("-999.99")), ("0", Decimal("0.00"))]),
    (
        "decimal(38,10)",
        [
            ("9999999999999999999999999999.9999999999", Decimal("9999999999999999999999999999.9999999999")),
            ("-0.0000000001", Decimal("-1E-10")),
        ],
    ),
    ("numeric(38,0)", [("-" + "9" * 38, Decimal("-" + "9" * 38))]),
    (
        "money",
        [
            ("-922337203685477.5808", Decimal("-922337203685477.5808")),
            ("922337203685477.5807", Decimal("922337203685477.5807")),
        ],
    ),
    ("smallmoney", [("-214748.3648", Decimal("-214748.3648")), ("214748.3647", Decimal("214748.3647"))]),
    ("real", [("1.5", 1.5), ("-3.4028234663852886E+38", -3.4028234663852886e38)]),
    ("float", [("0.1", 0.1), ("1.7976931348623157E+308", 1.7976931348623157e308)]),
    ("date", [("'0001-01-01'", date(1, 1, 1)), ("'9999-12-31'", date(9999, 12, 31))]),
    ("time(0)", [("'23:59:59'", 86_399_000_000)]),
    ("time(3)", [("'00:00:00.001'", 1_000)]),
    ("time(7)", [("'00:00:00'", 0), ("'23:59:59.9999999'", 86_399_999_999_900)]),
    ("datetime", [("'1753-01-01T00:00:00.000'", datetime(1753, 1, 1)), ("'9999-12-31T23:59:59.997'", datetime(9999, 12, 31, 23, 59, 59, 997000))]),
    ("smalldatetime", [("'1900-01-01T00:00:00'", datetime(1900, 1, 1)), ("'2079-06-06T23:59:00'", datetime(2079, 6, 6, 23, 59))]),
    ("datetime2(0)", [("'9999-12-31 23:59:59'", datetime(9999, 12, 31, 23, 59, 59))]),
    ("datetime2(3)", [("'0001-01-01 00:00:00.001'", datetime(1, 1, 1, 0, 0, 0, 1000))]),
    ("datetime2(6)", [("'9999-12-31 23:59:59.999999'", datetime(9999, 12, 31, 23, 59, 59, 999999))]),
    (
        "datetime2(7)",
        [
            ("'0001-01-01 00:00:00'", "0001-01-01 00:00:00.0000000"),
            ("'9999-12-31 23:59:59.9999999'", "9999-12-31 23:59:59.9999999"),
        ],
    ),
    (
        "datetimeoffset(7)",
        [
            ("'0001-01-01 14:00:00 +14:00'", "0001-01-01 14:00:00.0000000 +14:00"),
            ("'9999-12-31 09:59:59.9999999 -14:00'", "9999-12-31 09:59:59.9999999 -14:00"),
        ],
    ),
    ("datetimeoffset(0)", [("'2024-02-29 23:59:59 +05:30'", "2024-02-29 23:59:59 +05:30")]),
    ("char(5)", [("'ab'", "ab   "), ("'€é'", "€é   ")]),
    ("varchar(50)", [("''", ""), ("'Zürich €'", "Zürich €"), ("REPLICATE('x', 50)", "x" * 50)]),
    ("varchar(8000)", [("REPLICATE('é', 8000)", "é" * 8000)]),
    ("varchar(20) COLLATE Cyrillic_General_CI_AS", [("N'Москва'", "Москва")]),
    ("varchar(40) COLLATE Latin1_General_100_CI_AS_SC_UTF8", [("N'日本語😀'", "日本語😀")]),
    ("varchar(max)", [("''", ""), (f"'{'é' * 20_000}'", "é" * 20_000)]),
    ("nchar(5)", [("N'日本'", "日本   ")]),
    ("nvarchar(50)", [("N''", ""), (f"N'{'😀' * 25}'", "😀" * 25), ("N'a''b]'", "a'b]")]),
    ("nvarchar(4000)", [(f"N'{'日' * 4000}'", "日" * 4000)]),
    ("nvarchar(max)", [("N''", ""), (f"N'{LONG_TEXT}'", LONG_TEXT)]),
    ("text", [("'é€'", "é€")]),
    ("ntext", [("N'日本😀'", "日本😀")]),
    ("sysname", [("N'名前'", "名前")]),
    ("binary(4)", [("0x0102", b"\1\2\0\0")]),
    ("varbinary(10)", [("0x", b""), ("0x00FF", b"\0\xff")]),
    ("varbinary(max)", [("0x" + "AB" * 20_000, b"\xab" * 20_000)]),
    ("image", [("0x0102", b"\1\2")]),
    ("uniqueidentifier", [("'6F9619FF-8B86-D011-B42D-00C04FC964FF'", "6f9619ff-8b86-d011-b42d-00c04fc964ff")]),
    ("xml", [("N'<a>é😀</a>'", "<a>é😀</a>")]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "values"), MATRIX, ids=[kind for kind, _ in MATRIX])
async def test_literal_arrives_exactly(
    source: SqlServerSource,
    database: Database,
    table: TableRef,
    kind: str,
    values: list[tuple[str, Any]],
) -> None:
    nullable = kind != "sysname"  # the one type that is NOT NULL by itself
    sent = [*([("NULL", None)] if nullable else []), *values]
    await database.create(
        table,
        f"n int NOT NULL PRIMARY KEY, c {kind}",
        *(f"{i}, {text}" for i, (text, _) in enumerate(sent)),
    )
    assert await column_of(source, table, "c") == [expected for _, expected in sent]


VARIANTS = [
    ("CAST(42 AS int)", '{"type": "int", "value": "42"}'),
    ("CAST(-1 AS bigint)", '{"type": "bigint", "value": "-1"}'),
    ("CAST(1 AS bit)", '{"type": "bit", "value": "1"}'),
    ("CAST(1.50 AS decimal(5,2))", '{"type": "decimal", "value": "1.50"}'),
    ("CAST(1.5 AS money)", '{"type": "money", "value": "1.5000"}'),
    ("CAST('2024-02-29' AS date)", '{"type": "date", "value": "2024-02-29"}'),
    (
        "CAST('2024-02-29T23:59:59.997' AS datetime)",
        '{"type": "datetime", "value": "2024-02-29 23:59:59.997"}',
    ),
    (
        "CAST('9999-12-31 23:59:59.9999999' AS datetime2(7))",
        '{"type": "datetime2", "value": "9999-12-31 23:59:59.9999999"}',
    ),
    ("CAST(N'é\"\\' AS nvarchar(10))", '{"type": "nvarchar", "value": "é\\"\\\\"}'),
    ("CAST(0x01FF AS varbinary(4))", '{"type": "varbinary", "value": "0x01FF"}'),
    (
        "CAST('6F9619FF-8B86-D011-B42D-00C04FC964FF' AS uniqueidentifier)",
        '{"type": "uniqueidentifier", "value": "6F9619FF-8B86-D011-B42D-00C04FC964FF"}',
    ),
    ("NULL", None),
]


@pytest.mark.parametrize(("sent", "expected"), VARIANTS)
async def test_variant_keeps_its_type(
    source: SqlServerSource, database: Database, table: TableRef, sent: str, expected: str | None
) -> None:
    await database.create(table, "n int NOT NULL PRIMARY KEY, c sql_variant", f"1, {sent}")
    assert await column_of(source, table, "c") == [expected]


async def test_rowversion_is_eight_bytes(
    source: SqlServerSource, database: Database, table: TableRef
) -> None:
    await database.run(f"CREATE TABLE dbo.{table.name} (n int NOT NULL PRIMARY KEY, rv rowversion)")
    await database.run(f"INSERT INTO dbo.{table.name} (n) VALUES (1), (2)")
    first, second = await column_of(source, table, "rv")
    assert len(first) == len(second) == 8
    assert first < second


async def test_computed_and_identity_columns_are_read(
    source: SqlServerSource, database: Database, table: TableRef
) -> None:
    name = table.name
    await database.run(
        f"CREATE TABLE dbo.{name} (id int IDENTITY(5,1) PRIMARY KEY, a int, twice AS a * 2)",
        f"INSERT INTO dbo.{name} (a) VALUES (10), (NULL)",
    )
    assert await column_of(source, table, "id") == [5, 6]
    assert await column_of(source, table, "twice") == [20, None]


CLR = [
    ("hierarchyid", "CAST('/1/2.1/' AS hierarchyid)", "/1/2.1/"),
    ("geometry", "geometry::STGeomFromText('POINT (1 2)', 4326)", "SRID=4326;POINT (1 2)"),
    ("geography", "geography::Point(47.6, -122.3, 4326)", "SRID=4326;POINT (-122.3 47.6)"),
]


@pytest.mark.parametrize("case", CLR, ids=[kind for kind, *_ in CLR])
async def test_clr_types_are_text(
    source: SqlServerSource, database: Database, table: TableRef, case: tuple[str, str, str]
) -> None:
    kind, sent, expected = case
    await database.create(table, f"n int NOT NULL PRIMARY KEY, c {kind}", f"1, {sent}", "2, NULL")
    assert await column_of(source, table, "c") == [expected, None]
