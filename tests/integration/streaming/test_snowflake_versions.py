"""Versions in Snowflake, each once: of two daemons the later writes, a declared key tells rows apart.

Targets keep every version of their rows, so that whatever is written twice is there twice.
"""

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest

from dtaas.model.schema import TableRef
from dtaas.model.task import TableMapping, TaskStatus
from dtaas.sandbox.snowflake.emulator import SnowflakeEmulator
from dtaas.sandbox.snowflake.faults import Fault
from tests.integration.sqlserver_source.database import Database
from tests.integration.streaming.conftest import LIMIT_S, Life
from tests.integration.streaming.snowflake_setting import SnowflakeSetting

T = TableRef("dbo", "t")
COMMIT_S = 4.0
TAKEN_OVER = "was taken over by another life of the task"
OTHERS = "belongs to another task"


class Versions(SnowflakeSetting):
    async def versions(self) -> list[tuple[int, int, bool]]:
        """Return id, value and whether it is the current one, of every version."""
        rows = await self.select(f'"{self.database.config.database}_dbo"."t"')
        return sorted((row["id"], row["n"], row["_DTAAS_CURRENT"]) for row in rows)


async def until(met: Callable[[], Awaitable[bool]]) -> None:
    with anyio.fail_after(LIMIT_S):
        while not await met():
            await anyio.sleep(0.05)


async def arrived(setting: Versions, latest: int) -> None:
    """Wait until every row has one version for each value up to `latest`, and no other."""
    expected = [(i, n, n == latest) for i in range(3) for n in range(latest + 1)]
    found: list[tuple[int, int, bool]] = []
    with anyio.move_on_after(LIMIT_S):
        while (found := await setting.versions()) != expected:
            await anyio.sleep(0.05)
    assert found == expected


async def refused(life: Life, *words: str) -> None:
    task = await life.until(lambda task, _: task.status is TaskStatus.FAILED)
    assert any(text in (task.last_error or "") for text in words), task.last_error


@pytest.fixture
async def pair(
    tmp_path: Path, database: Database, snowflake: SnowflakeEmulator
) -> tuple[Versions, Versions]:
    """Two daemons' settings for one source and one target."""
    await database.create(T, "id int NOT NULL PRIMARY KEY, n int NULL", "0, 0", "1, 0", "2, 0")
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        setting = Versions(tmp_path / name, database)
        setting.emulator = snowflake
        made.append(setting)
    return made[0], made[1]


async def test_the_commit_of_an_earlier_daemon_is_refused(
    pair: tuple[Versions, Versions], database: Database, snowflake: SnowflakeEmulator
) -> None:
    """A backup of the metadata store was started beside the original, in mid-window."""
    one, two = pair
    async with one.life(T, history=True, merge_interval_s=0.05) as life:
        await life.start()
        await life.streaming()
        await life.stop()
    shutil.copytree(one.folder / "data", two.folder / "data")
    (two.folder / "made").touch()
    async with one.life() as earlier, two.life() as later:
        await earlier.start()
        await earlier.streaming()
        await snowflake.inject(Fault(match="^COMMIT", kind="delay", delay_s=COMMIT_S))
        await database.run("UPDATE t SET n = 1")

        async def at_commit() -> bool:
            return not await snowflake.waiting_faults()

        await until(at_commit)  # merged, looked at who owns the stream, and about to commit
        await later.start()
        await later.streaming()
        await arrived(two, 1)
        await database.run("UPDATE t SET n = 2")
        await refused(earlier, TAKEN_OVER)
        await arrived(two, 2)
        await database.run("UPDATE t SET n = 3")
        await arrived(two, 3)
        await later.stop()


async def test_another_installation_is_refused(
    pair: tuple[Versions, Versions], database: Database
) -> None:
    one, two = pair
    async with (
        one.life(T, history=True, merge_interval_s=0.05) as earlier,
        two.life(T, history=True, merge_interval_s=0.05) as later,
    ):
        await earlier.start()
        await earlier.streaming()
        await later.start()
        await refused(later, "is written by task 'stream'")
        await database.run("UPDATE t SET n = 1")
        await arrived(one, 1)
        await earlier.stop()


async def test_another_installation_takes_the_table_over_when_told(
    pair: tuple[Versions, Versions], database: Database
) -> None:
    one, two = pair
    async with (
        one.life(T, history=True, merge_interval_s=0.05) as earlier,
        two.life(T, history=True, merge_interval_s=0.05, take_over=True) as later,
    ):
        await earlier.start()
        await earlier.streaming()
        await database.run("UPDATE t SET n = 1")
        await arrived(one, 1)
        await later.start()
        await later.streaming()
        await database.run("UPDATE t SET n = 2")
        await refused(earlier, OTHERS, TAKEN_OVER)
        await arrived(two, 2)
        await later.stop()


async def test_a_declared_key_tells_versions_apart(
    tmp_path: Path, database: Database, snowflake: SnowflakeEmulator
) -> None:
    await database.create(T, "id int NOT NULL, n int NULL", "0, 0", "1, 0", "2, 0")
    setting = Versions(tmp_path, database)
    setting.emulator = snowflake
    setting.mappings = (TableMapping(source=T, key=("id",)),)
    async with setting.life(T, history=True, merge_interval_s=0.05) as life:
        await life.start()
        await life.streaming()
        await arrived(setting, 0)
        await database.run("UPDATE t SET n = 1")
        await arrived(setting, 1)
        await life.stop()
    async with setting.life() as life:
        await life.start(force=True)  # loaded anew: nothing differs, so that no version comes
        await life.streaming()
        await database.run("UPDATE t SET n = 2")
        await arrived(setting, 2)
        await life.stop()
