"""Values on their way: every type, keys and orders, identity, rowversion, streaming."""

import tracemalloc
from contextlib import aclosing

import anyio
import pytest

from dtaas.sandbox.sqlserver.results import Rows

ROUND_TRIPS = [
    ("bit", "1", 1),
    ("tinyint", "255", 255),
    ("smallint", "-32768", -32768),
    ("int", "2147483647", 2147483647),
    ("bigint", "-9223372036854775808", -9223372036854775808),
    ("decimal(38,10)", "-1234567890123456789012345678.0000000001", -12345678901234567890123456780000000001),
    ("decimal(9,0)", "42", 42),
    ("numeric(18,4)", "1.25", 12500),
    ("money", "-922337203685477.5808", -9223372036854775808),
    ("smallmoney", "214748.3647", 2147483647),
    ("real", "1.5", 1.5),
    ("float", "1.1", 1.1),
    ("date", "'9999-12-31'", 3652058),
    ("time(7)", "'23:59:59.9999999'", 863999999999),
    ("time(3)", "'12:00:00.123'", 43200123),
    ("datetime2(7)", "'0001-01-01T00:00:00.0000001'", 1),
    ("datetime2(0)", "'1900-01-01T00:00:00.6'", 599266080010000000),
    ("smalldatetime", "'1900-01-02T00:00:31'", 1441),
    ("datetime", "'1900-01-01T00:00:00.003'", 1),
    ("datetimeoffset(7)", "'2024-02-29T23:59:59.1234567+05:30'", None),
    ("char(3)", "'a'", "a  "),
    ("varchar(10)", "'é'", "é"),
    ("nvarchar(10)", "N'😀'", "😀"),
    ("nvarchar(10)", "N'a' + NCHAR(0xD800)", "a\ud800"),
    ("nvarchar(max)", "REPLICATE(CAST(N'x' AS nvarchar(max)), 100000)", "x" * 100_000),
    ("xml", "'<a/>'", "<a/>"),
    ("binary(4)", "0x01", b"\x01\0\0\0"),
    ("varbinary(max)", "0x", b""),
    ("uniqueidentifier", "'00112233-4455-6677-8899-AABBCCDDEEFF'",
     bytes.fromhex("33221100554477668899aabbccddeeff")),
]  # fmt: skip


@pytest.mark.parametrize(("type_", "literal", "wire"), ROUND_TRIPS)
async def test_stored_and_read_back(sql, type_: str, literal: str, wire: object) -> None:
    await sql.run(f"CREATE TABLE t (v {type_} NULL); INSERT t VALUES ({literal}), (NULL)")
    order = "" if type_ == "xml" else " ORDER BY v DESC"
    rows = await sql.run(f"SELECT v FROM t{order}")
    assert rows[1] == (None,)
    if wire is not None:
        assert rows[0] == (wire,)


async def test_sql_and_windows_order_differ(sql) -> None:
    """Debezium DBZ-7359: varchar keys are read in SQL order, nvarchar parameters compare otherwise."""
    keys = ["Y-11-3-4", "Y1-01-1-1", "co-op", "coop", "coops", "a_b", "a1b"]
    await sql.run("CREATE TABLE t (id varchar(50) PRIMARY KEY, n nvarchar(50))")
    for key in keys:
        await sql.run(f"INSERT t VALUES ('{key}', '{key}')")
    by_sql = [r[0] for r in await sql.run("SELECT id FROM t ORDER BY id")]
    assert by_sql == ["a_b", "a1b", "co-op", "coop", "coops", "Y-11-3-4", "Y1-01-1-1"]
    by_windows = [r[0] for r in await sql.run("SELECT id FROM t ORDER BY n")]
    assert by_windows == ["a_b", "a1b", "coop", "co-op", "coops", "Y1-01-1-1", "Y-11-3-4"]
    skipped = await sql.run("DECLARE @k nvarchar(50) = 'Y-11-3-4'; SELECT id FROM t WHERE id > @k")
    assert skipped == []
    exact = await sql.run("DECLARE @k varchar(50) = 'Y-11-3-4'; SELECT id FROM t WHERE id > @k")
    assert exact == [("Y1-01-1-1",)]


@pytest.mark.parametrize(
    ("collation", "groups"),
    [
        ("SQL_Latin1_General_CP1_CI_AS", [["a", "A", "a "], ["á", "Á"], ["b"]]),
        ("Latin1_General_CI_AS", [["a", "A", "a "], ["á", "Á"], ["b"]]),
        ("Latin1_General_100_CI_AI", [["a", "A", "a ", "á", "Á"], ["b"]]),
        ("Latin1_General_CS_AS", [["a", "a "], ["A"], ["á"], ["Á"], ["b"]]),
        ("Latin1_General_BIN2", [["A"], ["a", "a "], ["b"], ["Á"], ["á"]]),
        ("Latin1_General_100_CI_AS_SC_UTF8", [["a", "A", "a "], ["á", "Á"], ["b"]]),
    ],
)
async def test_equality_and_order_by_collation(
    sql, collation: str, groups: list[list[str]]
) -> None:
    await sql.run(f"CREATE TABLE t (v varchar(10) COLLATE {collation})")
    for value in ("b", "Á", "a ", "á", "A", "a"):
        await sql.run(f"INSERT t VALUES ('{value}')")
    counted = [r[0] for r in await sql.run("SELECT COUNT(*) FROM t GROUP BY v ORDER BY v")]
    assert counted == [len(group) for group in groups]
    for group in groups:
        for value in group:
            found = await sql.run(f"SELECT v FROM t WHERE v = '{value}'")
            assert sorted(r[0] for r in found) == sorted(group)


async def test_guid_order_is_sql_guids(sql) -> None:
    guids = [f"{'0' * i}1{'0' * (31 - i)}" for i in range(0, 32, 2)]
    shown = [f"{g[:8]}-{g[8:12]}-{g[12:16]}-{g[16:20]}-{g[20:]}" for g in guids]
    await sql.run("CREATE TABLE t (g uniqueidentifier PRIMARY KEY, n int)")
    for n, guid in enumerate(shown):
        await sql.run(f"INSERT t VALUES ('{guid}', {n})")
    order = [r[0] for r in await sql.run("SELECT n FROM t ORDER BY g")]
    # least significant first: bytes 0 to 3 of the little-endian form, then 4-5, 6-7, 8-9, 10-15
    assert order == [0, 1, 2, 3, 4, 5, 6, 7, 9, 8, 15, 14, 13, 12, 11, 10]


async def test_identity(sql) -> None:
    await sql.run("CREATE TABLE t (id int IDENTITY(5, 10), v varchar(5) NOT NULL)")
    assert await sql.value("SELECT IDENT_CURRENT('t')") == 5
    await sql.run("INSERT t VALUES ('a'), ('b')")
    assert await sql.run("SELECT SCOPE_IDENTITY(), IDENT_CURRENT('t')") == [(15, 15)]
    await sql.refused("INSERT t VALUES (NULL)")  # a failed insert leaves a gap
    await sql.run("INSERT t VALUES ('c')")
    assert await sql.value("SELECT MAX(id) FROM t") == 35
    assert (await sql.refused("INSERT t (id, v) VALUES (1, 'x')")).number == 544
    await sql.run(
        "SET IDENTITY_INSERT t ON; INSERT t (id, v) VALUES (100, 'x'); SET IDENTITY_INSERT t OFF"
    )
    await sql.run("INSERT t VALUES ('d')")
    assert await sql.run("SELECT MAX(id), IDENT_CURRENT('t') FROM t") == [(110, 110)]
    await sql.run("TRUNCATE TABLE t; INSERT t VALUES ('e')")
    assert await sql.run("SELECT id FROM t") == [(5,)]


async def test_rowversion_rises_and_open_transactions_hold_the_low_mark(server, sql) -> None:
    await sql.run("CREATE TABLE t (id int PRIMARY KEY, v int, rv rowversion)")
    await sql.run("INSERT t (id, v) VALUES (1, 1), (2, 2)")
    (first,), (second,) = await sql.run("SELECT rv FROM t ORDER BY id")
    assert first < second == await sql.value("SELECT @@DBTS")
    await sql.run("UPDATE t SET v = 5 WHERE id = 1")
    third = await sql.value("SELECT rv FROM t WHERE id = 1")
    assert third > second
    assert await sql.value("SELECT MIN_ACTIVE_ROWVERSION()") == _next(third)
    async with server.client() as other:
        await other.run("BEGIN TRAN; UPDATE t SET v = 6 WHERE id = 2")
        await sql.run("UPDATE t SET v = 7 WHERE id = 1")
        assert await sql.value("SELECT MIN_ACTIVE_ROWVERSION()") == _next(third)
        await other.run("COMMIT")
    low = await sql.value("SELECT MIN_ACTIVE_ROWVERSION()")
    assert low == _next(await sql.value("SELECT MAX(rv) FROM t"))


async def test_the_first_transaction_of_all_holds_the_low_mark_too(server, sql) -> None:
    await sql.run(
        "CREATE DATABASE fresh_versions; USE fresh_versions; CREATE TABLE t (rv rowversion)"
    )
    async with server.client() as other:
        await other.run("USE fresh_versions; BEGIN TRAN; INSERT t DEFAULT VALUES")
        await sql.run("INSERT t DEFAULT VALUES")
        low = await sql.value("SELECT MIN_ACTIVE_ROWVERSION()")
        assert low < await sql.value("SELECT MAX(rv) FROM t")
        await other.run("COMMIT")
    assert await sql.value("SELECT MIN_ACTIVE_ROWVERSION()") == _next(
        await sql.value("SELECT MAX(rv) FROM t")
    )


async def test_a_large_result_streams_in_constant_memory(sql) -> None:
    statement = (
        "WITH d AS (SELECT n FROM (VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)) x (n))"
        " SELECT a.n, b.n, c.n, d.n, e.n, 'some text of an ordinary length' AS text"
        " FROM d a, d b, d c, d, d e"
    )
    count = 0
    tracemalloc.start()
    async with aclosing(sql.session.batch(statement)) as items:
        async for item in items:
            count += len(item.rows) if isinstance(item, Rows) else 0
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 100_000
    assert peak_bytes < 8_000_000


async def test_a_result_left_early_frees_the_session(sql) -> None:
    with anyio.fail_after(10):
        async with aclosing(
            sql.session.batch("SELECT * FROM sys.types a, sys.types b, sys.types c")
        ) as items:
            async for item in items:
                if isinstance(item, Rows):
                    break
        assert await sql.value("SELECT 1") == 1


def _next(rowversion: bytes) -> bytes:
    return (int.from_bytes(rowversion) + 1).to_bytes(8)
