"""Times that become finer at the source: no ALTER TABLE lets a column of Snowflake take them."""

from datetime import datetime
from pathlib import Path

import anyio

from dtaas.model.execution import TablePhase
from dtaas.model.schema import TableRef
from dtaas.model.task import TaskStatus
from dtaas.sandbox.snowflake.emulator import SnowflakeEmulator
from tests.integration.sqlserver_source.database import Database
from tests.integration.streaming.conftest import LIMIT_S
from tests.integration.streaming.snowflake_setting import SnowflakeSetting

T = TableRef("dbo", "t")


async def test_finer_times_wait_for_a_load_anew_and_are_not_cut(
    tmp_path: Path, database: Database, snowflake: SnowflakeEmulator
) -> None:
    coarse, fine = "2026-01-01 00:00:00.123", "2026-01-01 00:00:00.123456"
    columns = "id int NOT NULL PRIMARY KEY, at datetime2(3) NULL"
    await database.create(T, columns, f"0, '{coarse}'")
    setting = SnowflakeSetting(tmp_path, database)
    setting.emulator = snowflake

    async def rows() -> list[tuple[int, datetime]]:
        found = await setting.select(f'"{database.config.database}_dbo"."t"')
        return sorted((row["id"], row["at"]) for row in found)

    first = (0, datetime.fromisoformat(coarse))
    async with setting.life(T, merge_interval_s=0.05) as life:
        await life.start()
        await life.streaming()
        await database.run(
            "ALTER TABLE t ALTER COLUMN at datetime2(7) NULL",
            f"INSERT INTO t VALUES (1, '{fine}0')",  # the emulator keeps six of the seven digits
        )
        await life.until(
            lambda task, p: (
                task.status is TaskStatus.FAILED
                or (p is not None and any(t.phase is TablePhase.FAILED for t in p.tables))
            )
        )
        assert await rows() == [first]
        await life.stop()
    async with setting.life() as life:
        await life.start(force=True)
        await life.streaming()
        with anyio.fail_after(LIMIT_S):
            while await rows() != [first, (1, datetime.fromisoformat(fine))]:
                await anyio.sleep(0.05)
        await life.stop()
