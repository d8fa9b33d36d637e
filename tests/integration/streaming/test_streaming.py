"""Full load, then every change, once and in order: SQL Server to a folder through the engine."""

import random
from typing import Any

import anyio
import pytest

from dtaas.model.execution import ExecutionStatus, TablePhase
from dtaas.model.schema import TableRef
from dtaas.model.task import DesiredState, TaskMode, TaskStatus
from tests.fakes.lake_reader import ORDER
from tests.integration.sqlserver_source.database import Database
from tests.integration.streaming.conftest import LIMIT_S, Life, Setting

T = TableRef("dbo", "t")
U = TableRef("dbo", "u")
COLUMNS = "id int NOT NULL PRIMARY KEY, name nvarchar(50) NULL, body nvarchar(max) NULL, n int"


async def source_rows(database: Database, table: TableRef) -> dict[tuple[Any, ...], dict[str, Any]]:
    rows = await database.run(f"SELECT id, name, body, n FROM {table.schema}.{table.name}")
    return {(r[0],): {"id": r[0], "name": r[1], "body": r[2], "n": r[3]} for r in rows}


async def arrived(setting: Setting, *tables: TableRef) -> None:
    """Wait until the lake holds what the source holds."""
    with anyio.fail_after(LIMIT_S):
        for table in tables:
            expected = await source_rows(setting.database, table)
            while setting.table(table).state(("id",)) != expected:
                await anyio.sleep(0.02)


def assert_once_in_order(setting: Setting, table: TableRef) -> None:
    places = [tuple(c[k] for k in ORDER) for c in setting.table(table).changes()]
    assert places == sorted(places)
    assert len(places) == len(set(places))


async def test_load_then_changes(setting: Setting) -> None:
    database = setting.database
    await database.create(T, COLUMNS, *(f"{i}, N'row {i}', N'long {i}', {i}" for i in range(50)))
    async with setting.life(T) as life:
        await life.start()
        await life.streaming()
        assert (await life.store.engine.task(life.task_id)).status is TaskStatus.STREAMING
        assert len(setting.table(T).load_rows()) == 50
        await database.run(
            "INSERT INTO t VALUES (100, N'é', NULL, 1), (101, N'b', N'x', 2)",
            "UPDATE t SET n = n + 1 WHERE id < 10",
            "UPDATE t SET body = NULL WHERE id = 3",
            "UPDATE t SET id = 500 WHERE id = 4",
            "DELETE FROM t WHERE id BETWEEN 20 AND 29",
            "BEGIN TRAN; DELETE FROM t; ROLLBACK",
        )
        await arrived(setting, T)
        assert_once_in_order(setting, T)

        def caught_up(_: object, progress: Any) -> bool:
            return progress.tables[0].lag_s == 0 and progress.tables[0].changes > 0

        await life.until(caught_up)
        progress = life.supervisor.progress(life.task_id)
        assert progress is not None
        assert progress.tables[0].retention_margin_h == pytest.approx(72, abs=0.1)
        task = await life.stop()
        assert task.status is TaskStatus.STOPPED
    head = setting.table(T).head()
    assert head is not None
    assert head["generation"] == (setting.table(T).pointer() or {})["load_id"]


async def test_stop_and_start_go_on_where_they_were(setting: Setting) -> None:
    database = setting.database
    await database.create(T, COLUMNS, "1, N'a', N'b', 1")
    async with setting.life(T) as life:
        await life.start()
        await life.streaming()
        await database.run("INSERT INTO t VALUES (2, N'two', NULL, 2)")
        await arrived(setting, T)
        await life.stop()
        loads = (setting.table(T).pointer() or {})["load_id"]
        await database.run(
            "INSERT INTO t VALUES (3, N'three', NULL, 3)", "DELETE FROM t WHERE id = 1"
        )
        await life.start()
        await life.streaming()
        await arrived(setting, T)
        await life.stop(DesiredState.PAUSED)
        await database.run("UPDATE t SET name = N'4'")
    async with setting.life() as life:
        await life.start()
        await life.streaming()
        await arrived(setting, T)
        assert (setting.table(T).pointer() or {})["load_id"] == loads
        assert_once_in_order(setting, T)


async def test_a_forced_start_loads_anew_and_old_changes_do_not_count(setting: Setting) -> None:
    database = setting.database
    await database.create(T, COLUMNS, "1, N'a', N'b', 1")
    async with setting.life(T) as life:
        await life.start()
        await life.streaming()
        await database.run("INSERT INTO t VALUES (2, N'two', NULL, 2)")
        await arrived(setting, T)
        first = setting.table(T).head()
        await life.stop()
        await life.start(force=True)
        await life.until(lambda *_: setting.table(T).head() != first)
        await life.streaming()
        assert len(setting.table(T).load_rows()) == 2
        assert setting.table(T).changes() == []
        await database.run("DELETE FROM t WHERE id = 1")
        await arrived(setting, T)


async def test_changes_only(setting: Setting) -> None:
    database = setting.database
    await database.create(T, COLUMNS, "1, N'before', NULL, 1")
    async with setting.life(T, mode=TaskMode.CDC) as life:
        await life.start()
        await life.streaming()
        await database.run("INSERT INTO t VALUES (2, N'after', NULL, 2)")
        with anyio.fail_after(LIMIT_S):
            while not setting.table(T).changes():
                await anyio.sleep(0.02)
    assert [(c["_op"], c["id"]) for c in setting.table(T).changes()] == [("I", 2)]
    assert setting.table(T).pointer() is None


async def test_idle_tables_keep_moving(setting: Setting) -> None:
    """Airbyte 37772: a table without changes keeps its old position until cleanup passes it."""
    database = setting.database
    await database.create(T, COLUMNS, "1, N'a', NULL, 1")
    await database.create(U, COLUMNS, "1, N'a', NULL, 1")
    async with setting.life(T, U) as life:
        await life.start()
        await life.streaming()
        before = await life.store.streams.stream(life.task_id, U)
        assert before is not None
        await database.run("UPDATE t SET n = 2")
        await arrived(setting, T)
        with anyio.fail_after(LIMIT_S):
            while True:
                moved = await life.store.streams.stream(life.task_id, U)
                if moved is not None and moved.position > before.position:
                    break
                await anyio.sleep(0.02)
    async with setting.life() as life:  # the position that only our store knows holds
        await life.start()
        await life.streaming()
        again = await life.store.streams.stream(life.task_id, U)
        assert again is not None
        assert again.position >= moved.position
        await database.run("UPDATE u SET n = 3")
        await arrived(setting, U)


async def test_a_disabled_instance_stops_its_table_alone_and_loudly(setting: Setting) -> None:
    """RisingWave 25828: capture that is switched off must not look like "no changes"."""
    database = setting.database
    await database.create(T, COLUMNS, "1, N'a', NULL, 1")
    await database.create(U, COLUMNS, "1, N'a', NULL, 1")
    async with setting.life(T, U) as life:
        await life.start()
        await life.streaming()
        await database.run("EXEC sys.sp_cdc_disable_table N'dbo', N'u', N'all'")

        def failed(_: object, progress: Any) -> bool:
            return [t.phase for t in progress.tables] == [TablePhase.STREAMING, TablePhase.FAILED]

        await life.until(failed)
        progress = life.supervisor.progress(life.task_id)
        assert progress is not None
        assert progress.tables[1].error_code == "capture_lost"
        assert progress.tables[1].hint
        await database.run("INSERT INTO t VALUES (2, N'still', NULL, 2)")
        await arrived(setting, T)


async def test_a_restored_source_stops_the_task(setting: Setting) -> None:
    database = setting.database
    await database.create(T, COLUMNS, "1, N'a', NULL, 1")
    async with setting.life(T) as life:
        await life.start()
        await life.streaming()
        await database.server.restore(database.config.database)
        task = await life.until(lambda task, _: task.status is TaskStatus.FAILED)
        assert task.last_error_code == "source_restored"
        running = await life.store.engine.running_execution(life.task_id)
        assert running is None


async def test_changes_cleaned_away_while_stopped_are_a_gap(setting: Setting) -> None:
    database = setting.database
    await database.create(T, COLUMNS, "1, N'a', NULL, 1")
    async with setting.life(T) as life:
        await life.start()
        await life.streaming()
        state = await life.store.streams.stream(life.task_id, T)
        assert state is not None
        await life.stop()
        for n in range(3):
            await database.run(f"UPDATE t SET n = {n}")
        while await database.server.capture.scan_now():
            pass
        await database.server.capture.clean(state.stream.tracked.instance, keep=1)
        await life.start()
        task = await life.until(lambda task, _: task.status is TaskStatus.FAILED)
        assert "not kept any more" in (task.last_error or "")


async def test_a_large_transaction_stays_whole(setting: Setting) -> None:
    database = setting.database
    await database.create(T, COLUMNS, *(f"{i}, N'x', NULL, 0" for i in range(400)))
    async with setting.life(T, window_rows=50) as life:
        await life.start()
        await life.streaming()
        await database.run("UPDATE t SET n = 1", "UPDATE t SET n = 2 WHERE id < 30")
        await arrived(setting, T)
    lsns = [c["_lsn"] for c in setting.table(T).changes()]
    assert [lsns.count(lsn) for lsn in dict.fromkeys(lsns)] == [400, 30]


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_lives_cut_short_at_random_lose_and_double_nothing(
    setting: Setting, seed: int
) -> None:
    """Redpanda 4677, rivet: the tail of a transaction must survive a life that ends in its middle."""
    dice = random.Random(seed)
    database = setting.database
    await database.create(T, COLUMNS, *(f"{i}, N'r', N'body', {i}" for i in range(200)))
    for _ in range(5):
        async with setting.life(T, window_rows=20) as life:
            await life.start()
            await cut_short(life, database, dice)
    async with setting.life() as life:
        await life.start()
        await life.streaming()
        await arrived(setting, T)
        assert_once_in_order(setting, T)


def insert_statement(first: int) -> str:
    """Insert up to three rows unless one of them is there."""
    return (
        f"INSERT INTO t SELECT {first} + 1000 * ROW_NUMBER() OVER (ORDER BY id), N'i', NULL, 0"
        " FROM t WHERE id < 3 AND NOT EXISTS (SELECT 1 FROM t AS o"
        f" WHERE o.id IN ({first} + 1000, {first} + 2000, {first} + 3000))"
    )


async def cut_short(life: Life, database: Database, dice: random.Random) -> None:
    """Change the source for a while, then end the life without draining."""
    for _ in range(dice.randint(2, 6)):
        first = dice.randint(0, 300)
        statement = dice.choice(
            [
                f"UPDATE t SET n = n + 1 WHERE id BETWEEN {first} AND {first + 40}",
                f"DELETE FROM t WHERE id BETWEEN {first} AND {first + 3}",
                insert_statement(first),
                f"UPDATE t SET id = id + 100000 WHERE id = {first}",
            ]
        )
        await database.run(statement)
        await anyio.sleep(dice.random() * 0.1)
    await life.supervisor.stop_now(life.task_id)


async def test_an_execution_stays_open_and_is_one(setting: Setting) -> None:
    await setting.database.create(T, COLUMNS, "1, N'a', NULL, 1")
    async with setting.life(T) as life:
        await life.start()
        await life.streaming()
        first = await life.store.engine.running_execution(life.task_id)
        assert first is not None
        assert first.execution_type == "cdc"
    async with setting.life() as life:
        await life.streaming()  # the task is still wanted: the next life goes on by itself
        second = await life.store.engine.running_execution(life.task_id)
        assert second is not None
        assert second.id == first.id
        await life.stop()
        ended = await life.store.executions.get(first.id)
        assert ended.status is ExecutionStatus.STOPPED
