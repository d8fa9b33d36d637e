"""SQL Server keeps every promise about changes, on the simulated server."""

from collections.abc import AsyncIterator
from itertools import count

import pytest
from msgspec.structs import replace

from dtaas.connectors.sqlserver.capture.source import SqlServerChangeSource
from dtaas.model.changes import TrackedTable
from dtaas.model.schema import TableRef
from dtaas.sandbox.sqlserver.simulated import SimulatedSqlServer
from tests.contract.change_source import ChangeSourceContract, ChangingWorld
from tests.integration.sqlserver_source.database import BOTH_READERS, Database

COLUMNS = "id int NOT NULL PRIMARY KEY, name nvarchar(20) NULL"
_numbers = count()


class SqlServerWorld(ChangingWorld):
    """Two tables of a database of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.table = TableRef("dbo", "t")
        self.other = TableRef("dbo", "other")

    async def commit(self, *changes: tuple[str, int, str | None]) -> None:
        texts = {
            "I": "INSERT INTO t VALUES ({0}, {1})",
            "U": "UPDATE t SET name = {1} WHERE id = {0}",
            "D": "DELETE FROM t WHERE id = {0}",
        }
        statements = [
            texts[op].format(number, "NULL" if name is None else f"N'{name}'")
            for op, number, name in changes
        ]
        await self.database.run("; ".join(("BEGIN TRAN", *statements, "COMMIT")))
        await self._captured()

    async def touch_other(self) -> None:
        await self.database.run("INSERT INTO other VALUES (1, N'o')")
        await self._captured()

    async def forget_history(self, tracked: TrackedTable) -> None:
        await self.database.server.capture.clean(tracked.instance, keep=1)

    async def recapture(self, tracked: TrackedTable) -> None:
        await self.database.run(
            f"EXEC sys.sp_cdc_disable_table N'dbo', N't', N'{tracked.instance}'",
            "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N't',"
            f" @role_name = NULL, @capture_instance = N'{tracked.instance}'",
        )

    async def _captured(self) -> None:
        while await self.database.server.capture.scan_now():
            pass


@pytest.fixture
async def world(server: SimulatedSqlServer) -> AsyncIterator[SqlServerWorld]:
    name = f"change_contract_{next(_numbers)}"
    admin = Database(server, "master", server.password)
    await admin.run(f"CREATE DATABASE {name}")
    await admin.aclose()
    database = Database(server, name, server.password)
    world = SqlServerWorld(database)
    await database.create(world.table, COLUMNS)
    await database.create(world.other, COLUMNS)
    yield world
    await database.aclose()


@BOTH_READERS
class TestSqlServerChangeSource(ChangeSourceContract):
    @pytest.fixture
    async def source(
        self, request: pytest.FixtureRequest, world: SqlServerWorld
    ) -> AsyncIterator[SqlServerChangeSource]:
        config = replace(world.database.config, reader=request.param)
        source = SqlServerChangeSource(config, application="dtaas/tests")
        yield source
        await source.aclose()
