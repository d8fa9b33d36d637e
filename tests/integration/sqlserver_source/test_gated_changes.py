"""Changes read by a login of a gating role: through the functions, for schema cdc is closed to it."""

from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import pyarrow as pa
import pytest
from msgspec.structs import replace

from dtaas.connectors.sqlserver.capture.source import SqlServerChangeSource
from dtaas.model.changes import ORDER, ChangeWindow, TrackedTable, change_schema
from dtaas.model.connectors import Reader
from dtaas.model.errors import (
    CaptureGapError,
    CaptureLostError,
    CaptureNotEnabledError,
    DtaasError,
)
from dtaas.model.schema import TableRef
from dtaas.sandbox.sqlserver.simulated import SimulatedSqlServer
from tests.integration.sqlserver_source.database import Database

LOGIN, PASSWORD = "change_reader", "Reader-1"
T = TableRef("dbo", "t")
ENABLE = (
    "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N't',"
    " @role_name = N'readers', @capture_instance = N'{}'"
)
_numbers = count()


@pytest.fixture
async def database(server: SimulatedSqlServer) -> AsyncIterator[Database]:
    """A database with one table, its capture instance, and a login that may do nothing yet."""
    name = f"gated_{next(_numbers)}"
    admin = Database(server, "master", server.password)
    await admin.run(f"CREATE DATABASE {name}")
    await admin.aclose()
    await server.engine.create_login(LOGIN, PASSWORD)
    await server.engine.create_user(LOGIN, name)
    database = Database(server, name, server.password)
    await database.create(
        T, "id int NOT NULL PRIMARY KEY, name nvarchar(20), note nvarchar(max), twice AS (id * 2)"
    )
    await database.run("EXEC sys.sp_cdc_enable_db", ENABLE.format(first(database)))
    yield database
    await database.aclose()


@pytest.fixture(params=[Reader.NATIVE, Reader.ODBC])
async def source(
    request: pytest.FixtureRequest, database: Database
) -> AsyncIterator[SqlServerChangeSource]:
    """Reads as the login."""
    config = replace(database.config, username=LOGIN, password=PASSWORD, reader=request.param)
    source = SqlServerChangeSource(config, application="dtaas/tests")
    yield source
    await source.aclose()


def first(database: Database) -> str:
    """Return the name of the instance, which no other database of the server has."""
    return f"{database.config.database}_first"


async def let_in(database: Database) -> None:
    await database.run(
        f"GRANT SELECT ON dbo.t TO {LOGIN}", f"ALTER ROLE readers ADD MEMBER {LOGIN}"
    )


async def captured(database: Database) -> None:
    while await database.server.capture.scan_now():
        pass


async def tracked_and_based(source: SqlServerChangeSource) -> tuple[TrackedTable, bytes]:
    (tracked,) = await source.track([T], keys={}, enable=False)
    return tracked, await source.anchor([tracked])


async def read(
    source: SqlServerChangeSource, tracked: TrackedTable, window: ChangeWindow
) -> list[dict[str, Any]]:
    batches = []
    async with source.changes(tracked, window, batch_rows=1000, batch_bytes=1 << 20) as reader:
        while (batch := await reader.next()) is not None:
            batches.append(batch)
    rows: list[dict[str, Any]] = pa.Table.from_batches(
        batches, change_schema(tracked.schema)
    ).to_pylist()
    return rows


async def everything(
    source: SqlServerChangeSource, database: Database, tracked: TrackedTable, after: bytes
) -> list[dict[str, Any]]:
    """Read window by window, of two rows or one transaction each."""
    await captured(database)
    to = (await source.poll([tracked])).position
    found = []
    while after < to:
        window = await source.cut(tracked, after=after, to=to, most_rows=2)
        found += await read(source, tracked, window)
        after = window.to
    return found


async def test_every_operation_in_order(source: SqlServerChangeSource, database: Database) -> None:
    await let_in(database)
    tracked, base = await tracked_and_based(source)
    assert tracked.schema.key == ("id",)
    assert [c.name for c in tracked.schema.columns] == ["id", "name", "note"]
    await database.run(
        "INSERT INTO t VALUES (1, N'a', N'long'), (2, N'b', NULL)",
        "UPDATE t SET name = N'é' WHERE id = 1",
        "UPDATE t SET id = 3 WHERE id = 1",
        "DELETE FROM t WHERE id = 2",
    )
    found = await everything(source, database, tracked, base)
    assert [(r["_op"], r["id"], r["name"]) for r in found] == [
        ("I", 1, "a"),
        ("I", 2, "b"),
        ("U", 1, "é"),
        ("D", 1, "é"),
        ("I", 3, "é"),
        ("D", 2, "b"),
    ]
    assert found[2]["_unchanged"] == '["note"]'
    places = [tuple(r[name] for name in ORDER) for r in found]
    assert places == sorted(set(places))
    assert all(r["_commit_time"] is not None for r in found)


async def test_changes_are_the_same_as_the_owner_reads(
    source: SqlServerChangeSource, database: Database
) -> None:
    await let_in(database)
    tracked, base = await tracked_and_based(source)
    rows = ", ".join(f"({number}, N'x', NULL)" for number in range(1, 51))
    await database.run(
        f"INSERT INTO t VALUES {rows}",
        "UPDATE t SET name = CONCAT(name, id) WHERE id % 3 = 0",
        "DELETE FROM t WHERE id % 5 = 0",
    )
    owner = SqlServerChangeSource(database.config, application="dtaas/tests")
    try:
        assert await owner.track([T], keys={}, enable=False) == [tracked]
        expected = await everything(owner, database, tracked, base)
        state = await owner.poll([tracked])
    finally:
        await owner.aclose()
    found = await everything(source, database, tracked, base)
    assert len(found) == 76
    assert [r | {"_command_id": 0} for r in expected] == found
    own = await source.poll([tracked])
    assert (own.position, own.low) == (state.position, state.low)
    assert own.committed_at == state.committed_at


async def test_who_sees_no_instance_is_told_what_a_dba_would_run(
    source: SqlServerChangeSource, database: Database
) -> None:
    await database.run(f"GRANT SELECT ON dbo.t TO {LOGIN}")
    with pytest.raises(CaptureNotEnabledError) as caught:
        await source.track([T], keys={}, enable=True)
    assert "GRANT SELECT ON SCHEMA::cdc TO [the_user];" in caught.value.hint
    assert "sp_cdc_enable_table" in caught.value.hint


async def test_a_role_taken_away_is_loud(source: SqlServerChangeSource, database: Database) -> None:
    await let_in(database)
    tracked, base = await tracked_and_based(source)
    await database.run("INSERT INTO t VALUES (1, N'a', NULL)")
    await captured(database)
    to = (await source.poll([tracked])).position
    window = await source.cut(tracked, after=base, to=to, most_rows=10)
    await database.run(f"ALTER ROLE readers DROP MEMBER {LOGIN}")
    with pytest.raises(DtaasError, match="may not read it any more"):
        await source.poll([tracked])
    with pytest.raises(CaptureLostError):
        await read(source, tracked, window)


async def test_what_was_cleaned_away_is_a_gap(
    source: SqlServerChangeSource, database: Database
) -> None:
    await let_in(database)
    tracked, base = await tracked_and_based(source)
    await database.run(
        "INSERT INTO t VALUES (1, N'a', NULL)", "INSERT INTO t VALUES (2, N'b', NULL)"
    )
    await captured(database)
    to = (await source.poll([tracked])).position
    window = await source.cut(tracked, after=base, to=to, most_rows=10)
    await database.server.capture.clean(first(database), keep=1)
    with pytest.raises(CaptureGapError):
        await read(source, tracked, window)


async def test_an_instance_made_again_is_another_one(
    source: SqlServerChangeSource, database: Database
) -> None:
    await let_in(database)
    tracked, _ = await tracked_and_based(source)
    name = first(database)
    await database.run(
        f"EXEC sys.sp_cdc_disable_table N'dbo', N't', N'{name}'", ENABLE.format(name)
    )
    with pytest.raises(CaptureLostError, match="another one"):
        await source.poll([tracked])


async def test_an_instance_of_a_table_that_was_renamed_is_loud(
    source: SqlServerChangeSource, database: Database
) -> None:
    await let_in(database)
    tracked, _ = await tracked_and_based(source)
    await database.run("EXEC sp_rename N'dbo.t', N'another'")
    with pytest.raises(CaptureLostError, match="renamed or another took its place"):
        await source.poll([tracked])


async def test_new_columns_come_with_the_instance_a_dba_makes(
    source: SqlServerChangeSource, database: Database
) -> None:
    await let_in(database)
    tracked, _ = await tracked_and_based(source)
    before = (await source.poll([tracked])).structure[T]
    await database.run("ALTER TABLE dbo.t ADD extra int NULL")
    await captured(database)
    assert (await source.poll([tracked])).structure[T] != before
    with pytest.raises(CaptureNotEnabledError) as caught:
        await source.follow_ddl(tracked, enable=True)
    assert "extra" in caught.value.detail
    await database.run(ENABLE.format("second"), "INSERT INTO t VALUES (1, N'a', NULL, 7)")
    await captured(database)
    followed = await source.follow_ddl(tracked, enable=True)
    assert followed.successor is not None
    newer = followed.successor.tracked
    assert [c.name for c in newer.schema.columns] == ["id", "name", "note", "extra"]
    assert followed.successor.missed.columns == ("extra",)
    rows = await everything(source, database, newer, newer.start)
    assert [(r["id"], r["extra"]) for r in rows] == [(1, 7)]


async def test_a_secondary_is_read_but_never_changed(
    source: SqlServerChangeSource, database: Database
) -> None:
    """A10: on a readable secondary what is missing is for the primary, and nothing is dropped."""
    await let_in(database)
    await database.create(TableRef("dbo", "bare"), "id int NOT NULL PRIMARY KEY")
    config = replace(database.config, application_intent_read_only=True)
    secondary = SqlServerChangeSource(config, application="dtaas/tests")
    try:
        (tracked,) = await secondary.track([T], keys={}, enable=True)
        base = await secondary.anchor([tracked])
        await database.run("INSERT INTO t VALUES (1, N'a', NULL)")
        found = await everything(secondary, database, tracked, base)
        assert [(r["_op"], r["id"]) for r in found] == [("I", 1)]
        assert (await secondary.poll([tracked])).replica
        with pytest.raises(CaptureNotEnabledError) as caught:
            await secondary.track([TableRef("dbo", "bare")], keys={}, enable=True)
        assert "sp_cdc_enable_table" in caught.value.hint
        await secondary.untrack(replace(tracked, made_by_us=True))
        assert await source.track([T], keys={}, enable=False) == [tracked]
    finally:
        await secondary.aclose()


async def test_the_schema_alone_reads_the_tables_without_seeing_the_scans(
    source: SqlServerChangeSource, database: Database
) -> None:
    """SELECT on schema cdc is enough: VIEW DATABASE STATE only tells how far the log was scanned."""
    await let_in(database)
    await database.run(f"GRANT SELECT ON SCHEMA::cdc TO {LOGIN}")
    tracked, base = await tracked_and_based(source)
    await database.run("INSERT INTO t VALUES (1, N'a', NULL)")
    found = await everything(source, database, tracked, base)
    assert [(r["_op"], r["id"]) for r in found] == [("I", 1)]
    state = await source.poll([tracked])
    assert state.high[T] <= state.position
    assert (state.trouble, state.capture_lag_s) == ("", 0.0)
