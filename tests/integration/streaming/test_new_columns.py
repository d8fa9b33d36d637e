"""Columns that come, go and change their type while a table streams: no value of them is lost.

Debezium's documentation calls what happens between the DDL and the newer capture instance a
"potential processing gap"; olake PR 789 and airbyte 30283 lose the new column's values there.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pyarrow as pa
import pytest

from dtaas.connectors.memory.datasets import dataset
from dtaas.connectors.sqlserver.capture.instances import enable_statement, instance_names
from dtaas.connectors.sqlserver.capture.source import SqlServerChangeSource
from dtaas.engine import ddl, ddl_follower, window_copy
from dtaas.model.changes import ChangeWindow, TrackedTable
from dtaas.model.connectors import MemoryDestinationConfig
from dtaas.model.errors import ConnectionLostError
from dtaas.model.schema import TableRef
from dtaas.model.task import OnGap, TableMapping, TaskStatus
from dtaas.model.transformations import RenameColumn, TransformationRule
from tests.fakes.lake_reader import ORDER
from tests.integration.sqlserver_source.database import Database
from tests.integration.streaming.conftest import LIMIT_S, Life, Setting
from tests.integration.streaming.test_streaming_delta import DeltaSetting

T = TableRef("dbo", "t")
OTHER = TableRef("dbo", "other")
COLUMNS = "id int NOT NULL PRIMARY KEY, name nvarchar(50) NULL, n int NULL"
LAST = 2_147_483_647
Rows = dict[tuple[Any, ...], dict[str, Any]]


class MemorySetting(Setting):
    kind = "memory"
    config_type = MemoryDestinationConfig
    field = "dataset"

    def rows(self, table: TableRef) -> Rows:
        found = dataset(str(self.lake)).target((table.schema, table.name)).rows
        return {} if found is None else {(row["id"],): row for row in found.to_pylist()}


class LakeSetting(Setting):
    def rows(self, table: TableRef) -> Rows:
        return self.table(table).state(("id",))


@pytest.fixture(params=[LakeSetting, DeltaSetting, MemorySetting], ids=["lake", "delta", "memory"])
def target(request: pytest.FixtureRequest, tmp_path: Path, database: Database) -> Any:
    return request.param(tmp_path, database)


@pytest.fixture
def lake(tmp_path: Path, database: Database) -> LakeSetting:
    return LakeSetting(tmp_path, database)


async def source_rows(database: Database, *columns: str) -> Rows:
    rows = await database.run(f"SELECT id, {', '.join(columns)} FROM t")
    return {(r[0],): dict(zip(("id", *columns), r, strict=True)) for r in rows}


async def arrived(setting: Any, *columns: str) -> None:
    """Wait until these columns hold at the target what they hold at the source."""
    expected = await source_rows(setting.database, *columns)
    found: Rows = {}
    with anyio.move_on_after(LIMIT_S):
        while found != expected:
            await anyio.sleep(0.05)
            found = {
                key: {"id": row["id"]} | {name: row.get(name) for name in columns}
                for key, row in setting.rows(T).items()
            }
    assert found == expected


async def until(met: Callable[[], Awaitable[bool]]) -> None:
    with anyio.fail_after(LIMIT_S):
        while not await met():
            await anyio.sleep(0.05)


async def instances(database: Database) -> list[str]:
    rows = await database.run(
        "SELECT c.capture_instance FROM cdc.change_tables AS c"
        " WHERE c.source_object_id = OBJECT_ID('dbo.t') ORDER BY c.start_lsn"
    )
    return [name for (name,) in rows]


async def two_instances(database: Database) -> None:
    """Make both instances of ours: the newer captures a column more."""
    await database.run("EXEC sys.sp_cdc_enable_db")
    number = (await database.run("SELECT OBJECT_ID(N'dbo.t')"))[0][0]
    first, second = instance_names(T, number)
    await database.run(
        enable_statement(T, first),
        "ALTER TABLE t ADD extra int NULL",
        enable_statement(T, second),
    )


async def one_instance(database: Database) -> bool:
    return len(await instances(database)) == 1


async def captured(database: Database) -> None:
    while await database.server.capture.scan_now():
        pass


async def streams(life: Life) -> None:
    await life.start()
    await life.streaming()


async def test_bug_06_values_written_before_the_newer_instance_arrive(target: Any) -> None:
    database: Database = target.database
    await database.create(T, COLUMNS, *(f"{i}, N'row {i}', {i}" for i in range(50)))
    async with target.life(T) as life:
        await streams(life)
        before = await instances(database)
        database.server.capture.paused = True  # so that the gap holds all of this
        await database.run(
            "INSERT INTO t VALUES (100, N'old', 1)",
            "ALTER TABLE t ADD extra nvarchar(20) NULL",
            "UPDATE t SET extra = N'é', n = n + 1 WHERE id < 5",
            "INSERT INTO t VALUES (101, N'new', 2, N'in the gap')",
            "UPDATE t SET id = 102 WHERE id = 6",
            "UPDATE t SET extra = N'moved' WHERE id = 102",
            "UPDATE t SET extra = N'gone' WHERE id = 7",
            "DELETE FROM t WHERE id = 7",
        )
        database.server.capture.resume()
        await arrived(target, "name", "n", "extra")
        await database.run(
            "UPDATE t SET extra = N'later' WHERE id = 8", "DELETE FROM t WHERE id = 9"
        )
        await arrived(target, "name", "n", "extra")

        async def handed_over() -> bool:
            return len(await instances(database)) == 1

        await until(handed_over)
        assert await instances(database) != before


async def test_values_arrive_when_the_source_is_lost_while_they_are_read_again(
    target: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty window came before them, of which the target had not heard."""
    lost = [ConnectionLostError("reset")]

    async def first_lost(
        changes: Any, rows: Any, stream: Any, window: ChangeWindow, moved_on: Any
    ) -> AsyncIterator[pa.RecordBatch]:
        if window.missed is not None and lost:
            raise lost.pop()
        async for batch in ddl.missed_rows(changes, rows, stream, window, moved_on):
            yield batch

    monkeypatch.setattr(window_copy, "missed_rows", first_lost)
    database: Database = target.database
    await database.create(T, COLUMNS, *(f"{i}, N'row {i}', {i}" for i in range(10)))
    await database.create(OTHER, COLUMNS, "1, N'a', 1")
    async with target.life(T, OTHER) as life:
        await streams(life)
        await database.run("UPDATE t SET n = 7 WHERE id = 1")
        await arrived(target, "name", "n")
        database.server.capture.paused = True
        await database.run(
            "ALTER TABLE t ADD extra int NOT NULL DEFAULT 5", "UPDATE other SET n = 2"
        )
        database.server.capture.resume()
        await arrived(target, "name", "n", "extra")
        await until(lambda: one_instance(database))
    assert not lost


async def test_defaults_that_no_statement_wrote_arrive(target: Any) -> None:
    database: Database = target.database
    await database.create(T, COLUMNS, *(f"{i}, N'row {i}', {i}" for i in range(30)))
    async with target.life(T) as life:
        await streams(life)
        await database.run("ALTER TABLE t ADD grade int NOT NULL DEFAULT 5")
        await database.run("UPDATE t SET grade = 6 WHERE id = 1", "INSERT INTO t (id) VALUES (99)")
        await arrived(target, "name", "n", "grade")


async def test_a_column_that_goes_and_one_that_widens(target: Any) -> None:
    database: Database = target.database
    await database.create(T, COLUMNS, *(f"{i}, N'row {i}', {i}" for i in range(10)))
    async with target.life(T) as life:
        await streams(life)
        await database.run(
            "ALTER TABLE t DROP COLUMN name", "UPDATE t SET n = 70 WHERE id = 1",
            "ALTER TABLE t ALTER COLUMN n bigint NULL", "UPDATE t SET n = 5000000000 WHERE id = 2",
        )  # fmt: skip
        await arrived(target, "n")
        assert len(await instances(database)) == 1  # a second one would bring nothing
        await database.run("ALTER TABLE t ADD more int NULL", "UPDATE t SET more = 1 WHERE id < 3")
        await arrived(target, "n", "more")


async def test_one_column_after_another(target: Any) -> None:
    database: Database = target.database
    await database.create(T, COLUMNS, *(f"{i}, N'row {i}', {i}" for i in range(10)))
    async with target.life(T) as life:
        await streams(life)
        for number in range(4):
            await database.run(
                f"ALTER TABLE t ADD c{number} int NULL",
                f"UPDATE t SET c{number} = {number} WHERE id BETWEEN {number} AND 6",
                f"INSERT INTO t (id, c{number}) VALUES ({1000 + number}, 1)",
            )
            assert len(await instances(database)) <= 2
        await arrived(target, "name", "n", "c0", "c1", "c2", "c3")


async def test_an_instance_that_cannot_be_dropped_for_the_moment_is_dropped_later(
    lake: LakeSetting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else one more column has no room; and no position moves on below a stream that drops one."""
    lost, untrack = [ConnectionLostError("reset")], SqlServerChangeSource.untrack
    dropping, go_on = anyio.Event(), anyio.Event()

    async def first_lost(source: SqlServerChangeSource, tracked: TrackedTable) -> None:
        if lost:
            raise lost.pop()
        dropping.set()
        await go_on.wait()
        await untrack(source, tracked)

    monkeypatch.setattr(SqlServerChangeSource, "untrack", first_lost)
    monkeypatch.setattr(ddl_follower, "_DROP_AGAIN_S", 0.05)
    database = lake.database
    await database.create(T, COLUMNS, "1, N'a', 1")
    await database.create(OTHER, COLUMNS, "1, N'a', 1")
    async with lake.life(T, OTHER) as life:
        await streams(life)
        await database.run("ALTER TABLE t ADD extra int NULL", "UPDATE t SET extra = 5")
        await arrived(lake, "extra")
        await dropping.wait()
        for number in range(5):
            await database.run(f"UPDATE other SET n = {number}")
            await until(lambda n=number: came(lake, n))
        await database.run("ALTER TABLE t ADD more int NULL", "UPDATE t SET more = 5")
        go_on.set()
        await arrived(lake, "extra", "more")
        await until(lambda: one_instance(database))
        await life.streaming()


async def came(lake: LakeSetting, number: int) -> bool:
    return [row["n"] for row in lake.rows(OTHER).values()] == [number]


async def test_a_column_of_the_same_name_is_another_one(target: Any) -> None:
    database: Database = target.database
    await database.create(T, COLUMNS, *(f"{i}, N'row {i}', {i}" for i in range(10)))
    async with target.life(T) as life:
        await streams(life)
        await database.run(
            "ALTER TABLE t DROP COLUMN n", "ALTER TABLE t ADD n int NULL",
            "UPDATE t SET n = 9 WHERE id = 3", "UPDATE t SET name = N'x' WHERE id = 4",
        )  # fmt: skip
        await arrived(target, "name", "n")


@pytest.mark.parametrize("seed", range(3))
async def test_lives_cut_short_while_instances_change_lose_nothing(
    lake: LakeSetting, seed: int
) -> None:
    database = lake.database
    await database.create(T, COLUMNS, *(f"{i}, N'row {i}', {i}" for i in range(50)))
    names = ["name", "n"]
    async with lake.life(T, window_rows=5) as life:
        await streams(life)
    for number in range(3):
        async with lake.life() as life:
            await life.start()
            await database.run(
                f"ALTER TABLE t ADD c{number} int NULL",
                f"UPDATE t SET c{number} = id, n = n + 1 WHERE id % 3 = {number}",
            )
            names.append(f"c{number}")
            await anyio.sleep(0.1 * (seed + 1) * number)  # the life ends wherever it is
            await database.run(f"INSERT INTO t (id, c{number}) VALUES ({100 + number}, 7)")
            await life.supervisor.stop_now(life.task_id)
    async with lake.life() as life:
        await streams(life)
        await arrived(lake, *names)
    places = [tuple(c[k] for k in ORDER) for c in lake.table(T).changes()]
    assert len(places) == len(set(places))
    assert places == sorted(places)


async def test_rows_read_again_come_behind_the_changes_of_their_position(lake: LakeSetting) -> None:
    database = lake.database
    await database.create(T, COLUMNS, "1, N'a', 1", "2, N'b', 2")
    async with lake.life(T) as life:
        await streams(life)
        database.server.capture.paused = True
        await database.run(
            "ALTER TABLE t ADD extra int NULL", "UPDATE t SET extra = 1 WHERE id = 1"
        )
        database.server.capture.resume()
        await arrived(lake, "extra")
        changes = lake.table(T).changes()
    again = [c for c in changes if c["_command_id"] == LAST]
    assert [(c["_op"], c["id"], c["extra"]) for c in again] == [("U", 1, 1)]
    assert changes[-1] == again[0]


async def test_a_table_that_begins_with_two_instances_of_ours_makes_room_for_a_third(
    lake: LakeSetting,
) -> None:
    """A stream that ended between two of its instances, and still more columns since."""
    database = lake.database
    await database.create(T, COLUMNS, "1, N'a', 1", "2, N'b', 2")
    await two_instances(database)
    await database.run(
        "ALTER TABLE t ADD more int NULL",
        "UPDATE t SET extra = 5, more = 6 WHERE id = 1",
    )
    async with lake.life(T) as life:
        await streams(life)
        await database.run("UPDATE t SET more = 7 WHERE id = 2")
        await arrived(lake, "name", "n", "extra", "more")


async def test_an_older_instance_of_ours_that_nobody_reads_gives_way(lake: LakeSetting) -> None:
    """A table loaded anew begins with the newer one; the next column needs the older one's room."""
    database = lake.database
    await database.create(T, COLUMNS, "1, N'a', 1", "2, N'b', 2")
    await two_instances(database)
    async with lake.life(T) as life:
        await streams(life)
        await database.run("ALTER TABLE t ADD more int NULL", "UPDATE t SET more = 7 WHERE id = 2")
        await arrived(lake, "name", "n", "extra", "more")


async def test_without_the_right_a_dba_is_told_and_nothing_is_lost(lake: LakeSetting) -> None:
    database = lake.database
    await database.run("EXEC sys.sp_cdc_enable_db")
    await database.create(T, COLUMNS, "1, N'a', 1", "2, N'b', 2")
    await database.run("EXEC sys.sp_cdc_enable_table N'dbo', N't', NULL, N'theirs'")
    async with lake.life(T, enable_capture=False) as life:
        await streams(life)
        await database.run(
            "ALTER TABLE t ADD extra int NULL",
            "UPDATE t SET extra = 1, n = 7 WHERE id = 1",
            "INSERT INTO t VALUES (3, N'c', 3, 3)",
        )
        await arrived(lake, "name", "n")  # what is captured goes on

        def told(_: object, progress: Any) -> bool:
            return "sp_cdc_enable_table" in (progress.tables[0].warning or "")

        await life.until(told)
        progress = life.supervisor.progress(life.task_id)
        assert progress is not None
        warning = progress.tables[0].warning or ""
        await database.run(warning[warning.index("EXEC") :])
        await database.run("UPDATE t SET extra = 2 WHERE id = 2")
        await arrived(lake, "name", "n", "extra")
        assert "theirs" in await instances(database)  # not ours to drop


async def test_a_table_without_a_key_says_what_it_cannot_do(lake: LakeSetting) -> None:
    database = lake.database
    await database.create(T, "id int NULL, n int NULL", "1, 1")
    async with lake.life(T) as life:
        await streams(life)
        database.server.capture.paused = True
        await database.run("ALTER TABLE t ADD extra int NULL", "UPDATE t SET extra = 1")
        database.server.capture.resume()

        task = await life.until(lambda task, _: task.status is TaskStatus.FAILED)
        assert "It has no key by which these rows could be written again" in (task.last_error or "")


async def test_a_table_without_a_key_is_loaded_anew_after_each_gap(lake: LakeSetting) -> None:
    """Also where two instances of ours leave no room for one that captures every column."""
    database = lake.database
    await database.create(T, "id int NULL, n int NULL", "1, 1", "2, 2")
    await two_instances(database)
    await database.run(
        "ALTER TABLE t ADD more int NULL",
        "UPDATE t SET extra = 5, more = 6 WHERE id = 1",
    )
    async with lake.life(T, on_gap=OnGap.RELOAD) as life:
        await streams(life)
        await database.run("INSERT INTO t VALUES (3, 3, 3, 3)")
        await arrived(lake, "n", "extra", "more")
        for column in ("third", "fourth"):
            database.server.capture.paused = True
            await database.run(f"ALTER TABLE t ADD {column} int NULL", f"UPDATE t SET {column} = 1")
            database.server.capture.resume()
            await arrived(lake, "n", column)
            await database.run(f"UPDATE t SET n = n + 1, {column} = 2")
            await arrived(lake, "n", column)


async def test_new_columns_go_through_transformations(lake: LakeSetting) -> None:
    database = lake.database
    step = RenameColumn(column="name", to="label")
    lake.transformations = (TransformationRule(steps=(step,)),)
    await database.create(T, COLUMNS, *(f"{i}, N'row {i}', {i}" for i in range(10)))
    async with lake.life(T) as life:
        await streams(life)
        database.server.capture.paused = True
        await database.run(
            "ALTER TABLE t ADD extra int NULL",
            "UPDATE t SET extra = 1, name = N'x' WHERE id < 3",
        )
        database.server.capture.resume()
        await database.run("UPDATE t SET extra = 2 WHERE id = 8")
        await arrived(lake, "n", "extra")
        assert lake.rows(T)[(1,)]["label"] == "x"


async def test_columns_left_out_stay_out(lake: LakeSetting) -> None:
    database = lake.database
    lake.mappings = (TableMapping(source=T, exclude_columns=("secret*", "name")),)
    await database.create(
        T, f"{COLUMNS}, secret_1 int NULL", *(f"{i}, N'row {i}', {i}, 0" for i in range(10))
    )
    async with lake.life(T) as life:
        await streams(life)
        await database.run(
            "ALTER TABLE t ADD secret_2 int NULL, extra int NULL",
            "UPDATE t SET extra = 1, secret_2 = 5 WHERE id < 3",
        )
        await arrived(lake, "n", "extra")
        assert not {"secret_1", "secret_2", "name"} & set(lake.rows(T)[(1,)])
