"""Every SQL Server type: values in wire form and what a client must make of them.

The expected values are written out, not computed, so that the encoders cannot agree with
themselves. Times come as text, because Python's own types hold microseconds only.
"""

import struct
from decimal import Decimal
from typing import Any

from msgspec import Struct

from dtaas.sandbox.sqlserver.types import MAX, SqlType, Variant

DAY = 864_000_000_000
MAX_DAY = 3_652_058  # 9999-12-31
LEAP_DAY = 738_944  # 2024-02-29


class TypeCase(Struct, frozen=True):
    """A type with pairs of (wire form, what pyodbc returns)."""

    type: SqlType
    pairs: tuple[tuple[Any, Any], ...]

    def __str__(self) -> str:
        t = self.type
        parts = [p for p in (t.length, t.precision, t.scale) if p]
        return f"{t.name}({','.join(map(str, parts))}){t.collation or ''}"


def offset_value(ticks: int, minutes: int) -> bytes:
    return struct.pack(">QH", ticks, minutes + 840)


def same(*values: Any) -> tuple[tuple[Any, Any], ...]:
    return tuple((v, v) for v in values)


def narrow(collation: str, sample: str) -> TypeCase:
    return TypeCase(SqlType("varchar", 60, collation=collation), same(sample, "", "plain ASCII"))


POINT = bytes.fromhex("E6100000010C") + struct.pack("<dd", 47.6, -122.3)
NINES = 10**38 - 1

CASES = [
    TypeCase(SqlType("bit"), ((0, False), (1, True))),
    TypeCase(SqlType("tinyint"), same(0, 255)),
    TypeCase(SqlType("smallint"), same(-(2**15), 2**15 - 1, 0)),
    TypeCase(SqlType("int"), same(-(2**31), 2**31 - 1, 0)),
    TypeCase(SqlType("bigint"), same(-(2**63), 2**63 - 1, 0)),
    TypeCase(
        SqlType("decimal", precision=5, scale=2),
        (
            (-99999, Decimal("-999.99")),
            (99999, Decimal("999.99")),
            (0, Decimal(0)),
            (-1, Decimal("-0.01")),
        ),
    ),
    TypeCase(SqlType("numeric", precision=9), same(Decimal(-999999999), Decimal(999999999))),
    TypeCase(
        SqlType("decimal", precision=19, scale=4),
        (
            (9999999999999999999, Decimal("999999999999999.9999")),
            (-9999999999999999999, Decimal("-999999999999999.9999")),
        ),
    ),
    TypeCase(
        SqlType("decimal", precision=28, scale=10),
        (
            (10**28 - 1, Decimal("999999999999999999.9999999999")),
            (-(2**64), Decimal("-1844674407.3709551616")),
        ),
    ),
    TypeCase(
        SqlType("decimal", precision=38, scale=10),
        (
            (NINES, Decimal("9999999999999999999999999999.9999999999")),
            (-NINES, Decimal("-9999999999999999999999999999.9999999999")),
            (-1, Decimal("-0.0000000001")),
        ),
    ),
    TypeCase(
        SqlType("numeric", precision=38),
        ((NINES, Decimal("9" * 38)), (-NINES, Decimal("-" + "9" * 38))),
    ),
    TypeCase(
        SqlType("decimal", precision=38, scale=38),
        ((1, Decimal("1E-38")), (NINES, Decimal("0." + "9" * 38))),
    ),
    TypeCase(
        SqlType("money"),
        (
            (2**63 - 1, Decimal("922337203685477.5807")),
            (-(2**63), Decimal("-922337203685477.5808")),
            (-10001, Decimal("-1.0001")),
            (0, Decimal(0)),
        ),
    ),
    TypeCase(
        SqlType("smallmoney"),
        ((2**31 - 1, Decimal("214748.3647")), (-(2**31), Decimal("-214748.3648"))),
    ),
    TypeCase(SqlType("real"), same(1.5, -3.4028234663852886e38, 1.401298464324817e-45, 0.0)),
    TypeCase(SqlType("float", precision=53), same(1.1, 1.7976931348623157e308, -5e-324, 0.0)),
    TypeCase(SqlType("float", precision=24), same(0.5, -2.0)),
    TypeCase(
        SqlType("date"), ((0, "0001-01-01"), (MAX_DAY, "9999-12-31"), (LEAP_DAY, "2024-02-29"))
    ),
    TypeCase(SqlType("time", scale=0), ((0, "00:00:00"), (86399, "23:59:59"))),
    TypeCase(SqlType("time", scale=2), ((8639999, "23:59:59.99"), (1, "00:00:00.01"))),
    TypeCase(SqlType("time", scale=3), ((86399999, "23:59:59.999"),)),
    TypeCase(SqlType("time", scale=4), ((863999999, "23:59:59.9999"),)),
    TypeCase(SqlType("time", scale=6), ((86399999999, "23:59:59.999999"),)),
    TypeCase(
        SqlType("time", scale=7),
        ((0, "00:00:00"), (863999999999, "23:59:59.9999999"), (1, "00:00:00.0000001")),
    ),
    TypeCase(
        SqlType("datetime2", scale=0),
        ((0, "0001-01-01 00:00:00"), (MAX_DAY * DAY + 863_990_000_000, "9999-12-31 23:59:59")),
    ),
    TypeCase(
        SqlType("datetime2", scale=3),
        ((LEAP_DAY * DAY + 863_991_230_000, "2024-02-29 23:59:59.123"),),
    ),
    TypeCase(
        SqlType("datetime2", scale=5),
        ((LEAP_DAY * DAY + 863_991_234_500, "2024-02-29 23:59:59.12345"),),
    ),
    TypeCase(
        SqlType("datetime2", scale=7),
        (
            (0, "0001-01-01 00:00:00"),
            (MAX_DAY * DAY + 863_999_999_999, "9999-12-31 23:59:59.9999999"),
            (LEAP_DAY * DAY + 1, "2024-02-29 00:00:00.0000001"),
        ),
    ),
    TypeCase(
        SqlType("datetimeoffset", scale=0),
        ((offset_value(LEAP_DAY * DAY + 10_000_000, 0), "2024-02-29 00:00:01 +00:00"),),
    ),
    TypeCase(
        SqlType("datetimeoffset", scale=3),
        ((offset_value(LEAP_DAY * DAY + 1_230_000, -480), "2024-02-28 16:00:00.123 -08:00"),),
    ),
    TypeCase(
        SqlType("datetimeoffset", scale=7),
        (
            (offset_value(LEAP_DAY * DAY + 1_234_567, 330), "2024-02-29 05:30:00.1234567 +05:30"),
            (offset_value(840 * 600_000_000, -840), "0001-01-01 00:00:00 -14:00"),
            (
                offset_value(MAX_DAY * DAY + 863_999_999_999 - 840 * 600_000_000, 840),
                "9999-12-31 23:59:59.9999999 +14:00",
            ),
        ),
    ),
    TypeCase(
        SqlType("datetime"),
        (
            (-53690 * 25_920_000, "1753-01-01 00:00:00"),
            (2_958_463 * 25_920_000 + 25_919_999, "9999-12-31 23:59:59.997"),
            (1, "1900-01-01 00:00:00.003"),
            (2, "1900-01-01 00:00:00.007"),
            (-1, "1899-12-31 23:59:59.997"),
        ),
    ),
    TypeCase(
        SqlType("smalldatetime"),
        ((0, "1900-01-01 00:00:00"), (65535 * 1440 + 1439, "2079-06-06 23:59:00")),
    ),
    TypeCase(SqlType("char", 10), same("abc       ", "é€        ")),
    TypeCase(SqlType("varchar", 8000), same("é€", "", "x" * 8000)),
    TypeCase(SqlType("varchar", MAX), same("é€", "", "y" * 70_000)),
    TypeCase(SqlType("nchar", 5), same("ab   ", "日本😀 ")),
    TypeCase(SqlType("nvarchar", 4000), same("日本é😀", "", "ß" * 4000, "a\0b")),
    TypeCase(SqlType("nvarchar", MAX), same("日本é😀", "", "Ж" * 70_000)),
    TypeCase(SqlType("sysname"), same("a name", "x" * 128)),
    TypeCase(SqlType("text"), same("é€", "", "t" * 20_000)),
    TypeCase(SqlType("ntext"), same("日本é😀", "", "ц" * 20_000)),
    TypeCase(SqlType("xml"), same("<a>é😀</a>", "<b/>")),
    TypeCase(SqlType("binary", 4), same(b"\1\2\0\0", b"\xff\xff\xff\xff")),
    TypeCase(SqlType("varbinary", 8000), same(b"\1\2", b"", bytes(range(250)) * 32)),
    TypeCase(SqlType("varbinary", MAX), same(b"\1\2", b"", b"\0\xff" * 40_000)),
    TypeCase(SqlType("image"), same(b"\1\2", b"", b"\0\xff" * 10_000)),
    TypeCase(SqlType("timestamp"), same(bytes.fromhex("00000000000007d1"))),
    TypeCase(
        SqlType("uniqueidentifier"),
        (
            (
                bytes.fromhex("ff19966f868b11d0b42d00c04fc964ff"),
                "6F9619FF-8B86-D011-B42D-00C04FC964FF",
            ),
            (bytes(16), "00000000-0000-0000-0000-000000000000"),
            (b"\xff" * 16, "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"),
        ),
    ),
    TypeCase(SqlType("hierarchyid"), same(b"\x58", b"")),
    TypeCase(SqlType("geometry"), same(POINT)),
    TypeCase(SqlType("geography"), same(POINT)),
    TypeCase(
        SqlType("sql_variant"),
        (
            (Variant(SqlType("int"), 42), "42"),
            (Variant(SqlType("bigint"), -(2**63)), "-9223372036854775808"),
            (Variant(SqlType("tinyint"), 255), "255"),
            (Variant(SqlType("smallint"), -5), "-5"),
            (Variant(SqlType("bit"), 1), "1"),
            (Variant(SqlType("float", precision=53), 1.5), "1.5"),
            (Variant(SqlType("real"), 0.5), "0.5"),
            (Variant(SqlType("decimal", precision=10, scale=2), -12345), "-123.45"),
            (Variant(SqlType("numeric", precision=38), NINES), "9" * 38),
            (Variant(SqlType("money"), 12345), "1.2345"),
            (Variant(SqlType("smallmoney"), -12345), "-1.2345"),
            (Variant(SqlType("date"), LEAP_DAY), "2024-02-29"),
            (Variant(SqlType("time", scale=7), 36_610_000_001), "01:01:01.0000001"),
            (
                Variant(SqlType("datetime2", scale=7), LEAP_DAY * DAY + 1),
                "2024-02-29 00:00:00.0000001",
            ),
            (
                Variant(SqlType("datetimeoffset", scale=7), offset_value(LEAP_DAY * DAY, 60)),
                "2024-02-29 01:00:00.0000000 +01:00",
            ),
            (Variant(SqlType("datetime"), 300), "1900-01-01 00:00:01.000"),
            (Variant(SqlType("smalldatetime"), 61), "1900-01-01 01:01:00"),
            (Variant(SqlType("varchar", 20), "é€"), "é€"),
            (Variant(SqlType("char", 3), "ab "), "ab "),
            (Variant(SqlType("nvarchar", 20), "日本😀"), "日本😀"),
            (Variant(SqlType("nchar", 3), "日本 "), "日本 "),
            (Variant(SqlType("varbinary", 4), b"\1\2"), "0102"),
            (Variant(SqlType("binary", 2), b"\xab\xcd"), "ABCD"),
            (
                Variant(SqlType("uniqueidentifier"), bytes(16)),
                "00000000-0000-0000-0000-000000000000",
            ),
        ),
    ),
    narrow("SQL_Latin1_General_CP1_CS_AS", "é€ÿ"),
    narrow("SQL_Latin1_General_CP437_CI_AS", "é½╔"),
    narrow("SQL_Latin1_General_CP850_CI_AS", "é½þ"),
    narrow("SQL_Polish_CP1250_CI_AS", "Łódź"),
    narrow("SQL_Latin1_General_CP1251_CI_AS", "Привет"),
    narrow("SQL_Latin1_General_CP1253_CI_AS", "Ωμέγα"),
    narrow("SQL_Latin1_General_CP1254_CI_AS", "İstanbul ğ"),
    narrow("SQL_Latin1_General_CP1255_CI_AS", "שלום"),
    narrow("SQL_Latin1_General_CP1256_CI_AS", "سلام"),
    narrow("SQL_Latin1_General_CP1257_CI_AS", "Žąsis"),
    narrow("Latin1_General_CI_AS", "é€"),
    narrow("Latin1_General_100_BIN2", "é€"),
    narrow("Czech_CI_AS", "Příliš žluťoučký"),
    narrow("Cyrillic_General_CI_AS", "Привет"),
    narrow("Greek_CI_AS", "Ωμέγα"),
    narrow("Turkish_CI_AS", "İstanbul ğ"),
    narrow("Hebrew_CI_AS", "שלום"),
    narrow("Arabic_CI_AS", "سلام"),
    narrow("Lithuanian_CI_AS", "Žąsis"),
    narrow("Vietnamese_CI_AS", "Đư ơ ₫"),
    narrow("Thai_CI_AS", "สวัสดี"),
    narrow("Japanese_CI_AS", "日本語ｱ"),
    narrow("Chinese_PRC_CI_AS", "中文字"),
    narrow("Korean_Wansung_CI_AS", "한국어"),
    narrow("Chinese_Taiwan_Stroke_CI_AS", "繁體字"),
    narrow("Latin1_General_100_CI_AS_SC_UTF8", "日本é😀Ж"),
    narrow("Latin1_General_100_BIN2_UTF8", "日本é😀Ж"),
]
CASES = [
    TypeCase(case.type, tuple((int(w) if isinstance(w, Decimal) else w, e) for w, e in case.pairs))
    for case in CASES
]
