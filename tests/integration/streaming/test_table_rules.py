"""Tables by pattern, names by template and columns left out, loaded and streamed."""

from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from dtaas.model.schema import TableRef
from dtaas.model.table_rules import NewTables, TableRules
from dtaas.model.task import TableMapping, TaskStatus
from tests.integration.sqlserver_source.database import Database
from tests.integration.streaming.conftest import LIMIT_S, Life, Setting
from tests.integration.streaming.test_streaming_delta import DeltaSetting

ORDERS, LINES, NOTES = (TableRef("dbo", n) for n in ("ShopOrders", "ShopLines", "ShopNotes"))
COLUMNS = "id int NOT NULL PRIMARY KEY, name nvarchar(20), card varchar(16)"
RULES = TableRules(include=("dbo.shop*",), exclude=("*.shopsecrets",), target="raw/{table:snake}")
NO_CARDS = tuple(TableMapping(source=t, exclude_columns=("CARD",)) for t in (ORDERS, LINES))


@pytest.fixture(params=["file", "delta"])
def lake(request: pytest.FixtureRequest, tmp_path: Path, database: Database) -> Setting:
    return (Setting if request.param == "file" else DeltaSetting)(tmp_path, database)


async def ruled(life: Life, rules: TableRules = RULES) -> None:
    spec = (await life.store.engine.task(life.task_id)).spec
    new = replace(spec, source_tables=(), table_rules=rules, table_mappings=NO_CARDS)
    await life.store.tasks.update(life.task_id, new)


def found(lake: Setting, place: str) -> dict[int, tuple[object, ...]]:
    """Read a target as its users do: name and column names by id."""
    mapped = TableRef("raw", place)
    if isinstance(lake, DeltaSetting):
        rows = lake.rows(mapped)
    else:
        rows = lake.table(mapped).state(("id",))
    return {
        key[0]: (row["name"], *sorted(name for name in row if name[0] != "_"))
        for key, row in rows.items()
    }


async def arrived(lake: Setting, place: str, expected: dict[int, str]) -> None:
    wanted = {key: (name, "id", "name") for key, name in expected.items()}
    with anyio.fail_after(LIMIT_S):
        while found(lake, place) != wanted:
            await anyio.sleep(0.05)


async def test_patterns_find_tables_and_new_ones_at_the_next_start(lake: Setting) -> None:
    database = lake.database
    await database.create(ORDERS, COLUMNS, "1, N'one', '4111'", "2, N'two', '4222'")
    await database.create(LINES, COLUMNS, "7, N'seven', NULL")
    await database.create(TableRef("dbo", "ShopSecrets"), COLUMNS, "1, N'x', 'y'")
    await database.create(TableRef("dbo", "Other"), COLUMNS)
    async with lake.life(ORDERS) as life:
        await ruled(life)
        await life.start()
        await life.streaming()
        task = await life.store.engine.task(life.task_id)
        assert task.spec.source_tables == (LINES, ORDERS)
        await arrived(lake, "shop_orders", {1: "one", 2: "two"})
        await database.run(
            "INSERT INTO ShopOrders VALUES (3, N'three', '4333')",
            "UPDATE ShopOrders SET name = N'two!', card = '0' WHERE id = 2",
            "DELETE FROM ShopOrders WHERE id = 1",
        )
        await arrived(lake, "shop_orders", {2: "two!", 3: "three"})
        await arrived(lake, "shop_lines", {7: "seven"})
        await life.stop()
    assert sorted(path.name for path in (lake.lake / "raw").iterdir()) == [
        "shop_lines",
        "shop_orders",
    ]
    await database.create(NOTES, "id int NOT NULL PRIMARY KEY, name nvarchar(20)", "5, N'new'")
    async with lake.life() as life:
        await life.start()
        await life.streaming()
        await arrived(lake, "shop_notes", {5: "new"})
        await database.run("INSERT INTO ShopNotes VALUES (6, N'newer')")
        await arrived(lake, "shop_notes", {5: "new", 6: "newer"})


async def test_a_key_that_is_left_out_and_a_pattern_without_tables_are_told(
    setting: Setting,
) -> None:
    await setting.database.create(ORDERS, COLUMNS, "1, N'one', '4111'")
    async with setting.life(ORDERS) as life:
        spec = (await life.store.engine.task(life.task_id)).spec
        no_key = (TableMapping(source=ORDERS, exclude_columns=("id",)),)
        await life.store.tasks.update(life.task_id, replace(spec, table_mappings=no_key))
        await life.start()
        task = await life.until(lambda task, _: task.status is TaskStatus.FAILED)
        assert "key column" in (task.last_error or "")
        await ruled(life, replace(RULES, include=("nobody.*",), new_tables=NewTables.IGNORE))
        await life.start()
        task = await life.until(
            lambda task, _: task.status is TaskStatus.FAILED and "nobody" in (task.last_error or "")
        )
        assert task.last_error_code == "table_not_found"
