"""The composed server: starting, stopping, starting again, logging in."""

from pathlib import Path

import pyodbc
import pytest

from dtaas.model.errors import AddressInUseError
from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.simulated import SimulatedSqlServer, simulated_sql_server
from tests.integration.sqlserver.odbc_session import Connector, number_of


async def test_data_outlive_the_server(tmp_path: Path, driver: str) -> None:
    async with simulated_sql_server(tmp_path, password="first") as server:
        await server.run_script("CREATE DATABASE kept\nGO\nUSE kept\nGO\nCREATE TABLE t (a int)")
        await server.run_script("INSERT t VALUES (1)\nGO 3", database="kept")
    async with simulated_sql_server(tmp_path, password="second") as server:
        async with Connector(server, driver, "kept").session() as sql:
            assert await sql.value("SELECT COUNT(*) FROM t") == 3
        with pytest.raises(SqlError) as caught:
            await server.engine.login(
                user="sa", password="first", database="kept", application="", host=""
            )
        assert caught.value.number == 18456


async def test_a_taken_port_is_said(server: SimulatedSqlServer, tmp_path: Path) -> None:
    with pytest.raises(AddressInUseError, match=str(server.port)):
        async with simulated_sql_server(tmp_path, port=server.port, password="x"):
            pass


async def test_a_script_stops_at_its_first_error(
    server: SimulatedSqlServer, connector: Connector
) -> None:
    script = "CREATE TABLE a1 (x int)\nGO\nSELECT nope\nGO\nCREATE TABLE a2 (x int)"
    with pytest.raises(SqlError) as caught:
        await server.run_script(script, database=connector.database)
    assert caught.value.number == 207
    async with connector.session() as sql:
        made = "SELECT name FROM sys.tables WHERE name IN ('a1', 'a2')"
        assert await sql.rows(made) == [("a1",)]


@pytest.mark.parametrize(
    ("options", "number"),
    [
        ({"PWD": "wrong"}, 18456),
        ({"UID": "nobody"}, 18456),
        ({"Database": "no_such_database"}, 4060),
    ],
)
async def test_logins_are_checked(
    connector: Connector, options: dict[str, str], number: int
) -> None:
    with pytest.raises(pyodbc.Error) as caught:
        async with connector.session(**options):
            pass
    assert number_of(caught.value) == number


async def test_a_login_sees_what_it_may(server: SimulatedSqlServer, connector: Connector) -> None:
    await server.run_script(
        "CREATE TABLE open_to_all (a int)\nGO\nCREATE TABLE secret (a int)",
        database=connector.database,
    )
    await server.engine.create_login("reader", "Reader-1")
    await server.engine.create_user("reader", connector.database)
    await server.run_script("GRANT SELECT ON open_to_all TO reader", database=connector.database)
    async with connector.session(UID="reader", PWD="Reader-1") as sql:
        assert await sql.value("SELECT COUNT(*) FROM open_to_all") == 0
        number, text = await sql.fails("SELECT * FROM secret")
        assert number == 229
        assert text.startswith("The SELECT permission was denied on the object 'secret'")
        assert (await sql.fails("INSERT open_to_all VALUES (1)"))[0] == 229


async def test_a_reset_connection_forgets_everything(server: SimulatedSqlServer) -> None:
    session = await server.engine.login(
        user="sa", password=server.password, database="master", application="", host=""
    )

    async def run(sql: str) -> list[object]:
        return [item async for item in session.batch(sql)]

    await run("SET NOCOUNT ON SET LOCK_TIMEOUT 5 CREATE TABLE #t (a int) BEGIN TRAN USE tempdb")
    assert session.transaction
    await session.reset()
    assert session.transaction == 0
    assert session.database == "master"
    rows = next(
        i for i in await run("SELECT @@LOCK_TIMEOUT, @@OPTIONS & 512") if hasattr(i, "rows")
    )
    assert [tuple(r) for r in rows.rows] == [(-1, 0)]
    (error, _) = await run("SELECT * FROM #t")
    assert error.error.number == 208
    await session.aclose()
    await session.aclose()
