"""Transformed tables at every kind of target and by every way of reading changes.

A row that leaves the filter is deleted, the key has another name, a text is hashed, what cannot be
cast is kept as a dead letter, columns follow a template and a rule of types; in the load and after.
"""

import hashlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from dtaas.engine.shaping.dead_letters import REASON, STEP
from dtaas.model.changes import Capture
from dtaas.model.column_rules import ColumnTypeRule
from dtaas.model.connectors import DeltaFileConfig
from dtaas.model.execution import ExecutionStatus
from dtaas.model.schema import TableRef
from dtaas.model.task import TableMapping, TaskMode
from dtaas.model.transformations import (
    ApplyFunction,
    CastType,
    FilterRows,
    OnError,
    RenameColumn,
    TransformationRule,
)
from dtaas.sandbox.snowflake.emulator import SnowflakeEmulator
from tests.integration.sqlserver_source.database import Database
from tests.integration.streaming.conftest import LIMIT_S, Life, Setting
from tests.integration.streaming.snowflake_setting import SnowflakeSetting

T = TableRef("dbo", "t")
COLUMNS = (
    "id int NOT NULL PRIMARY KEY, name nvarchar(50) NULL, body nvarchar(max) NULL, n int NULL,"
    " code nvarchar(10) NULL, price money NULL, rv rowversion"
)
NAMED = "INSERT INTO t (id, name, body, n, code, price) VALUES"
RULE = TransformationRule(
    tables=("dbo.*",),
    steps=(
        FilterRows(condition="n > 4"),
        RenameColumn(column="id", to="no"),
        ApplyFunction(column="name", function="sha256", arguments={"salt": "s"}),
        CastType(column="code", data_type="integer", on_error=OnError.REJECT),
    ),
)
MAPPING = TableMapping(
    source=T,
    exclude_columns=("rv",),
    column_names="c_{column:lower}",
    types=(ColumnTypeRule(source_types=("money",), data_type="decimal(30,5)"),),
)
Rows = dict[int, dict[str, Any]]


class Files(Setting):
    mappings = (MAPPING,)
    transformations = (RULE,)

    async def rows(self) -> Rows:
        return {row["no"]: row for row in self.table(T).state(("no",)).values()}


class Delta(Files):
    kind = "delta_file"
    config_type = DeltaFileConfig

    async def rows(self) -> Rows:
        table = DeltaTable(str(self.lake / "dbo" / "t")).to_pyarrow_dataset().to_table()
        return {row["no"]: row for row in table.to_pylist()}


class Snowflake(SnowflakeSetting, Files):
    async def rows(self) -> Rows:
        schema = f"{self.database.config.database}_dbo"
        return {row["no"]: row for row in await self.select(f'"{schema}"."t"')}


@pytest.fixture(params=[Files, Delta, Snowflake], ids=["files", "delta", "snowflake"])
async def anywhere(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    database: Database,
    snowflake: SnowflakeEmulator,
) -> Files:
    made: Files = request.param(tmp_path, database)
    if isinstance(made, Snowflake):
        made.emulator = snowflake
    return made


def shaped(row: tuple[Any, ...]) -> dict[str, Any] | None:
    """Say in plain Python what becomes of a row: None when it does not arrive."""
    no, name, body, n, code, price = row
    if n is None or n <= 4 or (code is not None and not code.lstrip("-").isdigit()):
        return None
    hashed = None if name is None else hashlib.sha256(f"s{name}".encode()).hexdigest()
    return {
        "no": no,
        "c_name": hashed,
        "c_body": body,
        "c_n": n,
        "c_code": None if code is None else int(code),
        "c_price": None if price is None else Decimal(price).quantize(Decimal("0.00001")),
    }


async def wanted(database: Database) -> Rows:
    rows = await database.run("SELECT id, name, body, n, code, price FROM t")
    made = [shaped(tuple(row)) for row in rows]
    return {row["no"]: row for row in made if row is not None}


async def arrived(setting: Files, held: Rows) -> None:
    """Wait until the target is the transformed source.

    Args:
        held: rows whose last change was rejected, as they were before.
    """
    expected = await wanted(setting.database) | held
    found: Rows = {}
    with anyio.move_on_after(LIMIT_S):
        while (found := await setting.rows()) != expected:
            await anyio.sleep(0.05)
    assert found == expected


def letters(setting: Files) -> list[dict[str, Any]]:
    """Return what was rejected, in order of the keys."""
    paths = sorted((setting.folder / "data" / "dead_letters").glob("*/*/*/*.parquet"))
    tables = [pq.read_table(path).select([REASON, STEP, "id", "code"]) for path in paths]
    return sorted(pa.concat_tables(tables).to_pylist(), key=lambda r: r["id"]) if tables else []


async def filled(database: Database) -> None:
    await database.create(T, COLUMNS)
    values = (
        f"({i}, N'row {i}', N'long {i}', {i % 9}, {'NULL' if i % 3 else repr(str(i))}, {i}.5)"
        for i in range(40)
    )
    await database.run(f"{NAMED} {', '.join(values)}", f"{NAMED} (60, N'x', N'x', 9, N'bad', 1)")


async def changed(database: Database) -> Rows:
    """Change rows of every kind and return those whose last change is rejected, as before."""
    held = {8: (await wanted(database))[8]}
    await database.run(
        f"{NAMED} (100, N'in', N'in', 5, N'7', 1), (101, N'out', N'out', 1, N'7', NULL)",
        f"{NAMED} (102, N'bad', NULL, 5, N'x7', 1)",
        "UPDATE t SET n = n + 3 WHERE id < 20 AND id <> 8",  # some enter, with bodies of old
        "UPDATE t SET name = N'other' WHERE id IN (5, 6)",
        "UPDATE t SET n = 0 WHERE id IN (7, 14)",  # leave
        "UPDATE t SET n = NULL WHERE id = 15",  # leave, unknown
        "UPDATE t SET code = N'no' WHERE id = 8",  # rejected: stays as it was
        "UPDATE t SET code = N'12', price = 2.25 WHERE id = 60",  # rejected no more
    )
    return held


@pytest.mark.parametrize("capture", [Capture.CDC, Capture.CHANGE_TRACKING])
async def test_loads_and_changes_are_what_the_steps_make_of_them(
    anywhere: Files, capture: Capture
) -> None:
    setting, database = anywhere, anywhere.database
    if capture is Capture.CHANGE_TRACKING:
        await database.run("ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON")
    await filled(database)
    async with setting.life(T, capture=capture, merge_interval_s=0.05) as life:
        await life.start()
        await life.streaming()
        await arrived(setting, {})
        assert [(r["id"], r["code"]) for r in letters(setting)] == [(60, "bad")]
        held = await changed(database)
        await arrived(setting, held)
        await database.run(
            "UPDATE t SET id = 500 WHERE id = 16", "DELETE FROM t WHERE id > 30 AND id < 36"
        )
        await arrived(setting, held)
        await life.stop()
    found = letters(setting)
    assert [r["id"] for r in found] == [8, 60, 102]
    assert {r[STEP] for r in found} == {"$.transformations[0].steps[3]"}
    assert {r[REASON] for r in found} == {"not a value of integer"}


async def completed(life: Life) -> int:
    execution = await life.execute()
    assert execution.status is ExecutionStatus.COMPLETED, execution.error_message
    return execution.failed_rows


async def test_increments_are_what_the_steps_make_of_them(anywhere: Files) -> None:
    setting, database = anywhere, anywhere.database
    await filled(database)
    async with setting.life(T, mode=TaskMode.INCREMENTAL) as life:
        assert await completed(life) == 1
        await arrived(setting, {})
        held = await changed(database)
        assert await completed(life) == 2
        await arrived(setting, held)
    assert [r["id"] for r in letters(setting)] == [8, 60, 102]


async def test_a_full_load_made_again_is_what_the_steps_make_of_it(anywhere: Files) -> None:
    setting, database = anywhere, anywhere.database
    await filled(database)
    async with setting.life(T, mode=TaskMode.FULL_LOAD) as life:
        assert await completed(life) == 1
        await changed(database)
        assert await completed(life) == 2
        await arrived(setting, {})
