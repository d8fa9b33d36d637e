"""The scheduler against the store of reference, with a clock in the test's hand."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from dtaas.engine.scheduler import Scheduler
from dtaas.model.errors import ConnectionLostError
from dtaas.model.execution import ExecutionStatus, ExecutionType
from dtaas.model.ids import ConnectorId, TaskId
from dtaas.model.schedule import Blackout, CatchUp, Outcome, Overlap, Schedule, ScheduleType
from dtaas.model.schema import TableRef
from dtaas.model.task import DesiredState, Task, TaskSpec, TaskStatus
from dtaas.store.memory import MemoryEngineStore
from tests.contract.store_samples import progress

BEGAN = datetime(2026, 1, 5, 8, 30, tzinfo=UTC)


class World:
    """Tasks, a clock, and a start that only notes who was started and puts it to work."""

    def __init__(self) -> None:
        self.now = BEGAN
        self.store = MemoryEngineStore(lambda: self.now)
        self.started: list[TaskId] = []
        self.refuse: set[TaskId] = set()
        self.restart()

    def restart(self) -> None:
        self.scheduler = Scheduler(self.store, self._start, lambda: self.now)

    async def _start(self, task_id: TaskId) -> None:
        if task_id in self.refuse:
            raise ConnectionLostError("no")
        await self.begin(task_id)
        self.started.append(task_id)

    async def begin(self, task_id: TaskId) -> None:
        await self.store.begin_execution(task_id, ExecutionType.FULL_LOAD)
        await self.store.set_status(task_id, TaskStatus.RUNNING, desired=DesiredState.RUNNING)

    async def end(
        self, task_id: TaskId, status: ExecutionStatus = ExecutionStatus.COMPLETED
    ) -> None:
        running = await self.store.running_execution(task_id)
        assert running is not None
        await self.store.end_execution(running.id, status, progress(task_id, running.id))
        failed = status is ExecutionStatus.FAILED
        await self.store.set_status(
            task_id,
            TaskStatus.FAILED if failed else TaskStatus.SCHEDULED,
            desired=DesiredState.STOPPED,
        )

    def task(self, number: int, kind: ScheduleType, interval_s: int | None = None, **details: Any):
        spec = TaskSpec(
            name=f"task {number}",
            source_connector_id=ConnectorId(1),
            destination_connector_id=ConnectorId(2),
            source_tables=(TableRef("dbo", "t"),),
            schedule_type=kind,
            schedule_interval_seconds=interval_s,
            schedule=Schedule(**details),
        )
        task = Task(
            id=TaskId(number),
            spec=spec,
            status=TaskStatus.SCHEDULED,
            desired=DesiredState.STOPPED,
            current_progress_percent=0.0,
            created_at=self.now,
            updated_at=self.now,
        )
        self.store.put(task)
        return task.id

    async def starts(self, **later: float) -> Sequence[TaskId]:
        """Let time pass and return who was started by one look."""
        self.now += timedelta(**later)
        self.started.clear()
        await self.scheduler.look()
        return tuple(self.started)

    async def passing(self, **time: float) -> Sequence[TaskId]:
        """Let time pass with a look every 30 s and return who was started."""
        until, started = self.now + timedelta(**time), []
        while self.now < until:
            started += await self.starts(seconds=30)
        return tuple(started)


@pytest.fixture
def world() -> World:
    return World()


async def test_cron_starts_at_its_time_and_once(world: World) -> None:
    task = world.task(1, ScheduleType.CRON, cron="0 9 * * *")
    assert await world.starts() == ()
    assert await world.starts(minutes=29) == ()
    assert await world.starts(minutes=1) == (task,)
    await world.end(task)
    assert await world.starts(seconds=1) == ()
    assert await world.starts(hours=23) == ()
    assert await world.starts(hours=1) == (task,)


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_clock_that_is_set_back_stalls_nothing(world: World, *, restarted: bool) -> None:
    every = world.task(1, ScheduleType.INTERVAL, 60)
    always = world.task(2, ScheduleType.CONTINUOUS)
    hourly = world.task(3, ScheduleType.CRON, cron="0 * * * *")
    assert await world.starts() == (every, always)
    assert await world.starts(minutes=30) == (hourly,)
    for task in (every, always, hourly):
        await world.end(task)
    assert set(await world.starts(seconds=1)) <= {every, always}
    for task in (every, always):
        if await world.store.running_execution(task) is not None:
            await world.end(task)
    world.now -= timedelta(days=1)
    if restarted:
        world.restart()
    began = world.now
    seen: list[TaskId] = list(await world.starts())
    while world.now < began + timedelta(minutes=61):
        for task in tuple(seen[-2:]):
            if await world.store.running_execution(task) is not None:
                await world.end(task)
        seen += await world.starts(seconds=30)
    assert 55 <= seen.count(every) <= 62
    assert seen.count(always) > 55
    assert seen.count(hourly) == 1


async def test_an_interval_starts_at_once_and_counts_from_the_start(world: World) -> None:
    task = world.task(1, ScheduleType.INTERVAL, 60)
    assert await world.starts() == (task,)
    world.now += timedelta(seconds=30)
    await world.end(task)
    assert await world.starts(seconds=29) == ()
    assert await world.starts(seconds=1) == (task,)


async def test_a_start_by_hand_moves_the_interval(world: World) -> None:
    task = world.task(1, ScheduleType.INTERVAL, 60)
    assert await world.starts() == (task,)
    await world.end(task)
    world.now += timedelta(seconds=50)
    await world.begin(task)
    await world.end(task)
    assert await world.starts(seconds=15) == ()
    assert await world.starts(seconds=45) == (task,)


@pytest.mark.parametrize(("overlap", "expected"), [(Overlap.SKIP, ()), (Overlap.QUEUE, (1,))])
async def test_a_start_that_comes_while_it_runs(
    world: World, overlap: Overlap, expected: tuple[int, ...]
) -> None:
    task = world.task(1, ScheduleType.CRON, cron="*/10 * * * *", overlap=overlap)
    await world.starts()
    assert await world.starts(minutes=10) == (task,)
    assert await world.starts(minutes=10) == ()
    assert await world.starts(minutes=2) == ()
    await world.end(task)
    assert await world.starts(seconds=1) == expected


@pytest.mark.parametrize(("catch_up", "expected"), [(CatchUp.ONCE, (1,)), (CatchUp.NONE, ())])
@pytest.mark.parametrize(
    "schedule",
    [(ScheduleType.CRON, None, "0 * * * *"), (ScheduleType.INTERVAL, 3600, None)],
)
async def test_starts_missed_while_the_daemon_was_down(
    world: World,
    catch_up: CatchUp,
    expected: tuple[int, ...],
    schedule: tuple[ScheduleType, int | None, str | None],
) -> None:
    kind, interval_s, line = schedule
    task = world.task(1, kind, interval_s, cron=line, catch_up=catch_up)
    await world.begin(task)
    await world.end(task)
    world.restart()
    assert await world.starts(hours=5, minutes=10) == expected
    if expected:
        await world.end(task)
    assert await world.starts(seconds=1) == ()
    assert await world.passing(hours=1) == (task,)


async def test_a_changed_schedule_does_not_catch_up(world: World) -> None:
    task_id = world.task(1, ScheduleType.CRON, cron="0 23 * * *")
    await world.starts()
    world.now += timedelta(hours=2)
    task = await world.store.task(task_id)
    earlier = replace(task.spec, schedule=Schedule(cron="0 9 * * *"))
    world.store.put(replace(task, spec=earlier))
    assert await world.starts() == ()
    assert await world.starts(hours=22, minutes=30) == (task_id,)


async def test_a_stopped_task_stays_stopped(world: World) -> None:
    task = world.task(1, ScheduleType.INTERVAL, 60, overlap=Overlap.QUEUE)
    await world.store.set_status(task, TaskStatus.STOPPED)
    assert await world.starts() == ()
    assert await world.starts(hours=1) == ()


async def test_a_blackout_holds_a_start_back(world: World) -> None:
    window = Blackout(start="08:00", end="10:00")
    task = world.task(1, ScheduleType.INTERVAL, 60, blackout=(window,))
    assert await world.starts() == ()
    assert await world.starts(minutes=89) == ()
    assert await world.starts(minutes=1) == (task,)


@pytest.mark.parametrize(
    ("on", "status", "expected"),
    [
        (Outcome.SUCCESS, ExecutionStatus.COMPLETED, True),
        (Outcome.SUCCESS, ExecutionStatus.PARTIAL, False),
        (Outcome.FAILURE, ExecutionStatus.FAILED, True),
        (Outcome.FAILURE, ExecutionStatus.PARTIAL, True),
        (Outcome.FAILURE, ExecutionStatus.STOPPED, False),
        (Outcome.ANY, ExecutionStatus.STOPPED, True),
    ],
)
async def test_a_task_starts_after_another(
    world: World, on: Outcome, status: ExecutionStatus, expected: bool
) -> None:
    first = world.task(1, ScheduleType.MANUAL)
    second = world.task(2, ScheduleType.AFTER_TASK, after_task_id=first, on=on)
    assert await world.starts() == ()
    await world.begin(first)
    assert await world.starts(seconds=1) == ()
    await world.end(first, status)
    assert await world.starts(seconds=1) == ((second,) if expected else ())
    if expected:
        await world.end(second)
    assert await world.starts(seconds=1) == ()


async def test_an_end_that_came_while_the_daemon_was_down_counts(world: World) -> None:
    first = world.task(1, ScheduleType.MANUAL)
    second = world.task(2, ScheduleType.AFTER_TASK, after_task_id=first)
    world.now += timedelta(seconds=5)
    await world.begin(first)
    await world.end(first)
    world.restart()
    assert await world.starts(hours=1) == (second,)


async def test_a_continuous_task_starts_again_and_again(world: World) -> None:
    task = world.task(1, ScheduleType.CONTINUOUS)
    for _ in range(3):
        assert await world.starts() == (task,)
        assert await world.starts(seconds=1) == ()
        await world.end(task)


async def test_a_continuous_task_that_fails_waits_longer_each_time(world: World) -> None:
    task = world.task(1, ScheduleType.CONTINUOUS)
    assert await world.starts() == (task,)
    for pause_s in (10, 20, 40):
        await world.end(task, ExecutionStatus.FAILED)
        assert await world.starts() == ()
        assert await world.starts(seconds=pause_s - 1) == ()
        assert await world.starts(seconds=1) == (task,)


async def test_a_task_that_cannot_start_hinders_no_other(world: World) -> None:
    bad = world.task(1, ScheduleType.INTERVAL, 60)
    good = world.task(2, ScheduleType.INTERVAL, 60)
    world.refuse.add(bad)
    assert await world.starts() == (good,)


async def test_a_clock_that_jumps_back_starts_nothing_twice(world: World) -> None:
    task = world.task(1, ScheduleType.CRON, cron="0 * * * *")
    await world.starts()
    assert await world.starts(minutes=30) == (task,)
    await world.end(task)
    world.now -= timedelta(minutes=10)
    assert await world.starts() == ()
    assert await world.starts(minutes=10) == ()
    assert await world.starts(hours=1) == (task,)


async def test_a_clock_that_jumps_forward_starts_once(world: World) -> None:
    task = world.task(1, ScheduleType.CRON, cron="0 * * * *")
    await world.starts()
    assert await world.starts(hours=48) == (task,)
    await world.end(task)
    assert await world.starts(seconds=1) == ()


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_task_starts_after_another_when_the_clock_was_set_back(
    world: World, *, restarted: bool
) -> None:
    first = world.task(1, ScheduleType.MANUAL)
    second = world.task(2, ScheduleType.AFTER_TASK, after_task_id=first, jitter_seconds=20)
    assert await world.starts() == ()
    await world.begin(first)
    await world.end(first)
    assert await world.passing(minutes=1) == (second,)
    await world.end(second)
    world.now -= timedelta(days=1)
    if restarted:
        world.restart()
    assert await world.passing(minutes=1) == ()
    for _ in range(2):
        await world.begin(first)
        await world.end(first)
        assert await world.passing(minutes=1) == (second,)
        await world.end(second)
        assert await world.passing(minutes=1) == ()


async def test_an_end_just_before_the_clock_is_set_back_counts(world: World) -> None:
    first = world.task(1, ScheduleType.MANUAL)
    second = world.task(2, ScheduleType.AFTER_TASK, after_task_id=first, jitter_seconds=3600)
    assert await world.starts() == ()
    await world.begin(first)
    await world.end(first)
    assert await world.starts(days=-1) == (second,)


async def test_an_end_while_the_daemon_was_down_counts_though_the_clock_was_set_back(
    world: World,
) -> None:
    first = world.task(1, ScheduleType.MANUAL)
    second = world.task(2, ScheduleType.AFTER_TASK, after_task_id=first)
    await world.begin(second)
    await world.end(second)
    world.now -= timedelta(days=1)
    await world.begin(first)
    await world.end(first)
    world.restart()
    assert await world.starts(seconds=1) == (second,)
    await world.end(second)
    world.restart()
    assert await world.starts(seconds=1) == ()


@pytest.mark.parametrize(("catch_up", "expected"), [(CatchUp.ONCE, (1,)), (CatchUp.NONE, ())])
@pytest.mark.parametrize(
    ("kind", "interval_s", "line"),
    [(ScheduleType.CRON, None, "0 * * * *"), (ScheduleType.INTERVAL, 3600, None)],
)
async def test_starts_that_a_clock_set_forward_jumps_over(
    world: World,
    *,
    catch_up: CatchUp,
    expected: tuple[int, ...],
    kind: ScheduleType,
    interval_s: int | None,
    line: str | None,
) -> None:
    task = world.task(1, kind, interval_s, cron=line, catch_up=catch_up)
    started = await world.passing(minutes=31)
    assert started == (task,)
    await world.end(task)
    assert await world.starts(hours=48, minutes=15) == expected
    if expected:
        await world.end(task)
    assert await world.passing(minutes=10) == ()
    assert await world.passing(hours=1) == (task,)


async def test_a_start_held_back_by_a_blackout_is_not_missed(world: World) -> None:
    window = Blackout(start="08:00", end="10:00")
    task = world.task(1, ScheduleType.INTERVAL, 60, blackout=(window,), catch_up=CatchUp.NONE)
    assert await world.passing(minutes=89) == ()
    assert await world.passing(minutes=2) == (task,)
