"""One simulated SQL Server for the folder, and sessions on a database of each test file."""

import platform
from collections.abc import AsyncIterator
from pathlib import Path

import mssql_python_odbc
import pytest

from dtaas.sandbox.sqlserver.simulated import SimulatedSqlServer, simulated_sql_server
from tests.integration.sqlserver.captured import Captured
from tests.integration.sqlserver.odbc_session import Connector, OdbcSession

_PASSWORD = "Sand;b}ox€ 1"


@pytest.fixture(scope="session")
def driver() -> str:
    """Path of the Microsoft ODBC driver that loads on this system."""
    arch = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    libraries = Path(mssql_python_odbc.get_libs_dir(), "linux")
    found = sorted(libraries.glob(f"*/{arch}/lib/libmsodbcsql-*"))
    return str(next((p for p in found if "debian" in str(p)), found[0]))


@pytest.fixture(scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SimulatedSqlServer]:
    folder = tmp_path_factory.mktemp("simulated")
    async with simulated_sql_server(folder, password=_PASSWORD) as running:
        yield running


@pytest.fixture(scope="module")
async def connector(
    server: SimulatedSqlServer, driver: str, request: pytest.FixtureRequest
) -> AsyncIterator[Connector]:
    """Connects to a new database named after the test file."""
    database = request.module.__name__.rpartition(".")[2]
    await server.run_script(f"CREATE DATABASE {database}")
    yield Connector(server, driver, database)
    await server.run_script(f"DROP DATABASE {database}")


@pytest.fixture
async def sql(connector: Connector) -> AsyncIterator[OdbcSession]:
    """A session in autocommit mode."""
    async with connector.session() as session:
        yield session


@pytest.fixture
async def captured(connector: Connector, sql: OdbcSession) -> Captured:
    """The database of `sql`, with change data capture."""
    await sql.run("EXEC sys.sp_cdc_enable_db")
    return Captured(connector, sql)
