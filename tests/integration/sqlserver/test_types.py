"""Every type from T-SQL literal through a table to pyodbc and arrow-odbc, exact."""

import datetime as dt
import struct
from decimal import Decimal
from typing import Any

import arrow_odbc
import pyarrow as pa
import pytest

from dtaas.concurrency.blocking import Blocking
from tests.integration.sqlserver.odbc_session import Connector, OdbcSession

_SQL_VARIANT = -150
_TIMESTAMP_OFFSET = -155

CASES: list[tuple[str, str, Any]] = [
    ("bit", "1", True),
    ("bit", "0", False),
    ("tinyint", "255", 255),
    ("smallint", "-32768", -32768),
    ("int", "-2147483648", -2147483648),
    ("bigint", "9223372036854775807", 9223372036854775807),
    ("decimal(38, 0)", "9" * 38, Decimal("9" * 38)),
    ("decimal(38, 38)", "-0." + "9" * 38, Decimal("-0." + "9" * 38)),
    ("numeric(10, 2)", "-12345678.90", Decimal("-12345678.90")),
    ("decimal(5, 2)", "0", Decimal("0.00")),
    ("money", "-922337203685477.5808", Decimal("-922337203685477.5808")),
    ("smallmoney", "214748.3647", Decimal("214748.3647")),
    ("real", "3.5E+20", struct.unpack("f", struct.pack("f", 3.5e20))[0]),
    ("float", "1.7976931348623157E+308", 1.7976931348623157e308),
    ("float", "-2.2250738585072014E-308", -2.2250738585072014e-308),
    ("date", "'0001-01-01'", dt.date(1, 1, 1)),
    ("date", "'9999-12-31'", dt.date(9999, 12, 31)),
    ("time(0)", "'23:59:59'", dt.time(23, 59, 59)),
    ("time(6)", "'00:00:00.000001'", dt.time(0, 0, 0, 1)),
    ("datetime", "'1753-01-01'", dt.datetime(1753, 1, 1)),
    ("datetime", "'9999-12-31T23:59:59.997'", dt.datetime(9999, 12, 31, 23, 59, 59, 997000)),
    ("datetime", "'2024-02-29T12:00:00.005'", dt.datetime(2024, 2, 29, 12, 0, 0, 7000)),
    ("smalldatetime", "'2079-06-06T23:59:00'", dt.datetime(2079, 6, 6, 23, 59)),
    ("smalldatetime", "'2000-01-01T12:34:30'", dt.datetime(2000, 1, 1, 12, 35)),
    ("datetime2(0)", "'0001-01-01T00:00:00'", dt.datetime(1, 1, 1)),
    ("datetime2(6)", "'9999-12-31T23:59:59.999999'", dt.datetime(9999, 12, 31, 23, 59, 59, 999999)),
    ("char(5)", "'ab'", "ab   "),
    ("varchar(10)", "'ab  '", "ab  "),
    ("varchar(10)", "''", ""),
    ("varchar(8000)", "REPLICATE('x', 8000)", "x" * 8000),
    ("varchar(max)", "REPLICATE(CAST('y' AS varchar(max)), 100000)", "y" * 100000),
    ("nchar(3)", "N'ä'", "ä  "),
    ("nvarchar(10)", "N'日本😀'", "日本😀"),
    ("nvarchar(4000)", "REPLICATE(N'é', 4000)", "é" * 4000),
    ("nvarchar(max)", "REPLICATE(CAST(N'😀' AS nvarchar(max)), 5000)", "😀" * 5000),
    ("varchar(10) COLLATE Cyrillic_General_CI_AS", "N'Привет'", "Привет"),
    ("varchar(30) COLLATE Latin1_General_100_CI_AS_SC_UTF8", "N'日本😀'", "日本😀"),
    ("text", "'long'", "long"),
    ("ntext", "N'länger'", "länger"),
    ("binary(4)", "0x01", b"\x01\0\0\0"),
    ("varbinary(10)", "0x00FF", b"\x00\xff"),
    ("varbinary(max)", "0x" + "AB" * 9000, b"\xab" * 9000),
    ("image", "0x0102", b"\x01\x02"),
    (
        "uniqueidentifier",
        "'6F9619FF-8B86-D011-B42D-00C04FC964FF'",
        "6F9619FF-8B86-D011-B42D-00C04FC964FF",
    ),
    ("xml", "N'<a>ü</a>'", "<a>ü</a>"),
]

EXACT_TEXT: list[tuple[str, str, str]] = [
    ("datetime2(7)", "'2024-02-29T23:59:59.1234567'", "2024-02-29 23:59:59.1234567"),
    ("datetime2(7)", "'0001-01-01T00:00:00.0000001'", "0001-01-01 00:00:00.0000001"),
    ("datetime2(7)", "'9999-12-31T23:59:59.9999999'", "9999-12-31 23:59:59.9999999"),
    ("time(7)", "'23:59:59.9999999'", "23:59:59.9999999"),
    (
        "datetimeoffset(7)",
        "'2024-02-29T23:59:59.1234567+05:30'",
        "2024-02-29 23:59:59.1234567 +05:30",
    ),
    ("datetimeoffset(0)", "'0001-01-01T14:00:00+14:00'", "0001-01-01 14:00:00 +14:00"),
]


@pytest.mark.parametrize(("type_", "literal", "expected"), CASES)
async def test_pyodbc(sql: OdbcSession, type_: str, literal: str, expected: Any) -> None:
    await sql.run("DROP TABLE IF EXISTS cell")
    await sql.run(f"CREATE TABLE cell (id int, v {type_} NULL)")
    await sql.run(f"INSERT INTO cell VALUES (1, {literal}), (2, NULL)")
    assert await sql.rows("SELECT v FROM cell ORDER BY id") == [(expected,), (None,)]
    await sql.run(
        f"CREATE TABLE #filled (v {type_} NOT NULL) INSERT INTO #filled VALUES ({literal})"
    )
    assert await sql.rows("SELECT v FROM #filled") == [(expected,)]
    name = type_.partition(" COLLATE")[0]
    if name not in {"text", "ntext", "image"} and name == type_:
        declared = f"DECLARE @v {type_} = {literal}, @n {type_} SELECT @v, @n"
        assert await sql.rows(declared) == [(expected, None)]


@pytest.mark.parametrize(("type_", "literal", "expected"), EXACT_TEXT)
async def test_seven_digits_as_text(
    sql: OdbcSession, connector: Connector, type_: str, literal: str, expected: str
) -> None:
    await sql.run("DROP TABLE IF EXISTS moment")
    await sql.run(f"CREATE TABLE moment (v {type_} NULL) INSERT INTO moment VALUES ({literal})")
    assert await sql.value("SELECT CONVERT(varchar(34), v, 121) FROM moment") == expected

    def read() -> pa.Table:
        reader = arrow_odbc.read_arrow_batches_from_odbc(
            "SELECT v FROM moment",
            connector.text(),
            map_schema=lambda _: pa.schema([("v", pa.string())]),
        )
        return pa.Table.from_batches(list(reader), reader.schema)

    table = await Blocking(1)(read)
    assert table.column("v").to_pylist() == [expected]


async def test_arrow_odbc_types(sql: OdbcSession, connector: Connector) -> None:
    await sql.run(
        "CREATE TABLE wide (a bit, b tinyint, c smallint, d int, e bigint, f decimal(38, 10),"
        " g money, h real, i float, j date, k datetime, l datetime2(6), m nvarchar(20),"
        " n varbinary(8), o uniqueidentifier, p rowversion)"
    )
    await sql.run(
        "INSERT INTO wide (a, b, c, d, e, f, g, h, i, j, k, l, m, n, o) VALUES (1, 255, -1, 2, 3,"
        " 1234567890123456789012345678.0123456789, -1.5, 0.5, 0.1, '2024-02-29',"
        " '2024-02-29T01:02:03.457', '0001-01-01T00:00:00.000001', N'日本😀', 0x0001,"
        " '00112233-4455-6677-8899-AABBCCDDEEFF'), (NULL, NULL, NULL, NULL, NULL, NULL, NULL,"
        " NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"
    )

    def read() -> pa.Table:
        reader = arrow_odbc.read_arrow_batches_from_odbc("SELECT * FROM wide", connector.text())
        return pa.Table.from_batches(list(reader), reader.schema)

    table = await Blocking(1)(read)
    first, second = table.drop_columns("p").to_pylist()
    assert first == {
        "a": True,
        "b": 255,
        "c": -1,
        "d": 2,
        "e": 3,
        "f": Decimal("1234567890123456789012345678.0123456789"),
        "g": Decimal("-1.5000"),
        "h": 0.5,
        "i": 0.1,
        "j": dt.date(2024, 2, 29),
        "k": dt.datetime(2024, 2, 29, 1, 2, 3, 457000),
        "l": dt.datetime(1, 1, 1, 0, 0, 0, 1),
        "m": "日本😀",
        "n": b"\0\1",
        "o": "00112233-4455-6677-8899-AABBCCDDEEFF",
    }
    assert set(second.values()) == {None}
    versions = table.column("p").to_pylist()
    assert versions[0] < versions[1]


async def test_variants_keep_their_base_type(sql: OdbcSession) -> None:
    await sql.run("CREATE TABLE variants (id int, v sql_variant)")
    values = ("5", "N'ä'", "CAST(1.50 AS decimal(5, 2))", "CAST('2024-02-29' AS date)", "NULL")
    for number, value in enumerate(values, start=1):
        await sql.run(f"INSERT INTO variants VALUES ({number}, {value})")
    rows = await sql.rows(
        "SELECT CAST(SQL_VARIANT_PROPERTY(v, 'BaseType') AS sysname), CAST(v AS nvarchar(40))"
        " FROM variants ORDER BY id"
    )
    assert rows == [
        ("int", "5"),
        ("nvarchar", "ä"),
        ("decimal", "1.50"),
        ("date", "2024-02-29"),
        (None, None),
    ]


async def test_hierarchyid_and_spatial_bytes(sql: OdbcSession) -> None:
    await sql.run("CREATE TABLE clr (h hierarchyid, g geometry)")
    await sql.run("INSERT INTO clr VALUES (CAST(0x5AC0 AS hierarchyid), NULL)")
    assert await sql.value("SELECT CAST(h AS varbinary(20)) FROM clr") == b"\x5a\xc0"
