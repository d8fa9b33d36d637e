"""A simulated server with a scripted engine, and Microsoft's driver to speak to it."""

import platform
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import mssql_python_odbc
import pyodbc
import pytest
from msgspec import Struct

from dtaas.concurrency.blocking import Blocking
from dtaas.sandbox.sqlserver.server import TdsServer
from tests.fakes.scripted_server import PASSWORD, USER, ScriptedEngine

pyodbc.pooling = False


@pytest.fixture(scope="session")
def driver() -> str:
    """Path of the Microsoft ODBC driver that loads on this system."""
    arch = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    libraries = Path(mssql_python_odbc.get_libs_dir(), "linux")
    found = sorted(libraries.glob(f"*/{arch}/lib/libmsodbcsql-*"))
    return str(next((p for p in found if "debian" in str(p)), found[0]))


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
async def server(engine: ScriptedEngine) -> AsyncIterator[TdsServer]:
    async with TdsServer.listen(engine) as listening:
        yield listening


@pytest.fixture
def blocking() -> Blocking:
    return Blocking(4)


class Odbc(Struct, frozen=True):
    """Connects pyodbc to a port."""

    driver: str
    port: int

    def text(self, **options: Any) -> str:
        secret = "{" + PASSWORD.replace("}", "}}") + "}"
        settings = {
            "Driver": self.driver,
            "Server": f"127.0.0.1,{self.port}",
            "Database": "testdb",
            "UID": USER,
            "PWD": secret,
            "Encrypt": "yes",
            "TrustServerCertificate": "yes",
        } | options
        return ";".join(f"{name}={value}" for name, value in settings.items())

    def connect(self, *, autocommit: bool = True, **options: Any) -> pyodbc.Connection:
        return pyodbc.connect(self.text(**options), autocommit=autocommit, timeout=10)


@pytest.fixture
def odbc(driver: str, server: TdsServer) -> Odbc:
    return Odbc(driver, server.port)


Client = Callable[[pyodbc.Connection], Any]


@pytest.fixture
def run(odbc: Odbc, blocking: Blocking) -> Callable[..., Any]:
    """Run a function with an open connection in a thread."""

    async def inside(client: Client, **options: Any) -> Any:
        def whole() -> Any:
            connection = odbc.connect(**options)
            try:
                return client(connection)
            finally:
                connection.close()

        return await blocking(whole)

    return inside
