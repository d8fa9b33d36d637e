import msgspec
import pytest
from anyio import create_task_group, fail_after

from dtaas.model.connectors import Connector
from dtaas.model.errors import (
    ActionNotAllowedError,
    DestinationInUseError,
    NotFoundError,
    TargetCollisionError,
    TaskRunningError,
    ValidationFailedError,
)
from dtaas.model.events import TaskRemoved
from dtaas.model.execution import ExecutionStatus, TablePhase
from dtaas.model.ids import ConnectorId, ExecutionId, TaskId
from dtaas.model.schema import TableRef
from dtaas.model.task import (
    ScheduleType,
    TableMapping,
    Task,
    TaskAction,
    TaskMode,
    TaskOptions,
    TaskStatus,
    allowed_actions,
)
from dtaas.services.control import TaskActionRefusedError
from dtaas.store.connectors import ConnectorRepository
from dtaas.store.page import Window
from tests.fakes.services_at_work import LINES, ORDERS, AtWork, Gate

EVERY = frozenset[ExecutionStatus]()


async def held(work: AtWork, task: Task) -> Gate:
    """Start a task and return once it reads; opening the gate lets it go on."""
    gate = Gate(work.source, "read")
    await work.services.control.act(task.id, TaskAction.START)
    with fail_after(10):
        await gate.reached.wait()
    await work.until_task_is(TaskStatus.RUNNING)
    return gate


async def test_a_task_runs_to_its_end(work: AtWork):
    task = await work.task()
    started = await work.services.control.start(task.id)
    assert started.status in {TaskStatus.QUEUED, TaskStatus.RUNNING, TaskStatus.IDLE}
    execution = await work.until_ended()
    assert execution.status is ExecutionStatus.COMPLETED
    assert execution.processed_rows == 6
    page = await work.services.tasks.executions(task.id, EVERY, Window(sort="-id"))
    assert [e.id for e in page.items] == [execution.id]
    _, tables = await work.services.tasks.execution(execution.id)
    assert {t.table: t.phase for t in tables} == dict.fromkeys(
        (ORDERS, LINES), TablePhase.COMPLETED
    )


async def test_a_start_may_name_some_tables(work: AtWork):
    task = await work.task()
    await work.services.control.act(task.id, TaskAction.START, tables=[LINES])
    execution = await work.until_ended()
    _, tables = await work.services.tasks.execution(execution.id)
    assert [t.table for t in tables] == [LINES]


async def test_pause_resume_and_stop(work: AtWork):
    task = await work.task()
    gate = await held(work, task)
    await work.services.control.act(task.id, TaskAction.PAUSE)
    await work.until_task_is(TaskStatus.PAUSING)
    gate.open()
    await work.until_task_is(TaskStatus.PAUSED)
    gate = Gate(work.source, "read")
    await work.services.control.act(task.id, TaskAction.RESUME)
    await work.until_task_is(TaskStatus.RUNNING)
    gate.open()
    execution = await work.until_ended()
    assert execution.status is ExecutionStatus.COMPLETED
    assert execution.processed_rows == 6


async def test_a_paused_task_can_be_stopped(work: AtWork):
    task = await work.task()
    gate = await held(work, task)
    await work.services.control.act(task.id, TaskAction.PAUSE)
    gate.open()
    await work.until_task_is(TaskStatus.PAUSED)
    stopped = await work.services.control.act(task.id, TaskAction.STOP)
    assert stopped.status is TaskStatus.STOPPED
    assert (await work.until_ended()).status is ExecutionStatus.STOPPED


async def test_a_forced_stop_does_not_wait(work: AtWork):
    task = await work.task()
    await held(work, task)  # never opened: a drain would wait for ever
    with fail_after(5):
        await work.services.control.act(task.id, TaskAction.STOP, force=True)
        await work.until_task_is(TaskStatus.STOPPED)


@pytest.mark.parametrize("status", list(TaskStatus))
async def test_exactly_the_allowed_actions_are_accepted(work: AtWork, status: TaskStatus):
    task = await work.task()
    Gate(work.source, "read")  # whatever is started stays at work
    for action in TaskAction:
        await work.store.engine.set_status(task.id, status)
        if action in allowed_actions(status):
            await work.services.control.act(task.id, action)
        else:
            with pytest.raises(TaskActionRefusedError) as caught:
                await work.services.control.act(task.id, action)
            assert caught.value.task_status is status
            assert caught.value.allowed == allowed_actions(status)


async def test_of_two_who_start_a_task_one_is_refused(work: AtWork):
    task = await work.task()
    Gate(work.source, "read")
    refused: list[TaskActionRefusedError] = []

    async def start() -> None:
        try:
            await work.services.control.start(task.id)
        except TaskActionRefusedError as error:
            refused.append(error)

    async with create_task_group() as group:
        group.start_soon(start)
        group.start_soon(start)
    assert len(refused) == 1


@pytest.mark.parametrize(
    ("action", "how", "field"),
    [
        (TaskAction.START, {"tables": [LINES, TableRef("dbo", "no")]}, "$.tables[1]"),
        (TaskAction.STOP, {"tables": [LINES]}, "$.tables"),
        (TaskAction.PAUSE, {"force": True}, "$.force"),
        (TaskAction.RESUME, {"force": True}, "$.force"),
    ],
)
async def test_options_that_do_not_fit_are_refused(work: AtWork, action, how, field):
    task = await work.task()
    with pytest.raises(ValidationFailedError) as caught:
        await work.services.control.act(task.id, action, **how)
    assert caught.value.field == field
    assert (await work.services.tasks.get(task.id)).status is TaskStatus.IDLE


async def test_a_task_with_a_connector_switched_off_does_not_start(work: AtWork):
    spec = await work.task_spec()
    off = await work.services.connectors.create(work.source_spec(is_active=False))
    task = await work.services.tasks.create(
        msgspec.structs.replace(spec, source_connector_id=off.id)
    )
    with pytest.raises(ActionNotAllowedError) as caught:
        await work.services.control.start(task.id)
    assert off.name in caught.value.detail


@pytest.mark.parametrize("role", ["source", "destination"])
@pytest.mark.parametrize("number", [99, 0, -1, 2**63, 10**30])
async def test_unknown_connectors_are_refused(work: AtWork, role, number):
    spec = await work.task_spec()
    with pytest.raises(ValidationFailedError) as caught:
        await work.services.tasks.create(
            msgspec.structs.replace(spec, **{f"{role}_connector_id": ConnectorId(number)})
        )
    assert caught.value.field == f"$.{role}_connector_id"


async def test_connectors_of_the_other_role_are_refused(work: AtWork):
    spec = await work.task_spec()
    swapped = msgspec.structs.replace(
        spec,
        source_connector_id=spec.destination_connector_id,
        destination_connector_id=spec.source_connector_id,
    )
    with pytest.raises(ValidationFailedError) as caught:
        await work.services.tasks.create(swapped)
    assert caught.value.field == "$.source_connector_id"


async def test_two_tables_with_one_target_are_refused(work: AtWork):
    mapping = TableMapping(source=ORDERS, target=("dbo", "lines"))
    with pytest.raises(TargetCollisionError):
        await work.task(table_mappings=(mapping,))


async def test_a_target_has_one_task(work: AtWork):
    first = await work.task(ORDERS, name="first")
    second = msgspec.structs.replace(first.spec, name="second")
    with pytest.raises(DestinationInUseError) as caught:
        await work.services.tasks.create(second)
    assert "'first'" in caught.value.detail
    elsewhere = (TableMapping(source=ORDERS, target=("other",)),)
    await work.services.tasks.create(msgspec.structs.replace(second, table_mappings=elsewhere))
    taken = msgspec.structs.replace(first.spec, name="third", options=TaskOptions(take_over=True))
    await work.services.tasks.create(taken)


async def test_a_new_task_asks_for_no_more_connectors_the_more_tasks_there_are(
    work: AtWork, monkeypatch: pytest.MonkeyPatch
):
    asked: list[ConnectorId] = []
    get = ConnectorRepository.get

    async def counted(store: ConnectorRepository, connector_id: ConnectorId) -> Connector:
        asked.append(connector_id)
        return await get(store, connector_id)

    spec = await work.task_spec(ORDERS)
    monkeypatch.setattr(ConnectorRepository, "get", counted)
    counts = []
    for number in range(6):
        mapping = TableMapping(source=ORDERS, target=(f"target{number}",))
        await work.services.tasks.create(
            msgspec.structs.replace(spec, name=f"task {number}", table_mappings=(mapping,))
        )
        counts.append(len(asked))
        asked.clear()
    assert counts[1:] == [counts[1]] * 5


async def test_of_two_tasks_made_at_once_one_gets_the_target(work: AtWork):
    spec = await work.task_spec(ORDERS)
    refused: list[DestinationInUseError] = []

    async def create(name: str) -> None:
        try:
            await work.services.tasks.create(msgspec.structs.replace(spec, name=name))
        except DestinationInUseError as error:
            refused.append(error)

    async with create_task_group() as group:
        group.start_soon(create, "one")
        group.start_soon(create, "two")
    assert len(refused) == 1


async def test_a_task_may_keep_its_own_target(work: AtWork):
    task = await work.task(ORDERS)
    changed = msgspec.structs.replace(task.spec, description="same place")
    update = await work.services.tasks.update(task.id, changed)
    assert update.applies == "now"
    assert update.task.spec == changed


async def test_what_a_running_task_moves_may_not_change(work: AtWork):
    task = await work.task()
    gate = await held(work, task)
    fewer = msgspec.structs.replace(task.spec, source_tables=(ORDERS,))
    with pytest.raises(TaskRunningError) as caught:
        await work.services.tasks.update(task.id, fewer)
    assert caught.value.field == "$.source_tables"
    free = msgspec.structs.replace(task.spec, description="new")
    assert (await work.services.tasks.update(task.id, free)).applies == "now"
    tuned = msgspec.structs.replace(free, batch_rows=200)
    assert (await work.services.tasks.update(task.id, tuned)).applies == "next_start"
    with pytest.raises(TaskRunningError):
        await work.services.tasks.delete(task.id)
    gate.open()
    assert (await work.until_ended()).status is ExecutionStatus.COMPLETED
    await work.until_task_is(TaskStatus.IDLE)
    update = await work.services.tasks.update(
        task.id, msgspec.structs.replace(tuned, source_tables=(ORDERS,))
    )
    assert update.applies == "now"


async def test_a_target_that_a_task_leaves_is_free_for_others(work: AtWork):
    task = await work.task()
    await work.services.control.start(task.id)
    await work.until_ended()
    await work.until_task_is(TaskStatus.IDLE)
    lines = work.target.target(("dbo", "lines"))
    assert lines.owner is not None
    fewer = msgspec.structs.replace(task.spec, source_tables=(ORDERS,))
    await work.services.tasks.update(task.id, fewer)
    assert lines.owner is None
    assert lines.rows is not None  # committed data stays


async def test_deleting_a_task_frees_its_targets_and_what_it_began(work: AtWork):
    task = await work.task()
    gate = Gate(work.target, "commit")
    await work.services.control.start(task.id)
    with fail_after(10):
        await gate.reached.wait()
    await work.services.control.act(task.id, TaskAction.STOP, force=True)
    await work.until_task_is(TaskStatus.STOPPED)
    assert work.target.staged
    await work.services.tasks.delete(task.id)
    assert not work.target.staged
    assert all(target.owner is None for target in work.target.targets.values())
    await work.until(lambda e: isinstance(e, TaskRemoved) and e.task_id == task.id)
    with pytest.raises(NotFoundError):
        await work.services.tasks.get(task.id)


async def test_a_task_with_a_schedule_is_scheduled(work: AtWork):
    task = await work.task(schedule_type=ScheduleType.INTERVAL, schedule_interval_seconds=3600)
    assert task.status is TaskStatus.SCHEDULED
    for active, status in ((False, TaskStatus.IDLE), (True, TaskStatus.SCHEDULED)):
        changed = msgspec.structs.replace(task.spec, is_active=active)
        assert (await work.services.tasks.update(task.id, changed)).task.status is status


async def test_what_does_not_exist_is_not_found(work: AtWork):
    spec = await work.task_spec()
    for call in (
        work.services.tasks.get(TaskId(99)),
        work.services.tasks.delete(TaskId(99)),
        work.services.tasks.update(TaskId(99), spec),
        work.services.tasks.executions(TaskId(99), EVERY, Window(sort="id")),
        work.services.tasks.execution(ExecutionId(99)),
        work.services.control.start(TaskId(99)),
    ):
        with pytest.raises(NotFoundError):
            await call


async def test_a_streaming_task_loads_tables_anew_and_takes_tables_in(work: AtWork):
    task = await work.task(ORDERS, mode=TaskMode.FULL_LOAD_THEN_CDC)
    await work.services.control.act(task.id, TaskAction.START)
    await work.until_task_is(TaskStatus.STREAMING)
    first = work.target.targets[ORDERS.schema, ORDERS.name].generation
    same = await work.services.control.act(task.id, TaskAction.START, tables=[ORDERS])
    assert same.status is TaskStatus.STREAMING
    await work.until(lambda _: work.target.targets[ORDERS.schema, ORDERS.name].generation != first)
    with pytest.raises(TaskActionRefusedError):
        await work.services.control.act(task.id, TaskAction.START)
    spec = msgspec.structs.replace(task.spec, source_tables=(ORDERS, LINES))
    update = await work.services.tasks.update(task.id, spec)
    assert update.applies == "now"
    await work.until(lambda _: (LINES.schema, LINES.name) in work.target.targets)
    moved = msgspec.structs.replace(spec, mode=TaskMode.CDC)
    with pytest.raises(TaskRunningError):
        await work.services.tasks.update(task.id, moved)
