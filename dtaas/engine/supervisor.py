"""The supervisor: one actor a running task, restarted by the kind of its failure.

What the user wants of a task is in the store; a command only wakes the supervisor to look, so a
lost command costs nothing. Actors are children of one task group: one that dies hurts no other.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Concatenate, ParamSpec

import msgspec
import structlog
from anyio import (
    TASK_STATUS_IGNORED,
    CancelScope,
    Event,
    create_task_group,
    current_time,
    move_on_after,
    sleep,
    sleep_forever,
)
from anyio.abc import TaskGroup
from anyio.abc import TaskStatus as Started
from structlog.contextvars import bound_contextvars

from dtaas.engine.actor import Ended, Orders, TaskActor
from dtaas.engine.backoff import RestartPolicy, Restarts
from dtaas.engine.execution import Workshop
from dtaas.engine.failures import explain
from dtaas.engine.leasing import TaskLeases
from dtaas.engine.progress import utc_now
from dtaas.engine.repair import Key
from dtaas.model.change_ports import ChangeRegistry
from dtaas.model.errors import DtaasError, RetryableError, SchemaChangePendingError
from dtaas.model.events import ExecutionChanged, TaskChanged
from dtaas.model.execution import Execution, ExecutionProgress, ExecutionStatus
from dtaas.model.ids import TaskId
from dtaas.model.positions import PositionsDifferError
from dtaas.model.schedule import ScheduleType
from dtaas.model.schema import TableRef
from dtaas.model.task import DesiredState, Task, TaskMode, TaskStatus

_ENDING = frozenset(
    {TaskStatus.STOPPING, TaskStatus.RUNNING, TaskStatus.STREAMING, TaskStatus.RETRYING}
)
P = ParamSpec("P")
log = structlog.get_logger()
_LIVES = RestartPolicy(base_s=1.0, cap_s=30.0, most=None)
"""A task's own failures (its store, its connectors' construction) are tried for ever."""


class _Child:
    """A task that has an actor: its mailbox and how it may be ended."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.actor: TaskActor | None = None
        self.scope = CancelScope()
        self.leave = Event()
        self.lost = False
        self.ended = Event()

    def drain(self) -> None:
        """Ask the present life, and the wait before the next, to end."""
        self.leave.set()
        if self.actor is not None:
            self.actor.drain()


class Supervisor:
    """Runs the actors. `serve` is its life; the other methods are called while it serves."""

    def __init__(
        self,
        workshop: Workshop,
        registry: ChangeRegistry,
        *,
        shutdown_grace_s: float,
        leases: TaskLeases | None = None,
    ) -> None:
        """Take what to work with.

        Args:
            leases: say whose task is whose among several daemons; None is a daemon alone.
        """
        self._workshop = workshop
        self._registry = registry
        self._grace_s = shutdown_grace_s
        self._children: dict[TaskId, _Child] = {}
        self._group: TaskGroup | None = None
        self._closing = False
        self._leases = leases

    async def serve(self, *, task_status: Started[None] = TASK_STATUS_IGNORED) -> None:
        """Start what should run, then serve until cancelled. Call `drain` before cancelling."""
        async with create_task_group() as group:
            self._group = group
            if self._leases is None:  # else the keeper of the leases starts what is free
                for task_id in await self._workshop.store.tasks_desired(DesiredState.RUNNING):
                    await self.wake(task_id)
            task_status.started()
            await sleep_forever()

    async def wake(
        self, task_id: TaskId, *, tables: Sequence[TableRef] = (), force: bool = False
    ) -> None:
        """Look at what the user wants of a task and make it so.

        Args:
            tables: load only these, all of the task's when empty; a task that streams loads them
                anew and streams the others on.
            force: a start forgets what an earlier execution left unfinished.
        """
        task = await self._workshop.store.task(task_id)
        child = self._children.get(task_id)
        if child is not None:
            if task.desired is not DesiredState.RUNNING:
                child.drain()
            elif child.actor is not None:
                await child.actor.change(task_id)
                await child.actor.reload(tables)
            return
        epoch = 0 if self._leases is None else await self._leases.acquire(task_id)
        if epoch is None:
            return  # another daemon's, which looks at what is wanted every few seconds
        if task.desired is DesiredState.RUNNING:
            anew = force or (tables and task.spec.mode.streams)
            if anew and task.spec.mode is not TaskMode.FULL_LOAD:
                # Now, before anybody is told that it starts: a crash must not forget the order.
                await self._forget_streams(task_id, tables or task.spec.source_tables)
            self._spawn(task_id, Orders(tables=tuple(tables), restart=force, epoch=epoch))
            return
        await self._settle(task_id)
        if self._leases is not None:
            await self._leases.release(task_id)

    async def _forget_streams(self, task_id: TaskId, tables: Sequence[TableRef]) -> None:
        """Let tables be loaded anew by this life or, after a crash, by the next."""
        for table in tables:
            await self._workshop.streams.forget(task_id, table)

    def here(self) -> Sequence[TaskId]:
        """Return the tasks that have an actor here."""
        return tuple(self._children)

    async def abandon(self, task_ids: Sequence[TaskId]) -> None:
        """End tasks at once and write nothing of it down: they are another daemon's."""
        children = [self._children[t] for t in task_ids if t in self._children]
        for child in children:
            child.lost = True
            child.leave.set()
            child.scope.cancel()
        for child in children:
            await child.ended.wait()

    async def stop_now(self, task_id: TaskId) -> None:
        """End a task's actor without draining. What is not durable is read again next time."""
        child = self._children.get(task_id)
        if child is not None:
            child.leave.set()
            child.scope.cancel()
            await child.ended.wait()

    def repair(self, task_id: TaskId, table: TableRef, keys: Sequence[Key]) -> bool:
        """Write some rows of a table that streams here anew. Returns whether it does."""
        child = self._children.get(task_id)
        return child is not None and child.actor is not None and child.actor.repair(table, keys)

    def progress(self, task_id: TaskId) -> ExecutionProgress | None:
        """Return the live figures of a task's execution, None when it does not run."""
        child = self._children.get(task_id)
        return child.actor.snapshot() if child is not None and child.actor is not None else None

    def running(self) -> Sequence[ExecutionProgress]:
        """Return the live figures of every running execution."""
        found = (self.progress(task_id) for task_id in tuple(self._children))
        return [progress for progress in found if progress is not None]

    async def drain(self) -> None:
        """End every actor, gently for the grace time, then at once. Tasks go on at next start."""
        self._closing = True
        children = list(self._children.values())
        for child in children:
            child.drain()
        with move_on_after(self._grace_s):
            for child in children:
                await child.ended.wait()
        for child in children:
            if not child.ended.is_set():
                log.warning("drain_cut_short", grace_s=self._grace_s)
                child.scope.cancel()
                await child.ended.wait()

    def _spawn(self, task_id: TaskId, orders: Orders) -> None:
        if self._group is None or self._closing:
            return
        child = _Child(orders)
        self._children[task_id] = child
        self._group.start_soon(self._supervise, task_id, child, name=f"task {task_id}")

    async def _supervise(self, task_id: TaskId, child: _Child) -> None:
        with bound_contextvars(task_id=task_id):
            try:
                with child.scope:
                    await self._lives(task_id, child)
                if child.scope.cancelled_caught and not (self._closing or child.lost):
                    await self._insist(self._settle, task_id)
            except Exception as exc:
                log.exception("task_state_not_recorded", code=explain(exc).code)
            finally:
                del self._children[task_id]
                child.ended.set()
            if not child.lost:
                await self._look_again(task_id)

    async def _look_again(self, task_id: TaskId) -> None:
        """Start anew when the user asked for it while the actor was ending; else give it free."""
        try:
            task = await self._workshop.store.task(task_id)
            if task.desired is DesiredState.RUNNING and not self._closing:
                await self.wake(task_id)
            elif self._leases is not None and task_id not in self._children:
                await self._leases.release(task_id)
        except DtaasError as error:  # the next command looks again
            log.warning("task_not_readable", code=error.code, error=error.detail)

    async def _lives(self, task_id: TaskId, child: _Child) -> None:
        restarts = Restarts(_LIVES, self._workshop.uniform)
        ended = Ended(status=None)
        while not child.leave.is_set():
            began = current_time()
            try:
                ended = await self._live_once(task_id, child)
                break
            except Exception as exc:  # noqa: BLE001 - the one place that decides a task's fate
                error = explain(exc)
            delay_s = restarts.next_delay_s(error, ran_s=current_time() - began)
            log.warning(
                "task_life_failed",
                code=error.code,
                error=error.detail,
                retry_in_s=delay_s,
                exc_info=error if error.code == "internal" else None,
            )
            if delay_s is None:
                return await self._insist(self._fail, task_id, error)
            await self._show_retrying(task_id, error)
            with move_on_after(delay_s):
                await child.leave.wait()
        return await self._insist(self._finish, task_id, ended)

    async def _insist(
        self,
        record: Callable[Concatenate[TaskId, P], Awaitable[None]],
        task_id: TaskId,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Record how a task ended, waiting for the store while it is full or away."""
        restarts = Restarts(_LIVES, self._workshop.uniform)
        while not self._closing:
            try:
                return await record(task_id, *args, **kwargs)
            except RetryableError as error:
                log.warning("task_state_not_recorded", code=error.code, error=error.detail)
                await sleep(restarts.next_delay_s(error, ran_s=0.0) or 0.0)
        return None

    async def _live_once(self, task_id: TaskId, child: _Child) -> Ended:
        child.actor = TaskActor(self._workshop, self._registry, child.orders)
        await self._show(task_id, TaskStatus.RUNNING)
        try:
            return await child.actor.run(task_id)
        finally:
            child.orders = Orders(
                tables=child.orders.tables, epoch=child.orders.epoch
            )  # a restart is asked for once
            child.actor = None

    async def _finish(self, task_id: TaskId, ended: Ended) -> None:
        if ended.status is None or ended.progress is None:
            await self._settle(task_id)
            return
        task = await self._workshop.store.task(task_id)
        self._announce(await self._end(ended.progress, ended.status, ended.error))
        at_rest = TaskStatus.FAILED if ended.status is ExecutionStatus.FAILED else _resting(task)
        await self._show(
            task_id,
            at_rest,
            desired=DesiredState.STOPPED,
            error=ended.error,
            percent=ended.progress.percent,
        )

    async def _fail(self, task_id: TaskId, error: DtaasError) -> None:
        status, desired = TaskStatus.FAILED, DesiredState.STOPPED
        if isinstance(error, PositionsDifferError):  # it waits for a person's choice
            status, desired = TaskStatus.PAUSED, DesiredState.PAUSED
        else:
            await self._end_running(task_id, ExecutionStatus.FAILED, error)
        await self._show(task_id, status, desired=desired, error=error)

    async def _settle(self, task_id: TaskId) -> None:
        """Give a task without an actor the state its user asked for."""
        task = await self._workshop.store.task(task_id)
        match task.desired:
            case DesiredState.PAUSED:
                running = await self._workshop.store.running_execution(task.id)
                status = TaskStatus.PAUSED if running is not None else _resting(task)
                await self._show(task.id, status, error=_waits_for(task))
            case DesiredState.STOPPED:
                await self._end_running(task.id, ExecutionStatus.STOPPED, None)
                if task.status in _ENDING:
                    await self._show(task.id, TaskStatus.STOPPED)
            case DesiredState.RUNNING:
                await self._show(task.id, TaskStatus.QUEUED)

    async def _end_running(
        self, task_id: TaskId, status: ExecutionStatus, error: DtaasError | None
    ) -> None:
        running = await self._workshop.store.running_execution(task_id)
        if running is None:
            return
        tables = await self._workshop.store.tables_of(running.id)
        progress = ExecutionProgress(
            task_id=task_id,
            execution_id=running.id,
            status=status,
            rows_done=sum(t.rows_done for t in tables),
            rows_total=running.total_rows,
            bytes=sum(t.bytes for t in tables),
            written_bytes=sum(t.written_bytes for t in tables),
            rows_s=0.0,
            mb_s=0.0,
            eta_s=None,
            percent=running.progress_percent,
            elapsed_s=(utc_now() - running.started_at).total_seconds(),
            tables=tuple(tables),
        )
        self._announce(await self._end(progress, status, error))

    async def _end(
        self, progress: ExecutionProgress, status: ExecutionStatus, error: DtaasError | None
    ) -> Execution:
        return await self._workshop.store.end_execution(
            progress.execution_id,
            status,
            progress,
            error_code=error.code if error else None,
            error=error.detail if error else None,
        )

    def _announce(self, execution: Execution) -> None:
        log.info(
            "execution_ended",
            execution_id=execution.id,
            status=execution.status,
            rows=execution.processed_rows,
            duration_s=execution.duration_seconds,
            code=execution.error_code,
            error=execution.error_message,
        )
        self._workshop.bus.publish(ExecutionChanged(at=utc_now(), execution=execution))

    async def _show(
        self,
        task_id: TaskId,
        status: TaskStatus,
        *,
        desired: DesiredState | None = None,
        error: DtaasError | None = None,
        percent: float | None = None,
    ) -> None:
        """Record a task's state and tell everybody."""
        task = await self._workshop.store.set_status(
            task_id,
            status,
            desired=desired,
            error_code=error.code if error else None,
            error=error.detail if error else None,
            progress_percent=percent,
        )
        self._workshop.bus.publish(TaskChanged(at=utc_now(), task=task))

    async def _show_retrying(self, task_id: TaskId, error: DtaasError) -> None:
        """Show why a task waits, also while the store cannot keep it."""
        try:
            await self._show(task_id, TaskStatus.RETRYING, error=error)
        except RetryableError as exc:
            log.warning("task_state_not_recorded", code=exc.code, error=exc.detail)
            task = msgspec.structs.replace(
                await self._workshop.store.task(task_id),
                status=TaskStatus.RETRYING,
                last_error_code=error.code,
                last_error=error.detail,
            )
            self._workshop.bus.publish(TaskChanged(at=utc_now(), task=task))


def _waits_for(task: Task) -> DtaasError | None:
    """Return the change of a table that a task paused for, None when its user paused it."""
    if task.last_error_code != SchemaChangePendingError.code:
        return None
    return SchemaChangePendingError(task.last_error or "")


def _resting(task: Task) -> TaskStatus:
    """Return the state of a task that waits for its next start."""
    planned = task.spec.schedule_type is not ScheduleType.MANUAL and task.spec.is_active
    return TaskStatus.SCHEDULED if planned else TaskStatus.IDLE
