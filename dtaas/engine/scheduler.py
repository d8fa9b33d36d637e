"""Starts tasks when their schedule says so."""

import math
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

import structlog
from anyio import sleep
from msgspec import Struct

from dtaas.engine.progress import utc_now
from dtaas.model.errors import ActionNotAllowedError, DtaasError
from dtaas.model.execution import ExecutionStatus
from dtaas.model.ids import ExecutionId, TaskId
from dtaas.model.schedule import CatchUp, Outcome, Overlap, Schedule, ScheduleType
from dtaas.model.store_ports import ExecutionStore
from dtaas.model.task import DesiredState, Task, TaskStatus
from dtaas.model.timetable import Timetable

log = structlog.get_logger()
_LOOK_EVERY_S: Final = 1.0
_STARTABLE: Final = frozenset({TaskStatus.IDLE, TaskStatus.SCHEDULED, TaskStatus.FAILED})
"""Not `stopped`: what a person stopped, a person starts again."""
_BUSY: Final = frozenset(
    {TaskStatus.QUEUED, TaskStatus.RUNNING, TaskStatus.STREAMING, TaskStatus.RETRYING}
)
_ON_TIME: Final = timedelta(seconds=60)
"""A start later than this was missed, and `catch_up` decides."""
_SET_BACK: Final = timedelta(seconds=5)
"""A clock that goes back by more was set; what keeps it right moves it by less."""
_FIRST_PAUSE_S: Final = 10.0
_LONGEST_PAUSE_S: Final = 600.0


class _Plan(Struct):
    """What is known of one task's next start.

    Attributes:
        written: the schedule as the user wrote it; another one makes another plan.
        due: when time alone starts it next.
        seen: ends of the other task up to this execution were acted upon.
        pending: a start came while the task ran, and waits for its end.
        failures: starts in a row of a continuous task that ended in `failed`.
    """

    written: tuple[ScheduleType, int | None, Schedule]
    timetable: Timetable
    due: datetime | None
    seen: ExecutionId
    pending: bool = False
    failures: int = 0


class Scheduler:
    """Looks every second which task is due."""

    def __init__(
        self,
        store: ExecutionStore,
        start: Callable[[TaskId], Awaitable[object]],
        now: Callable[[], datetime] = utc_now,
        leads: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        """Take what to work with.

        Args:
            leads: of several daemons only the one that leads starts what is due.
        """
        self._leads = leads
        self._store = store
        self._start = start
        self._now = now
        self._plans: dict[TaskId, _Plan] = {}
        self._looked: datetime | None = None
        self._away_since: datetime | None = None

    async def serve(self) -> None:
        """Start due tasks until cancelled."""
        while True:
            try:
                if self._leads is None or await self._leads():
                    await self.look()
                else:
                    self._plans.clear()  # whoever leads later looks with fresh eyes
            except DtaasError as error:  # the next look tries again
                log.warning("schedule_not_read", code=error.code, error=error.detail)
            await sleep(_LOOK_EVERY_S)

    async def look(self) -> None:
        """Start what is due now. A task that cannot start hinders no other.

        Raises:
            StoreUnavailableError: the tasks cannot be read.
        """
        self._follow_clock()
        try:
            await self._look()
        finally:
            self._looked = self._now()

    async def _look(self) -> None:
        tasks = await self._store.scheduled()
        for gone in self._plans.keys() - {task.id for task in tasks}:
            del self._plans[gone]
        for task in tasks:
            try:
                await self._look_at(task)
            except DtaasError as error:
                log.warning(
                    "task_not_started", task_id=task.id, code=error.code, error=error.detail
                )

    def _follow_clock(self) -> None:
        """See whether the clock was set, or the machine slept, since the last look.

        Set back: plan anew, as what is due soon must not wait for a day. Set forward: what came
        due in between was missed.
        """
        now = self._now()
        self._away_since = None
        if self._looked is not None and now > self._looked + _ON_TIME:
            log.warning("clock_went_on", by_s=round((now - self._looked).total_seconds(), 3))
            self._away_since = self._looked
        if self._looked is not None and now < self._looked - _SET_BACK:
            log.warning("clock_went_back", by_s=round((self._looked - now).total_seconds(), 3))
            self._plans = {
                task_id: plan
                for task_id, plan in self._plans.items()
                if plan.pending or plan.written[0] is ScheduleType.AFTER_TASK
            }

    async def _look_at(self, task: Task) -> None:
        now = self._now()
        plan = await self._plan(task, now)
        await self._let_go(task, plan, now)
        if not await self._is_due(task, plan, now):
            return
        if task.desired is not DesiredState.STOPPED or task.status not in _STARTABLE:
            self._met_while_busy(task, plan, now)
            return
        if plan.timetable.in_blackout(now) is not None or await self._was_started(task, plan, now):
            return
        log.info("task_due", task_id=task.id, schedule_type=task.spec.schedule_type)
        plan.pending = False
        plan.due = plan.timetable.next_after(now)
        try:
            await self._start(task.id)
        except ActionNotAllowedError as error:
            log.info("task_start_refused", task_id=task.id, code=error.code, error=error.detail)

    async def _let_go(self, task: Task, plan: _Plan, now: datetime) -> None:
        """Forget a start that came due while nobody could look, where none are made up for."""
        if self._away_since is None or plan.due is None or plan.pending:
            return
        by_time = task.spec.schedule_type in {ScheduleType.CRON, ScheduleType.INTERVAL}
        missed = self._away_since < plan.due and plan.due + _ON_TIME < now
        if by_time and missed and task.spec.schedule.catch_up is CatchUp.NONE:
            log.info("start_missed", task_id=task.id, due=str(plan.due))
            last = await self._store.last_started(task.id)
            plan.due = _next_multiple(task, last, now) or plan.timetable.next_after(now)

    async def _was_started(self, task: Task, plan: _Plan, now: datetime) -> bool:
        """Return whether somebody else started the task for this time, and plan the next."""
        if plan.pending or plan.due is None or task.spec.schedule_type is ScheduleType.CONTINUOUS:
            return False
        last = await self._store.last_started(task.id)
        if last is None or last > now:  # a start before the clock was set back tells nothing
            return False
        if task.spec.schedule_type is ScheduleType.INTERVAL:
            due = plan.timetable.next_after(last)
            if due is None or due <= now:
                return False
            plan.due = due
            return True
        if last < plan.due:
            return False
        plan.due = plan.timetable.next_after(last)
        return True

    async def _plan(self, task: Task, now: datetime) -> _Plan:
        spec = task.spec
        written = (spec.schedule_type, spec.schedule_interval_seconds, spec.schedule)
        known = self._plans.get(task.id)
        if known is not None and known.written == written:
            return known
        timetable = Timetable(
            spec.schedule_type, spec.schedule_interval_seconds, spec.schedule, task_id=task.id
        )
        last = await self._store.last_started(task.id)
        due = self._first_due(task, timetable, last, now, edited=known is not None)
        seen = await self._seen(task, last, now, edited=known is not None)
        plan = _Plan(written=written, timetable=timetable, due=due, seen=seen)
        self._plans[task.id] = plan
        return plan

    async def _seen(
        self, task: Task, last: datetime | None, now: datetime, *, edited: bool
    ) -> ExecutionId:
        """Return the other task's execution whose end needs no start any more.

        An end that came while nobody looked counts, unless the task changed or ran since.
        """
        other, nothing = task.spec.schedule.after_task_id, ExecutionId(0)
        if other is None or task.spec.schedule_type is not ScheduleType.AFTER_TASK:
            return nothing
        ended = await self._store.last_ended(other, outcomes_of(task.spec.schedule.on))
        if ended is None:
            return nothing
        if edited or task.spec.schedule.catch_up is CatchUp.NONE:
            return ended.execution_id
        since = max(last or task.created_at, task.updated_at)
        if since > now:  # the clock was set back, so only the order of executions tells
            mine = await self._store.last_ended(task.id, outcomes_of(Outcome.ANY))
            counts = mine is not None and ended.execution_id > mine.execution_id
        else:
            counts = ended.at > since
        return nothing if counts else ended.execution_id

    def _first_due(
        self,
        task: Task,
        timetable: Timetable,
        last: datetime | None,
        now: datetime,
        *,
        edited: bool,
    ) -> datetime | None:
        """Return the start a task is planned for when it is first looked at."""
        last = None if last is None else min(last, now)  # later, where the clock was set back
        match task.spec.schedule_type:
            case ScheduleType.CONTINUOUS:
                return now
            case ScheduleType.INTERVAL if last is None:
                return now
            case ScheduleType.INTERVAL:
                due = timetable.next_after(last or now)
            case _:
                known = max(last or task.created_at, task.updated_at)
                anchor = now if edited else min(known, now)
                due = timetable.next_after(anchor)
        late = due is not None and due + _ON_TIME < now
        if not late or task.spec.schedule.catch_up is CatchUp.ONCE:
            return due
        log.info("start_missed", task_id=task.id, due=str(due))
        return _next_multiple(task, last, now) or timetable.next_after(now)

    async def _is_due(self, task: Task, plan: _Plan, now: datetime) -> bool:
        if plan.pending:
            return True
        if task.spec.schedule_type is ScheduleType.AFTER_TASK:
            return await self._other_ended(task, plan)
        if task.spec.schedule_type is ScheduleType.CONTINUOUS:
            return self._continues(task, plan, now)
        return plan.due is not None and plan.due <= now

    async def _other_ended(self, task: Task, plan: _Plan) -> bool:
        other = task.spec.schedule.after_task_id
        if other is None:
            return False
        ended = await self._store.last_ended(other, outcomes_of(task.spec.schedule.on))
        if ended is None or ended.execution_id <= plan.seen:
            return False
        now = self._now()
        if ended.at <= now < ended.at + plan.timetable.jitter(ended.at):
            return False
        plan.seen = ended.execution_id
        plan.pending = True  # until it could start: a blackout may be in the way
        return True

    @staticmethod
    def _continues(task: Task, plan: _Plan, now: datetime) -> bool:
        if task.status in _BUSY:
            plan.due = None
            return False
        if plan.due is None:
            plan.failures = plan.failures + 1 if task.status is TaskStatus.FAILED else 0
            pause_s = float(task.spec.schedule_interval_seconds or 0)
            if plan.failures:
                doubled_s = _FIRST_PAUSE_S * 2 ** min(plan.failures - 1, 10)
                pause_s = max(pause_s, min(doubled_s, _LONGEST_PAUSE_S))
            plan.due = now + timedelta(seconds=pause_s)
        return plan.due <= now

    @staticmethod
    def _met_while_busy(task: Task, plan: _Plan, now: datetime) -> None:
        """Keep or drop a start that comes while the task runs; a stopped one keeps none."""
        queued = task.spec.schedule.overlap is Overlap.QUEUE and task.status in _BUSY
        if not plan.pending or not queued:
            log.info("task_due_while_busy", task_id=task.id, status=task.status, queued=queued)
        plan.pending = queued
        if plan.due is not None and plan.due <= now:
            later = plan.timetable.next_after(plan.due)
            plan.due = later if later is None or later > now else plan.timetable.next_after(now)


def _next_multiple(task: Task, last: datetime | None, now: datetime) -> datetime | None:
    """Return the first whole number of intervals after the last start that is to come."""
    interval_s = task.spec.schedule_interval_seconds
    if task.spec.schedule_type is not ScheduleType.INTERVAL or last is None or interval_s is None:
        return None
    passed = math.floor((now - last).total_seconds() / interval_s)
    return last + timedelta(seconds=interval_s * (passed + 1))


def outcomes_of(on: Outcome) -> frozenset[ExecutionStatus]:
    """Return the final states of an execution that an outcome means."""
    match on:
        case Outcome.SUCCESS:
            return frozenset({ExecutionStatus.COMPLETED})
        case Outcome.FAILURE:
            return frozenset({ExecutionStatus.PARTIAL, ExecutionStatus.FAILED})
        case Outcome.ANY:
            return frozenset(ExecutionStatus) - {ExecutionStatus.RUNNING}
