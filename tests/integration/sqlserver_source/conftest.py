"""One simulated SQL Server for the folder; every test makes tables of its own."""

from collections.abc import AsyncIterator
from functools import partial
from itertools import count

import pytest
from msgspec.structs import replace

from dtaas.connectors.sqlserver.source import SqlServerSource
from dtaas.model.connectors import Reader
from dtaas.model.schema import TableRef
from dtaas.sandbox.sqlserver.simulated import SimulatedSqlServer, simulated_sql_server
from tests.integration.sqlserver_source import scripted
from tests.integration.sqlserver_source.database import Database

_PASSWORD = "Sand;b}ox€ 1"


@pytest.fixture(scope="session")
async def server(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[SimulatedSqlServer]:
    async with simulated_sql_server(
        tmp_path_factory.mktemp("sqlserver"), password=_PASSWORD
    ) as server:
        yield server


@pytest.fixture(scope="session")
async def database(server: SimulatedSqlServer) -> AsyncIterator[Database]:
    """A database of this folder's own."""
    admin = Database(server, "master", _PASSWORD)
    await admin.run("CREATE DATABASE source_tests")
    await admin.aclose()
    database = Database(server, "source_tests", _PASSWORD)
    yield database
    await database.aclose()


@pytest.fixture(params=["odbc", "native"])
def reading(request: pytest.FixtureRequest) -> scripted.Reading:
    """Opens a reader on a scripted server: once on ODBC, once on our own decoder."""
    return partial(scripted.reading, kind=request.param)


@pytest.fixture
async def source(
    request: pytest.FixtureRequest, database: Database
) -> AsyncIterator[SqlServerSource]:
    """A source; `BOTH_READERS` runs a test with each of its readers."""
    config = replace(database.config, reader=getattr(request, "param", Reader.AUTO))
    source = SqlServerSource(config, application="dtaas/tests")
    yield source
    await source.aclose()


_numbers = count()


@pytest.fixture
def table() -> TableRef:
    """A name no other test uses."""
    return TableRef("dbo", f"t{next(_numbers)}")
