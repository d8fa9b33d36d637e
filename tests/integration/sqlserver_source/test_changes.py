"""Changes read from capture instances of the simulated server: whole, in order, once."""

from collections.abc import AsyncIterator
from typing import Any

import pyarrow as pa
import pytest
from msgspec.structs import replace

from dtaas.connectors.sqlserver.capture.source import SqlServerChangeSource
from dtaas.connectors.sqlserver.source import SqlServerSource
from dtaas.model.changes import ChangeWindow, TrackedTable, change_schema
from dtaas.model.check import CheckStep, StepStatus
from dtaas.model.connectors import Reader, SqlServerConfig
from dtaas.model.errors import CaptureGapError, CaptureLostError, CaptureNotEnabledError
from dtaas.model.schema import TableRef
from dtaas.sandbox.sqlserver.simulated import SimulatedSqlServer
from tests.integration.sqlserver_source.database import Database

FAR = b"\xff" * 10


@pytest.fixture(scope="module")
async def database(server: SimulatedSqlServer) -> AsyncIterator[Database]:
    admin = Database(server, "master", server.password)
    await admin.run("CREATE DATABASE change_tests")
    await admin.aclose()
    database = Database(server, "change_tests", server.password)
    yield database
    await database.aclose()


@pytest.fixture(params=[Reader.NATIVE, Reader.ODBC])
async def changes(
    request: pytest.FixtureRequest, database: Database
) -> AsyncIterator[SqlServerChangeSource]:
    config = replace(database.config, reader=request.param)
    source = SqlServerChangeSource(config, application="dtaas/tests")
    yield source
    await source.aclose()


async def tracked_table(
    changes: SqlServerChangeSource, database: Database, table: TableRef, columns: str
) -> tuple[TrackedTable, bytes]:
    await database.create(table, columns)
    (tracked,) = await changes.track([table], keys={}, enable=True)
    return tracked, await changes.anchor([tracked])


async def captured(database: Database) -> None:
    while await database.server.capture.scan_now():
        pass


async def read(
    changes: SqlServerChangeSource, tracked: TrackedTable, window: ChangeWindow
) -> pa.Table:
    batches = []
    async with changes.changes(tracked, window, batch_rows=1000, batch_bytes=1 << 20) as reader:
        while (batch := await reader.next()) is not None:
            batches.append(batch)
    return pa.Table.from_batches(batches, change_schema(tracked.schema))


async def everything(
    changes: SqlServerChangeSource, database: Database, tracked: TrackedTable, after: bytes
) -> pa.Table:
    await captured(database)
    state = await changes.poll([tracked])
    window = await changes.cut(tracked, after=after, to=state.position, most_rows=10_000)
    assert window.to == state.position
    table = await read(changes, tracked, window)
    assert window.expected_rows is not None
    assert table.num_rows <= window.expected_rows  # which counts images before updates
    return table


async def test_every_operation_in_order(
    changes: SqlServerChangeSource, database: Database, table: TableRef
) -> None:
    tracked, base = await tracked_table(
        changes, database, table, "id int NOT NULL PRIMARY KEY, name nvarchar(20), n decimal(9,2)"
    )
    await database.run(
        f"INSERT INTO {table.name} VALUES (1, N'a', 1.5), (2, N'b', NULL)",
        f"UPDATE {table.name} SET name = N'é' WHERE id = 1",
        f"UPDATE {table.name} SET id = 3 WHERE id = 1",
        f"DELETE FROM {table.name} WHERE id = 2",
    )
    found = await everything(changes, database, tracked, base)
    assert [(r["_op"], r["id"], r["name"]) for r in found.to_pylist()] == [
        ("I", 1, "a"),
        ("I", 2, "b"),
        ("U", 1, "é"),
        ("D", 1, "é"),
        ("I", 3, "é"),
        ("D", 2, "b"),
    ]
    keys = [(r["_lsn"], r["_command_id"], r["_seqval"], r["_op"]) for r in found.to_pylist()]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)
    assert all(r["_commit_time"] is not None for r in found.to_pylist())
    assert found["_unchanged"].null_count == found.num_rows


async def test_unchanged_long_values_are_named(
    changes: SqlServerChangeSource, database: Database, table: TableRef
) -> None:
    tracked, base = await tracked_table(
        changes,
        database,
        table,
        "id int NOT NULL PRIMARY KEY, n int, body nvarchar(max), data varbinary(max)",
    )
    await database.run(
        f"INSERT INTO {table.name} VALUES (1, 1, N'x', 0x01)",
        f"UPDATE {table.name} SET n = 2",
        f"UPDATE {table.name} SET body = NULL",
        f"UPDATE {table.name} SET body = N'y', data = 0x02",
    )
    found = (await everything(changes, database, tracked, base)).to_pylist()
    assert [(r["body"], r["data"], r["_unchanged"]) for r in found] == [
        ("x", b"\1", None),
        (None, None, '["body", "data"]'),
        (None, None, '["data"]'),
        ("y", b"\2", None),
    ]


async def test_windows_end_at_commits(
    changes: SqlServerChangeSource, database: Database, table: TableRef
) -> None:
    tracked, position = await tracked_table(changes, database, table, "id int NOT NULL PRIMARY KEY")
    sizes = [3, 1, 7, 2, 2]
    first = 0
    for size in sizes:
        rows = ", ".join(f"({i})" for i in range(first, first + size))
        await database.run(f"INSERT INTO {table.name} VALUES {rows}")
        first += size
    await captured(database)
    state = await changes.poll([tracked])
    seen: list[list[int]] = []
    while position < state.position:
        window = await changes.cut(tracked, after=position, to=state.position, most_rows=4)
        assert window.after == position < window.to
        found = await read(changes, tracked, window)
        if found.num_rows:
            seen.append(found["id"].to_pylist())
        position = window.to
    assert [len(ids) for ids in seen] == [4, 7, 4]
    assert sum(seen, []) == list(range(sum(sizes)))  # noqa: RUF017 - a few rows


async def test_a_key_the_user_declared_brings_the_old_place(
    changes: SqlServerChangeSource, database: Database, table: TableRef
) -> None:
    await database.create(table, "id int NOT NULL PRIMARY KEY, code varchar(9) NOT NULL, n int")
    (tracked,) = await changes.track([table], keys={table: ("code",)}, enable=True)
    base = await changes.anchor([tracked])
    await database.run(
        f"INSERT INTO {table.name} VALUES (1, 'a', 1)", f"UPDATE {table.name} SET code = 'b'"
    )
    found = (await everything(changes, database, tracked, base)).to_pylist()
    assert tracked.schema.key == ("code",)
    assert [(r["_op"], r["code"]) for r in found] == [("I", "a"), ("D", "a"), ("U", "b")]


async def test_poll_says_which_tables_changed_and_moves_when_idle(
    changes: SqlServerChangeSource, database: Database, table: TableRef
) -> None:
    tracked, base = await tracked_table(changes, database, table, "id int NOT NULL PRIMARY KEY")
    before = await changes.poll([tracked])
    assert table not in before.high
    assert before.low[table] == tracked.start
    await database.run(f"INSERT INTO {table.name} VALUES (1)")
    await captured(database)
    after = await changes.poll([tracked])
    assert base < after.high[table] <= after.position
    assert after.identity == before.identity != ""
    assert after.capture_lag_s == 0
    assert abs((after.polled_at - after.committed_at).total_seconds()) < 60


async def test_poll_says_how_long_changes_are_kept(
    changes: SqlServerChangeSource, database: Database, table: TableRef
) -> None:
    tracked, _ = await tracked_table(changes, database, table, "id int NOT NULL PRIMARY KEY")
    assert (await changes.poll([tracked])).retention_s == 3 * 86_400
    reader = SqlServerChangeSource(await reader_of(database, table), application="dtaas/tests")
    unknown = await reader.poll([tracked])
    await reader.aclose()
    assert unknown.retention_s is None


async def reader_of(database: Database, table: TableRef) -> SqlServerConfig:
    """Return the configuration of a login that may read the table and its changes, nothing else."""
    engine, login = database.server.engine, f"reader_{table.name}"
    await engine.create_login(login, "Read-only 1")
    await engine.create_user(login, database.config.database)
    await database.run(f"GRANT SELECT ON dbo.{table.name} TO {login}")
    await database.run(f"GRANT SELECT ON SCHEMA::cdc TO {login}")
    return replace(database.config, username=login, password="Read-only 1")


async def steps(config: SqlServerConfig) -> dict[str, CheckStep]:
    source = SqlServerSource(config)
    try:
        return {s.name: s for s in (await source.check(lambda _step: None)).steps}
    finally:
        await source.aclose()


async def test_a_connector_test_sees_whether_capture_works_and_keeps_enough(
    changes: SqlServerChangeSource, database: Database, table: TableRef
) -> None:
    await tracked_table(changes, database, table, "id int NOT NULL PRIMARY KEY")
    found = await steps(database.config)
    assert (found["capture"].status, found["retention"].status) == (StepStatus.OK, StepStatus.OK)
    assert "72 h" in found["retention"].detail
    secondary = await steps(replace(database.config, application_intent_read_only=True))
    assert not {"capture", "retention"} & secondary.keys()
    server = database.server
    server.capture.paused = True
    await server.set_clock(120)
    await database.run("EXEC sys.sp_cdc_change_job @job_type = N'cleanup', @retention = 360")
    try:
        found = await steps(database.config)
        mine = await steps(await reader_of(database, table))
    finally:
        await database.run("EXEC sys.sp_cdc_change_job @job_type = N'cleanup', @retention = 4320")
        await server.set_clock(0)
        server.capture.resume()
    assert found["capture"].status is StepStatus.WARNING
    assert "SQL Server Agent rests" in found["capture"].detail
    assert "sp_cdc_start_job" in found["capture"].fix
    assert found["retention"].status is StepStatus.WARNING
    assert "6.0 h only" in found["retention"].detail
    assert "sp_cdc_change_job" in found["retention"].fix
    assert mine["capture"].status is StepStatus.SKIPPED
    assert "GRANT VIEW DATABASE STATE" in mine["capture"].fix
    assert mine["retention"].status is StepStatus.SKIPPED


async def test_capture_that_is_off_is_refused_with_what_to_run(
    changes: SqlServerChangeSource, database: Database, table: TableRef
) -> None:
    await database.create(table, "id int NOT NULL PRIMARY KEY")
    (first,) = await changes.track([table], keys={}, enable=True)
    other = TableRef("dbo", f"{table.name}_other")
    await database.create(other, "id int NOT NULL PRIMARY KEY")
    with pytest.raises(CaptureNotEnabledError) as caught:
        await changes.track([other], keys={}, enable=False)
    await database.run(caught.value.hint.removeprefix("Run as db_owner: "))
    (found,) = await changes.track([other], keys={}, enable=False)
    assert found.made_by_us
    await changes.untrack(found)
    await changes.untrack(found)
    with pytest.raises(CaptureNotEnabledError):
        await changes.track([other], keys={}, enable=False)
    assert (await changes.track([table], keys={}, enable=False)) == [first]


@pytest.mark.parametrize("taken", [False, True])
async def test_an_instance_of_a_table_that_was_renamed_is_loud(
    changes: SqlServerChangeSource, database: Database, table: TableRef, taken: bool
) -> None:
    """It captures on, also when another table takes the name: rows of that are not in it."""
    tracked, _ = await tracked_table(changes, database, table, "id int NOT NULL PRIMARY KEY")
    await changes.poll([tracked])
    await database.run(f"EXEC sp_rename N'dbo.{table.name}', N'{table.name}_old'")
    if taken:
        await database.create(table, "id int NOT NULL PRIMARY KEY")
    with pytest.raises(CaptureLostError, match="renamed or another took its place") as caught:
        await changes.poll([tracked])
    assert caught.value.tables == (table,)


@pytest.mark.parametrize("again", [False, True])
async def test_a_vanished_or_replaced_instance_is_loud(
    changes: SqlServerChangeSource, database: Database, table: TableRef, again: bool
) -> None:
    tracked, base = await tracked_table(changes, database, table, "id int NOT NULL PRIMARY KEY")
    await database.run(f"EXEC sys.sp_cdc_disable_table N'dbo', N'{table.name}', N'all'")
    if again:
        await changes.track([table], keys={}, enable=True)
    with pytest.raises(CaptureLostError) as caught:
        await changes.poll([tracked])
    assert caught.value.tables == (table,)
    if not again:
        window = ChangeWindow(table=table, after=base, to=FAR)
        with pytest.raises(CaptureLostError):
            await read(changes, tracked, window)


async def test_changes_that_were_cleaned_away_are_a_gap(
    changes: SqlServerChangeSource, database: Database, table: TableRef
) -> None:
    tracked, base = await tracked_table(changes, database, table, "id int NOT NULL PRIMARY KEY")
    for value in range(3):
        await database.run(f"INSERT INTO {table.name} VALUES ({value})")
    await captured(database)
    await database.server.capture.clean(tracked.instance, keep=1)
    state = await changes.poll([tracked])
    assert state.low[table] > base
    with pytest.raises(CaptureGapError, match="are not kept any more"):
        await read(changes, tracked, ChangeWindow(table=table, after=base, to=state.position))


@pytest.mark.parametrize(
    "case",
    [
        ("v datetime2(7)", "'9999-12-31 23:59:59.9999999'", "9999-12-31 23:59:59.9999999"),
        ("v datetimeoffset(7)", "'2024-02-29 00:00:00 +05:30'", "2024-02-29 00:00:00.0000000 +05:30"),
        ("v uniqueidentifier", "'6F9619FF-8B86-D011-B42D-00C04FC964FF'", "6f9619ff-8b86-d011-b42d-00c04fc964ff"),
        ("v varchar(9) COLLATE Cyrillic_General_CI_AS", "N'Москва'", "Москва"),
        ("v xml", "N'<a>é</a>'", "<a>é</a>"),
        ("v sql_variant", "CAST(1 AS int)", '{"type": "int", "value": "1"}'),
    ],
)  # fmt: skip
async def test_types_come_as_in_a_full_load(
    changes: SqlServerChangeSource,
    database: Database,
    table: TableRef,
    case: tuple[str, str, Any],
) -> None:
    columns, value, expected = case
    tracked, base = await tracked_table(
        changes, database, table, f"id int NOT NULL PRIMARY KEY, {columns}"
    )
    await database.run(f"INSERT INTO {table.name} VALUES (1, {value})")
    found = await everything(changes, database, tracked, base)
    assert found["v"].to_pylist() == [expected]
