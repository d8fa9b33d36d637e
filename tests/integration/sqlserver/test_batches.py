"""Batches: variables, control flow, errors, what @@ variables say."""

from decimal import Decimal
from typing import Any

import pytest

from tests.integration.sqlserver.odbc_session import OdbcSession


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        ("DECLARE @a int = 2, @b int; SET @b = @a * 3; SELECT @a, @b", (2, 6)),
        ("DECLARE @a int; SELECT @a", (None,)),
        ("DECLARE @a int = 1; SET @a += 4; SET @a *= 2; SET @a -= 1; SELECT @a", (9,)),
        ("DECLARE @s varchar(3) = 'abcdef'; SELECT @s, DATALENGTH(@s)", ("abc", 3)),
        ("DECLARE @s char(5) = 'ab'; SELECT @s", ("ab   ",)),
        ("DECLARE @d decimal(5, 2) = 1.005; SELECT @d", (Decimal("1.01"),)),
        (
            "DECLARE @a int; SELECT @a = v FROM (VALUES (1), (2)) AS t (v) ORDER BY v; SELECT @a",
            (2,),
        ),
        (
            "DECLARE @a int = 7; SELECT @a = v FROM (VALUES (1)) AS t (v) WHERE v > 5; SELECT @a",
            (7,),
        ),
        ("IF 1 = 2 SELECT 'yes' ELSE SELECT 'no'", ("no",)),
        ("IF NULL = NULL SELECT 'yes' ELSE SELECT 'no'", ("no",)),
        ("IF EXISTS (SELECT 1) SELECT 'yes'", ("yes",)),
        (
            """DECLARE @i int = 0, @sum int = 0 WHILE 1 = 1 BEGIN SET @i += 1
            IF @i = 3 CONTINUE IF @i > 5 BREAK SET @sum += @i END SELECT @i, @sum""",
            (6, 12),
        ),
        ("DECLARE @i int = 0 again: SET @i += 1 IF @i < 4 GOTO again SELECT @i", (4,)),
        ("EXEC ('SELECT ' + '42')", (42,)),
        ("DECLARE @s nvarchar(20) = N'SELECT 7' EXEC (@s)", (7,)),
        ("EXEC sp_executesql N'SELECT @a + @b', N'@a int, @b int = 5', @a = 2", (7,)),
        (
            """DECLARE @o nvarchar(10) EXEC sp_executesql N'SET @x = N''out''',
            N'@x nvarchar(10) OUTPUT', @x = @o OUTPUT SELECT @o""",
            ("out",),
        ),
        ("DECLARE @t TABLE (a int) INSERT @t VALUES (1), (2) SELECT SUM(t.a) FROM @t AS t", (3,)),
        ("SELECT a INTO #n FROM (VALUES (3), (4)) AS v (a) SELECT MAX(a) FROM #n", (4,)),
        ("SELECT 1 UNION SELECT 2; SELECT @@ROWCOUNT", (2,)),
        ("PRINT 'x'; SELECT @@ROWCOUNT, @@ERROR", (0, 0)),
        ("SELECT @@TRANCOUNT, @@NESTLEVEL, @@LOCK_TIMEOUT, @@MAX_PRECISION", (0, 0, -1, 38)),
        ("EXEC ('SELECT @@NESTLEVEL')", (1,)),
        ("SET LOCK_TIMEOUT 500 SELECT @@LOCK_TIMEOUT", (500,)),
        ("SET NOCOUNT ON SELECT @@OPTIONS & 512", (512,)),
        ("SET TEXTSIZE 3 SELECT CAST(N'abcdef' AS nvarchar(max)), 'abcdef'", ("a", "abcdef")),
        ("SET CONTEXT_INFO 0x0102 SELECT CONTEXT_INFO()", (b"\x01\x02",)),
    ],
)
async def test_last_row(sql: OdbcSession, batch: str, expected: tuple[Any, ...]) -> None:
    assert (await sql.rows(batch))[-1] == expected


async def test_try_and_catch_tell_the_error(sql: OdbcSession) -> None:
    rows = await sql.rows(
        "BEGIN TRY\n"
        "  EXEC sp_executesql N'\n  SELECT 1/0'\n"
        "END TRY\n"
        "BEGIN CATCH\n"
        "  SELECT ERROR_NUMBER(), ERROR_SEVERITY(), ERROR_STATE(), ERROR_LINE(), ERROR_MESSAGE()\n"
        "END CATCH"
    )
    assert rows == [(8134, 16, 1, 2, "Divide by zero error encountered.")]
    assert await sql.value("SELECT ERROR_NUMBER()") is None


async def test_throw_raises_again_with_the_same_number(sql: OdbcSession) -> None:
    batch = "BEGIN TRY SELECT 1/0 END TRY BEGIN CATCH THROW END CATCH SELECT 'not reached'"
    assert await sql.fails(batch) == (8134, "Divide by zero error encountered.")
    assert await sql.fails("THROW 50123, N'own', 7") == (50123, "own")
    nested = "BEGIN TRY THROW 50001, 'a', 1 END TRY BEGIN CATCH SELECT ERROR_NUMBER() END CATCH"
    assert await sql.value(nested) == 50001


async def test_raiserror_does_not_end_the_batch(sql: OdbcSession) -> None:
    await sql.run("CREATE TABLE raised (number int)")
    batch = "RAISERROR (N'%s is %d', 16, 3, N'x', 5) INSERT raised SELECT @@ERROR"
    assert await sql.fails(batch) == (50000, "x is 5")
    assert await sql.value("SELECT number FROM raised") == 50000


async def test_messages_reach_the_client(sql: OdbcSession) -> None:
    def client() -> list[str]:
        cursor = sql.connection.cursor()
        cursor.execute("PRINT N'ünï' RAISERROR ('low', 5, 1)")
        texts = [text for _, text in cursor.messages]
        while cursor.nextset():
            texts += [text for _, text in cursor.messages]
        return [text.rpartition("]")[2] for text in texts]

    assert await sql.blocking(client) == ["ünï", "low"]


async def test_nothing_runs_when_the_batch_does_not_parse(sql: OdbcSession) -> None:
    await sql.run("CREATE TABLE untouched (a int)")
    assert (await sql.fails("INSERT untouched VALUES (1)\nSELECT FROM untouched"))[0] == 156
    assert (await sql.fails("INSERT untouched VALUES (1); SELECT @nobody"))[0] == 137
    assert await sql.value("SELECT COUNT(*) FROM untouched") == 0


async def test_names_are_resolved_when_their_turn_comes(sql: OdbcSession) -> None:
    await sql.run("CREATE TABLE early (a int)")
    number, text = await sql.fails("INSERT early VALUES (1); SELECT * FROM late; SELECT 1")
    assert (number, text) == (208, "Invalid object name 'late'.")
    assert await sql.value("SELECT COUNT(*) FROM early") == 1
    # TRY of the same batch does not see it, TRY around a nested batch does
    assert (await sql.fails("BEGIN TRY SELECT * FROM late END TRY BEGIN CATCH END CATCH"))[0] == 208
    outer = (
        "BEGIN TRY EXEC ('SELECT * FROM late') END TRY BEGIN CATCH SELECT ERROR_NUMBER() END CATCH"
    )
    assert await sql.value(outer) == 208


async def test_a_failed_statement_ends_itself_only(sql: OdbcSession) -> None:
    await sql.run("CREATE TABLE unique_one (a int PRIMARY KEY)")
    assert (
        await sql.fails("INSERT unique_one VALUES (1); INSERT unique_one VALUES (1), (2)"
                        "; INSERT unique_one VALUES (3)")
    )[0] == 2627  # fmt: skip
    assert await sql.rows("SELECT a FROM unique_one ORDER BY a") == [(1,), (3,)]


async def test_options_of_a_nested_batch_end_with_it(sql: OdbcSession) -> None:
    rows = await sql.rows(
        "EXEC ('SET LOCK_TIMEOUT 77; USE tempdb') SELECT @@LOCK_TIMEOUT, DB_NAME()"
    )
    assert rows == [(-1, "test_batches")]


async def test_identity_functions(sql: OdbcSession) -> None:
    await sql.run("CREATE TABLE counted (id int IDENTITY(10, 5) PRIMARY KEY, v int)")
    rows = await sql.rows("INSERT counted (v) VALUES (1), (2) SELECT SCOPE_IDENTITY(), @@IDENTITY")
    assert rows == [(Decimal(15), Decimal(15))]
    inserted = "INSERT counted (v) OUTPUT inserted.id VALUES (3)"
    assert await sql.value(inserted) == 20
    assert await sql.value("SELECT @@IDENTITY") == Decimal(20)
    assert (await sql.fails("INSERT counted (id, v) VALUES (1, 1)"))[0] == 544
    await sql.run("SET IDENTITY_INSERT counted ON INSERT counted (id, v) VALUES (100, 1)")
    await sql.run("SET IDENTITY_INSERT counted OFF INSERT counted (v) VALUES (1)")
    assert await sql.value("SELECT MAX(id) FROM counted") == 105


async def test_insert_execute(sql: OdbcSession) -> None:
    await sql.run("CREATE TABLE collected (a int, b nvarchar(10))")
    results = await sql.run("INSERT collected EXEC ('SELECT 1, N''x'' UNION ALL SELECT 2, N''y''')")
    assert [r.count for r in results] == [2]
    assert await sql.rows("SELECT a, b FROM collected ORDER BY a") == [(1, "x"), (2, "y")]


async def test_parameters_of_prepared_statements(sql: OdbcSession) -> None:
    assert await sql.rows("SELECT ?, ?, ?", 1, "ä😀", b"\x00\xff") == [(1, "ä😀", b"\x00\xff")]
    for i in range(3):
        assert await sql.value("SELECT ? + 1", i) == i + 1
    assert await sql.value("SELECT ?", None) is None
    assert await sql.value("SELECT ?", Decimal("-123.4500")) == Decimal("-123.4500")


async def test_table_variables_of_nested_batches_are_apart(sql: OdbcSession) -> None:
    rows = await sql.rows(
        "DECLARE @t TABLE (a int) INSERT @t VALUES (1) "
        "EXEC ('DECLARE @t TABLE (a int) INSERT @t VALUES (2), (3)') SELECT a FROM @t"
    )
    assert rows == [(1,)]
    left = "SELECT COUNT(*) FROM tempdb.sys.tables WHERE name LIKE '#@t%'"
    assert await sql.value(left) == 0
