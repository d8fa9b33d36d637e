"""Steering tasks: start, stop, pause and resume."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, assert_never

from anyio import Lock, move_on_after
from msgspec.structs import replace

from dtaas.concurrency.bus import EventBus
from dtaas.model.errors import ActionNotAllowedError, ValidationFailedError
from dtaas.model.events import TaskChanged
from dtaas.model.ids import TaskId
from dtaas.model.positions import NO_REVIEWS, PositionReviews, ReviewState
from dtaas.model.schema import TableRef
from dtaas.model.store_ports import ExecutionStore
from dtaas.model.task import DesiredState, Task, TaskAction, TaskStatus, allowed_actions
from dtaas.services.ports import TaskRunner
from dtaas.services.positions import refuse_undecided

_FORCED_STOP_LIMIT_S: Final = 5.0


class TaskActionRefusedError(ActionNotAllowedError):
    """The task's state does not allow the action.

    Attributes:
        task_status: the state the task is in.
        allowed: the actions that state allows.
    """

    def __init__(self, task: Task, action: TaskAction) -> None:
        self.task_status = task.status
        self.allowed = allowed_actions(task.status)
        super().__init__(
            f"Task {task.spec.name!r} is {task.status}; {action} is not possible now.",
            hint=f"Possible now: {', '.join(self.allowed)}.",
            field="$.action",
        )


class TaskControl:
    """Writes down what the user wants of a task and wakes the engine to look.

    Takes the same lock as `TaskService`: of two who start one task, one is told that it runs, and
    a task does not start while what it moves is being changed.
    """

    def __init__(
        self,
        *,
        store: ExecutionStore,
        runner: TaskRunner,
        bus: EventBus,
        now: Callable[[], datetime],
        changing: Lock,
        reviews: PositionReviews = NO_REVIEWS,
    ) -> None:
        self._reviews = reviews
        self._store = store
        self._runner = runner
        self._bus = bus
        self._now = now
        self._changing = changing

    async def act(
        self,
        task_id: TaskId,
        action: TaskAction,
        *,
        force: bool = False,
        tables: Sequence[TableRef] = (),
    ) -> Task:
        """Ask for a change of state and return the task; it gets there by itself.

        Args:
            force: a start forgets what an earlier execution left unfinished; a stop does not wait
                for what was read to arrive, which is then read again next time.
            tables: a start loads only these; a task that streams loads them anew and streams the
                others on.

        Raises:
            NotFoundError: no such task.
            TaskActionRefusedError: not in its present state; says what is.
            ActionNotAllowedError: one of its connectors is switched off, or its positions wait for
                a choice.
            ValidationFailedError: force or tables do not go with the action or the task.
        """
        async with self._changing:
            task = await self._store.task(task_id)
            _check_options(task, action, force=force, tables=tables)
            if tables and task.status is TaskStatus.STREAMING:
                await self._runner.wake(task_id, tables=tables)
                return task
            if action not in allowed_actions(task.status):
                raise TaskActionRefusedError(task, action)
            match action:
                case TaskAction.START | TaskAction.RESUME:
                    await self._refuse_inactive(task)
                    await self._clear_positions(task, force=force)
                    await self._want(task_id, TaskStatus.QUEUED, DesiredState.RUNNING)
                case TaskAction.PAUSE:
                    await self._want(task_id, TaskStatus.PAUSING, DesiredState.PAUSED)
                case TaskAction.STOP:
                    await self._want(task_id, TaskStatus.STOPPING, DesiredState.STOPPED)
                case _:
                    assert_never(action)
            if force and action is TaskAction.STOP:
                with move_on_after(
                    _FORCED_STOP_LIMIT_S
                ):  # ordered; the caller need not see its end
                    await self._runner.stop_now(task_id)
            await self._runner.wake(
                task_id, tables=tables, force=force and action is TaskAction.START
            )
        return await self._store.task(task_id)

    async def start(self, task_id: TaskId) -> Task:
        """Start a task with all its tables: what the schedule does."""
        return await self.act(task_id, TaskAction.START)

    async def _want(self, task_id: TaskId, status: TaskStatus, desired: DesiredState) -> None:
        task = await self._store.set_status(task_id, status, desired=desired)
        self._bus.publish(TaskChanged(at=self._now(), task=task))

    async def _clear_positions(self, task: Task, *, force: bool) -> None:
        """Refuse while positions wait for a choice; a forced start is one: it loads anew."""
        if not force:
            await refuse_undecided(task, self._reviews)
            return
        review = await self._reviews.review(task.id)
        if review is not None and review.state is not ReviewState.SETTLED:
            await self._reviews.save(replace(review, state=ReviewState.SETTLED))

    async def _refuse_inactive(self, task: Task) -> None:
        for role, connector_id in (
            ("source", task.spec.source_connector_id),
            ("destination", task.spec.destination_connector_id),
        ):
            connector = await self._store.connector(connector_id)
            if not connector.is_active:
                raise ActionNotAllowedError(
                    f"The {role} of task {task.spec.name!r}, connector {connector.name!r},"
                    " is switched off.",
                    hint="Set is_active of the connector.",
                )


def _check_options(
    task: Task, action: TaskAction, *, force: bool, tables: Sequence[TableRef]
) -> None:
    if force and action not in {TaskAction.START, TaskAction.STOP}:
        raise ValidationFailedError(
            f"{action} cannot be forced.",
            hint="force goes with start and stop.",
            field="$.force",
        )
    if tables and action is not TaskAction.START:
        raise ValidationFailedError(
            f"{action} is for the whole task.", hint="tables go with start.", field="$.tables"
        )
    known = frozenset(task.spec.source_tables)
    for index, table in enumerate(tables):
        if table not in known:
            raise ValidationFailedError(
                f"Task {task.spec.name!r} has no table {table}.",
                hint="Name tables of its source_tables.",
                field=f"$.tables[{index}]",
            )
