"""Mode `incremental`: SQL Server without change data capture, to a folder, S3 and Delta Lake."""

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from dtaas.connectors.lake.destination import LakeDestination
from dtaas.model.connectors import DeltaFileConfig
from dtaas.model.execution import ExecutionStatus, TablePhase
from dtaas.model.schema import TableRef
from dtaas.model.task import OnGap, TableMapping, TaskMode, TaskStatus
from dtaas.model.watermark import Watermark
from dtaas.sandbox.seaweed import SeaweedServer
from tests.integration.sqlserver_source.database import Database
from tests.integration.streaming.conftest import Life, Setting
from tests.integration.streaming.targets import S3

T = TableRef("dbo", "t")
COLUMNS = "id int NOT NULL PRIMARY KEY, name nvarchar(50) NULL, rv rowversion"
INCREMENTAL = TaskMode.INCREMENTAL


class DeltaSetting(Setting):
    kind = "delta_file"
    config_type = DeltaFileConfig

    def rows(self) -> dict[int, str]:
        delta = DeltaTable(str(self.lake / "dbo" / "t")).to_pyarrow_dataset().to_table()
        return {row["id"]: row["name"] for row in delta.to_pylist()}


@pytest.fixture(params=[Setting, DeltaSetting], ids=["files", "delta"])
def either(request: pytest.FixtureRequest, tmp_path: Path, database: Database) -> Setting:
    made: Setting = request.param(tmp_path, database)
    return made


def marked(setting: Setting, column: str, **settings: Any) -> None:
    watermark = Watermark(column=column, **settings)
    setting.mappings = (TableMapping(source=T, watermark=watermark),)


async def source_names(database: Database) -> dict[int, str]:
    return dict(tuple(row) for row in await database.run("SELECT id, name FROM t"))


def names(setting: Setting) -> dict[int, str]:
    if isinstance(setting, DeltaSetting):
        return setting.rows()
    return {row["id"]: row["name"] for row in setting.table(T).state(("id",)).values()}


async def completed(life: Life) -> int:
    """Execute the task and return how many rows it read."""
    execution = await life.execute()
    assert execution.status is ExecutionStatus.COMPLETED, execution.error_message
    return execution.processed_rows


async def test_rowversion_is_found_by_itself(either: Setting) -> None:
    setting, database = either, either.database
    await database.create(T, COLUMNS)
    await database.run(
        "INSERT INTO t (id, name) VALUES " + ", ".join(f"({i}, N'row {i}')" for i in range(40))
    )
    async with setting.life(T, mode=INCREMENTAL, window_rows=3) as life:
        assert await completed(life) == 40
        assert await completed(life) == 0
        await database.run(
            "INSERT INTO t (id, name) VALUES (100, N'é')", "UPDATE t SET name = N'u' WHERE id < 10"
        )
        assert await completed(life) == 11
        assert names(setting) == await source_names(database)
    async with setting.life() as life:  # the watermark outlives the daemon
        await database.run("DELETE FROM t WHERE id = 1", "UPDATE t SET name = N'2' WHERE id = 2")
        assert await completed(life) == 1
        assert names(setting) == {1: "u"} | await source_names(database)  # deletes are not seen


async def test_rows_of_open_transactions_are_not_passed_by(setting: Setting) -> None:
    """A lower rowversion can commit later: the fence stands below every open transaction."""
    database, other = (
        setting.database,
        Database(
            setting.database.server,
            setting.database.config.database,
            setting.database.config.password,
        ),
    )
    await database.create(T, COLUMNS)
    async with setting.life(T, mode=INCREMENTAL) as life:
        await completed(life)
        async with open_transaction(other, "INSERT INTO t (id, name) VALUES (1, N'slow')"):
            await database.run("INSERT INTO t (id, name) VALUES (2, N'fast')")
            assert await completed(life) == 0
        assert await completed(life) == 2
        assert names(setting) == {1: "slow", 2: "fast"}
    await other.aclose()


class open_transaction:  # noqa: N801 - reads as what it is
    """A transaction that is open inside the context and commits at its end."""

    def __init__(self, database: Database, statement: str) -> None:
        self._database = database
        self._statement = statement

    async def __aenter__(self) -> None:
        await self._database.run(f"BEGIN TRANSACTION; {self._statement}")

    async def __aexit__(self, *_: object) -> None:
        await self._database.run("COMMIT")  # the pool keeps the one session that is idle


async def test_ascending_keys_with_rows_that_come_late(setting: Setting) -> None:
    database = setting.database
    await database.create(T, "id int IDENTITY NOT NULL PRIMARY KEY, name nvarchar(9)")
    await database.run("INSERT INTO t (name) VALUES (N'a'), (N'b'), (N'c')")
    async with setting.life(T, mode=INCREMENTAL) as life:  # the only candidate: found by itself
        assert await completed(life) == 3
        insert = "SET IDENTITY_INSERT t ON; INSERT INTO t (id, name) VALUES ({}, N'{}');"
        off = " SET IDENTITY_INSERT t OFF"
        await database.run(insert.format(10, "x") + off)
        await completed(life)
        await database.run(insert.format(7, "late") + off)
        await completed(life)
        assert names(setting) == await source_names(database)
        assert await completed(life) == 0
        (table,) = await life.store.executions.tables((await life.execute()).id)
        assert table.warning == "Neither updates nor deletes are seen."


@pytest.mark.parametrize(
    ("type_", "clock"),
    [
        ("datetime", "GETDATE()"),
        ("datetime", "GETUTCDATE()"),
        ("datetime2(3)", "SYSDATETIME()"),
        ("datetimeoffset(7)", "SYSDATETIMEOFFSET()"),
        ("smalldatetime", "GETUTCDATE()"),
    ],
)
async def test_modified_at(setting: Setting, type_: str, clock: str) -> None:
    database = setting.database
    await database.create(T, f"id int NOT NULL PRIMARY KEY, name nvarchar(9), at {type_} NOT NULL")
    await database.run("CREATE INDEX modified ON t (at)")
    back = f"DATEADD(minute, -%d, {clock})"
    await database.run(f"INSERT INTO t VALUES (1, N'a', {back % 90}), (2, N'b', {back % 80})")
    marked(setting, "at", overlap_s=120)
    async with setting.life(T, mode=INCREMENTAL) as life:
        assert await completed(life) == 2
        assert await completed(life) == 0
        await database.run(f"UPDATE t SET name = N'A', at = {back % 70} WHERE id = 1")
        assert await completed(life) == 1
        await database.run(f"INSERT INTO t VALUES (3, N'late', {back % 71})")
        assert await completed(life) == 2  # and the one it shares the overlap with
        assert names(setting) == await source_names(database)
        await database.run(f"INSERT INTO t VALUES (4, N'future', DATEADD(year, 20, {clock}))")
        assert await completed(life) == 0
        await database.run(f"UPDATE t SET name = N'now', at = {back % 5} WHERE id = 2")
        assert await completed(life) == 1
        assert 4 not in names(setting)


@pytest.mark.parametrize(
    ("columns", "watermark", "said"),
    [
        ("id int NOT NULL PRIMARY KEY, n int", None, "Add a rowversion column"),
        ("id int IDENTITY PRIMARY KEY, at datetime NOT NULL", None, '"column": "id"'),
        ("id int NOT NULL PRIMARY KEY", "nowhere", "Name one of: id"),
        ("id int NOT NULL PRIMARY KEY, at datetime NULL", "at", "NOT NULL"),
        ("id int NOT NULL PRIMARY KEY, x float NOT NULL", "x", "rowversion"),
    ],
)
async def test_a_table_without_a_watermark_is_refused_with_what_to_do(
    setting: Setting, columns: str, watermark: str | None, said: str
) -> None:
    await setting.database.create(T, columns)
    if watermark:
        marked(setting, watermark)
    async with setting.life(T, mode=INCREMENTAL) as life:
        execution = await life.execute()
        (table,) = await life.store.executions.tables(execution.id)
    assert (execution.status, table.phase) == (ExecutionStatus.FAILED, TablePhase.FAILED)
    assert table.error_code == "watermark_needed"
    assert said in (table.hint or "")
    assert setting.table(T).pointer() is None


async def test_a_new_column_is_not_passed_over_in_silence(setting: Setting) -> None:
    await setting.database.create(T, COLUMNS)
    async with setting.life(T, mode=INCREMENTAL, on_gap=OnGap.RELOAD) as life:
        await setting.database.run("INSERT INTO t (id, name) VALUES (1, N'a')")
        await completed(life)
        await setting.database.run("ALTER TABLE t ADD extra int NOT NULL DEFAULT 7")
        await completed(life)
        (row,) = setting.table(T).state(("id",)).values()
        assert row["extra"] == 7


@pytest.mark.parametrize("seed", [1, 2])
async def test_lives_cut_short_at_random_lose_and_double_nothing(
    either: Setting, seed: int
) -> None:
    dice = random.Random(seed)
    setting, database = either, either.database
    await database.create(T, COLUMNS)
    await database.run(
        "INSERT INTO t (id, name) VALUES " + ", ".join(f"({i}, N'row {i}')" for i in range(200))
    )
    for life_number in range(5):
        async with setting.life(T, mode=INCREMENTAL, window_rows=20) as life:
            await life.start()
            for step in range(dice.randint(1, 4)):
                low = dice.randint(0, 200)
                await database.run(
                    f"UPDATE t SET name = N'{life_number}-{step}'"
                    f" WHERE id BETWEEN {low} AND {low + 60}",
                    f"INSERT INTO t (id, name) VALUES ({1000 + life_number * 10 + step}, N'new')",
                )
            await life.supervisor.stop_now(life.task_id)  # as a crash: nothing more is noted
    async with setting.life() as life:
        await life.until(lambda task, _: task.status not in {TaskStatus.RUNNING, TaskStatus.QUEUED})
        await completed(life)
        assert names(setting) == await source_names(database)
    if not isinstance(setting, DeltaSetting):
        places = [(c["_lsn"], c["_seqval"]) for c in setting.table(T).changes()]
        assert places == sorted(set(places))


async def test_files_on_s3(tmp_path: Path, database: Database, buckets: SeaweedServer) -> None:
    """The destination is read back by its own reader, over the wire."""
    setting = S3(tmp_path, database)
    setting.server = buckets
    bucket = setting.target()
    await database.create(T, COLUMNS)
    await database.run("INSERT INTO t (id, name) VALUES (1, N'a'), (2, N'b')")
    async with setting.life(T, mode=INCREMENTAL) as life:
        await completed(life)
        await database.run(
            "UPDATE t SET name = N'B' WHERE id = 2", "INSERT INTO t (id, name) VALUES (3, N'c')"
        )
        assert await completed(life) == 2
        state = await life.store.streams.stream(life.task_id, T)
    assert state is not None
    lake = LakeDestination.s3(bucket, task_name="stream", database=database.config.database)
    found: dict[int, str] = {}

    def visit(batch: pa.RecordBatch) -> None:
        found.update(zip(batch["id"].to_pylist(), batch["name"].to_pylist(), strict=True))

    await lake.scan(lake.target_of(T, None), state.stream.tracked.schema, visit)
    await lake.aclose()
    assert found == await source_names(database)
