"""Faults a test can switch on, as Microsoft's driver sees them."""

from typing import Any

import anyio
import pyodbc
import pytest

from dtaas.concurrency.blocking import Blocking
from dtaas.sandbox.sqlserver.results import ResultColumn, SqlError
from dtaas.sandbox.sqlserver.server import TdsServer
from dtaas.sandbox.sqlserver.types import SqlType
from dtaas.sandbox.sqlserver.wire.faults import StreamError
from tests.fakes.scripted_server import Hang, ScriptedEngine, rows
from tests.integration.tds_wire.conftest import Odbc

INT = ResultColumn(name="n", type=SqlType("int"))


@pytest.fixture
def thousand(engine: ScriptedEngine) -> None:
    engine.scripts["thousand"] = rows([INT], *([n] for n in range(1000)))


@pytest.mark.usefixtures("thousand")
@pytest.mark.parametrize("encrypt", ["yes", "no"])
async def test_reset_after_some_bytes(encrypt: str, server: TdsServer, run: Any) -> None:
    def client(connection: pyodbc.Connection) -> None:
        server.faults.reset_after_bytes = 3000
        with pytest.raises(pyodbc.OperationalError) as failed:
            connection.execute("thousand").fetchall()
        assert failed.value.args[0] == "08S01"

    await run(client, Encrypt=encrypt, PacketSize=512)
    assert server.faults.reset_after_bytes is None
    assert await run(lambda connection: len(connection.execute("thousand").fetchall())) == 1000


@pytest.mark.usefixtures("thousand")
@pytest.mark.parametrize("after", [1, 500, 1000])
async def test_error_in_the_middle_of_a_result(after: int, server: TdsServer, run: Any) -> None:
    def client(connection: pyodbc.Connection) -> None:
        error = SqlError(1205, "Transaction was deadlocked.", severity=13, state=51)
        server.faults.stream_error = StreamError(after, error)
        cursor = connection.execute("thousand")
        assert [cursor.fetchval() for _ in range(after)] == list(range(after))
        with pytest.raises(pyodbc.Error, match=r"\(1205\)"):
            cursor.fetchone()
        assert len(connection.execute("thousand").fetchall()) == 1000

    await run(client)


@pytest.mark.usefixtures("thousand")
async def test_slow_rows(server: TdsServer, run: Any) -> None:
    server.faults.rows_per_s = 2000.0
    began = anyio.current_time()
    assert await run(lambda connection: len(connection.execute("thousand").fetchall())) == 1000
    assert anyio.current_time() - began >= 0.4


async def test_refused_connections(server: TdsServer, run: Any) -> None:
    server.faults.refuse_connections = True
    with pytest.raises(pyodbc.OperationalError) as refused:
        await run(lambda _: None, LoginTimeout=2)
    assert refused.value.args[0] in {"08001", "08S01"}
    server.faults.refuse_connections = False
    await run(lambda _: None)


async def test_dropping_all_connections(
    engine: ScriptedEngine, server: TdsServer, odbc: Odbc, blocking: Blocking
) -> None:
    hang = Hang()
    engine.scripts["wait"] = hang
    idle = await blocking(odbc.connect, ConnectRetryCount=0)
    busy = await blocking(odbc.connect, ConnectRetryCount=0)
    failures: list[pyodbc.Error] = []

    async def wait() -> None:
        try:
            await blocking(busy.execute, "wait")
        except pyodbc.Error as error:
            failures.append(error)

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await hang.started.wait()
            assert server.connections == 2
            server.drop_connections()
        await hang.cancelled.wait()
        await server.wait_idle()
    assert failures[0].args[0] == "08S01"
    assert all(session.closed for session in engine.sessions)
    with pytest.raises(pyodbc.OperationalError) as lost:
        await blocking(idle.execute, "echo ?", 1)
    assert lost.value.args[0] == "08S01"
