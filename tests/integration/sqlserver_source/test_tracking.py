"""Net changes read by Change Tracking from the simulated server."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from anyio import create_task_group

from dtaas.connectors.sqlserver.tracking.source import SqlServerTrackingSource
from dtaas.model.change_ports import ChangeSource
from dtaas.model.changes import (
    LSN,
    OP,
    ORDER,
    ChangeWindow,
    SourceState,
    TrackedTable,
    TrackingMethod,
)
from dtaas.model.errors import CaptureGapError, CaptureLostError, CaptureNotEnabledError
from dtaas.model.schema import TableRef
from dtaas.sandbox.sqlserver.simulated import SimulatedSqlServer
from tests.contract.change_source import ChangeSourceContract, ChangingWorld, read
from tests.integration.sqlserver_source.database import Database

FAR = b"\0\0\x7f" + b"\xff" * 7


async def made(server: SimulatedSqlServer, name: str) -> Database:
    admin = Database(server, "master", server.password)
    await admin.run(f"CREATE DATABASE {name}")
    await admin.aclose()
    return Database(server, name, server.password)


@pytest.fixture(scope="module")
async def locking(server: SimulatedSqlServer) -> AsyncIterator[Database]:
    database = await made(server, "tracking_locks")
    yield database
    await database.aclose()


@pytest.fixture(scope="module")
async def versions(server: SimulatedSqlServer) -> AsyncIterator[Database]:
    database = await made(server, "tracking_versions")
    await database.run("ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON")
    yield database
    await database.aclose()


@pytest.fixture(params=["snapshot", "read_committed"])
def database(request: pytest.FixtureRequest, versions: Database, locking: Database) -> Database:
    return versions if request.param == "snapshot" else locking


@pytest.fixture
async def source(database: Database) -> AsyncIterator[SqlServerTrackingSource]:
    source = SqlServerTrackingSource(database.config, application="dtaas/tests")
    yield source
    await source.aclose()


class TrackedWorld(ChangingWorld):
    def __init__(self, database: Database, table: TableRef) -> None:
        self.database = database
        self.table = table
        self.other = TableRef("dbo", f"{table.name}_other")

    async def make(self) -> "TrackedWorld":
        for table in (self.table, self.other):
            await self.database.create(table, "id int NOT NULL PRIMARY KEY, name nvarchar(20)")
        return self

    async def commit(self, *changes: tuple[str, int, str | None]) -> None:
        name = self.table.name
        statements = []
        for op, number, text in changes:
            value = "NULL" if text is None else f"N'{text}'"
            statements.append(
                {
                    "I": f"INSERT INTO {name} VALUES ({number}, {value})",
                    "U": f"UPDATE {name} SET name = {value} WHERE id = {number}",
                    "D": f"DELETE FROM {name} WHERE id = {number}",
                }[op]
            )
        await self.database.run(f"BEGIN TRAN; {'; '.join(statements)}; COMMIT")

    async def touch_other(self) -> None:
        await self.database.run(f"INSERT INTO {self.other.name} VALUES (1, N'o')")

    async def forget_history(self, tracked: TrackedTable) -> None:
        await self.database.run(f"TRUNCATE TABLE {tracked.table.name}")

    async def recapture(self, tracked: TrackedTable) -> None:
        name = tracked.table.name
        await self.database.run(
            f"ALTER TABLE {name} DISABLE CHANGE_TRACKING",
            f"ALTER TABLE {name} ENABLE CHANGE_TRACKING",
        )


class TestTrackingSource(ChangeSourceContract):
    """The contract of a change source, but for what net changes cannot promise."""

    @pytest.fixture
    async def world(self, database: Database, table: TableRef) -> TrackedWorld:
        return await TrackedWorld(database, table).make()

    async def test_changes_come_once_in_order_in_windows_of_whole_transactions(
        self, source: ChangeSource, world: ChangingWorld
    ) -> None:
        """The last change of each row, in the order of these."""
        (tracked,) = await source.track([world.table], keys={}, enable=True)
        base = await source.anchor([tracked])
        await world.commit(("I", 1, "a"), ("I", 2, "b"), ("I", 3, "c"), ("I", 5, "e"))
        await world.commit(("U", 1, "A"), ("D", 2, None))
        await world.commit(("I", 4, "d"))
        to = (await source.poll([tracked])).position
        seen: list[dict[str, Any]] = []
        windows, after = [], base
        while after < to:
            window = await source.cut(tracked, after=after, to=to, most_rows=2)
            assert window.after == after < window.to <= to
            seen += await read(source, tracked, window, batch_rows=2)
            windows.append(window)
            after = window.to
        assert [(c[OP], c["id"], c["name"]) for c in seen] == [
            ("I", 3, "c"), ("I", 5, "e"), ("U", 1, "A"), ("D", 2, None), ("I", 4, "d"),
        ]  # fmt: skip
        places = [tuple(c[name] for name in ORDER) for c in seen]
        assert places == sorted(places)
        assert len({c[LSN] for c in seen}) == 3
        assert len(windows) == 3
        again = await read(source, tracked, windows[0])
        assert [c["id"] for c in again] == [3, 5]

    async def test_a_row_that_changed_again_comes_with_its_last_change(
        self, source: ChangeSource, world: ChangingWorld
    ) -> None:
        (tracked,) = await source.track([world.table], keys={}, enable=True)
        base = await source.anchor([tracked])
        await world.commit(("I", 1, "a"), ("I", 2, "b"))
        to = (await source.poll([tracked])).position
        await world.commit(("U", 1, "later"))
        window = await source.cut(tracked, after=base, to=to, most_rows=10)
        assert [c["id"] for c in await read(source, tracked, window)] == [2]
        end = (await source.poll([tracked])).position
        window = await source.cut(tracked, after=window.to, to=end, most_rows=10)
        (change,) = await read(source, tracked, window)
        assert (change[OP], change["id"], change["name"]) == ("U", 1, "later")

    async def test_a_declared_key_is_the_key(
        self, source: ChangeSource, world: ChangingWorld
    ) -> None:
        """Deletes are told by the primary key alone: another is refused."""
        with pytest.raises(CaptureNotEnabledError) as caught:
            await source.track([world.table], keys={world.table: ("name",)}, enable=True)
        assert "capture" in caught.value.hint
        keys = {world.table: ("id",)}
        (tracked,) = await source.track([world.table], keys=keys, enable=True)
        assert tracked.schema.key == ("id",)

    async def test_untracking_is_idempotent(
        self, source: ChangeSource, world: ChangingWorld
    ) -> None:
        """Change Tracking stays on: nobody says who else reads it."""
        (tracked,) = await source.track([world.table], keys={}, enable=True)
        assert tracked.method is TrackingMethod.CHANGE_TRACKING
        assert not tracked.made_by_us
        for _ in range(2):
            await source.untrack(tracked)
        assert await source.track([world.table], keys={}, enable=False) == [tracked]


async def start(
    source: SqlServerTrackingSource, database: Database, table: TableRef, columns: str
) -> tuple[TrackedTable, bytes]:
    await database.create(table, columns)
    (tracked,) = await source.track([table], keys={}, enable=True)
    return tracked, await source.anchor([tracked])


async def everything(
    source: SqlServerTrackingSource, tracked: TrackedTable, after: bytes
) -> list[dict[str, Any]]:
    to = (await source.poll([tracked])).position
    window = await source.cut(tracked, after=after, to=to, most_rows=10_000)
    assert window.to == to
    return await read(source, tracked, window)


async def test_key_moves_and_rows_that_came_and_went(
    source: SqlServerTrackingSource, database: Database, table: TableRef
) -> None:
    tracked, base = await start(
        source, database, table, "a nvarchar(9), b int, n int, PRIMARY KEY (b, a)"
    )
    await database.run(
        f"INSERT INTO {table.name} VALUES (N'é', 1, 1), (N'x', 2, 2)",
        f"UPDATE {table.name} SET b = 9 WHERE b = 1",
        f"INSERT INTO {table.name} VALUES (N'gone', 3, 3)",
        f"DELETE FROM {table.name} WHERE b = 3",
    )
    found = {(c[OP], c["b"], c["a"], c["n"]) for c in await everything(source, tracked, base)}
    assert found == {
        ("I", 2, "x", 2), ("I", 9, "é", 1), ("D", 1, "é", None), ("D", 3, "gone", None),
    }  # fmt: skip


@pytest.mark.parametrize(
    "case",
    [
        ("v datetimeoffset(7)", "'2024-02-29 00:00:00 +05:30'", "2024-02-29 00:00:00.0000000 +05:30"),
        ("v uniqueidentifier", "'6F9619FF-8B86-D011-B42D-00C04FC964FF'", "6f9619ff-8b86-d011-b42d-00c04fc964ff"),
        ("v nvarchar(max)", "REPLICATE(CAST(N'é' AS nvarchar(max)), 9000)", "é" * 9000),
        ("v sql_variant", "CAST(1 AS int)", '{"type": "int", "value": "1"}'),
    ],
)  # fmt: skip
async def test_types_come_as_in_a_full_load(
    source: SqlServerTrackingSource,
    database: Database,
    table: TableRef,
    case: tuple[str, str, str],
) -> None:
    column, value, expected = case
    tracked, base = await start(source, database, table, f"id int NOT NULL PRIMARY KEY, {column}")
    await database.run(f"INSERT INTO {table.name} VALUES (1, {value})")
    (change,) = await everything(source, tracked, base)
    assert change["v"] == expected


async def test_poll_tells_the_changed_and_the_idle(
    source: SqlServerTrackingSource, database: Database, table: TableRef
) -> None:
    tracked, base = await start(source, database, table, "id int NOT NULL PRIMARY KEY")
    idle = await source.poll([tracked])
    assert table not in idle.high
    assert idle.retention_s == 7 * 86_400
    await database.run(f"INSERT INTO {table.name} VALUES (1)")
    first = await source.poll([tracked])
    assert base < first.high[table] == first.position
    assert (await source.poll([tracked])).high == first.high  # still told when nothing is new
    assert first.identity == idle.identity != ""


async def test_tracking_that_is_switched_off_is_loud(
    source: SqlServerTrackingSource, database: Database, table: TableRef
) -> None:
    tracked, base = await start(source, database, table, "id int NOT NULL PRIMARY KEY")
    await database.run(f"ALTER TABLE {table.name} DISABLE CHANGE_TRACKING")
    with pytest.raises(CaptureLostError) as caught:
        await source.poll([tracked])
    assert caught.value.tables == (table,)
    with pytest.raises(CaptureLostError):
        await read(source, tracked, ChangeWindow(table=table, after=base, to=FAR))


async def test_a_truncate_while_reading_is_a_gap(
    source: SqlServerTrackingSource, database: Database, table: TableRef
) -> None:
    """What is kept is asked for after the last row too: cleanup does not wait for readers."""
    tracked, base = await start(source, database, table, "id int NOT NULL PRIMARY KEY")
    await database.run(f"INSERT INTO {table.name} VALUES (1), (2), (3)")
    to = (await source.poll([tracked])).position
    window = ChangeWindow(table=table, after=base, to=to)
    with pytest.raises(CaptureGapError, match="are not kept any more"):
        async with source.changes(tracked, window, batch_rows=1, batch_bytes=1 << 20) as reader:
            assert await reader.next() is not None
            await database.run(f"TRUNCATE TABLE {table.name}")
            while await reader.next() is not None:
                pass


@pytest.mark.parametrize(
    ("columns", "hint"),
    [("id int", "primary key"), ("id int NOT NULL UNIQUE", "primary key")],
)
async def test_a_table_without_a_primary_key_is_refused(
    source: SqlServerTrackingSource, database: Database, table: TableRef, columns: str, hint: str
) -> None:
    await database.create(table, columns)
    with pytest.raises(CaptureNotEnabledError) as caught:
        await source.track([table], keys={}, enable=True)
    assert hint in caught.value.hint


async def test_polls_of_different_tables_do_not_mix(
    source: SqlServerTrackingSource, database: Database, table: TableRef
) -> None:
    """Tables that are loaded ask for a position while others stream."""
    world = await TrackedWorld(database, table).make()
    pair = await source.track([world.table, world.other], keys={}, enable=True)
    await world.commit(("I", 1, "a"))
    polled: list[SourceState] = []

    async def poll(tracked: Sequence[TrackedTable]) -> None:
        polled.append(await source.poll(tracked))

    async with create_task_group() as group:
        for tracked in (pair, pair[1:], pair[:1], pair[::-1]) * 3:
            group.start_soon(poll, tracked)
    assert len(polled) == 12
    assert all(world.other not in state.high for state in polled)
    assert sum(world.table in state.high for state in polled) == 9
