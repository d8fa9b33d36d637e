"""Transformations in the real engine: the same rows arrive by load and by stream."""

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from dtaas.engine.shaping.dead_letters import REASON, STEP
from dtaas.model.errors import SchemaChangedError
from dtaas.model.execution import ExecutionStatus, TablePhase
from dtaas.model.ids import TaskId
from dtaas.model.schema import Column, TableRef, TableSchema
from dtaas.model.task import DesiredState, TaskMode, TaskStatus
from dtaas.model.transformations import (
    AddColumn,
    ApplyFunction,
    CastType,
    DropColumn,
    FilterRows,
    OnError,
    RenameColumn,
    TransformationRule,
)
from dtaas.model.types import Integer, String
from tests.integration.engine.conftest import ORDERS, ROWS, Works
from tests.integration.engine.test_streams import begin, streaming_task, tables_are

ITEMS = TableRef("shop", "items")
SCHEMA = TableSchema(
    table=ITEMS,
    columns=(
        Column(name="id", type=Integer(64), nullable=False),
        Column(name="size", type=String(10), nullable=True),
        Column(name="stock", type=Integer(32), nullable=True),
    ),
    key=("id",),
)
RULE = TransformationRule(
    tables=("SHOP.*",),
    steps=(
        FilterRows(condition="stock > 5"),
        RenameColumn(column="id", to="item"),
        CastType(column="size", data_type="bigint", on_error=OnError.REJECT),
        AddColumn(column="double", expression="stock * 2"),
        ApplyFunction(column="size", function="abs"),
        DropColumn(columns=("stock",)),
    ),
)


def expected(rows: pa.Table) -> list[dict[str, int | None]]:
    """Say in plain Python what the rule makes of rows."""
    found: list[dict[str, int | None]] = []
    for row in sorted(rows.to_pylist(), key=lambda r: r["id"]):
        size = row["size"]
        if row["stock"] is None or row["stock"] <= 5 or size == "large":
            continue
        size = None if size is None else abs(int(size))
        found.append({"item": row["id"], "size": size, "double": row["stock"] * 2})
    return found


def items(count: int, sizes: tuple[str | None, ...]) -> pa.Table:
    draw = random.Random(7)
    return pa.table(
        {
            "id": range(count),
            "size": [draw.choice(sizes) for _ in range(count)],
            "stock": [draw.choice((None, 0, 5, 6, 100)) for _ in range(count)],
        },
        schema=SCHEMA.arrow_schema(),
    )


async def with_rules(works: Works, task_id: TaskId, *rules: TransformationRule) -> None:
    task = await works.store.engine.task(task_id)
    await works.store.tasks.update(task_id, replace(task.spec, transformations=rules))


def arrived(works: Works) -> list[dict[str, int | None]]:
    rows = works.target.targets[ITEMS.schema, ITEMS.name].rows
    return [] if rows is None else rows.sort_by("item").to_pylist()  # before the first window


async def test_a_load_brings_what_the_steps_make_and_keeps_what_they_reject(
    works: Works, tmp_path: Path
) -> None:
    works.source.add(SCHEMA, items(3_000, ("1", "-2", None, "large")))
    task_id = await works.make_task(ITEMS, ORDERS)
    await with_rules(works, task_id, RULE)
    await works.want(task_id, DesiredState.RUNNING)
    execution = await works.ended()
    assert execution.status is ExecutionStatus.COMPLETED
    source = works.source.tables[ITEMS].rows
    assert arrived(works) == expected(source)
    rejected = [r for r in source.to_pylist() if r["size"] == "large" and (r["stock"] or 0) > 5]
    assert execution.failed_rows == len(rejected) > 100
    folder = tmp_path / "dead_letters" / str(task_id) / str(execution.id)
    kept = pa.concat_tables(
        [pq.read_table(path) for path in sorted(folder.glob("*/load-*.parquet"))]
    )
    assert kept.select(SCHEMA.arrow_schema().names).to_pylist() == rejected
    assert set(kept[STEP].to_pylist()) == {"$.transformations[0].steps[2]"}
    assert set(kept[REASON].to_pylist()) == {"not a value of bigint"}
    assert works.loaded(ORDERS).num_rows == ROWS


@pytest.mark.parametrize("limit", [0, 20])
async def test_more_rejected_rows_than_allowed_fail_the_table(works: Works, limit: int) -> None:
    works.source.add(SCHEMA, items(3_000, ("1", "large")))
    task_id = await works.make_task(ITEMS, max_rejected_rows=limit, max_attempts=1)
    await with_rules(works, task_id, RULE)
    await works.want(task_id, DesiredState.RUNNING)
    assert (await works.ended()).status is ExecutionStatus.FAILED
    task = await works.task_is(TaskStatus.FAILED)
    assert "rejected" in (task.last_error or "")


async def test_steps_that_cannot_work_fail_their_table_before_a_row_is_read(works: Works) -> None:
    works.source.add(SCHEMA, items(10, ("1",)))
    read = []

    async def hook(step: str, table: TableRef) -> None:
        if step == "read":
            read.append(table)

    works.source.hook = hook
    task_id = await works.make_task(ITEMS, ORDERS)
    rule = TransformationRule(tables=("shop.*",), steps=(DropColumn(columns=("nix",)),))
    await with_rules(works, task_id, rule)
    await works.want(task_id, DesiredState.RUNNING)
    assert (await works.ended()).status is ExecutionStatus.PARTIAL
    assert set(read) == {ORDERS}
    tables = {t.table: t for t in await works.store.engine.tables_of(1)}  # type: ignore[arg-type]
    assert tables[ITEMS].phase is TablePhase.FAILED
    assert tables[ITEMS].error_code == "transformations_invalid"
    assert "nix" in (tables[ITEMS].error or "")


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("mode", [TaskMode.FULL_LOAD_THEN_CDC, TaskMode.CDC])
async def test_the_target_stays_the_filtered_source_whatever_changes(
    works: Works, seed: int, mode: TaskMode
) -> None:
    """Rows enter and leave the condition, are deleted, come again, and are rejected."""
    sizes = ("1", "-2", None)
    start = items(200, sizes) if mode is TaskMode.FULL_LOAD_THEN_CDC else items(0, sizes)
    works.source.add(SCHEMA, start)
    task_id = await streaming_task(works, ITEMS, mode=mode)
    await with_rules(works, task_id, RULE)
    await begin(works, task_id)
    draw = random.Random(seed)
    for _ in range(25):
        with works.source.transaction() as transaction:
            there = {r["id"]: r for r in works.source.tables[ITEMS].rows.to_pylist()}
            for number in draw.sample(range(300), 8):
                row = {
                    "id": number,
                    "size": draw.choice(sizes),
                    "stock": draw.choice((None, 0, 5, 6, 100)),
                }
                if number not in there:
                    transaction.insert(ITEMS, row)
                elif draw.random() < 0.3:
                    transaction.delete(ITEMS, there[number])
                else:
                    transaction.update(ITEMS, row)
    await tables_are(works, lambda _: arrived(works) == expected(works.source.tables[ITEMS].rows))
    changes = works.target.targets[ITEMS.schema, ITEMS.name].changes
    assert {name for batch in changes for name in batch.schema.names[6:]} == {
        "item", "size", "double",
    }  # fmt: skip
    await works.want(task_id, DesiredState.STOPPED)
    await works.ended()
    await works.want(task_id, DesiredState.RUNNING)  # another life adopts the stream
    await works.task_is(TaskStatus.STREAMING)
    with works.source.transaction() as transaction:
        transaction.insert(ITEMS, {"id": 900, "size": "4", "stock": 10})
        transaction.insert(ITEMS, {"id": 901, "size": "4", "stock": 1})
    await tables_are(works, lambda _: arrived(works) == expected(works.source.tables[ITEMS].rows))


async def test_a_task_without_its_transformations_does_not_go_on_as_if_it_never_had_any(
    works: Works,
) -> None:
    works.source.add(SCHEMA, items(3, ("1",)))
    task_id = await streaming_task(works, ITEMS)
    await with_rules(works, task_id, RULE)
    await begin(works, task_id)
    await works.want(task_id, DesiredState.STOPPED)
    await works.ended()
    before = arrived(works)
    await with_rules(works, task_id)
    await works.want(task_id, DesiredState.RUNNING)
    task = await works.task_is(TaskStatus.FAILED)
    assert task.last_error_code == SchemaChangedError.code
    assert "shop.items" in (task.last_error or "")
    assert arrived(works) == before


async def test_a_rejected_change_leaves_the_target_as_it_was_and_is_kept(
    works: Works, tmp_path: Path
) -> None:
    works.source.add(SCHEMA, items(0, ("1",)))
    task_id = await streaming_task(works, ITEMS)
    await with_rules(works, task_id, RULE)
    await begin(works, task_id)
    row = {"id": 1, "size": "3", "stock": 10}
    with works.source.transaction() as transaction:
        transaction.insert(ITEMS, row)
    with works.source.transaction() as transaction:
        transaction.update(ITEMS, row | {"size": "large"})
        transaction.insert(ITEMS, row | {"id": 2})
    await tables_are(works, lambda t: t[ITEMS].rejected == 1 and len(arrived(works)) == 2)
    assert arrived(works)[0] == {"item": 1, "size": 3, "double": 20}
    (path,) = (tmp_path / "dead_letters" / str(task_id)).glob("*/*/changes-*.parquet")
    (kept,) = pq.read_table(path).to_pylist()
    assert (kept["_op"], kept["id"], kept["size"]) == ("U", 1, "large")
    assert kept["_lsn"] == works.source.log.committed.hex()
