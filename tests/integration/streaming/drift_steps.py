"""Steps that tests of schema drift share: tables are made, altered, watched and compared."""

from collections.abc import Awaitable, Callable

import anyio

from dtaas.model.drift import SchemaChange, SchemaChangeState
from dtaas.model.execution import TablePhase
from dtaas.model.schema import TableRef
from tests.integration.streaming.conftest import LIMIT_S, Life
from tests.integration.streaming.targets import Files, Rows

COLUMNS = "id int NOT NULL PRIMARY KEY, name nvarchar(50) NULL, n int NULL"
AFTER = ("INSERT INTO {0} (id, n) VALUES (77, 7)", "UPDATE {0} SET n = 40 WHERE id = 2")
"""What is written once a table was altered, in terms of columns that every table keeps."""


async def until(met: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a condition is met."""
    with anyio.fail_after(2 * LIMIT_S):
        while not await met():
            await anyio.sleep(0.05)


async def made(setting: Files, *tables: TableRef, columns: str = COLUMNS) -> None:
    """Make tables of five rows."""
    for table in tables:
        rows = (f"({i}, N'r {i}', {i})" for i in range(5))
        await setting.database.run(
            f"CREATE TABLE {table.name} ({columns})",
            f"INSERT INTO {table.name} (id, name, n) VALUES {', '.join(rows)}",
        )


async def expected_rows(setting: Files, table: TableRef, *columns: str) -> Rows:
    """Return what the source holds of some columns."""
    names = ("id", *columns)
    rows = await setting.database.run(f"SELECT {', '.join(names)} FROM {table.name}")
    return {row[0]: dict(zip(names, row, strict=True)) for row in rows}


async def holds(setting: Files, table: TableRef, *columns: str) -> bool:
    """Return whether the target holds what the source holds of these columns."""
    return await _of(setting, table, columns) == await expected_rows(setting, table, *columns)


async def arrives(setting: Files, table: TableRef, *columns: str) -> None:
    """Wait until the target holds what the source holds of these columns."""
    expected = await expected_rows(setting, table, *columns)
    found: Rows = {}
    with anyio.move_on_after(2 * LIMIT_S):
        while (found := await _of(setting, table, columns)) != expected:
            await anyio.sleep(0.05)
    assert found == expected


async def _of(setting: Files, table: TableRef, columns: tuple[str, ...]) -> Rows:
    found = await setting.rows(table)
    return {
        key: {"id": key} | {name: row.get(name) for name in columns} for key, row in found.items()
    }


async def changes(life: Life, table: TableRef) -> list[SchemaChange]:
    """Return the changes recorded of a table, the oldest first."""
    return list(await life.store.schema_history.changes_of(life.task_id, table))


async def noticed(life: Life, *tables: TableRef) -> dict[TableRef, SchemaChange]:
    """Wait until a change of each table is recorded, and return the first of each."""

    async def all_of_them() -> bool:
        return all([await changes(life, table) for table in tables])

    await until(all_of_them)
    return {table: (await changes(life, table))[0] for table in tables}


async def held(life: Life, table: TableRef) -> SchemaChange:
    """Wait until a change waits for a decision, and return it."""
    found: list[SchemaChange] = []

    async def waits() -> bool:
        found[:] = [c for c in await changes(life, table) if c.state is SchemaChangeState.PENDING]
        return bool(found)

    await until(waits)
    return found[0]


def phase(life: Life, table: TableRef) -> tuple[TablePhase, str | None]:
    """Return what a table is shown as, and why it failed."""
    progress = life.supervisor.progress(life.task_id)
    assert progress is not None
    found = next(t for t in progress.tables if t.table == table)
    return found.phase, found.error_code


async def stops(life: Life, table: TableRef, *codes: str) -> None:
    """Wait until a table stands still for one of these reasons."""

    seen: object = None

    async def stopped() -> bool:
        nonlocal seen
        progress = life.supervisor.progress(life.task_id)
        if progress is None:
            return False
        found = next(t for t in progress.tables if t.table == table)
        seen = table, found.phase, found.error_code, found.error
        return found.phase is TablePhase.FAILED and found.error_code in codes

    try:
        await until(stopped)
    except TimeoutError:
        raise AssertionError(seen) from None
