"""Full load, then every change, into a Delta table whose rows end as the source's."""

import random
from pathlib import Path
from typing import Any

import anyio
import pytest
from deltalake import DeltaTable

from dtaas.model.connectors import DeltaFileConfig
from dtaas.model.schema import TableRef
from dtaas.model.task import TaskStatus
from tests.integration.sqlserver_source.database import Database
from tests.integration.streaming.conftest import LIMIT_S, Setting
from tests.integration.streaming.test_streaming import COLUMNS, cut_short, source_rows

T = TableRef("dbo", "t")


class DeltaSetting(Setting):
    kind = "delta_file"
    config_type = DeltaFileConfig

    def rows(self, table: TableRef) -> dict[tuple[Any, ...], dict[str, Any]]:
        """Read as any user of Delta Lake would."""
        delta = DeltaTable(str(self.lake / table.schema / table.name))
        return {(row["id"],): row for row in delta.to_pyarrow_dataset().to_table().to_pylist()}


@pytest.fixture
def delta(tmp_path: Path, database: Database) -> DeltaSetting:
    return DeltaSetting(tmp_path, database)


async def arrived(setting: DeltaSetting) -> None:
    """Wait until the table holds what the source holds."""
    expected = await source_rows(setting.database, T)
    with anyio.fail_after(LIMIT_S):
        while setting.rows(T) != expected:
            await anyio.sleep(0.05)


async def test_load_then_changes(delta: DeltaSetting) -> None:
    database = delta.database
    await database.create(T, COLUMNS, *(f"{i}, N'row {i}', N'long {i}', {i}" for i in range(50)))
    async with delta.life(T) as life:
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
        await arrived(delta)


async def test_a_table_without_a_key_is_refused_before_it_is_loaded(delta: DeltaSetting) -> None:
    await delta.database.create(T, "id int NULL, n int", "1, 1")
    async with delta.life(T) as life:
        await life.start()
        task = await life.until(lambda task, _: task.status is TaskStatus.FAILED)
    assert "no key" in (task.last_error or "")
    assert not (delta.lake / "dbo" / "t" / "_delta_log").exists()


@pytest.mark.parametrize("seed", [1, 2])
async def test_lives_cut_short_at_random_lose_and_double_nothing(
    delta: DeltaSetting, seed: int
) -> None:
    dice = random.Random(seed)
    database = delta.database
    await database.create(T, COLUMNS, *(f"{i}, N'r', N'body', {i}" for i in range(100)))
    for _ in range(4):
        async with delta.life(T, window_rows=20) as life:
            await life.start()
            await cut_short(life, database, dice)
    async with delta.life() as life:
        await life.start()
        await life.streaming()
        await arrived(delta)
