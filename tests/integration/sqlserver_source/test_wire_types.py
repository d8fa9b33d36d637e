"""Every type from its bytes on the wire, through Microsoft's driver, to Arrow: exact."""

import struct
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from dtaas.sandbox.sqlserver.server import TdsServer
from dtaas.sandbox.sqlserver.types import DEFAULT_COLLATION, MAX, SqlType
from tests.fakes.scripted_server import ScriptedEngine, rows
from tests.integration.sqlserver_source.scripted import Reading, drain, wire_column

TICKS_A_DAY = 864_000_000_000
GUID = bytes.fromhex("ff19966f868b11d0b42d00c04fc964ff")
CYRILLIC = "Cyrillic_General_CI_AS"
UTF8 = "Latin1_General_100_CI_AS_SC_UTF8"


def days(year: int, month: int, day: int) -> int:
    return date(year, month, day).toordinal() - 1


def ticks(year: int, month: int, day: int, of_day: int = 0) -> int:
    return days(year, month, day) * TICKS_A_DAY + of_day


def offset(utc_ticks: int, minutes: int) -> bytes:
    return struct.pack(">QH", utc_ticks, minutes + 840)


def text(name: str, length: int, collation: str = DEFAULT_COLLATION) -> SqlType:
    return SqlType(name, length=length, collation=collation)


CASES: list[tuple[SqlType, list[tuple[Any, Any]]]] = [
    (SqlType("bit"), [(1, True), (0, False)]),
    (SqlType("tinyint"), [(255, 255), (0, 0)]),
    (SqlType("smallint"), [(-32768, -32768), (32767, 32767)]),
    (SqlType("int"), [(-(2**31), -(2**31)), (2**31 - 1, 2**31 - 1)]),
    (SqlType("bigint"), [(-(2**63), -(2**63)), (2**63 - 1, 2**63 - 1)]),
    (
        SqlType("decimal", precision=38, scale=10),
        [(10**38 - 1, Decimal("9999999999999999999999999999.9999999999")), (-1, Decimal("-1E-10"))],
    ),
    (SqlType("decimal", precision=38), [(-(10**38) + 1, Decimal(-(10**38) + 1))]),
    (SqlType("numeric", precision=5, scale=2), [(-99999, Decimal("-999.99")), (0, Decimal("0.00"))]),
    (
        SqlType("money"),
        [
            (2**63 - 1, Decimal("922337203685477.5807")),
            (-(2**63), Decimal("-922337203685477.5808")),
        ],
    ),
    (SqlType("smallmoney"), [(-(2**31), Decimal("-214748.3648"))]),
    (SqlType("real", precision=24), [(1.5, 1.5), (-3.4028234663852886e38, -3.4028234663852886e38)]),
    (SqlType("float", precision=53), [(0.1, 0.1), (-5e-324, -5e-324), (1.7976931348623157e308,) * 2]),
    (SqlType("date"), [(0, date(1, 1, 1)), (days(9999, 12, 31), date(9999, 12, 31))]),
    (SqlType("time", scale=7), [(TICKS_A_DAY - 1, 86_399_999_999_900), (0, 0)]),
    (SqlType("time", scale=3), [(86_399_999, 86_399_999_000)]),
    (SqlType("time", scale=0), [(86_399, 86_399_000_000)]),
    (
        SqlType("datetime2", scale=7),
        [
            (0, "0001-01-01 00:00:00.0000000"),
            (ticks(9999, 12, 31, TICKS_A_DAY - 1), "9999-12-31 23:59:59.9999999"),
            (ticks(2024, 2, 29, 1), "2024-02-29 00:00:00.0000001"),
        ],
    ),
    (
        SqlType("datetime2", scale=6),
        [
            (0, datetime(1, 1, 1)),
            (ticks(9999, 12, 31, TICKS_A_DAY - 10), datetime(9999, 12, 31, 23, 59, 59, 999999)),
        ],
    ),
    (SqlType("datetime2", scale=3), [(ticks(1, 1, 1, 10_000), datetime(1, 1, 1, 0, 0, 0, 1000))]),
    (SqlType("datetime2", scale=0), [(ticks(9999, 12, 31), datetime(9999, 12, 31))]),
    (
        SqlType("datetime"),
        [
            (-53690 * 25_920_000, datetime(1753, 1, 1)),
            (2958464 * 25_920_000 - 1, datetime(9999, 12, 31, 23, 59, 59, 997000)),
            (1, datetime(1900, 1, 1, 0, 0, 0, 3000)),
            (2, datetime(1900, 1, 1, 0, 0, 0, 7000)),
        ],
    ),
    (SqlType("smalldatetime"), [(0, datetime(1900, 1, 1)), (65535 * 1440 + 1439, datetime(2079, 6, 6, 23, 59))]),
    (
        SqlType("datetimeoffset", scale=7),
        [
            (offset(ticks(2024, 2, 29, 1), 330), "2024-02-29 05:30:00.0000001 +05:30"),
            (offset(ticks(1, 1, 1), 840), "0001-01-01 14:00:00.0000000 +14:00"),
            (offset(ticks(9999, 12, 31, TICKS_A_DAY - 1), -840), "9999-12-31 09:59:59.9999999 -14:00"),
        ],
    ),
    (SqlType("datetimeoffset", scale=0), [(offset(ticks(2024, 2, 29), -30), "2024-02-28 23:30:00 -00:30")]),
    (SqlType("datetimeoffset", scale=3), [(offset(ticks(2024, 2, 29, 10_000), 0), "2024-02-29 00:00:00.001 +00:00")]),
    (text("char", 5), [("ab   ", "ab   "), ("€é   ", "€é   ")]),
    (text("varchar", 50), [("", ""), ("Zürich €", "Zürich €"), ("x" * 50, "x" * 50)]),
    (text("varchar", 50, CYRILLIC), [("Москва", "Москва")]),
    (text("varchar", 50, UTF8), [("日本語😀", "日本語😀")]),
    (text("varchar", 8000), [("é" * 8000, "é" * 8000)]),
    (text("nchar", 5), [("日本   ", "日本   ")]),
    (text("nvarchar", 50), [("😀" * 25, "😀" * 25), ("日" * 50, "日" * 50), ("a\0b", "a\0b")]),
    (text("nvarchar", 4000), [("日" * 4000, "日" * 4000)]),
    (text("nvarchar", MAX), [("日" * 9000, "日" * 9000), ("", "")]),
    (text("varchar", MAX), [("é" * 9000, "é" * 9000), ("", "")]),
    (text("text", 0), [("é€", "é€")]),
    (text("ntext", 0), [("日本😀", "日本😀")]),
    (SqlType("xml"), [("<a>é😀</a>", "<a>é😀</a>")]),
    (SqlType("binary", length=4), [(b"\1\2\0\0", b"\1\2\0\0")]),
    (SqlType("varbinary", length=10), [(b"", b""), (b"\0\xff", b"\0\xff")]),
    (SqlType("varbinary", length=MAX), [(bytes(range(256)) * 40, bytes(range(256)) * 40), (b"", b"")]),
    (SqlType("image"), [(b"\1\2", b"\1\2")]),
    (SqlType("timestamp", length=8), [(bytes.fromhex("00000000000007d1"),) * 2]),
    (SqlType("uniqueidentifier"), [(GUID, "6f9619ff-8b86-d011-b42d-00c04fc964ff")]),
]  # fmt: skip


def plain(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_time(column.type):
        return column.cast(pa.int64()).to_pylist()
    return column.to_pylist()


@pytest.mark.parametrize(
    ("kind", "values"),
    CASES,
    ids=[f"{k.name}-{k.length or k.precision}-{k.scale}-{i}" for i, (k, _) in enumerate(CASES)],
)
async def test_value_arrives_exactly(
    kind: SqlType, values: list[tuple[Any, Any]], reading: Reading
) -> None:
    nullable = kind.name != "timestamp"
    sent = [*([(None, None)] if nullable else []), *values]
    column = wire_column("c", kind, nullable=nullable)
    engine = ScriptedEngine()
    engine.scripts["SELECT"] = rows([column], *[(value,) for value, _ in sent])
    async with (
        TdsServer.listen(engine) as server,
        reading(server, [column], longest=20_000) as reader,
    ):
        table = await drain(reader)
    assert plain(table.column(0)) == [expected for _, expected in sent]
