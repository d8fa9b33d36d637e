"""Tasks: what may be stored, changed, steered and deleted."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from anyio import Lock
from msgspec import Struct

from dtaas.concurrency.bus import EventBus
from dtaas.model.connectors import Connector, ConnectorRole
from dtaas.model.errors import (
    DestinationInUseError,
    NotFoundError,
    TaskRunningError,
    ValidationFailedError,
)
from dtaas.model.events import TaskChanged, TaskRemoved
from dtaas.model.execution import Execution, ExecutionProgress, ExecutionStatus, TableProgress
from dtaas.model.ids import ConnectorId, ExecutionId, TaskId
from dtaas.model.ports import ConnectorRegistry, ExecutionStore
from dtaas.model.schedule import ScheduleType
from dtaas.model.task import Task, TaskSpec, TaskStatus
from dtaas.services.every_task import every_task
from dtaas.services.ports import TaskRunner
from dtaas.services.revision import check_revision
from dtaas.services.schedules import check_chain, refuse_awaited
from dtaas.services.targets import Places, TargetKeeper
from dtaas.services.task_rules import UNDER_WAY, applies_at_once, check_spec, fields_for_rest
from dtaas.store.connectors import ConnectorRepository
from dtaas.store.executions import ExecutionFilter, ExecutionRepository
from dtaas.store.page import Page, Window
from dtaas.store.tasks import ALL_TASKS, TaskFilter, TaskRepository

_NO_TASK: Final = TaskId(0)
_AT_REST: Final = frozenset({TaskStatus.IDLE, TaskStatus.SCHEDULED})
"""States that only say whether there is a schedule."""
_LARGEST_ID: Final = 2**63 - 1


class TaskUpdate(Struct, frozen=True, kw_only=True):
    """A changed task. `applies` is `now`, or `next_start` when the present execution goes on."""

    task: Task
    applies: str


class TaskService:
    """Use cases around tasks, but for steering them: see `TaskControl`."""

    def __init__(
        self,
        *,
        tasks: TaskRepository,
        connectors: ConnectorRepository,
        executions: ExecutionRepository,
        states: ExecutionStore,
        registry: ConnectorRegistry,
        keeper: TargetKeeper,
        runner: TaskRunner,
        bus: EventBus,
        now: Callable[[], datetime],
        changing: Lock,
    ) -> None:
        self._tasks = tasks
        self._connectors = connectors
        self._executions = executions
        self._states = states
        self._registry = registry
        self._keeper = keeper
        self._runner = runner
        self._bus = bus
        self._now = now
        self._changing = changing  # rules hold until the change they allowed is in

    async def create(self, spec: TaskSpec) -> Task:
        """Store a new task, which does not run yet.

        Raises:
            ValidationFailedError: it could not work; with the path of the first mistake.
            TargetCollisionError: two of its tables go to one place.
            DestinationInUseError: another task writes to one of its targets.
            NameTakenError: another task has the name.
        """
        async with self._changing:
            await self._check(_NO_TASK, spec)
            task = await self._tasks.create(spec, status=_resting(spec))
        self._tell(task)
        return task

    async def list(self, which: TaskFilter, window: Window) -> Page[Task]:
        """Return a page of tasks."""
        return await self._tasks.list(which, window)

    async def get(self, task_id: TaskId) -> Task:
        """Return a task.

        Raises:
            NotFoundError: no such task.
        """
        return await self._tasks.get(task_id)

    async def every(self) -> Sequence[Task]:
        """Return all tasks, by id."""
        return await every_task(self._tasks, ALL_TASKS)

    def progress(self, task_id: TaskId) -> ExecutionProgress | None:
        """Return the live figures of a task, None when it does not run."""
        return self._runner.progress(task_id)

    async def update(
        self, task_id: TaskId, spec: TaskSpec, *, revision: str | None = None
    ) -> TaskUpdate:
        """Replace what the user wrote down.

        While an execution is under way (running, pausing, paused …) limits and schedule may
        change, and limits apply at the next start. What is moved where may not: name, connectors,
        tables, mappings, mode, format, transformations and write mode.

        Args:
            revision: of the task as it was read; None changes whatever is there.

        Raises:
            NotFoundError: no such task.
            RevisionConflictError: somebody changed it meanwhile.
            TaskRunningError: the change must wait until the task has ended.
            ValidationFailedError, TargetCollisionError, DestinationInUseError, NameTakenError:
                as in `create`.
        """
        async with self._changing:
            old = await self._tasks.get(task_id)
            check_revision(old, revision)
            streaming = old.status is TaskStatus.STREAMING
            waiting = fields_for_rest(old.spec, spec, streaming=streaming)
            if waiting and old.status in UNDER_WAY:
                raise TaskRunningError(
                    f"Task {old.spec.name!r} is {old.status}; {', '.join(waiting)} may only"
                    " change while it does not run.",
                    hint="Stop it first.",
                    field=f"$.{waiting[0]}",
                )
            before = await self._check(task_id, spec, old.spec)
            loads = (
                await self._keeper.take_loads(task_id, old.spec.source_tables) if waiting else {}
            )
            task = await self._tasks.update(task_id, spec)
            if streaming:  # tables join and leave before their targets are given up
                await self._runner.wake(task_id)
            if task.status in _AT_REST and task.status is not _resting(spec):
                task = await self._states.set_status(task_id, _resting(spec))
        self._tell(task)
        left, kept = before
        await self._keeper.give_up(task_id, left, {})
        await self._keeper.clear(kept, loads)
        active = task.status in UNDER_WAY
        at_once = applies_at_once(old.spec, spec, streaming=streaming)
        return TaskUpdate(
            task=task,
            applies="next_start" if active and not at_once else "now",
        )

    async def delete(self, task_id: TaskId) -> None:
        """Remove a task, its history and what it left unfinished; committed data stays.

        Raises:
            NotFoundError: no such task.
            TaskRunningError: it runs.
            InUseError: other tasks start after it.
        """
        async with self._changing:
            task = await self._tasks.get(task_id)
            if task.status in UNDER_WAY - {TaskStatus.PAUSED}:
                raise TaskRunningError(
                    f"Task {task.spec.name!r} is {task.status}.", hint="Stop it first."
                )
            refuse_awaited(task, await self.every())
            places = await self._places(task.spec)
            loads = await self._keeper.take_loads(task_id, task.spec.source_tables)
            await self._tasks.delete(task_id)
        self._bus.publish(TaskRemoved(at=self._now(), task_id=task_id))
        await self._keeper.give_up(task_id, places, loads)

    async def executions(
        self, task_id: TaskId, statuses: frozenset[ExecutionStatus], window: Window
    ) -> Page[Execution]:
        """Return a page of a task's executions.

        Raises:
            NotFoundError: no such task.
        """
        await self._tasks.get(task_id)
        return await self._executions.list(
            ExecutionFilter(task_id=task_id, statuses=statuses), window
        )

    async def execution(
        self, execution_id: ExecutionId
    ) -> tuple[Execution, Sequence[TableProgress]]:
        """Return an execution and its tables, with live figures while it runs.

        Raises:
            NotFoundError: no such execution.
        """
        execution = await self._executions.get(execution_id)
        live = self._runner.progress(execution.task_id)
        if live is not None and live.execution_id == execution_id:
            return execution, live.tables
        return execution, await self._executions.tables(execution_id)

    async def _check(
        self, task_id: TaskId, spec: TaskSpec, old: TaskSpec | None = None
    ) -> tuple[Places, Places]:
        """Refuse what cannot work; return the old targets that are left, and all old targets."""
        source = await self._connector(ConnectorRole.SOURCE, spec.source_connector_id)
        destination = await self._connector(
            ConnectorRole.DESTINATION, spec.destination_connector_id
        )
        check_spec(
            spec,
            self._registry.type_of(ConnectorRole.SOURCE, source.kind).capabilities,
            self._registry.type_of(ConnectorRole.DESTINATION, destination.kind).capabilities,
        )
        check_chain(task_id, spec, await self.every())
        places = await self._keeper.places(spec, source, destination)
        if not spec.options.take_over:
            await self._refuse_taken(task_id, places)
        if old is None:
            return places.without(places), places
        before = await self._places(old)
        return before.without(places), before

    async def _refuse_taken(self, task_id: TaskId, places: Places) -> None:
        """Refuse targets that another task of this daemon writes; the mark there tells others."""
        which = TaskFilter(connector_id=places.destination.id)
        wanted = frozenset(places.tables.values())
        for other in await every_task(self._tasks, which):
            if other.id == task_id or other.spec.destination_connector_id != places.destination.id:
                continue
            taken = wanted.intersection((await self._places(other.spec)).tables.values())
            if taken:
                raise DestinationInUseError(
                    f"Task {other.spec.name!r} (id {other.id}) already writes to"
                    f" {min(map(str, taken))}.",
                    hint="Choose another target in table_mappings, or set options.take_over.",
                    field="$.destination_connector_id",
                )

    async def _places(self, spec: TaskSpec) -> Places:
        return await self._keeper.places(
            spec,
            await self._connectors.get(spec.source_connector_id),
            await self._connectors.get(spec.destination_connector_id),
        )

    async def _connector(self, role: ConnectorRole, connector_id: ConnectorId) -> Connector:
        field = f"$.{role}_connector_id"
        try:
            if not 0 < connector_id <= _LARGEST_ID:
                raise NotFoundError(f"There is no connector {connector_id}.")  # noqa: TRY301
            connector = await self._connectors.get(connector_id)
        except NotFoundError as exc:
            raise ValidationFailedError(
                exc.detail, hint="List the connectors to see their ids.", field=field
            ) from exc
        if connector.role is not role:
            raise ValidationFailedError(
                f"Connector {connector.name!r} is a {connector.role}, not a {role}.", field=field
            )
        return connector

    def _tell(self, task: Task) -> None:
        self._bus.publish(TaskChanged(at=self._now(), task=task))


def _resting(spec: TaskSpec) -> TaskStatus:
    planned = spec.schedule_type is not ScheduleType.MANUAL and spec.is_active
    return TaskStatus.SCHEDULED if planned else TaskStatus.IDLE
