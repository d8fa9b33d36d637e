"""Transformed rows from SQL Server to a folder: what arrives is what the steps make of the source."""

from typing import Any

import anyio
from msgspec.structs import replace

from dtaas.model.schema import TableRef
from dtaas.model.transformations import (
    AddColumn,
    ApplyFunction,
    ConcatenateColumns,
    DropColumn,
    FilterRows,
    RenameColumn,
    TransformationRule,
)
from tests.integration.streaming.conftest import LIMIT_S, Setting
from tests.integration.streaming.test_streaming import COLUMNS, T

RULE = TransformationRule(
    tables=("dbo.*",),
    steps=(
        FilterRows(condition="n > 4 AND name LIKE 'r%'"),
        RenameColumn(column="id", to="no"),
        ApplyFunction(column="name", function="upper"),
        AddColumn(column="twice", expression="n * 2"),
        DropColumn(columns=("n", "body")),
    ),
)


BODIES = TransformationRule(
    steps=(
        FilterRows(condition="n > 4 AND (body LIKE 'long%' OR body IS NULL)"),
        ConcatenateColumns(columns=("name", "body"), to="both", separator="|"),
    ),
)


async def with_bodies(setting: Setting, table: TableRef) -> dict[tuple[Any, ...], dict[str, Any]]:
    rows = await setting.database.run(f"SELECT id, name, body, n FROM {table.schema}.{table.name}")
    return {
        (r[0],): {
            "id": r[0],
            "name": r[1],
            "body": r[2],
            "n": r[3],
            "both": "|".join(text for text in r[1:3] if text is not None),
        }
        for r in rows
        if r[3] is not None and r[3] > 4 and (r[2] is None or r[2].startswith("long"))
    }


async def expected(setting: Setting, table: TableRef) -> dict[tuple[Any, ...], dict[str, Any]]:
    rows = await setting.database.run(f"SELECT id, name, body, n FROM {table.schema}.{table.name}")
    return {
        (r[0],): {"no": r[0], "name": r[1].upper(), "twice": r[3] * 2}
        for r in rows
        if r[3] is not None and r[3] > 4 and r[1] is not None and r[1].startswith("r")
    }


async def test_a_filtered_and_changed_table_stays_what_the_steps_make_of_the_source(
    setting: Setting,
) -> None:
    database = setting.database
    await database.create(
        T, COLUMNS, *(f"{i}, N'row {i}', N'long {i}', {i % 9}" for i in range(40))
    )
    async with setting.life(T) as life:
        task = await life.store.engine.task(life.task_id)
        await life.store.tasks.update(life.task_id, replace(task.spec, transformations=(RULE,)))
        await life.start()
        await life.streaming()
        await database.run(
            "INSERT INTO t VALUES (100, N'rich', N'in', 5), (101, N'poor', N'out', 50)",
            "UPDATE t SET n = n + 3 WHERE id < 20",  # some enter
            "UPDATE t SET name = N'x' WHERE id IN (5, 6, 7)",  # leave
            "UPDATE t SET body = NULL WHERE id = 8",
            "UPDATE t SET id = 500 WHERE id = 17",
            "DELETE FROM t WHERE id BETWEEN 30 AND 34",
        )
        with anyio.fail_after(LIMIT_S):
            while setting.table(T).state(("no",)) != await expected(setting, T):
                await anyio.sleep(0.02)
        await life.stop()


async def test_rows_that_enter_a_filter_bring_the_large_values_that_no_change_logged(
    setting: Setting,
) -> None:
    """An update leaves `body` alone, so it logs none; the row was filtered, so nobody has one."""
    database = setting.database
    setting.transformations = (BODIES,)
    long = "é" * 40_000
    await database.create(
        T,
        COLUMNS,
        *(f"{i}, N'row {i}', N'long {i}', {i % 9}" for i in range(40)),
        f"50, N'big', N'long {long}', 0",
    )
    async with setting.life(T, window_rows=15) as life:
        await life.start()
        await life.streaming()
        await database.run(
            "UPDATE t SET n = n + 3",  # some enter with a body that is not logged
            "UPDATE t SET n = 50 WHERE id = 50",
            "UPDATE t SET name = N'x' WHERE id IN (7, 8, 16, 17)",  # and change what it is joined to
            "UPDATE t SET body = N'short' WHERE id IN (8, 9, 10)",  # leave by it
            "UPDATE t SET body = NULL WHERE id IN (11, 12)",
            "UPDATE t SET n = n + 1 WHERE id < 12; UPDATE t SET body = N'longer' WHERE id = 9",
            "UPDATE t SET n = 9 WHERE id = 20; DELETE FROM t WHERE id = 20",  # gone when looked up
            "UPDATE t SET n = 0 WHERE id = 21; UPDATE t SET n = 9 WHERE id = 21",
            "UPDATE t SET id = 500 WHERE id = 17",
        )
        with anyio.fail_after(LIMIT_S):
            while setting.table(T).state(("id",)) != await with_bodies(setting, T):
                await anyio.sleep(0.02)
        await life.stop()
