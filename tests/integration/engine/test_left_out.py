"""Single tables of a running execution: left out of it, and let go on where they stand."""

import pytest
from anyio import fail_after

from dtaas.model.errors import AuthenticationError
from dtaas.model.execution import ExecutionStatus, TablePhase, TableProgress
from dtaas.model.ids import TaskId
from dtaas.model.schema import TableRef
from dtaas.model.task import DesiredState, TaskStatus
from tests.integration.engine.conftest import LIMIT_S, LINES, ORDERS, ROWS, Works
from tests.integration.engine.test_streams import (
    Gate,
    all_stream,
    arrived,
    begin,
    change,
    rename_tables,
    streaming_task,
    tables_are,
)

SKIPPED = TablePhase.SKIPPED


async def held(works: Works, task_id: TaskId, table: TableRef, step: str = "read") -> Gate:
    """Start a task and hold one table at a step."""
    gate = Gate(works.source, step, table)
    await works.want(task_id, DesiredState.RUNNING)
    with fail_after(LIMIT_S):
        await gate.reached.wait()
    return gate


async def recorded(works: Works, execution_id: int) -> dict[TableRef, TableProgress]:
    tables = await works.store.engine.tables_of(execution_id)  # type: ignore[arg-type]
    return {one.table: one for one in tables}


async def test_a_load_goes_on_without_a_table_that_is_left_out_in_its_middle(works: Works) -> None:
    task_id = await works.make_task()
    gate = await held(works, task_id, ORDERS)
    assert await works.supervisor.skip(task_id, ORDERS)
    execution = await works.ended()
    assert execution.status is ExecutionStatus.PARTIAL
    assert execution.error_code is None
    tables = await recorded(works, execution.id)
    assert (tables[ORDERS].phase, tables[LINES].phase) == (SKIPPED, TablePhase.COMPLETED)
    assert works.loaded(LINES).num_rows == ROWS
    assert works.target.targets[ORDERS.schema, ORDERS.name].rows is None
    assert not await works.supervisor.retry(task_id, ORDERS)  # nothing runs any more
    gate.open.set()
    await works.want(task_id, DesiredState.RUNNING, tables=[ORDERS])
    assert (await works.ended()).status is ExecutionStatus.COMPLETED
    assert works.loaded(ORDERS).num_rows == ROWS


async def test_a_table_that_waits_is_left_out_and_comes_back(works: Works) -> None:
    task_id = await works.make_task(concurrent_tables=1)
    gate = await held(works, task_id, ORDERS)
    assert await works.supervisor.skip(task_id, LINES)
    assert not await works.supervisor.skip(task_id, LINES)
    await tables_are(works, lambda t: t[LINES].phase is SKIPPED)
    assert await works.supervisor.retry(task_id, LINES)
    assert not await works.supervisor.retry(task_id, LINES)
    tables = await tables_are(works, lambda t: t[LINES].phase is TablePhase.WAITING)
    assert tables[LINES].completed_at is None
    gate.open.set()
    assert (await works.ended()).status is ExecutionStatus.COMPLETED
    assert works.loaded(LINES).num_rows == ROWS


async def test_a_table_that_failed_is_tried_again_while_others_load(works: Works) -> None:
    task_id = await works.make_task(concurrent_chunks=8)
    stays = Gate(works.source, "read", ORDERS)
    broken = [LINES]

    async def hook(step: str, table: TableRef) -> None:
        if step == "read" and table in broken:
            raise AuthenticationError("the password is wrong")
        await stays(step, table)

    works.source.hook = hook
    await works.want(task_id, DesiredState.RUNNING)
    await tables_are(works, lambda t: t[LINES].phase is TablePhase.FAILED)
    broken.clear()
    assert await works.supervisor.retry(task_id, LINES)
    tables = await tables_are(works, lambda t: t[LINES].phase is TablePhase.COMPLETED)
    assert tables[LINES].error is None
    stays.open.set()
    assert (await works.ended()).status is ExecutionStatus.COMPLETED


async def test_what_is_left_out_stays_so_through_a_pause(works: Works) -> None:
    task_id = await works.make_task(concurrent_tables=1)
    gate = await held(works, task_id, ORDERS)
    assert await works.supervisor.skip(task_id, LINES)
    await works.want(task_id, DesiredState.PAUSED)
    gate.open.set()
    await works.task_is(TaskStatus.PAUSED)
    await works.want(task_id, DesiredState.RUNNING)
    execution = await works.ended()
    assert execution.status is ExecutionStatus.PARTIAL
    tables = await recorded(works, execution.id)
    assert (tables[ORDERS].phase, tables[LINES].phase) == (TablePhase.COMPLETED, SKIPPED)


@pytest.mark.parametrize("pause", [False, True], ids=["at once", "after a pause"])
async def test_a_stream_that_is_left_out_goes_on_at_its_position(works: Works, pause: bool) -> None:
    task_id = await streaming_task(works)
    await begin(works, task_id)
    place = LINES.schema, LINES.name
    generation, before = works.target.targets[place].generation, works.loaded(LINES)
    assert await works.supervisor.skip(task_id, LINES)
    if pause:
        await works.want(task_id, DesiredState.PAUSED)
        await works.task_is(TaskStatus.PAUSED)
        await works.want(task_id, DesiredState.RUNNING)
        await works.task_is(TaskStatus.STREAMING)
    change(works, LINES, 9_100_000)
    change(works, ORDERS, 9_100_001)
    await arrived(works, ORDERS)
    tables = await tables_are(works, lambda t: t[ORDERS].phase is TablePhase.STREAMING)
    assert (tables[LINES].phase, tables[LINES].lag_s) == (SKIPPED, None)
    assert works.loaded(LINES).equals(before)
    assert await works.supervisor.retry(task_id, LINES)
    await arrived(works, LINES)
    await tables_are(works, all_stream)
    assert works.target.targets[place].generation == generation  # nothing was loaded anew


async def test_a_table_is_left_out_on_its_way_into_the_stream(works: Works) -> None:
    task_id = await streaming_task(works, concurrent_chunks=8)
    gate = await held(works, task_id, LINES)
    await tables_are(works, lambda t: t[ORDERS].phase is TablePhase.STREAMING)
    assert await works.supervisor.skip(task_id, LINES)
    await tables_are(works, lambda t: t[LINES].phase is SKIPPED)
    change(works, ORDERS, 9_200_000)
    await arrived(works, ORDERS)
    gate.open.set()
    with fail_after(LIMIT_S):  # the load that left it out may just be ending
        while not await works.supervisor.retry(task_id, LINES):
            await tables_are(works, lambda t: t[LINES].phase is SKIPPED)
    await tables_are(works, all_stream)
    change(works, LINES, 9_200_001)
    await arrived(works, LINES)


async def test_a_stream_that_failed_is_tried_again_without_a_load(works: Works) -> None:
    task_id = await streaming_task(works)
    await begin(works, task_id)
    place = LINES.schema, LINES.name
    generation = works.target.targets[place].generation
    gate = Gate(works.target, "apply", LINES, AuthenticationError("the key was withdrawn"))
    change(works, LINES, 9_300_000)
    await tables_are(works, lambda t: t[LINES].phase is TablePhase.FAILED)
    gate.open.set()
    assert await works.supervisor.retry(task_id, LINES)
    tables = await tables_are(works, all_stream)
    assert tables[LINES].error is None
    await arrived(works, LINES)
    assert works.target.targets[place].generation == generation


async def test_a_table_left_out_leaves_the_task(works: Works) -> None:
    task_id = await streaming_task(works)
    await begin(works, task_id)
    assert await works.supervisor.skip(task_id, LINES)
    await rename_tables(works, task_id, ORDERS, drop_capture=True)
    await tables_are(works, lambda t: set(t) == {ORDERS})
    assert LINES not in works.source.log.instances
    assert await works.store.streams.stream(task_id, LINES) is None


async def test_a_table_left_out_is_loaded_anew_when_that_is_asked_for(works: Works) -> None:
    task_id = await streaming_task(works)
    await begin(works, task_id)
    assert await works.supervisor.skip(task_id, LINES)
    change(works, LINES, 9_400_000)
    await works.supervisor.wake(task_id, tables=[LINES])
    await arrived(works, LINES)
    await tables_are(works, all_stream)


async def test_nothing_is_steered_of_a_task_that_does_not_run(works: Works) -> None:
    task_id = await works.make_task()
    assert not await works.supervisor.skip(task_id, ORDERS)
    assert not await works.supervisor.retry(task_id, ORDERS)
