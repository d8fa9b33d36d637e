"""Mode `incremental` in the real engine between the in-memory connectors."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from anyio import fail_after
from msgspec.structs import replace

from dtaas.connectors.memory.datasets import Dataset
from dtaas.model.errors import ConnectionLostError, StoreUnavailableError
from dtaas.model.events import ExecutionChanged, ProgressMade
from dtaas.model.execution import ExecutionStatus, ExecutionType, TablePhase
from dtaas.model.ids import TaskId
from dtaas.model.schema import Column, TableRef, TableSchema
from dtaas.model.task import DesiredState, OnGap, TableMapping, TaskMode, TaskStatus
from dtaas.model.types import Integer, String
from dtaas.model.watermark import Watermark, WatermarkKind
from tests.integration.engine.conftest import LIMIT_S, LINES, ORDERS, Works, running
from tests.integration.engine.test_streams import Gate

PLACE = ORDERS.schema, ORDERS.name
SCHEMA = TableSchema(
    table=ORDERS,
    columns=(
        Column(name="id", type=Integer(bits=64), nullable=False),
        Column(name="name", type=String(max_chars=20), nullable=True),
        Column(name="version", type=Integer(bits=64), nullable=False),
    ),
    key=("id",),
)


def versioned(source: Dataset, count: int) -> None:
    rows = {
        "id": range(count),
        "name": [f"row {i}" for i in range(count)],
        "version": range(1_000, 1_000 + count),
    }
    source.add(SCHEMA, pa.table(rows))


def put(source: Dataset, number: int, version: int, name: str = "new") -> None:
    """Insert or update a row."""
    row = {"id": number, "name": name, "version": version}
    known = number in source.tables[ORDERS].rows["id"].to_pylist()
    with source.transaction() as transaction:
        (transaction.update if known else transaction.insert)(ORDERS, row)


async def make_task(works: Works, *, overlap: int = 0, **options: object) -> TaskId:
    task_id = await works.make_task(ORDERS, **options)
    task = await works.store.engine.task(task_id)
    mark = Watermark(column="version", kind=WatermarkKind.ROWVERSION, overlap_values=overlap)
    spec = replace(
        task.spec,
        mode=TaskMode.INCREMENTAL,
        table_mappings=(TableMapping(source=ORDERS, watermark=mark),),
    )
    await works.store.tasks.update(task_id, spec)
    return task_id


async def execute(works: Works, task_id: TaskId, **how: object) -> Any:
    await works.want(task_id, DesiredState.RUNNING, **how)
    return await works.ended()


def changed(works: Works) -> list[list[int]]:
    """Return the ids of each window's rows since the last load."""
    return [batch["id"].to_pylist() for batch in works.target.targets[PLACE].changes]


def assert_equal(works: Works) -> None:
    assert works.loaded(ORDERS).equals(works.source.tables[ORDERS].rows.sort_by("id"))


@pytest.fixture
async def works(tmp_path: Path) -> Any:
    async with running(tmp_path) as made:
        versioned(made.source, 300)
        yield made


async def test_a_full_load_first_then_only_what_is_new(works: Works) -> None:
    task_id = await make_task(works)
    first = await execute(works, task_id)
    assert (first.status, first.execution_type) == (
        ExecutionStatus.COMPLETED,
        ExecutionType.INCREMENTAL,
    )
    assert first.processed_rows == 300
    generation = works.target.targets[PLACE].loads[-1].load_id
    put(works.source, 5, 2_000)
    put(works.source, 500, 2_001)
    second = await execute(works, task_id)
    assert (second.status, second.processed_rows) == (ExecutionStatus.COMPLETED, 2)
    assert changed(works) == [[5, 500]]
    assert_equal(works)
    third = await execute(works, task_id)
    assert (third.status, third.processed_rows) == (ExecutionStatus.COMPLETED, 0)
    assert changed(works) == [[5, 500]]
    assert works.target.targets[PLACE].loads[-1].load_id == generation
    (table,) = await works.store.engine.tables_of(third.id)
    assert "Deletes are not seen" in (table.warning or "")


async def test_windows_bound_what_is_read_at_once(works: Works) -> None:
    task_id = await make_task(works, window_rows=10)
    await execute(works, task_id)
    for number in range(25):
        put(works.source, number, 2_000 + number // 2)
    await execute(works, task_id)
    assert [len(ids) for ids in changed(works)] == [10, 10, 5]
    assert_equal(works)


async def test_rows_that_came_late_are_read_by_the_overlap(works: Works) -> None:
    task_id = await make_task(works, overlap=50)
    await execute(works, task_id)
    put(works.source, 1, 2_000)
    await execute(works, task_id)
    put(works.source, 2, 1_980, "late")  # nothing higher came: only what the overlap holds differs
    late = await execute(works, task_id)
    assert late.processed_rows == 2
    assert_equal(works)
    assert (await execute(works, task_id)).processed_rows == 0
    put(works.source, 3, 1_990, "late")
    put(works.source, 4, 3_000)
    await execute(works, task_id)
    assert_equal(works)


async def test_an_empty_table_begins_below_every_value(works: Works) -> None:
    versioned(works.source, 0)
    task_id = await make_task(works, overlap=10)
    assert (await execute(works, task_id)).processed_rows == 0
    put(works.source, 1, -7)
    assert (await execute(works, task_id)).processed_rows == 1
    assert_equal(works)


async def test_rows_of_the_load_time_are_read_again_not_lost(works: Works) -> None:
    gate = Gate(works.source, "read", ORDERS)
    task_id = await make_task(works)
    await works.want(task_id, DesiredState.RUNNING)
    with fail_after(LIMIT_S):
        await gate.reached.wait()
    put(works.source, 700, 2_000)
    gate.open.set()
    await works.ended()
    await execute(works, task_id)
    assert_equal(works)


async def test_force_and_another_watermark_load_anew(works: Works) -> None:
    task_id = await make_task(works)
    await execute(works, task_id)
    loads = len(works.target.targets[PLACE].loads)
    assert (await execute(works, task_id, force=True)).processed_rows == 300
    assert len(works.target.targets[PLACE].loads) == loads + 1
    task = await works.store.engine.task(task_id)
    mapping = TableMapping(source=ORDERS, watermark=Watermark(column="id", overlap_values=0))
    await works.store.tasks.update(task_id, replace(task.spec, table_mappings=(mapping,)))
    assert (await execute(works, task_id)).processed_rows == 300
    assert len(works.target.targets[PLACE].loads) == loads + 2
    put(works.source, 900, 1)
    assert (await execute(works, task_id)).processed_rows == 1
    assert_equal(works)


@pytest.mark.parametrize("policy", [OnGap.FAIL, OnGap.RELOAD])
async def test_other_columns_stop_the_table_or_load_it_anew(works: Works, policy: OnGap) -> None:
    task_id = await make_task(works, on_gap=policy)
    await execute(works, task_id)
    wider = replace(
        SCHEMA, columns=(*SCHEMA.columns, Column(name="x", type=Integer(32), nullable=True))
    )
    rows = works.source.tables[ORDERS].rows
    works.source.add(wider, rows.append_column("x", pa.array(range(300), pa.int32())))
    execution = await execute(works, task_id)
    if policy is OnGap.RELOAD:
        assert execution.status is ExecutionStatus.COMPLETED
        assert_equal(works)
        return
    assert execution.status is ExecutionStatus.FAILED
    (table,) = await works.store.engine.tables_of(execution.id)
    assert table.error_code == "schema_changed"
    assert "force" in (table.hint or "")


async def test_a_table_without_a_watermark_fails_alone_before_it_is_loaded(works: Works) -> None:
    works.source.add(replace(SCHEMA, table=LINES), works.source.tables[ORDERS].rows)
    task_id = await make_task(works)
    task = await works.store.engine.task(task_id)
    await works.store.tasks.update(task_id, replace(task.spec, source_tables=(ORDERS, LINES)))
    execution = await execute(works, task_id)
    assert execution.status is ExecutionStatus.PARTIAL
    tables = {t.table: t for t in await works.store.engine.tables_of(execution.id)}
    assert tables[ORDERS].phase is TablePhase.COMPLETED
    assert (tables[LINES].error_code, tables[LINES].rows_done) == ("watermark_needed", 0)


async def test_another_mode_and_back_loads_anew(works: Works) -> None:
    task_id = await make_task(works)
    await execute(works, task_id)
    task = await works.store.engine.task(task_id)
    streaming = replace(task.spec, mode=TaskMode.FULL_LOAD_THEN_CDC, table_mappings=())
    await works.store.tasks.update(task_id, streaming)
    await works.want(task_id, DesiredState.RUNNING)
    await works.task_is(TaskStatus.STREAMING)
    put(works.source, 800, 1)
    await works.until(lambda e: isinstance(e, ProgressMade) and e.progress.tables[0].changes == 1)
    await works.want(task_id, DesiredState.STOPPED)
    await works.ended()
    assert_equal(works)
    await works.store.tasks.update(task_id, task.spec)
    put(works.source, 801, 2_000)
    assert (await execute(works, task_id)).processed_rows == 302
    assert_equal(works)


async def test_a_failure_is_tried_again_and_reads_the_same_window(works: Works) -> None:
    task_id = await make_task(works)
    await execute(works, task_id)
    put(works.source, 1, 2_000)
    failing = 2

    async def hook(step: str, _table: TableRef) -> None:
        nonlocal failing
        if step == "applied" and failing:
            failing -= 1
            raise ConnectionLostError("the reply was lost")

    works.target.hook = hook
    execution = await execute(works, task_id)
    assert execution.status is ExecutionStatus.COMPLETED
    assert changed(works) == [[1]]
    assert_equal(works)


class Cut:
    """Ends a life at its n-th call of the metadata store: that one and all later ones fail."""

    STREAMS = ("stream", "open", "intend", "advance", "forget")
    LEDGER = ("committed_in", "open_load", "save_load", "save_receipt", "receipts",
              "mark_committed", "last_committed")  # fmt: skip

    def __init__(self, works: Works, at: int, *, done: bool) -> None:
        self.calls = 0
        self.died = False
        self._at = at
        self._done = done
        workshop = works.supervisor._workshop
        for target, names in ((workshop.streams, self.STREAMS), (workshop.ledger, self.LEDGER)):
            for name in names:
                setattr(target, name, self._wrapped(getattr(target, name)))

    def _wrapped(self, real: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*arguments: Any, **named: Any) -> Any:
            self.calls += 1
            if self.calls < self._at:
                return await real(*arguments, **named)
            if self.calls == self._at and self._done:
                await real(*arguments, **named)
            self.died = True
            raise StoreUnavailableError("this life is over")

        return call


def completed(works: Works) -> bool:
    return any(
        isinstance(e, ExecutionChanged) and e.execution.status is ExecutionStatus.COMPLETED
        for e in works.seen
    )


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
async def test_lives_cut_at_every_store_call_lose_and_double_nothing(
    tmp_path: Path, done: bool
) -> None:
    """The n-th life dies at its n-th call, before or after it is done, until one lives.

    Once while the table is loaded, and once more while what is new is read.
    """
    name, life = f"cut-{uuid.uuid4().hex}", 0
    async with running(tmp_path, name) as works:
        versioned(works.source, 300)
        task_id = await make_task(works, overlap=5, window_rows=10)
    for _ in range(2):
        for at in range(1, 50):
            life += 1
            async with running(tmp_path, name) as works:
                for number in range(life * 7, life * 7 + 25):
                    put(works.source, number, 2_000 + 100 * life + number // 2, f"life {life}")
                cut = Cut(works, at, done=done)
                await works.want(task_id, DesiredState.RUNNING)
                await works.until(lambda _, w=works, c=cut: c.died or completed(w))
            if not cut.died:
                break
        assert at > 5
    async with running(tmp_path, name) as works:
        await execute(works, task_id)
        assert_equal(works)
        places = [
            (row["_lsn"], row["_seqval"])
            for batch in works.target.targets[PLACE].changes
            for row in batch.to_pylist()
        ]
        assert places == sorted(set(places))
        assert (await execute(works, task_id)).processed_rows == 0
