"""Schedules: what may be written down, and when the next starts are."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from dtaas.engine.scheduler import outcomes_of
from dtaas.model.errors import InUseError, ValidationFailedError
from dtaas.model.ids import TaskId
from dtaas.model.schedule import Schedule, ScheduleType
from dtaas.model.store_ports import ExecutionStore
from dtaas.model.task import Task, TaskSpec, TaskStatus
from dtaas.model.timetable import Timetable

LONGEST_INTERVAL_S: Final = 366 * 24 * 3600
MOST_RUNS: Final = 50
MOST_STARTS: Final = 1_000
_NO_TASK: Final = TaskId(0)
_SOME_MOMENT: Final = datetime(2026, 1, 5, tzinfo=UTC)
"""Any will do to see whether blackouts cover the whole week."""
_BY_TIME: Final = frozenset({ScheduleType.CRON, ScheduleType.INTERVAL})
_HELD: Final = frozenset({TaskStatus.DRAFT, TaskStatus.PAUSED, TaskStatus.STOPPED})
"""The clock starts no such task: who stopped it starts it."""
_NOT_BY_TIME: Final = {
    ScheduleType.MANUAL: "Somebody starts it.",
    ScheduleType.CONTINUOUS: "It starts again as soon as it has ended.",
}


class PlannedStart(Struct, frozen=True, kw_only=True):
    """A start to come, in UTC and as the clock of the schedule's zone shows it."""

    at: datetime
    local: str


class NextStarts(Struct, frozen=True, kw_only=True):
    """The starts to come.

    Attributes:
        runs: the next ones that time alone decides, soonest first.
        waits_for: what starts the task when it is not the clock; empty when it is.
    """

    runs: tuple[PlannedStart, ...]
    waits_for: str = ""


class TaskStart(Struct, frozen=True, kw_only=True):
    """A start to come, of which task, in UTC and as the clock of its zone shows it."""

    task_id: TaskId
    task_name: str
    at: datetime
    local: str


class Agenda(Struct, frozen=True, kw_only=True):
    """The next start of each task that the clock starts, soonest first."""

    starts: tuple[TaskStart, ...]


class ScheduleService:
    """Answers when a task starts next."""

    def __init__(self, store: ExecutionStore, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    def preview(
        self, kind: ScheduleType, interval_s: int | None, schedule: Schedule, count: int
    ) -> NextStarts:
        """Return what a schedule would mean from now on.

        Raises:
            ValidationFailedError: it could not be stored.
        """
        check_schedule(kind, interval_s, schedule)
        return self._next(kind, interval_s, schedule, count=count)

    async def upcoming(self, task_id: TaskId, count: int) -> NextStarts:
        """Return the next starts of a task.

        Raises:
            NotFoundError: no such task.
        """
        task = await self._store.task(task_id)
        spec = task.spec
        if not spec.is_active:
            return NextStarts(runs=(), waits_for="It is switched off: is_active is false.")
        last = await self._store.last_started(task_id)
        return self._next(
            spec.schedule_type,
            spec.schedule_interval_seconds,
            spec.schedule,
            count=count,
            task_id=task_id,
            last=last,
        )

    async def agenda(self, count: int) -> Agenda:
        """Return the `count` tasks that start next; none that somebody stopped."""
        starts = [
            TaskStart(task_id=task.id, task_name=task.spec.name, at=run.at, local=run.local)
            for task in await self._store.scheduled()
            if task.spec.schedule_type in _BY_TIME and task.status not in _HELD
            for run in (await self.upcoming(task.id, 1)).runs
        ]
        return Agenda(starts=tuple(sorted(starts, key=lambda start: start.at)[:count]))

    def _next(
        self,
        kind: ScheduleType,
        interval_s: int | None,
        schedule: Schedule,
        *,
        count: int,
        task_id: TaskId = _NO_TASK,
        last: datetime | None = None,
    ) -> NextStarts:
        if kind is ScheduleType.AFTER_TASK:
            ends = " or ".join(sorted(outcomes_of(schedule.on)))
            waits = f"It starts when task {schedule.after_task_id} has ended as {ends}."
            return NextStarts(runs=(), waits_for=waits)
        if kind in _NOT_BY_TIME:
            return NextStarts(runs=(), waits_for=_NOT_BY_TIME[kind])
        timetable = Timetable(kind, interval_s, schedule, task_id=task_id)
        now = self._now()
        found = timetable.runs(last or now, count) if kind is ScheduleType.INTERVAL else []
        if not found or found[0] < now:  # an overdue start comes at once; others count from it
            found = timetable.runs(now, count)
        return NextStarts(
            runs=tuple(
                PlannedStart(at=at, local=at.astimezone(timetable.zone).isoformat()) for at in found
            )
        )


def check_schedule(kind: ScheduleType, interval_s: int | None, schedule: Schedule) -> None:
    """Refuse a schedule that could not work.

    Raises:
        ValidationFailedError: with the path of the mistake.
    """
    if kind is ScheduleType.INTERVAL and interval_s is None:
        raise ValidationFailedError(
            "A schedule of type interval needs schedule_interval_seconds.",
            hint="Give the seconds between two starts, at least 10.",
            field="$.schedule_interval_seconds",
        )
    if (interval_s or 0) > LONGEST_INTERVAL_S:
        raise ValidationFailedError(
            "A task starts at least once a year.",
            hint=f"Give at most {LONGEST_INTERVAL_S} seconds.",
            field="$.schedule_interval_seconds",
        )
    if kind is ScheduleType.AFTER_TASK and schedule.after_task_id is None:
        raise ValidationFailedError(
            "A schedule of type after_task needs schedule.after_task_id.",
            hint="Name the task that is waited for.",
            field="$.schedule.after_task_id",
        )
    timetable = Timetable(kind, interval_s, schedule, task_id=_NO_TASK)
    timetable.check_blackouts(_SOME_MOMENT)


def check_chain(task_id: TaskId, spec: TaskSpec, tasks: Sequence[Task]) -> None:
    """Refuse a task that waits for one that does not exist, or for itself around some corners.

    Raises:
        ValidationFailedError: names the chain.
    """
    awaited = awaited_task(spec)
    if awaited is None:
        return
    specs: Mapping[TaskId, TaskSpec] = {task.id: task.spec for task in tasks}
    if awaited not in specs:
        raise ValidationFailedError(
            f"There is no task {awaited} to wait for.",
            hint="List the tasks to see their ids.",
            field="$.schedule.after_task_id",
        )
    chain = [task_id]
    following: TaskId | None = awaited
    while following is not None and following in specs:
        chain.append(following)
        if following == task_id:
            raise ValidationFailedError(
                f"The tasks would wait for each other: {' after '.join(map(str, chain))}.",
                hint="Let one of them start in another way.",
                field="$.schedule.after_task_id",
            )
        following = awaited_task(specs[following])


def refuse_awaited(task: Task, tasks: Sequence[Task]) -> None:
    """Raise InUseError when another task starts after this one."""
    names = [t.spec.name for t in tasks if awaited_task(t.spec) == task.id and t.id != task.id]
    if names:
        raise InUseError(
            f"Task {task.spec.name!r} is waited for by {', '.join(map(repr, names[:5]))}.",
            hint="Give them another schedule first.",
        )


def awaited_task(spec: TaskSpec) -> TaskId | None:
    """Return the task whose end starts this one, if there is one."""
    return spec.schedule.after_task_id if spec.schedule_type is ScheduleType.AFTER_TASK else None
