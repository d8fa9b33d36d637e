"""Full load, then net changes by Change Tracking: to a folder and to Delta Lake."""

import random
from pathlib import Path

import anyio
import pytest
from deltalake import DeltaTable
from msgspec.structs import replace

from dtaas.model.changes import Capture, TrackingMethod
from dtaas.model.connectors import DeltaFileConfig
from dtaas.model.execution import TablePhase
from dtaas.model.schema import TableRef
from dtaas.model.task import DesiredState, OnGap, TaskMode, TaskStatus
from tests.integration.sqlserver_source.database import Database
from tests.integration.streaming.conftest import LIMIT_S, Life, Setting
from tests.integration.streaming.test_streaming import COLUMNS, cut_short, source_rows

T = TableRef("dbo", "t")
TRACKING = Capture.CHANGE_TRACKING


class DeltaSetting(Setting):
    kind = "delta_file"
    config_type = DeltaFileConfig


@pytest.fixture(params=[Setting, DeltaSetting], ids=["files", "delta"])
async def either(request: pytest.FixtureRequest, tmp_path: Path, database: Database) -> Setting:
    await database.run("ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON")
    made: Setting = request.param(tmp_path, database)
    return made


def rows(setting: Setting) -> object:
    if isinstance(setting, DeltaSetting):
        delta = DeltaTable(str(setting.lake / "dbo" / "t")).to_pyarrow_dataset().to_table()
        return {(row["id"],): row for row in delta.to_pylist()}
    return setting.table(T).state(("id",))


async def arrived(setting: Setting) -> None:
    expected = await source_rows(setting.database, T)
    with anyio.fail_after(LIMIT_S):
        while rows(setting) != expected:
            await anyio.sleep(0.05)


async def method(life: Life) -> TrackingMethod:
    state = await life.store.streams.stream(life.task_id, T)
    assert state is not None
    return state.stream.tracked.method


async def test_load_then_net_changes_and_on_after_a_pause(either: Setting) -> None:
    database = either.database
    await database.create(T, COLUMNS, *(f"{i}, N'row {i}', N'long {i}', {i}" for i in range(50)))
    async with either.life(T, capture=TRACKING) as life:
        await life.start()
        await life.streaming()
        await database.run(
            "INSERT INTO t VALUES (100, N'é', NULL, 1), (101, N'b', N'x', 2)",
            "UPDATE t SET n = n + 1 WHERE id < 10",
            "UPDATE t SET body = NULL WHERE id = 3",
            "UPDATE t SET id = 500 WHERE id = 4",
            "DELETE FROM t WHERE id BETWEEN 20 AND 29",
            "BEGIN TRAN; DELETE FROM t; ROLLBACK",
        )
        await arrived(either)
        assert await method(life) is TrackingMethod.CHANGE_TRACKING
        await life.until(lambda _, p: p is not None and p.tables[0].lag_s == 0)
        await life.stop(DesiredState.PAUSED)
    await database.run("DELETE FROM t WHERE id = 100", "UPDATE t SET name = N'2' WHERE id = 2")
    async with either.life() as life:
        await life.start()
        await life.streaming()
        await arrived(either)
    ((captures,),) = await database.run(
        "SELECT is_cdc_enabled FROM sys.databases WHERE name = DB_NAME()"
    )
    assert not captures


async def test_changes_during_the_load_are_not_lost(setting: Setting) -> None:
    database = setting.database
    await database.create(T, COLUMNS, *(f"{i}, N'r', N'b', {i}" for i in range(500)))
    async with setting.life(T, capture=TRACKING, chunk_rows=1_000) as life:
        await life.start()
        for number in range(10):
            await database.run(
                f"UPDATE t SET n = {number} WHERE id % 7 = {number % 7}",
                f"DELETE FROM t WHERE id = {number * 11}",
            )
        await life.streaming()
        await arrived(setting)


async def test_auto_takes_what_there_is_and_stays_with_it(setting: Setting) -> None:
    database = setting.database
    await database.run("ALTER DATABASE CURRENT SET CHANGE_TRACKING = ON")
    await database.create(T, COLUMNS, "1, N'a', NULL, 1")
    await database.run("ALTER TABLE t ENABLE CHANGE_TRACKING")
    async with setting.life(T, capture=Capture.AUTO, enable_capture=False) as life:
        await life.start()
        await life.streaming()
        assert await method(life) is TrackingMethod.CHANGE_TRACKING
        load = (setting.table(T).pointer() or {})["load_id"]
    await database.run("EXEC sys.sp_cdc_enable_db", "INSERT INTO t VALUES (2, N'b', NULL, 2)")
    async with setting.life() as life:
        await life.start()
        await life.streaming()
        await arrived(setting)
        assert await method(life) is TrackingMethod.CHANGE_TRACKING
        assert (setting.table(T).pointer() or {})["load_id"] == load


async def test_auto_prefers_every_change(setting: Setting) -> None:
    await setting.database.create(T, COLUMNS, "1, N'a', NULL, 1")
    async with setting.life(T, capture=Capture.AUTO) as life:
        await life.start()
        await life.streaming()
        assert await method(life) is TrackingMethod.CAPTURE


async def test_neither_way_is_refused_with_both_ways_out(setting: Setting) -> None:
    await setting.database.create(T, COLUMNS, "1, N'a', NULL, 1")
    async with setting.life(T, capture=Capture.AUTO, enable_capture=False) as life:
        await life.start()
        task = await life.until(lambda task, _: task.status is TaskStatus.FAILED)
    assert task.last_error_code == "capture_not_enabled"
    assert "Nor is there another way" in (task.last_error or "")


async def test_another_way_loads_anew(setting: Setting) -> None:
    database = setting.database
    await database.create(T, COLUMNS, "1, N'a', NULL, 1")
    async with setting.life(T) as life:
        await life.start()
        await life.streaming()
        assert await method(life) is TrackingMethod.CAPTURE
        await life.stop()
        task = await life.store.engine.task(life.task_id)
        await life.store.tasks.update(
            life.task_id, replace(task.spec, options=replace(task.spec.options, capture=TRACKING))
        )
        await database.run("DELETE FROM t", "INSERT INTO t VALUES (2, N'b', NULL, 2)")
        await life.start()
        await life.streaming()
        assert await method(life) is TrackingMethod.CHANGE_TRACKING
        await database.run("UPDATE t SET n = 9")
        await arrived(setting)


@pytest.mark.parametrize("policy", [OnGap.FAIL, OnGap.RELOAD])
async def test_a_truncate_is_a_gap(setting: Setting, policy: OnGap) -> None:
    database = setting.database
    await database.create(T, COLUMNS, "1, N'a', NULL, 1")
    async with setting.life(T, capture=TRACKING, on_gap=policy) as life:
        await life.start()
        await life.streaming()
        await database.run("TRUNCATE TABLE t", "INSERT INTO t VALUES (7, N'new', NULL, 7)")
        if policy is OnGap.RELOAD:
            await arrived(setting)
            return

        def failed(_: object, progress: object) -> bool:
            return [t.phase for t in progress.tables] == [TablePhase.FAILED]  # type: ignore[attr-defined]

        await life.until(failed)
        progress = life.supervisor.progress(life.task_id)
        assert progress is None or progress.tables[0].error_code == "capture_gap"


async def test_a_truncate_with_nothing_behind_it_is_a_gap(setting: Setting) -> None:
    database = setting.database
    await database.create(T, COLUMNS, "1, N'a', NULL, 1")
    async with setting.life(T, capture=TRACKING, on_gap=OnGap.RELOAD) as life:
        await life.start()
        await life.streaming()
        await database.run("TRUNCATE TABLE t")
        await arrived(setting)
        assert rows(setting) == {}


async def test_changes_only(setting: Setting) -> None:
    database = setting.database
    await database.create(T, COLUMNS, "1, N'before', NULL, 1")
    async with setting.life(T, mode=TaskMode.CDC, capture=TRACKING) as life:
        await life.start()
        await life.streaming()
        await database.run("INSERT INTO t VALUES (2, N'after', NULL, 2)")
        with anyio.fail_after(LIMIT_S):
            while not setting.table(T).changes():
                await anyio.sleep(0.02)
    assert [(c["_op"], c["id"]) for c in setting.table(T).changes()] == [("I", 2)]


@pytest.mark.parametrize("seed", [1, 2])
async def test_lives_cut_short_at_random_lose_nothing(either: Setting, seed: int) -> None:
    dice = random.Random(seed)
    database = either.database
    await database.create(T, COLUMNS, *(f"{i}, N'r', N'body', {i}" for i in range(100)))
    for _ in range(4):
        async with either.life(T, window_rows=20, capture=TRACKING) as life:
            await life.start()
            await cut_short(life, database, dice)
    async with either.life() as life:
        await life.start()
        await life.streaming()
        await arrived(either)
