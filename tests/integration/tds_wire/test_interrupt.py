"""ATTENTION and lost clients: a running statement really ends, the connection lives on."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import anyio
import pyodbc
import pytest

from dtaas.concurrency.blocking import Blocking
from dtaas.sandbox.sqlserver.results import Columns, Done, Item, Parameter, ResultColumn, Rows
from dtaas.sandbox.sqlserver.server import TdsServer
from dtaas.sandbox.sqlserver.types import SqlType
from tests.fakes.scripted_server import SELECT, Hang, ScriptedEngine, items
from tests.integration.tds_wire.conftest import Odbc

INT = ResultColumn(name="n", type=SqlType("int"))
LIMIT_S = 20


class Endless:
    """A result that never ends; it counts what was taken of it."""

    def __init__(self) -> None:
        self.rows = 0
        self.ended = anyio.Event()

    async def __call__(self, _parameters: Sequence[Parameter]) -> AsyncIterator[Item]:
        try:
            yield Columns((INT,))
            while True:
                yield Rows([[n] for n in range(1000)])
                self.rows += 1000
        finally:
            self.ended.set()


@pytest.mark.parametrize("statement", ["wait", "wait ?"])
@pytest.mark.parametrize("encrypt", ["yes", "no"])
async def test_a_query_that_times_out(
    statement: str, encrypt: str, engine: ScriptedEngine, run: Any
) -> None:
    hang = Hang()
    engine.scripts["wait"] = hang

    def client(connection: pyodbc.Connection) -> None:
        connection.timeout = 1
        with pytest.raises(pyodbc.OperationalError) as failed:
            connection.execute(statement, *[1] * statement.count("?"))
        assert failed.value.args[0] == "HYT00"
        assert connection.execute("echo ?", 7).fetchval() == 7

    with anyio.fail_after(LIMIT_S):
        await run(client, Encrypt=encrypt)
        await hang.cancelled.wait()


async def test_cancel_from_another_thread(
    engine: ScriptedEngine, odbc: Odbc, blocking: Blocking
) -> None:
    hang = Hang()
    engine.scripts["wait"] = hang
    connection = await blocking(odbc.connect)
    cursor = connection.cursor()

    async def cancel_once_started() -> None:
        await hang.started.wait()
        await blocking(cursor.cancel)

    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as group:
            group.start_soon(cancel_once_started)
            with pytest.raises(pyodbc.Error, match="HY008"):
                await blocking(cursor.execute, "wait")
        await hang.cancelled.wait()
        again = await blocking(lambda: connection.execute("echo ?", 1).fetchval())
    assert again == 1
    await blocking(connection.close)


async def test_cancel_in_the_middle_of_rows(engine: ScriptedEngine, run: Any) -> None:
    endless = Endless()
    engine.scripts["endless"] = endless

    def client(connection: pyodbc.Connection) -> None:
        cursor = connection.execute("endless")
        assert len(cursor.fetchmany(5000)) == 5000
        cursor.cancel()
        cursor.close()
        assert connection.execute("echo ?", 2).fetchval() == 2

    with anyio.fail_after(LIMIT_S):
        await run(client)
        await endless.ended.wait()


@pytest.mark.parametrize("statement", ["endless", "endless ?"])
async def test_a_closed_cursor_ends_its_statement(
    statement: str, engine: ScriptedEngine, run: Any
) -> None:
    endless = Endless()
    engine.scripts["endless"] = endless

    def client(connection: pyodbc.Connection) -> None:
        for _ in range(3):
            cursor = connection.execute(statement, *[1] * statement.count("?"))
            assert cursor.fetchval() == 0
            cursor.close()

    with anyio.fail_after(LIMIT_S):
        await run(client)
        await endless.ended.wait()


async def test_a_client_that_leaves_ends_its_statement(
    engine: ScriptedEngine, server: TdsServer, odbc: Odbc, blocking: Blocking
) -> None:
    endless = Endless()
    engine.scripts["endless"] = endless
    connection = await blocking(odbc.connect)
    cursor = await blocking(connection.execute, "endless")
    await blocking(cursor.fetchone)
    with anyio.fail_after(LIMIT_S):
        await blocking(connection.close)
        await endless.ended.wait()
        await server.wait_idle()
    assert engine.sessions[0].closed


async def test_a_client_that_does_not_read_holds_the_session_back(
    engine: ScriptedEngine, odbc: Odbc, blocking: Blocking
) -> None:
    """Rows stream: neither the server nor the socket takes more than their buffers hold."""
    endless = Endless()
    engine.scripts["endless"] = endless
    connection = await blocking(odbc.connect)
    # The cursor is kept: freeing it here would make the driver wait in the event loop's thread.
    cursor = await blocking(connection.execute, "endless")
    taken = -1
    with anyio.fail_after(LIMIT_S):
        while taken != endless.rows:
            taken = endless.rows
            await anyio.wait_all_tasks_blocked()
    row_bytes = 6
    kernel_bytes = 8 << 20
    assert 0 < taken * row_bytes < kernel_bytes
    await blocking(cursor.close)
    await blocking(connection.close)


async def test_the_server_ends_while_statements_run(
    engine: ScriptedEngine, driver: str, blocking: Blocking
) -> None:
    hang = Hang()
    engine.scripts["wait"] = hang
    failures: list[pyodbc.Error] = []

    async def client(port: int) -> None:
        connection = await blocking(Odbc(driver, port).connect)
        try:
            await blocking(connection.execute, "wait")
        except pyodbc.Error as error:
            failures.append(error)

    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as group, TdsServer.listen(engine) as server:
            group.start_soon(client, server.port)
            await hang.started.wait()
    assert failures[0].args[0] == "08S01"
    assert engine.sessions[0].closed


async def test_an_attention_after_the_answer_is_acknowledged(
    engine: ScriptedEngine, run: Any
) -> None:
    engine.scripts["two"] = items(
        Columns((INT,)), Rows([[1]]), Done(rows=1, command=SELECT), Columns((INT,)), Done(rows=0)
    )

    def client(connection: pyodbc.Connection) -> None:
        cursor = connection.execute("two")
        assert cursor.fetchval() == 1
        cursor.cancel()
        cursor.close()
        assert connection.execute("echo ?", 3).fetchval() == 3

    with anyio.fail_after(LIMIT_S):
        await run(client)
