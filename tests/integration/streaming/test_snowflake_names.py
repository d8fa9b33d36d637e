"""Names of every kind end to end: reserved words, 255 characters, either policy of upper case.

Loads, changes and histories, with what is derived from the names: the emulated Snowflake refuses
identifiers that are longer than a real one takes. Columns have at most 128 characters, as in SQL
Server; schemas and tables may be mapped to more.
"""

from pathlib import Path
from typing import Any

import anyio
import pytest

from dtaas.model.execution import ExecutionStatus
from dtaas.model.schema import TableRef
from dtaas.model.table_rules import TableRules
from dtaas.model.task import TableMapping, TaskMode
from dtaas.model.transformations import RenameColumn, TransformationRule
from dtaas.sandbox.snowflake.emulator import SnowflakeEmulator
from tests.integration.sqlserver_source.database import Database
from tests.integration.streaming.conftest import LIMIT_S
from tests.integration.streaming.snowflake_setting import SnowflakeSetting

ORDER, USER = TableRef("dbo", "order"), TableRef("dbo", "User")
NAMES = ("select", "table", "Group By", 'o\'ne "two"', "current_date")
COLUMNS = (
    "[select] int NOT NULL PRIMARY KEY, [table] nvarchar(50) NULL, [Group By] nvarchar(max) NULL,"
    ' [o\'ne "two"] int NULL, [current_date] date NULL'
)
PAD = "_" + "é" * (127 - len("current_date"))
ALIKE = "T" * 254
Rows = list[tuple[Any, ...]]


class Named(SnowflakeSetting):
    """Two tables and their columns, with their own names or with the longest there may be."""

    longest = False

    def targets(self) -> tuple[TableMapping, ...]:
        """Return mappings to tables whose long names differ in the last letter only."""
        schema = f"{self.database.config.database}_long"
        return tuple(
            TableMapping(source=table, target=(schema, ALIKE + last))
            for table, last in ((ORDER, "a"), (USER, "b"))
        )

    async def rows(self, table: TableRef) -> Rows:
        """Return the rows at the target in the order of the source's columns."""
        cased = str.upper if self.connector.get("identifiers") == "upper" else str
        names = [cased(name + PAD * self.longest) for name in NAMES]
        if self.longest:
            schema, name = self.targets()[(ORDER, USER).index(table)].target or ("", "")
        else:
            schema, name = cased(f"{self.database.config.database}_dbo"), cased(table.name)
        schema, name = (part.replace('"', '""') for part in (schema, name))
        found = await self.select(f'"{schema}"."{name}"')
        return sorted(
            tuple(row[n] for n in names) for row in found if row.get("_DTAAS_CURRENT", True)
        )


async def wanted(database: Database, table: TableRef) -> Rows:
    return sorted(tuple(row) for row in await database.run(f"SELECT * FROM [{table.name}]"))


async def arrived(setting: Named) -> None:
    for table in (ORDER, USER):
        expected = await wanted(setting.database, table)
        found: Rows = []
        with anyio.move_on_after(LIMIT_S):
            while (found := await setting.rows(table)) != expected:
                await anyio.sleep(0.05)
        assert found == expected


async def filled(database: Database) -> None:
    for table in (ORDER, USER):
        rows = (
            f"{i}, N'{table.name} {i}', N'long {i}', NULL, '2026-01-{i + 1:02}'" for i in range(9)
        )
        await database.create(table, COLUMNS, *rows)


async def changed(database: Database) -> None:
    for table in ("[order]", "[User]"):
        await database.run(
            f"INSERT INTO {table} VALUES (20, N'new', N'text', 1, NULL)",
            f"UPDATE {table} SET [table] = N'other', [o'ne \"two\"] = 7 WHERE [select] < 3",
            f"DELETE FROM {table} WHERE [select] = 8",
            f"UPDATE {table} SET [select] = 40 WHERE [select] = 7",
        )


@pytest.fixture
def named(tmp_path: Path, database: Database, snowflake: SnowflakeEmulator) -> Named:
    setting = Named(tmp_path, database)
    setting.emulator = snowflake
    return setting


@pytest.mark.parametrize("history", [False, True], ids=["rows", "history"])
@pytest.mark.parametrize(
    ("identifiers", "longest"), [("upper", False), ("preserve", False), ("preserve", True)]
)
async def test_names_arrive_as_they_are(
    named: Named, identifiers: str, longest: bool, history: bool
) -> None:
    named.connector = {"identifiers": identifiers}
    named.longest = longest
    if longest:
        named.mappings = named.targets()
        named.settings = {"table_rules": TableRules(column_names="{column}" + PAD)}
    await filled(named.database)
    async with named.life(ORDER, USER, history=history, merge_interval_s=0.05) as life:
        await life.start()
        await life.streaming()
        await arrived(named)
        await changed(named.database)
        await arrived(named)
        await life.stop()


async def failure(named: Named) -> str:
    async with named.life(ORDER, mode=TaskMode.FULL_LOAD) as life:
        execution = await life.execute()
    assert execution.status is ExecutionStatus.FAILED
    return execution.error_message or ""


async def test_a_column_renamed_to_another_in_other_case_is_refused(named: Named) -> None:
    step = RenameColumn(column="current_date", to="TABLE")
    named.transformations = (TransformationRule(tables=("*",), steps=(step,)),)
    await filled(named.database)
    assert "There is already a column 'table'" in await failure(named)


async def test_columns_that_upper_case_makes_one_are_refused_by_name(named: Named) -> None:
    named.connector = {"identifiers": "upper"}
    columns = "id int NOT NULL PRIMARY KEY, [straße] int NULL, strasse int NULL"
    await named.database.create(ORDER, columns, "1, 2, 3")
    told = await failure(named)
    assert "'straße' and 'strasse' of dbo.order would both be 'STRASSE'" in told


async def test_a_column_that_is_too_long_in_upper_case_is_refused_by_name(named: Named) -> None:
    named.connector = {"identifiers": "upper"}
    await named.database.create(ORDER, f"id int NOT NULL PRIMARY KEY, [{'ß' * 128}] int NULL")
    told = await failure(named)
    assert "of dbo.order cannot be an identifier" in told
    assert "it has 256 characters, not 1 to 255" in told
