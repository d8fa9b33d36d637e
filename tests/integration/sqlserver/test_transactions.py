"""Transactions of one session and of two: counts, dooming, locks, deadlocks, snapshots."""

import anyio
import pyodbc
import pytest

from tests.integration.sqlserver.odbc_session import Connector, OdbcSession, number_of

LIMIT_S = 20


@pytest.fixture
async def table(sql: OdbcSession, request: pytest.FixtureRequest) -> str:
    name = request.node.name.removeprefix("test_")[:60]
    await sql.run(f"CREATE TABLE {name} (id int PRIMARY KEY, v int NOT NULL)")
    await sql.run(f"INSERT INTO {name} VALUES (1, 10), (2, 20)")
    return name


async def test_nesting_counts(sql: OdbcSession, table: str) -> None:
    rows = await sql.rows(
        f"BEGIN TRAN BEGIN TRAN UPDATE {table} SET v = 0 COMMIT SELECT @@TRANCOUNT, XACT_STATE()"
    )
    assert rows == [(1, 1)]
    assert await sql.rows("ROLLBACK SELECT @@TRANCOUNT, XACT_STATE()") == [(0, 0)]
    assert await sql.value(f"SELECT SUM(v) FROM {table}") == 30


async def test_savepoints(sql: OdbcSession, table: str) -> None:
    await sql.run(
        f"BEGIN TRAN one UPDATE {table} SET v = 1 SAVE TRAN middle DELETE {table} "
        "ROLLBACK TRAN middle COMMIT"
    )
    assert await sql.rows(f"SELECT id, v FROM {table} ORDER BY id") == [(1, 1), (2, 1)]
    assert (await sql.fails("BEGIN TRAN; ROLLBACK TRAN nowhere"))[0] == 6401
    await sql.run("ROLLBACK")


@pytest.mark.parametrize(("statement", "number"), [("COMMIT", 3902), ("ROLLBACK", 3903)])
async def test_ending_nothing(sql: OdbcSession, statement: str, number: int) -> None:
    assert (await sql.fails(statement))[0] == number
    assert (await sql.fails("SAVE TRAN a"))[0] == 628


async def test_a_nested_batch_must_keep_the_count(sql: OdbcSession) -> None:
    number, text = await sql.fails("EXEC ('BEGIN TRAN')")
    assert number == 266
    assert text.endswith("Previous count = 0, current count = 1.")
    await sql.run("ROLLBACK")


async def test_xact_abort_rolls_everything_back(sql: OdbcSession, table: str) -> None:
    batch = f"SET XACT_ABORT ON BEGIN TRAN DELETE {table} WHERE id = 2 INSERT {table} VALUES (1, 1)"
    assert (await sql.fails(batch + " COMMIT"))[0] == 2627
    assert await sql.rows(f"SELECT @@TRANCOUNT, COUNT(*) FROM {table}") == [(0, 2)]


async def test_statement_rollback_keeps_the_transaction(sql: OdbcSession, table: str) -> None:
    await sql.fails(f"BEGIN TRAN DELETE {table} WHERE id = 2 INSERT {table} VALUES (3, 3), (1, 1)")
    assert await sql.rows(f"SELECT @@TRANCOUNT, COUNT(*) FROM {table}") == [(1, 1)]
    await sql.run("ROLLBACK")


async def test_conversion_errors_end_the_transaction(sql: OdbcSession, table: str) -> None:
    assert (await sql.fails(f"BEGIN TRAN DELETE {table} SELECT CAST('x' AS int)"))[0] == 245
    assert await sql.rows(f"SELECT @@TRANCOUNT, COUNT(*) FROM {table}") == [(0, 2)]


async def test_dooming_in_catch(sql: OdbcSession, table: str) -> None:
    rows = await sql.rows(
        f"BEGIN TRY BEGIN TRAN DELETE {table} SELECT CAST('x' AS int) END TRY "
        f"BEGIN CATCH SELECT XACT_STATE(), @@TRANCOUNT ROLLBACK END CATCH"
    )
    assert rows == [(-1, 1)]
    doomed = f"BEGIN TRY BEGIN TRAN DELETE {table} SELECT CAST('x' AS int) END TRY BEGIN CATCH "
    assert (await sql.fails(doomed + f"INSERT {table} VALUES (9, 9) END CATCH"))[0] == 3930
    assert (await sql.fails(doomed + "PRINT 1 END CATCH"))[0] == 3998
    assert await sql.rows(f"SELECT @@TRANCOUNT, COUNT(*) FROM {table}") == [(0, 2)]


async def test_autocommit_off(connector: Connector, sql: OdbcSession, table: str) -> None:
    async with connector.session(autocommit=False) as other:
        await other.run(f"UPDATE {table} SET v = 11 WHERE id = 1")
        await other.blocking(other.connection.rollback)
        assert await other.value(f"SELECT v FROM {table} WHERE id = 1") == 10
        await other.run(f"UPDATE {table} SET v = 12 WHERE id = 1")
        await other.blocking(other.connection.commit)
        assert await sql.value(f"SELECT v FROM {table} WHERE id = 1") == 12


async def test_implicit_transactions(sql: OdbcSession, table: str) -> None:
    await sql.run(f"SET IMPLICIT_TRANSACTIONS ON DELETE {table}")
    assert await sql.value("SELECT @@TRANCOUNT") == 1
    await sql.run("ROLLBACK SET IMPLICIT_TRANSACTIONS OFF")
    assert await sql.value(f"SELECT COUNT(*) FROM {table}") == 2


async def test_a_writer_waits_for_a_writer(
    connector: Connector, sql: OdbcSession, table: str
) -> None:
    done = anyio.Event()
    async with connector.session() as other:

        async def write() -> None:
            await other.run(f"UPDATE {table} SET v = v + 1 WHERE id = 1")
            done.set()

        await sql.run(f"BEGIN TRAN UPDATE {table} SET v = v + 100 WHERE id = 1")
        with anyio.fail_after(LIMIT_S):
            async with anyio.create_task_group() as group:
                group.start_soon(write)
                with anyio.move_on_after(0.3):
                    await done.wait()
                assert not done.is_set()
                await sql.run("COMMIT")
                await done.wait()
    assert await sql.value(f"SELECT v FROM {table} WHERE id = 1") == 111


async def test_lock_time_out_is_1222(connector: Connector, sql: OdbcSession, table: str) -> None:
    await sql.run(f"BEGIN TRAN UPDATE {table} SET v = 0")
    async with connector.session() as other:
        await other.run("SET LOCK_TIMEOUT 100")
        number, text = await other.fails(f"UPDATE {table} SET v = 1 WHERE id = 1")
        assert (number, text) == (1222, "Lock request time out period exceeded.")
        await other.run("SET LOCK_TIMEOUT 0")
        assert (await other.fails(f"DELETE {table}"))[0] == 1222
    await sql.run("ROLLBACK")


async def test_one_of_two_in_a_deadlock_is_1205(
    connector: Connector, sql: OdbcSession, table: str
) -> None:
    victims: list[tuple[str, int]] = []
    async with connector.session() as other:
        await sql.run(f"BEGIN TRAN UPDATE {table} SET v = 1 WHERE id = 1")
        await other.run(f"BEGIN TRAN UPDATE {table} SET v = 2 WHERE id = 2")

        async def cross(session: OdbcSession, key: int) -> None:
            try:
                await session.run(f"UPDATE {table} SET v = 3 WHERE id = {key}")
            except pyodbc.Error as exc:
                victims.append((exc.args[0], number_of(exc)))
            else:
                await session.run("COMMIT")

        with anyio.fail_after(LIMIT_S):
            async with anyio.create_task_group() as group:
                group.start_soon(cross, sql, 2)
                group.start_soon(cross, other, 1)
        counts = [await s.value("SELECT @@TRANCOUNT") for s in (sql, other)]
    assert victims == [("40001", 1205)]
    assert counts == [0, 0]


async def test_a_deadlock_victim_can_catch_it(
    connector: Connector, sql: OdbcSession, table: str
) -> None:
    outcomes: list[object] = []
    async with connector.session() as other:
        await sql.run(f"BEGIN TRAN UPDATE {table} SET v = 1 WHERE id = 1")
        await other.run(f"BEGIN TRAN UPDATE {table} SET v = 2 WHERE id = 2")

        async def cross(session: OdbcSession, key: int) -> None:
            outcomes.append(
                await session.rows(
                    f"BEGIN TRY UPDATE {table} SET v = 3 WHERE id = {key} SELECT 0, 1 COMMIT END TRY "
                    "BEGIN CATCH SELECT ERROR_NUMBER(), XACT_STATE() ROLLBACK END CATCH"
                )
            )

        with anyio.fail_after(LIMIT_S):
            async with anyio.create_task_group() as group:
                group.start_soon(cross, sql, 2)
                group.start_soon(cross, other, 1)
    assert sorted(outcomes, key=str) == [[(0, 1)], [(1205, -1)]]


async def test_snapshot_must_be_allowed(sql: OdbcSession, table: str) -> None:
    await sql.run("SET TRANSACTION ISOLATION LEVEL SNAPSHOT")
    number, text = await sql.fails(f"SELECT * FROM {table}")
    assert number == 3952
    assert "'test_transactions'" in text
    assert await sql.value("SELECT 1") == 1
    await sql.run("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
    assert await sql.value(f"SELECT COUNT(*) FROM {table}") == 2


async def test_snapshot_reads_what_was(connector: Connector) -> None:
    await connector.server.run_script(
        "CREATE DATABASE versioned\nGO\nALTER DATABASE versioned SET ALLOW_SNAPSHOT_ISOLATION ON\n"
        "GO\nUSE versioned\nGO\nCREATE TABLE t (id int PRIMARY KEY, v int)\n"
        "GO\nINSERT t VALUES (1, 10)"
    )
    async with (
        connector.session(Database="versioned") as reader,
        connector.session(Database="versioned") as writer,
    ):
        state = "SELECT snapshot_isolation_state FROM sys.databases WHERE name = DB_NAME()"
        assert await reader.value(state) == 1
        await reader.run("SET TRANSACTION ISOLATION LEVEL SNAPSHOT BEGIN TRAN")
        assert await reader.value("SELECT v FROM t") == 10
        await writer.run("UPDATE t SET v = 11")
        assert await reader.value("SELECT v FROM t") == 10
        assert (await reader.fails("UPDATE t SET v = 12"))[0] == 3960
        assert await reader.rows("SELECT @@TRANCOUNT, v FROM t") == [(0, 11)]


async def test_reads_see_committed_rows_only(
    connector: Connector, sql: OdbcSession, table: str
) -> None:
    await sql.run(f"BEGIN TRAN DELETE {table} WHERE id = 1")
    async with connector.session() as other:
        await other.run("SET LOCK_TIMEOUT 2000")
        assert await other.value(f"SELECT COUNT(*) FROM {table}") == 2
    await sql.run("ROLLBACK")
