"""Sessions are kept between questions and between windows, and one that died is replaced."""

from collections.abc import AsyncIterator

import pytest

from dtaas.connectors.sqlserver.capture.source import SqlServerChangeSource
from dtaas.connectors.sqlserver.source import SqlServerSource
from dtaas.model.changes import TrackedTable
from dtaas.model.schema import TableRef
from dtaas.sandbox.sqlserver.simulated import SimulatedSqlServer
from tests.integration.sqlserver_source.database import Database


@pytest.fixture(scope="module")
async def database(server: SimulatedSqlServer) -> AsyncIterator[Database]:
    admin = Database(server, "master", server.password)
    await admin.run("CREATE DATABASE kept_sessions")
    await admin.aclose()
    database = Database(server, "kept_sessions", server.password)
    yield database
    await database.aclose()


class Both:
    """The two halves of one task's source, and the stream of one table."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.rows = SqlServerSource(database.config, application="dtaas/tests")
        self.changes = SqlServerChangeSource(
            database.config, application="dtaas/tests", beside=self.rows
        )

    async def connect(self) -> int:
        """Connect ahead. Returns how many connections the two have."""
        others = await self._others()
        await self.rows.connect_ahead()
        await self.changes.connect_ahead()
        return self.database.server.tds.connections - others

    async def opened(self) -> int:
        return self.database.server.tds.connections

    async def _others(self) -> int:
        await self.database.run("SELECT 1")
        return self.database.server.tds.connections

    async def follow(self, tracked: TrackedTable, after: bytes) -> tuple[list[int], bytes]:
        """Return the ids of the next window, and where it ends."""
        while await self.database.server.capture.scan_now():
            pass
        position = (await self.changes.poll([tracked])).position
        window = await self.changes.cut(tracked, after=after, to=position, most_rows=10_000)
        ids: list[int] = []
        async with self.changes.changes(
            tracked, window, batch_rows=1_000, batch_bytes=1 << 20
        ) as reader:
            while (batch := await reader.next()) is not None:
                ids += batch.column("id").to_pylist()
        return ids, window.to


@pytest.fixture
async def both(database: Database) -> AsyncIterator[Both]:
    both = Both(database)
    yield both
    await both.changes.aclose()
    await both.rows.aclose()


async def tracked_table(both: Both, table: TableRef) -> tuple[TrackedTable, bytes]:
    await both.database.create(table, "id int NOT NULL PRIMARY KEY, name nvarchar(20)")
    (tracked,) = await both.changes.track([table], keys={}, enable=True)
    return tracked, await both.changes.anchor([tracked])


async def test_a_stream_begins_and_goes_on_with_two_connections(
    both: Both, table: TableRef
) -> None:
    assert await both.connect() == 2  # for questions and for windows
    opened = await both.opened()
    tracked, after = await tracked_table(both, table)
    await both.rows.describe(table)
    for number in range(3):
        await both.database.run(
            f"INSERT INTO [{table.schema}].[{table.name}] VALUES ({number}, N'a')"
        )
        ids, after = await both.follow(tracked, after)
        assert ids == [number]
    assert await both.opened() == opened


async def test_connections_that_died_while_idle_are_replaced(both: Both, table: TableRef) -> None:
    await both.connect()
    tracked, after = await tracked_table(both, table)
    for number in range(2):
        both.database.server.tds.drop_connections()
        await both.database.run(
            f"INSERT INTO [{table.schema}].[{table.name}] VALUES ({number}, N'a')"
        )
        ids, after = await both.follow(tracked, after)
        assert ids == [number]


async def test_all_connections_are_closed(both: Both, table: TableRef) -> None:
    tracked, after = await tracked_table(both, table)
    await both.connect()
    await both.follow(tracked, after)
    await both.changes.aclose()
    await both.rows.aclose()
    await both.database.aclose()
    await both.database.server.tds.wait_idle()


async def test_connecting_ahead_to_nobody_fails_no_one(database: Database) -> None:
    both = Both(database)
    faults = database.server.faults
    faults.refuse_connections = True
    try:
        await both.rows.connect_ahead()
        await both.changes.connect_ahead()
    finally:
        faults.refuse_connections = False
    assert await both.rows.discover() is not None
    await both.changes.aclose()
    await both.rows.aclose()


async def test_what_is_asked_ahead_of_capture_is_asked_again(
    server: SimulatedSqlServer, table: TableRef
) -> None:
    admin = Database(server, "master", server.password)
    await admin.run("CREATE DATABASE captured_later")
    await admin.aclose()
    both = Both(Database(server, "captured_later", server.password))
    await both.connect()  # nothing is captured, so how long changes are kept is not known
    tracked, _ = await tracked_table(both, table)
    assert (await both.changes.poll([tracked])).retention_s == 3 * 86_400
    await both.changes.aclose()
    await both.rows.aclose()
    await both.database.aclose()
