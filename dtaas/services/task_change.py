"""What a change of a stored task brings with it, whichever way it came."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from msgspec import Struct

from dtaas.concurrency.bus import EventBus
from dtaas.model.errors import TaskRunningError
from dtaas.model.events import TaskChanged
from dtaas.model.load import TableLoad
from dtaas.model.schedule import ScheduleType
from dtaas.model.schema import TableRef
from dtaas.model.store_ports import ExecutionStore
from dtaas.model.task import Task, TaskSpec, TaskStatus
from dtaas.services.ports import TaskRunner
from dtaas.services.targets import Places, TargetKeeper
from dtaas.services.task_rules import UNDER_WAY, applies_at_once, fields_for_rest

_AT_REST: Final = frozenset({TaskStatus.IDLE, TaskStatus.SCHEDULED})
"""States that only say whether there is a schedule."""


class TaskChange(Struct, frozen=True, kw_only=True):
    """A stored task, what it is to become, and where it writes before and after."""

    old: Task
    spec: TaskSpec
    before: Places
    after: Places


class TaskChanges:
    """Does what has to follow the change of a stored task."""

    def __init__(
        self,
        *,
        keeper: TargetKeeper,
        states: ExecutionStore,
        runner: TaskRunner,
        bus: EventBus,
        now: Callable[[], datetime],
    ) -> None:
        self._keeper = keeper
        self._states = states
        self._runner = runner
        self._bus = bus
        self._now = now

    async def give_up_loads(self, change: TaskChange) -> Mapping[TableRef, TableLoad]:
        """Close the unfinished loads that a change makes useless, and return them."""
        if not _waiting(change.old, change.spec):
            return {}
        return await self._keeper.take_loads(change.old.id, change.old.spec.source_tables)

    async def take_effect(self, change: TaskChange, task: Task) -> Task:
        """Bring a task whose change was just stored to where it follows from."""
        if change.old.status is TaskStatus.STREAMING:
            # tables join and leave before their targets are given up
            await self._runner.wake(task.id)
        if task.status in _AT_REST and task.status is not resting(change.spec):
            task = await self._states.set_status(task.id, resting(change.spec))
        return task

    def tell(self, task: Task) -> None:
        """Tell the world that a task is there, or changed."""
        self._bus.publish(TaskChanged(at=self._now(), task=task))

    async def clean_up(
        self, change: TaskChange, task: Task, loads: Mapping[TableRef, TableLoad]
    ) -> None:
        """Tell of a change and give free what it left behind; needs no lock."""
        self.tell(task)
        await self._keeper.give_up(task.id, change.before.without(change.after), {})
        await self._keeper.clear(change.before, loads)


def refuse_at_work(old: Task, spec: TaskSpec) -> None:
    """Refuse what may not change while an execution is under way.

    Raises:
        TaskRunningError: names the fields that must wait.
    """
    waiting = _waiting(old, spec)
    if waiting and old.status in UNDER_WAY:
        raise TaskRunningError(
            f"Task {old.spec.name!r} is {old.status}; {', '.join(waiting)} may only"
            " change while it does not run.",
            hint="Stop it first.",
            field=f"$.{waiting[0]}",
        )


def applies(change: TaskChange, task: Task) -> str:
    """Return from when on a stored change counts: `now` or `next_start`."""
    streaming = change.old.status is TaskStatus.STREAMING
    at_once = applies_at_once(change.old.spec, change.spec, streaming=streaming)
    return "next_start" if task.status in UNDER_WAY and not at_once else "now"


def resting(spec: TaskSpec) -> TaskStatus:
    """Return the state of a task that waits for its schedule, or for nothing."""
    planned = spec.schedule_type is not ScheduleType.MANUAL and spec.is_active
    return TaskStatus.SCHEDULED if planned else TaskStatus.IDLE


def _waiting(old: Task, spec: TaskSpec) -> tuple[str, ...]:
    return fields_for_rest(old.spec, spec, streaming=old.status is TaskStatus.STREAMING)
