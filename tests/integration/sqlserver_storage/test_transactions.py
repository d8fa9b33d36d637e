"""Transactions of several sessions: isolation, locks, deadlocks, statement-level rollback."""

import anyio
import pytest

from dtaas.sandbox.sqlserver.results import SqlError


@pytest.fixture
async def table(sql) -> None:
    await sql.run("CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL CHECK (v < 100))")
    await sql.run("INSERT t VALUES (1, 10), (2, 20)")


@pytest.mark.usefixtures("table")
async def test_a_failed_statement_undoes_itself_alone(sql) -> None:
    await sql.run("BEGIN TRAN; UPDATE t SET v = 11 WHERE id = 1")
    assert (await sql.refused("INSERT t VALUES (3, 30), (1, 1)")).number == 2627
    await sql.run("UPDATE t SET v = 21 WHERE id = 2; COMMIT")
    assert await sql.run("SELECT * FROM t ORDER BY id") == [(1, 11), (2, 21)]


@pytest.mark.usefixtures("table")
async def test_savepoints(sql) -> None:
    await sql.run(
        "BEGIN TRAN; UPDATE t SET v = 1; SAVE TRAN s; UPDATE t SET v = 2; ROLLBACK TRAN s;"
        "UPDATE t SET v = v + 50 WHERE id = 2; COMMIT"
    )
    assert await sql.run("SELECT v FROM t ORDER BY id") == [(1,), (51,)]
    await sql.run("BEGIN TRAN")
    assert (await sql.refused("ROLLBACK TRAN nope")).number == 6401
    await sql.run("ROLLBACK")


@pytest.mark.usefixtures("table")
async def test_lock_timeout(server, sql) -> None:
    async with server.client() as other:
        await other.run("BEGIN TRAN; UPDATE t SET v = 0 WHERE id = 1")
        error = await sql.refused("SET LOCK_TIMEOUT 50; UPDATE t SET v = 5 WHERE id = 1")
        assert (error.number, error.severity, error.state) == (1222, 16, 51)
        assert await sql.run("SELECT v FROM t WHERE id = 1") == [(10,)]  # readers never wait
        await other.run("ROLLBACK")
        await sql.run("UPDATE t SET v = 5 WHERE id = 1")


@pytest.mark.usefixtures("table")
async def test_a_table_that_goes_while_a_statement_waits_for_it(server, sql) -> None:
    errors: list[SqlError] = []
    async with server.client() as other, anyio.create_task_group() as tasks:
        await sql.run("BEGIN TRAN; DROP TABLE t")

        async def read() -> None:
            errors.append(await other.refused("SELECT * FROM t"))

        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        tasks.start_soon(read)
        with anyio.fail_after(20):
            while not await server.engine._storage.fetchval(waiting):
                pass
        await sql.run("COMMIT")
    assert [(e.number, e.text) for e in errors] == [(208, "Invalid object name 'dbo.t'.")]


@pytest.mark.usefixtures("table")
async def test_deadlock_has_one_victim_and_rolls_it_back(server, sql) -> None:
    errors: list[SqlError] = []

    async def second(client, first_id: int, second_id: int, ready, go) -> None:
        await client.run(f"BEGIN TRAN; UPDATE t SET v = v + 1 WHERE id = {first_id}")
        ready.set()
        await go.wait()
        try:
            await client.run(f"UPDATE t SET v = v + 1 WHERE id = {second_id}; COMMIT")
        except SqlError as error:
            errors.append(error)
            assert await client.value("SELECT @@TRANCOUNT") == 0

    a, b = anyio.Event(), anyio.Event()
    async with server.client() as other:
        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(second, sql, 1, 2, a, b)
                tasks.start_soon(second, other, 2, 1, b, a)
    assert [(e.number, e.severity, e.state) for e in errors] == [(1205, 13, 51)]
    assert await sql.run("SELECT v FROM t ORDER BY id") == [(11,), (21,)]


@pytest.mark.usefixtures("table")
async def test_snapshot(server, sql) -> None:
    await sql.run("SET TRANSACTION ISOLATION LEVEL SNAPSHOT")
    error = await sql.refused("SELECT * FROM t")
    assert error.number == 3952
    assert error.text == (
        f"Snapshot isolation transaction failed accessing database '{server.database}' because "
        "snapshot isolation is not allowed in this database. Use ALTER DATABASE to allow snapshot "
        "isolation."
    )
    await sql.run("ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON")
    async with server.client() as other:
        await sql.run("BEGIN TRAN")
        assert await sql.value("SELECT SUM(v) FROM t") == 30
        await other.run("UPDATE t SET v = 99 WHERE id = 1")
        assert await sql.value("SELECT SUM(v) FROM t") == 30
        error = await sql.refused("UPDATE t SET v = 1 WHERE id = 1")
        assert error.number == 3960
        assert await sql.value("SELECT @@TRANCOUNT") == 0
        assert await sql.value("SELECT SUM(v) FROM t") == 119


async def test_use_outlives_a_rollback(sql, server) -> None:
    await sql.run("BEGIN TRAN; USE master; ROLLBACK")
    assert await sql.value("SELECT DB_NAME()") == "master"
    await sql.run(f"USE {server.database}")
    assert await sql.value("SELECT DB_NAME()") == server.database
    assert (await sql.refused("USE nope")).number == 911


@pytest.mark.parametrize(
    ("statement", "number", "text"),
    [
        (
            "INSERT t VALUES (1, 1)",
            2627,
            (
                "Violation of PRIMARY KEY constraint 'pk'. Cannot insert duplicate key in object "
                "'dbo.t'. The duplicate key value is (1)."
            ),
        ),
        (
            "INSERT t VALUES (9, NULL)",
            515,
            (
                "Cannot insert the value NULL into column 'v', table '{db}.dbo.t'; column does not "
                "allow nulls. INSERT fails."
            ),
        ),
        ("UPDATE t SET v = NULL", 515, None),
        (
            "UPDATE t SET v = 100",
            547,
            (
                'The UPDATE statement conflicted with the CHECK constraint "ck". The conflict occurred '
                'in database "{db}", table "dbo.t", column \'v\'.'
            ),
        ),
        (
            "INSERT c VALUES (7, 'x')",
            547,
            (
                'The INSERT statement conflicted with the FOREIGN KEY constraint "fk". The conflict '
                'occurred in database "{db}", table "dbo.t", column \'id\'.'
            ),
        ),
        (
            "DELETE t WHERE id = 1",
            547,
            (
                'The DELETE statement conflicted with the REFERENCE constraint "fk". The conflict '
                'occurred in database "{db}", table "dbo.c", column \'t\'.'
            ),
        ),
        (
            "INSERT c VALUES (2, 'ONE ')",
            2601,
            (
                "Cannot insert duplicate key row in object 'dbo.c' with unique index 'ux'. The "
                "duplicate key value is (one)."
            ),
        ),
        ("SELECT 1 / (v - 10) FROM t", 8134, "Divide by zero error encountered."),
    ],
)
async def test_errors_of_data(server, sql, statement: str, number: int, text: str | None) -> None:
    await sql.run(
        "CREATE TABLE t (id int CONSTRAINT pk PRIMARY KEY,"
        " v int NOT NULL CONSTRAINT ck CHECK (v < 100));"
        "CREATE TABLE c (t int CONSTRAINT fk REFERENCES t, n varchar(10));"
        "CREATE UNIQUE INDEX ux ON c (n);"
        "INSERT t VALUES (1, 10), (2, 20); INSERT c VALUES (1, 'One')"
    )
    error = await sql.refused(statement)
    assert error.number == number
    if text is not None:
        assert error.text == text.format(db=server.database)


async def test_cancelling_interrupts_the_statement_and_leaves_the_session_usable(sql) -> None:
    endless = (
        "WITH n AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM n)"
        " SELECT COUNT(*) FROM n OPTION (MAXRECURSION 0)"
    )
    await sql.run("CREATE TABLE t (a int); BEGIN TRAN; INSERT t VALUES (1)")
    with anyio.fail_after(10):
        with anyio.move_on_after(0.3) as scope:
            await sql.run(endless)
        assert scope.cancelled_caught
        assert await sql.run("SELECT a, @@TRANCOUNT FROM t") == [(1, 1)]
        await sql.run("COMMIT")
