"""Tasks: what may be stored, changed, steered and deleted."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from anyio import Lock
from msgspec import Struct

from dtaas.concurrency.bus import EventBus
from dtaas.model.errors import TaskRunningError
from dtaas.model.events import TaskChanged, TaskRemoved
from dtaas.model.execution import Execution, ExecutionProgress, ExecutionStatus, TableProgress
from dtaas.model.ids import ExecutionId, TaskId
from dtaas.model.task import Task, TaskSpec, TaskStatus
from dtaas.services.dead_letters import DeadLetterService
from dtaas.services.every_task import every_task
from dtaas.services.found_tables import keep_found
from dtaas.services.ports import TaskRunner
from dtaas.services.revision import check_revision
from dtaas.services.schedules import refuse_awaited
from dtaas.services.targets import TargetKeeper
from dtaas.services.task_change import TaskChange, TaskChanges, applies, refuse_at_work, resting
from dtaas.services.task_checks import TaskChecks
from dtaas.services.task_rules import UNDER_WAY
from dtaas.services.world import StoredWorld
from dtaas.store.connectors import ConnectorRepository
from dtaas.store.executions import (
    Configuration,
    ExecutionFilter,
    ExecutionRepository,
    TaskRuns,
)
from dtaas.store.page import Page, Window
from dtaas.store.tasks import ALL_TASKS, TaskFilter, TaskRepository, TaskTable

_NO_TASK: Final = TaskId(0)


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
        checks: TaskChecks,
        changes: TaskChanges,
        keeper: TargetKeeper,
        dead_letters: DeadLetterService,
        runner: TaskRunner,
        bus: EventBus,
        now: Callable[[], datetime],
        changing: Lock,
    ) -> None:
        self._tasks = tasks
        self._world = StoredWorld(connectors, tasks)
        self._checks = checks
        self._executions = executions
        self._changes = changes
        self._keeper = keeper
        self._dead_letters = dead_letters
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
        spec = keep_found(None, spec)
        async with self._changing:
            await self._checks.check(_NO_TASK, spec, self._world)
            task = await self._tasks.create(spec, status=resting(spec))
        self._tell(task)
        return task

    async def list(self, which: TaskFilter, window: Window) -> Page[Task]:
        """Return a page of tasks."""
        return await self._tasks.list(which, window)

    async def tables_named(self, text: str, limit: int) -> Sequence[TaskTable]:
        """Return source tables whose `schema.name` holds a text, and their tasks."""
        return await self._tasks.tables_named(text, limit)

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
            spec = keep_found(old.spec, spec)
            refuse_at_work(old, spec)
            change = TaskChange(
                old=old,
                spec=spec,
                after=await self._checks.check(task_id, spec, self._world),
                before=await self._checks.places(old.spec, self._world),
            )
            loads = await self._changes.give_up_loads(change)
            task = await self._tasks.update(task_id, spec)
            task = await self._changes.take_effect(change, task)
        await self._changes.clean_up(change, task, loads)
        return TaskUpdate(task=task, applies=applies(change, task))

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
            places = await self._checks.places(task.spec, self._world)
            loads = await self._keeper.take_loads(task_id, task.spec.source_tables)
            await self._tasks.delete(task_id)
        self._bus.publish(TaskRemoved(at=self._now(), task_id=task_id))
        await self._dead_letters.forget(task_id)
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

    async def configuration(self, execution_id: ExecutionId) -> Configuration:
        """Return what an execution was told, and how its task is written down now.

        Raises:
            NotFoundError: no such execution.
        """
        return await self._executions.configuration(execution_id)

    async def newest_runs(self, count: int) -> Sequence[TaskRuns]:
        """Return the `count` newest executions of every task that ever ran."""
        return await self._executions.newest_of_each(count)

    def _tell(self, task: Task) -> None:
        self._bus.publish(TaskChanged(at=self._now(), task=task))
