"""What the engine promises, from a start to rows at the target."""

from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from anyio import Event, create_task_group, fail_after, sleep_forever

from dtaas.connectors.memory.datasets import Hook
from dtaas.model.errors import (
    AuthenticationError,
    ConnectionLostError,
    DtaasError,
    StoreFullError,
    TableNotFoundError,
)
from dtaas.model.events import ProgressMade, TaskChanged
from dtaas.model.execution import ExecutionStatus, TablePhase
from dtaas.model.ids import TaskId
from dtaas.model.load import WriteMode
from dtaas.model.schema import TableRef
from dtaas.model.task import DesiredState, TableMapping, Task, TaskStatus
from tests.integration.engine.conftest import (
    LIMIT_S,
    LINES,
    ORDERS,
    ROWS,
    Works,
    running,
    table_rows,
    table_schema,
)


class Trap:
    """Fails or holds a step at its n-th call."""

    def __init__(self, step: str, at: int, act: Callable[[], Awaitable[None]]) -> None:
        self.calls: Counter[tuple[str, TableRef]] = Counter()
        self._step = step
        self._at = at
        self._act = act
        self._sprung = False

    async def __call__(self, step: str, table: TableRef) -> None:
        self.calls[step, table] += 1
        if step == self._step and self.calls[step, table] >= self._at and not self._sprung:
            self._sprung = True
            await self._act()


def failing(error: DtaasError) -> Callable[[], Awaitable[None]]:
    async def act() -> None:
        raise error

    return act


def whole(works: Works, table: TableRef) -> bool:
    return works.loaded(table).equals(table_rows(ROWS).cast(works.loaded(table).schema))


async def test_every_row_arrives_and_everybody_sees_it(works: Works):
    task_id = await works.make_task()
    await works.want(task_id, DesiredState.RUNNING)
    execution = await works.ended()
    assert execution.status is ExecutionStatus.COMPLETED
    assert (execution.total_rows, execution.processed_rows) == (2 * ROWS, 2 * ROWS)
    assert execution.progress_percent == 100
    assert execution.duration_seconds is not None
    task = await works.task_is(TaskStatus.IDLE)
    assert (task.desired, task.current_progress_percent) == (DesiredState.STOPPED, 100)
    assert whole(works, ORDERS)
    assert whole(works, LINES)
    assert any(isinstance(e, ProgressMade) for e in works.seen)
    tables = await works.store.engine.tables_of(execution.id)
    assert {t.phase for t in tables} == {TablePhase.COMPLETED}
    assert {t.chunks_done for t in tables} == {5}


async def test_one_bad_table_does_not_stop_the_others(works: Works):
    gone = TableRef("dbo", "gone")
    task_id = await works.make_task(gone, ORDERS)
    await works.want(task_id, DesiredState.RUNNING)
    execution = await works.ended()
    assert execution.status is ExecutionStatus.PARTIAL
    assert execution.error_code == "tables_failed"
    assert "1 of 2 tables failed; dbo.gone" in (execution.error_message or "")
    assert whole(works, ORDERS)
    tables = {t.table: t for t in await works.store.engine.tables_of(execution.id)}
    assert tables[gone].error_code == TableNotFoundError.code
    assert tables[gone].retries == 0


async def test_a_lost_connection_is_tried_again_without_doubling_a_row(works: Works):
    trap = Trap("read", 25, failing(ConnectionLostError("reset by peer")))
    works.source.hook = trap
    task_id = await works.make_task(ORDERS)
    await works.want(task_id, DesiredState.RUNNING)
    execution = await works.ended()
    assert execution.status is ExecutionStatus.COMPLETED
    assert execution.processed_rows == ROWS
    assert whole(works, ORDERS)
    (table,) = await works.store.engine.tables_of(execution.id)
    assert table.retries == 1
    assert trap.calls["plan", ORDERS] == 1  # the second attempt went on with the first plan


async def test_attempts_end(works: Works):
    async def hook(step: str, _table: TableRef) -> None:
        if step == "read":
            raise ConnectionLostError("down")

    works.source.hook = hook
    task_id = await works.make_task(ORDERS, max_attempts=3)
    await works.want(task_id, DesiredState.RUNNING)
    execution = await works.ended()
    assert execution.status is ExecutionStatus.FAILED
    assert (await works.task_is(TaskStatus.FAILED)).last_error_code == "tables_failed"
    (table,) = await works.store.engine.tables_of(execution.id)
    assert (table.retries, table.error_code) == (2, "connection_lost")


@pytest.mark.parametrize("step", ["begin", "write", "finish", "commit", "committed"])
async def test_a_failure_at_any_step_of_the_destination_repairs_itself(works: Works, step: str):
    works.target.hook = Trap(step, 1, failing(ConnectionLostError("lost reply")))
    task_id = await works.make_task(ORDERS, write_mode=WriteMode.APPEND)
    for _ in range(2):
        await works.want(task_id, DesiredState.RUNNING)
        assert (await works.ended()).status is ExecutionStatus.COMPLETED
        await works.task_is(TaskStatus.IDLE)
    twice = pa.concat_tables([table_rows(ROWS)] * 2).sort_by("id")
    assert works.loaded(ORDERS)["id"].to_pylist() == twice["id"].to_pylist()
    assert works.target.staged == {}


async def test_a_fatal_error_is_not_tried_again(works: Works):
    works.source.hook = Trap("describe", 1, failing(AuthenticationError("no")))
    task_id = await works.make_task(ORDERS)
    await works.want(task_id, DesiredState.RUNNING)
    assert (await works.ended()).status is ExecutionStatus.FAILED


async def test_a_bug_is_shown_with_its_text(works: Works):
    async def hook(step: str, _table: TableRef) -> None:
        if step == "read":
            raise ZeroDivisionError("oops")

    works.source.hook = hook
    task_id = await works.make_task(ORDERS)
    await works.want(task_id, DesiredState.RUNNING)
    execution = await works.ended()
    assert execution.status is ExecutionStatus.FAILED
    assert "ZeroDivisionError: oops" in (execution.error_message or "")


async def hold_at(works: Works, step: str, at: int) -> tuple[Event, Event]:
    """Hold the source's n-th step; return (reached, go on)."""
    reached, go_on = Event(), Event()

    async def act() -> None:
        reached.set()
        await go_on.wait()

    works.source.hook = Trap(step, at, act)
    return reached, go_on


async def test_pause_keeps_what_is_durable_and_resume_goes_on(works: Works):
    reached, _ = await hold_at(works, "read", 25)
    task_id = await works.make_task(ORDERS, concurrent_chunks=1)
    await works.want(task_id, DesiredState.RUNNING)
    with fail_after(LIMIT_S):
        await reached.wait()
    await works.want(task_id, DesiredState.PAUSED)
    await works.task_is(TaskStatus.PAUSED)
    first = await works.store.engine.running_execution(task_id)
    assert first is not None
    again = Trap("none", 0, failing(AuthenticationError("never")))
    works.source.hook = again
    await works.want(task_id, DesiredState.RUNNING)
    execution = await works.ended()
    assert execution.id == first.id
    assert execution.status is ExecutionStatus.COMPLETED
    assert whole(works, ORDERS)
    assert again.calls["read", ORDERS] == 3 * 11  # three chunks of ten batches were left


async def test_a_chunk_is_read_while_the_files_of_the_one_before_become_durable(works: Works):
    reached, go_on = Event(), Event()

    async def durable() -> None:
        with fail_after(LIMIT_S):
            await reached.wait()
        go_on.set()

    async def read() -> None:
        reached.set()

    works.target.hook = Trap("finish", 1, durable)
    works.source.hook = Trap("read", 12, read)  # a chunk is ten batches and their end
    task_id = await works.make_task(ORDERS, concurrent_chunks=1)
    await works.want(task_id, DesiredState.RUNNING)
    assert (await works.ended()).status is ExecutionStatus.COMPLETED
    assert go_on.is_set()
    assert whole(works, ORDERS)


async def test_stop_ends_the_execution_and_start_goes_on_where_it_was(works: Works):
    reached, _ = await hold_at(works, "read", 25)
    task_id = await works.make_task(ORDERS, concurrent_chunks=1)
    await works.want(task_id, DesiredState.RUNNING)
    with fail_after(LIMIT_S):
        await reached.wait()
    await works.want(task_id, DesiredState.STOPPED)
    assert (await works.ended()).status is ExecutionStatus.STOPPED
    await works.task_is(TaskStatus.STOPPED)
    again = Trap("none", 0, failing(AuthenticationError("never")))
    works.source.hook = again
    await works.want(task_id, DesiredState.RUNNING)
    assert (await works.ended()).status is ExecutionStatus.COMPLETED
    assert whole(works, ORDERS)
    assert again.calls["plan", ORDERS] == 0


async def test_start_with_force_begins_anew(works: Works):
    reached, _ = await hold_at(works, "read", 25)
    task_id = await works.make_task(ORDERS, concurrent_chunks=1)
    await works.want(task_id, DesiredState.RUNNING)
    with fail_after(LIMIT_S):
        await reached.wait()
    await works.want(task_id, DesiredState.STOPPED)
    await works.task_is(TaskStatus.STOPPED)
    again = Trap("none", 0, failing(AuthenticationError("never")))
    works.source.hook = again
    await works.want(task_id, DesiredState.RUNNING, force=True)
    assert (await works.ended()).status is ExecutionStatus.COMPLETED
    assert whole(works, ORDERS)
    assert again.calls["plan", ORDERS] == 1
    assert works.target.staged == {}


async def test_of_two_who_wake_a_task_at_once_one_starts_it_as_it_was_ordered(works: Works):
    task_id = await works.make_task(ORDERS, LINES)
    await works.store.engine.set_status(task_id, TaskStatus.QUEUED, desired=DesiredState.RUNNING)
    counted = Trap("none", 0, failing(AuthenticationError("never")))
    works.source.hook = counted
    async with create_task_group() as group:
        for _ in range(3):
            group.start_soon(works.supervisor.wake, task_id)
        group.start_soon(partial(works.supervisor.wake, task_id, tables=[ORDERS]))
    execution = await works.ended()
    assert execution.status is ExecutionStatus.COMPLETED
    assert execution.processed_rows == ROWS  # of the table that was asked for, once
    assert {table for _, table in counted.calls} == {ORDERS}


async def test_a_start_that_takes_long_holds_no_other_task_up(works: Works):
    slow, quick = await works.make_task(ORDERS), await works.make_task(LINES)
    reached, free = Event(), Event()
    store = works.supervisor._workshop.store
    read = store.task

    async def held(task_id: TaskId) -> Task:
        if task_id == slow and not free.is_set():
            reached.set()
            await free.wait()
        return await read(task_id)

    store.task = held  # type: ignore[method-assign]
    async with create_task_group() as group:
        group.start_soon(works.want, slow, DesiredState.RUNNING)
        with fail_after(LIMIT_S):
            await reached.wait()
            await works.want(quick, DesiredState.RUNNING)
        assert (await works.ended()).task_id == quick
        free.set()
    assert (await works.ended()).task_id == slow
    assert len(works.supervisor._waking) == 0


async def test_stop_now_does_not_wait_for_a_stuck_source(works: Works):
    reached, _ = await hold_at(works, "read", 5)
    task_id = await works.make_task(ORDERS)
    await works.want(task_id, DesiredState.RUNNING)
    with fail_after(LIMIT_S):
        await reached.wait()
        await works.store.engine.set_status(
            task_id, TaskStatus.STOPPING, desired=DesiredState.STOPPED
        )
        await works.supervisor.stop_now(task_id)
    await works.task_is(TaskStatus.STOPPED)
    assert works.supervisor.running() == []


async def test_only_the_tables_asked_for_are_loaded(works: Works):
    task_id = await works.make_task()
    await works.want(task_id, DesiredState.RUNNING, tables=[LINES])
    assert (await works.ended()).processed_rows == ROWS
    assert ORDERS not in {TableRef(*path) for path in works.target.targets}


async def test_the_watchdog_ends_a_stalled_attempt(works: Works):
    async def act() -> None:
        await sleep_forever()

    works.source.hook = Trap("read", 5, act)
    task_id = await works.make_task(ORDERS, no_progress_s=5)
    await works.want(task_id, DesiredState.RUNNING)
    execution = await works.ended()
    assert execution.status is ExecutionStatus.COMPLETED
    (table,) = await works.store.engine.tables_of(execution.id)
    assert table.retries == 1


async def test_the_time_limit_ends_the_execution(works: Works):
    async def act() -> None:
        await sleep_forever()

    works.source.hook = Trap("read", 5, act)
    task_id = await works.make_task(ORDERS, time_limit_s=1)
    await works.want(task_id, DesiredState.RUNNING)
    execution = await works.ended()
    assert (execution.status, execution.error_code) == (
        ExecutionStatus.FAILED,
        "execution_timeout",
    )


async def test_two_tables_may_not_share_a_target(works: Works):
    shared = tuple(TableMapping(source=t, target=("here",)) for t in (ORDERS, LINES))
    task_id = await works.make_task()
    spec = (await works.store.tasks.get(task_id)).spec
    await works.store.tasks.update(task_id, msgspec.structs.replace(spec, table_mappings=shared))
    await works.want(task_id, DesiredState.RUNNING)
    task = await works.task_is(TaskStatus.FAILED)
    assert task.last_error_code == "target_collision"
    assert "dbo.orders and dbo.lines" in (task.last_error or "")


async def test_a_target_has_one_owner(works: Works):
    first = await works.make_task(ORDERS)
    await works.want(first, DesiredState.RUNNING)
    await works.ended()
    await works.task_is(TaskStatus.IDLE)
    second = await works.make_task(ORDERS)
    await works.want(second, DesiredState.RUNNING)
    execution = await works.ended()
    assert execution.status is ExecutionStatus.FAILED
    (table,) = await works.store.engine.tables_of(execution.id)
    assert table.error_code == "destination_in_use"
    assert (await works.store.tasks.get(first)).spec.name in (table.error or "")
    await works.task_is(TaskStatus.FAILED)
    taker = await works.make_task(ORDERS, take_over=True)
    await works.want(taker, DesiredState.RUNNING)
    assert (await works.ended()).status is ExecutionStatus.COMPLETED
    assert not (await works.store.tasks.get(taker)).spec.options.take_over


async def test_a_full_store_loses_nothing_and_goes_on_by_itself(works: Works, monkeypatch):
    real = works.store.loads.save_receipt
    fails = iter([True, True])

    async def full(*args, **kwargs) -> None:
        if next(fails, False):
            raise StoreFullError("no space left")
        await real(*args, **kwargs)

    monkeypatch.setattr(type(works.store.loads), "save_receipt", lambda _self, *a: full(*a))
    task_id = await works.make_task(ORDERS)
    await works.want(task_id, DesiredState.RUNNING)
    event = await works.until(
        lambda e: isinstance(e, TaskChanged) and e.task.status is TaskStatus.RETRYING
    )
    assert isinstance(event, TaskChanged)
    assert event.task.last_error_code == "store_full"
    assert (await works.ended()).status is ExecutionStatus.COMPLETED
    assert whole(works, ORDERS)


async def test_memory_in_flight_is_bounded_by_a_slow_destination(works: Works):
    most = 0
    held = Event()

    async def hook(step: str, _table: TableRef) -> None:
        nonlocal most
        if step == "write":
            (progress,) = works.supervisor.running()
            most = max(most, progress.bytes - sum(b.nbytes for b in written(works)))
            held.set()

    works.target.hook = hook
    task_id = await works.make_task(ORDERS, concurrent_chunks=2, in_flight_mb=8)
    await works.want(task_id, DesiredState.RUNNING)
    await works.ended()
    assert held.is_set()
    assert 0 < most <= 8 * 1024 * 1024


def written(works: Works) -> list[pa.RecordBatch]:
    return [batch for batches in works.target.staged.values() for batch in batches]


STEPS = ["describe", "plan", "begin", "read", "write", "finish", "commit", "committed"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("mode", [WriteMode.OVERWRITE, WriteMode.APPEND])
async def test_a_crash_at_any_step_loses_and_doubles_nothing(
    tmp_path: Path, step: str, mode: WriteMode
):
    name = f"{tmp_path.name}"
    reached = Event()

    async def hang(at: str, _table: TableRef) -> None:
        if at == step:
            reached.set()
            await sleep_forever()

    async with running(tmp_path, name) as works:
        works.source.add(table_schema(ORDERS), table_rows(ROWS))
        works.source.hook = works.target.hook = hang
        task_id = await works.make_task(ORDERS, write_mode=mode)
        await works.want(task_id, DesiredState.RUNNING)
        with fail_after(LIMIT_S):
            await reached.wait()
    async with running(tmp_path, name) as works:
        works.source.hook = works.target.hook = _pass
        execution = await works.ended()
        assert execution.status is ExecutionStatus.COMPLETED
        assert execution.task_id == task_id
        assert whole(works, ORDERS)


async def _pass(step: str, table: TableRef) -> None:
    """Let every step through."""


_: Hook = _pass


async def test_a_drain_leaves_the_task_running_for_the_next_start(tmp_path: Path):
    async with running(tmp_path, tmp_path.name) as works:
        works.source.add(table_schema(ORDERS), table_rows(ROWS))
        reached, _ = await hold_at(works, "read", 25)
        task_id = await works.make_task(ORDERS, concurrent_chunks=1)
        await works.want(task_id, DesiredState.RUNNING)
        with fail_after(LIMIT_S):
            await reached.wait()
            await works.supervisor.drain()
        assert works.supervisor.running() == []
    async with running(tmp_path, tmp_path.name) as works:
        works.source.hook = Trap("none", 0, failing(AuthenticationError("never")))
        assert (await works.ended()).status is ExecutionStatus.COMPLETED
        assert whole(works, ORDERS)
        assert works.source.hook.calls["plan", ORDERS] == 0
