"""Expressions: their types and values, as Microsoft documents them."""

import pytest

from tests.integration.tsql_compile.conftest import Tsql


@pytest.mark.parametrize(
    ("expression", "type_", "value"),
    [
        ("1 + 1", "int", 2),
        ("5 / 2", "int", 2),
        ("-5 / 2", "int", -2),
        ("-5 % 3", "int", -2),
        ("5 / 2.0", "numeric(8,6)", 2_500_000),
        ("1.0 / 3", "numeric(7,6)", 333_333),
        ("2.0 / 3", "numeric(7,6)", 666_666),
        ("CAST(1 AS decimal(10,2)) * CAST(2.5 AS decimal(5,1))", "numeric(16,3)", 2500),
        ("CAST(1 AS decimal(38,20)) * CAST(1 AS decimal(38,20))", "numeric(38,6)", 1_000_000),
        ("1.5 + 1", "numeric(3,1)", 25),
        ("$1.5 * 2", "money", 30_000),
        ("$1 / 3", "money", 3_333),
        ("1e0 / 4", "float", 0.25),
        ("0x0F & 3", "int", 3),
        ("5 ^ 1", "int", 4),
        ("~5", "int", -6),
        ("~CAST(5 AS tinyint)", "tinyint", 250),
        ("2147483648", "numeric(10,0)", 2_147_483_648),
        ("NULL", "int", None),
        ("CAST(3.7 AS int)", "int", 3),
        ("CAST(-3.7 AS int)", "int", -3),
        ("CAST($3.7 AS int)", "int", 4),
        ("CAST(3.7e0 AS int)", "int", 3),
        ("CAST(2 AS bit)", "bit", 1),
        ("CAST('true' AS bit)", "bit", 1),
        ("CAST(' 12 ' AS int)", "int", 12),
        ("TRY_CAST('x' AS int)", "int", None),
        ("TRY_CAST(300 AS tinyint)", "tinyint", None),
        ("TRY_CONVERT(date, '2024-02-30')", "date", None),
        ("CAST(1.005 AS decimal(5,2))", "decimal(5,2)", 101),
        ("CAST(0.1e0 AS decimal(20,18))", "decimal(20,18)", 100_000_000_000_000_006),
        ("CAST('1,234.5' AS money)", "money", 12_345_000),
        ("SUM(v) FROM (VALUES (1), (2)) AS t(v)", "int", 3),
        ("AVG(v) FROM (VALUES (1), (2)) AS t(v)", "int", 1),
        ("AVG(v) FROM (VALUES (1.0), (2.5)) AS t(v)", "numeric(38,6)", 1_750_000),
        ("COUNT(*) FROM (VALUES (1), (2)) AS t(v)", "int", 2),
        ("COUNT_BIG(*) FROM (VALUES (1), (2)) AS t(v)", "bigint", 2),
        ("ROUND(123.456, 2)", "numeric(6,3)", 123_460),
        ("ROUND(123.456, 1, 1)", "numeric(6,3)", 123_400),
        ("ROUND(150, -2)", "int", 200),
        ("CEILING(1.2)", "numeric(2,0)", 2),
        ("FLOOR(-1.2)", "numeric(2,0)", -2),
        ("POWER(2, 10)", "int", 1024),
        ("SIGN(-2.5)", "numeric(2,1)", -10),
        ("ABS(-5)", "int", 5),
        ("SQRT(16)", "float", 4.0),
        ("ISNULL(CAST(NULL AS varchar(2)), 'long')", "varchar(2)", "lo"),
        ("COALESCE(NULL, 1, 2.5)", "numeric(11,1)", 10),
        ("NULLIF(1, 1)", "int", None),
        ("IIF(1 = 2, 'a', N'bc')", "nvarchar(2)", "bc"),
        ("CHOOSE(2, 'a', 'b')", "varchar(1)", "b"),
        ("CASE WHEN 'a' = 'A ' THEN 1 ELSE 0 END", "int", 1),
        ("CASE WHEN 0x01 = 0x0100 THEN 1 ELSE 0 END", "int", 1),
        ("CASE WHEN CAST(0x01 AS binary(2)) = CAST(0x01 AS binary(4)) THEN 1 END", "int", 1),
        ("CASE WHEN 'a' = 'A' COLLATE Latin1_General_BIN2 THEN 1 ELSE 0 END", "int", 0),
        ("CASE WHEN 'é' = 'e' COLLATE Latin1_General_CI_AI THEN 1 ELSE 0 END", "int", 1),
    ],
)
async def test_numbers(tsql: Tsql, expression: str, type_: str, value: object):
    shown, got = await tsql.typed(expression)
    if isinstance(value, float):
        shown = shown.split("(")[0]
    assert (shown, got) == (type_, value)


@pytest.mark.parametrize(
    ("expression", "type_", "value"),
    [
        ("'a' + N'b'", "nvarchar(2)", "ab"),
        ("LEN('ab  ')", "int", 2),
        ("LEN(N'😀')", "int", 2),
        ("DATALENGTH('ab  ')", "int", 4),
        ("DATALENGTH(N'ab')", "int", 4),
        ("DATALENGTH(CAST('a' AS char(5)))", "int", 5),
        ("CAST('a' AS char(3))", "char(3)", "a  "),
        ("CAST('abcdef' AS varchar(3))", "varchar(3)", "abc"),
        ("CAST(N'日本' AS varchar(10))", "varchar(10)", "??"),
        ("CAST(12345 AS varchar(3))", "varchar(3)", "*"),
        ("SUBSTRING('hello', 2, 3)", "varchar(5)", "ell"),
        ("SUBSTRING('hello', 0, 3)", "varchar(5)", "he"),
        ("LEFT('hello', 2)", "varchar(5)", "he"),
        ("RIGHT('hello', 2)", "varchar(5)", "lo"),
        ("CHARINDEX('L', 'hello')", "int", 3),
        ("CHARINDEX('l', 'hello', 4)", "int", 4),
        ("PATINDEX('%[0-9]%', 'ab3')", "int", 3),
        ("REPLACE('Hello', 'L', 'x')", "varchar(8000)", "Hexxo"),
        ("STUFF('abcdef', 2, 3, 'ijklmn')", "varchar(12)", "aijklmnef"),
        ("REPLICATE('ab', 3)", "varchar(8000)", "ababab"),
        ("REVERSE('abc')", "varchar(3)", "cba"),
        ("UPPER(N'straße')", "nvarchar(6)", "STRAßE"),
        ("LTRIM('  a ')", "varchar(4)", "a "),
        ("TRIM('  a ')", "varchar(4)", "a"),
        ("TRIM('.,' FROM '.,a.')", "varchar(4)", "a"),
        ("CONCAT('a', NULL, 1, N'b')", "nvarchar(15)", "a1b"),
        ("CONCAT_WS('-', 'a', NULL, 'b')", "varchar(5)", "a-b"),
        ("QUOTENAME('a]b')", "nvarchar(258)", "[a]]b]"),
        ("STRING_ESCAPE('a\"b/', 'json')", "varchar(max)", 'a\\"b\\/'),
        ("SPACE(3)", "varchar(8000)", "   "),
        ("STR(123.456, 8, 2)", "varchar(8000)", "  123.46"),
        ("CHAR(65)", "char(1)", "A"),
        ("NCHAR(8364)", "nchar(1)", "€"),
        ("ASCII('€')", "int", 128),
        ("UNICODE(N'€')", "int", 8364),
        ("CONVERT(varchar(20), $1234.567, 1)", "varchar(20)", "1,234.57"),
        ("CONVERT(varchar(20), $1234.567, 2)", "varchar(20)", "1234.5670"),
        ("CAST(0.1e0 AS varchar(20))", "varchar(20)", "0.1"),
        ("CAST(123456789e0 AS varchar(30))", "varchar(30)", "1.23457e+008"),
        ("CONVERT(varchar(30), 1.5e0, 2)", "varchar(30)", "1.500000000000000e+000"),
        ("CONVERT(varchar(10), 0x0102, 1)", "varchar(10)", "0x0102"),
        ("CONVERT(varchar(10), 0x0aff, 2)", "varchar(10)", "0AFF"),
        ("CONVERT(varbinary(4), '0x0102', 1)", "varbinary(4)", b"\x01\x02"),
        ("CAST('ab' AS varbinary(4))", "varbinary(4)", b"ab"),
        ("CAST(N'ab' AS varbinary(4))", "varbinary(4)", b"a\0b\0"),
        ("CAST(258 AS binary(4))", "binary(4)", b"\0\0\x01\x02"),
        ("CAST(-2 AS varbinary(8))", "varbinary(8)", b"\xff\xff\xff\xfe"),
        ("CAST(0xFFFE AS smallint)", "smallint", -2),
        ("CAST(0x0102 AS int)", "int", 258),
        ("CAST(0xFFFFFFFFFF AS int)", "int", -1),
        (
            "CAST(CAST('6F9619FF-8B86-D011-B42D-00C04FC964FF' AS uniqueidentifier) AS binary(16))",
            "binary(16)",
            bytes.fromhex("ff19966f868b11d0b42d00c04fc964ff"),
        ),
        (
            "CAST(CAST('{6f9619ff-8b86-d011-b42d-00c04fc964ff}' AS uniqueidentifier) AS char(36))",
            "char(36)",
            "6F9619FF-8B86-D011-B42D-00C04FC964FF",
        ),
        (
            "HASHBYTES('MD5', 'a')",
            "varbinary(8000)",
            bytes.fromhex("0cc175b9c0f1b6a831c399e269772661"),
        ),
        ("CAST(SQL_VARIANT_PROPERTY(1.25, 'Scale') AS int)", "int", 2),
        ("CAST(CAST(1.25 AS sql_variant) AS varchar(10))", "varchar(10)", "1.25"),
    ],
)
async def test_texts_and_bytes(tsql: Tsql, expression: str, type_: str, value: object):
    assert await tsql.typed(expression) == (type_, value)


@pytest.mark.parametrize(
    ("moment", "style", "text"),
    [
        ("CAST('2024-01-02T15:04:05.123' AS datetime)", 0, "Jan  2 2024  3:04PM"),
        ("CAST('2024-01-02T15:04:05.123' AS datetime)", 1, "01/02/24"),
        ("CAST('2024-01-02T15:04:05.123' AS datetime)", 23, "2024-01-02"),
        ("CAST('2024-01-02T15:04:05.123' AS datetime)", 101, "01/02/2024"),
        ("CAST('2024-01-02T15:04:05.123' AS datetime)", 103, "02/01/2024"),
        ("CAST('2024-01-02T15:04:05.123' AS datetime)", 112, "20240102"),
        ("CAST('2024-01-02T15:04:05.123' AS datetime)", 120, "2024-01-02 15:04:05"),
        ("CAST('2024-01-02T15:04:05.123' AS datetime)", 121, "2024-01-02 15:04:05.123"),
        ("CAST('2024-01-02T15:04:05.123' AS datetime)", 126, "2024-01-02T15:04:05.123"),
        ("CAST('2024-01-02T15:04:05' AS datetime)", 126, "2024-01-02T15:04:05"),
        ("CAST('2024-01-02T15:04:05.1234567' AS datetime2)", 126, "2024-01-02T15:04:05.1234567"),
        ("CAST('2024-01-02T15:04:05.12 +02:00' AS datetimeoffset(2))", 121,
         "2024-01-02 15:04:05.12 +02:00"),
        ("CAST('2024-01-02T15:04:05.12 +02:00' AS datetimeoffset(2))", 127,
         "2024-01-02T13:04:05.12Z"),
        ("CAST('2024-01-02' AS date)", 23, "2024-01-02"),
        ("CAST('03:04:05.5' AS time(1))", 121, "03:04:05.5"),
    ],
)  # fmt: skip
async def test_styles_of_moments(tsql: Tsql, moment: str, style: int, text: str):
    assert await tsql.value(f"CONVERT(varchar(40), {moment}, {style})") == text


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("CAST('2024-01-02 03:04:05.002' AS datetime)", "2024-01-02 03:04:05.003"),
        ("CAST('2024-01-02 03:04:05.999' AS datetime)", "2024-01-02 03:04:06.000"),
        ("CAST('2024-01-02 03:04:05.994' AS datetime)", "2024-01-02 03:04:05.993"),
        ("CAST('1753-01-01' AS datetime)", "1753-01-01 00:00:00.000"),
        ("CAST('9999-12-31 23:59:59.997' AS datetime)", "9999-12-31 23:59:59.997"),
        ("CAST(CAST('2024-01-01 00:00:00.003' AS datetime) AS datetime2)",
         "2024-01-01 00:00:00.0033333"),
        ("CAST('2024-01-01 12:00:29.998' AS smalldatetime)", "2024-01-01 12:00:00.000"),
        ("CAST('2024-01-01 12:00:29.999' AS smalldatetime)", "2024-01-01 12:01:00.000"),
        ("CAST('0001-01-01 00:00:00.0000001' AS datetime2)", "0001-01-01 00:00:00.0000001"),
        ("CAST('9999-12-31 23:59:59.9999999' AS datetime2)", "9999-12-31 23:59:59.9999999"),
        ("CAST('2024-01-01 23:59:59.9999' AS datetime2(3))", "2024-01-02 00:00:00.000"),
        ("CAST('Jan 2 2024 3:04PM' AS datetime2(0))", "2024-01-02 15:04:00"),
        ("CAST('20240102' AS datetime2(0))", "2024-01-02 00:00:00"),
        ("CAST('1/2/2024 5:06' AS datetime2(0))", "2024-01-02 05:06:00"),
        ("CONVERT(datetime2(0), '02/01/2024', 103)", "2024-01-02 00:00:00"),
        ("DATEADD(month, 1, CAST('2024-01-31' AS date))", "2024-02-29"),
        ("DATEADD(ms, 1, CAST('2024-01-01' AS datetime2(7)))", "2024-01-01 00:00:00.0010000"),
        ("EOMONTH('2024-02-10')", "2024-02-29"),
        ("EOMONTH('2024-01-31', 1)", "2024-02-29"),
        ("DATEFROMPARTS(2024, 2, 29)", "2024-02-29"),
        ("DATETIME2FROMPARTS(2024, 1, 2, 3, 4, 5, 6, 3)", "2024-01-02 03:04:05.006"),
        ("SWITCHOFFSET(CAST('2024-01-01 10:00 +02:00' AS datetimeoffset(0)), '-05:00')",
         "2024-01-01 03:00:00 -05:00"),
        ("TODATETIMEOFFSET(CAST('2024-01-01 10:00' AS datetime2(0)), 120)",
         "2024-01-01 10:00:00 +02:00"),
        ("CAST('2024-01-01 10:00' AS datetime2(0)) AT TIME ZONE 'UTC'",
         "2024-01-01 10:00:00 +00:00"),
        ("CAST('2024-01-01' AS datetime) + 1.5", "2024-01-02 12:00:00.000"),
    ],
)  # fmt: skip
async def test_moments(tsql: Tsql, expression: str, text: str):
    assert await tsql.value(f"CONVERT(varchar(40), {expression}, 121)") == text


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("DATEDIFF(day, '2024-01-01', '2024-03-01')", 60),
        ("DATEDIFF(year, '2023-12-31', '2024-01-01')", 1),
        ("DATEDIFF(week, '2024-01-06', '2024-01-07')", 1),
        ("DATEDIFF(hour, '2024-01-01 10:59', '2024-01-01 11:00')", 1),
        ("DATEDIFF_BIG(ns, '2024-01-01', '2024-01-02')", 86_400_000_000_000),
        ("DATEPART(weekday, '2024-01-01')", 2),
        ("DATEPART(iso_week, '2024-12-30')", 1),
        ("DATEPART(week, '2024-12-31')", 53),
        ("DATEPART(ms, CAST('2024-01-01 00:00:00.003' AS datetime))", 3),
        ("DATEPART(tz, CAST('2024-01-01 10:00 +02:00' AS datetimeoffset))", 120),
        ("DATENAME(month, '2024-01-01')", "January"),
        ("YEAR('2024-05-06') * 10000 + MONTH('2024-05-06') * 100 + DAY('2024-05-06')", 20240506),
        ("ISDATE('2024-02-30')", 0),
        ("ISDATE('2024-02-29')", 1),
        ("CAST(CAST('1900-01-03 13:00' AS datetime) AS int)", 3),
        ("CAST(CAST('2024-01-01' AS datetime) AS float)", 45290.0),
        ("CAST(CAST('1900-01-02 00:00:00.003' AS datetime) AS binary(8))",
         b"\0\0\0\x01\0\0\0\x01"),
        ("DATEDIFF(second, GETDATE(), CAST(SYSUTCDATETIME() AS datetime))", 0),
    ],
)  # fmt: skip
async def test_parts_of_moments(tsql: Tsql, expression: str, value: object):
    assert await tsql.value(expression) == value


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("CAST('/1/' AS hierarchyid)", b"\x58"),
        ("CAST('/1.1/' AS hierarchyid)", b"\x62\xc0"),
        ("CAST('/' AS hierarchyid)", b""),
        ("CAST(CAST('/1/2.1/-3/16/100/5199/' AS hierarchyid) AS nvarchar(100))", "/1/2.1/-3/16/100/5199/"),
        ("CAST(CAST(0x58 AS hierarchyid) AS varchar(10))", "/1/"),
        ("CAST(hierarchyid::Parse('/4/') AS varbinary(10))", b"\x84"),
        (
            "geometry::STGeomFromText('POINT (1 2)', 4326)",
            bytes.fromhex("e6100000010c000000000000f03f0000000000000040"),
        ),
    ],
)  # fmt: skip
async def test_clr_values(tsql: Tsql, expression: str, value: object):
    assert await tsql.value(expression) == value


async def test_clr_methods(tsql: Tsql):
    assert await tsql.rows(
        "SELECT g.STSrid, g.AsTextZM(), g.Long, h.ToString() FROM (SELECT "
        "geography::Point(47.6, -122.3, 4326) AS g, CAST('/1/2.1/' AS hierarchyid) AS h) AS v"
    ) == [(4326, "POINT (-122.3 47.6)", -122.3, "/1/2.1/")]


async def test_variant_equals_a_plain_value(tsql: Tsql):
    sql = "SELECT v FROM (SELECT CAST({} AS sql_variant) AS v) AS t WHERE v = 5"
    assert len(await tsql.rows(sql.format("CAST(5 AS bigint)"))) == 1
    assert await tsql.rows(sql.format("6")) == []
