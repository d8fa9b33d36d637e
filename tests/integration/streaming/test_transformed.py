"""Transformed rows from SQL Server to a folder: what arrives is what the steps make of the source."""

from typing import Any

import anyio
from msgspec.structs import replace

from dtaas.model.schema import TableRef
from dtaas.model.transformations import (
    AddColumn,
    ApplyFunction,
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
