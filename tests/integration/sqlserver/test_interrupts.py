"""ATTENTION: a statement ends at once and the session goes on."""

import time

import anyio
import pyodbc
import pytest

from tests.integration.sqlserver.odbc_session import Connector, OdbcSession

LONG = (
    "WITH n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 30000) "
    "SELECT COUNT_BIG(*) FROM n AS a CROSS JOIN n AS b CROSS JOIN n AS c OPTION (MAXRECURSION 0)"
)
WAIT = "WAITFOR DELAY '00:01:00'"


@pytest.mark.parametrize("statement", [WAIT, LONG], ids=["wait", "query"])
async def test_a_query_time_out_interrupts(connector: Connector, statement: str) -> None:
    async with connector.session() as sql:
        sql.connection.timeout = 1
        began = time.monotonic()
        with anyio.fail_after(20), pytest.raises(pyodbc.Error) as caught:
            await sql.run(statement)
        assert caught.value.args[0] == "HYT00"
        assert time.monotonic() - began < 10
        sql.connection.timeout = 0
        assert await sql.value("SELECT 1") == 1


@pytest.mark.parametrize("statement", [WAIT, LONG], ids=["wait", "query"])
async def test_cancelling_keeps_the_transaction(sql: OdbcSession, statement: str) -> None:
    await sql.run("CREATE TABLE kept (a int)")
    await sql.run("BEGIN TRAN INSERT kept VALUES (1)")
    cursor = await sql.blocking(sql.connection.cursor)
    ended = anyio.Event()

    def client() -> str:
        with pytest.raises(pyodbc.Error) as caught:
            cursor.execute(statement)
            cursor.fetchall()
        return str(caught.value.args[0])

    async def cancel() -> None:
        # the first ones may come before the statement runs
        while not ended.is_set():
            await sql.blocking(cursor.cancel)
            with anyio.move_on_after(0.05):
                await ended.wait()

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(cancel)
            state = await sql.blocking(client)
            ended.set()
    assert state == "HY008"
    assert await sql.rows("SELECT @@TRANCOUNT, COUNT(*) FROM kept") == [(1, 1)]
    await sql.run("ROLLBACK DROP TABLE IF EXISTS kept")


async def test_a_result_left_unread_frees_the_session(sql: OdbcSession) -> None:
    def client() -> int:
        cursor = sql.connection.cursor()
        cursor.execute(
            "WITH n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 2000) "
            "SELECT a.i, REPLICATE('x', 200) FROM n AS a CROSS JOIN n AS b OPTION (MAXRECURSION 0)"
        )
        cursor.fetchmany(10)
        cursor.close()
        return int(sql.connection.execute("SELECT 5").fetchval())

    with anyio.fail_after(20):
        assert await sql.blocking(client) == 5


async def test_a_lock_wait_can_be_interrupted(connector: Connector, sql: OdbcSession) -> None:
    await sql.run(
        "CREATE TABLE held (a int) INSERT held VALUES (1) BEGIN TRAN UPDATE held SET a = 2"
    )
    async with connector.session() as other:
        other.connection.timeout = 1
        with anyio.fail_after(20), pytest.raises(pyodbc.Error) as caught:
            await other.run("UPDATE held SET a = 3")
        assert caught.value.args[0] == "HYT00"
        await sql.run("COMMIT")
        assert await other.value("SELECT a FROM held") == 2
