"""The supervisor: one actor a running task, restarted by the kind of its failure.

What the user wants of a task is in the store; a command only wakes the supervisor to look, so a
lost command costs nothing. Actors are children of one task group: one that dies hurts no other.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Concatenate, ParamSpec

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
from msgspec.structs import replace
from structlog.contextvars import bound_contextvars

from dtaas.concurrency.keyed_lock import KeyedLock
from dtaas.engine.actor import TaskActor
from dtaas.engine.backoff import RestartPolicy, Restarts
from dtaas.engine.execution import TaskExecution, Workshop
from dtaas.engine.failures import explain
from dtaas.engine.leasing import TaskLeases
from dtaas.engine.life import Ended, Orders
from dtaas.engine.repair import Key
from dtaas.engine.stream import TaskStream
from dtaas.engine.task_record import TaskRecord
from dtaas.model.change_ports import ChangeRegistry
from dtaas.model.errors import DtaasError, RetryableError
from dtaas.model.execution import ExecutionProgress
from dtaas.model.ids import TaskId
from dtaas.model.schema import TableRef
from dtaas.model.task import DesiredState, Task, TaskMode, TaskStatus

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
        self._record = TaskRecord(workshop.store, workshop.bus)
        self._registry = registry
        self._grace_s = shutdown_grace_s
        self._children: dict[TaskId, _Child] = {}
        self._ordered: dict[TaskId, Orders] = {}
        """What was asked for while an actor was ending: the next one does it."""
        self._waking = KeyedLock[TaskId]()
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
        if tables or force:
            self._ordered[task_id] = Orders(tables=tuple(tables), restart=force)
        # Of two who look at once, one starts it, as it is wanted then; other tasks do not wait.
        async with self._waking.of(task_id):
            task = await self._workshop.store.task(task_id)
            child = self._children.get(task_id)
            if child is None:
                return await self._begin(task)
        if task.desired is not DesiredState.RUNNING:
            self._ordered.pop(task_id, None)
            child.drain()
        elif child.actor is not None:
            self._ordered.pop(task_id, None)
            await child.actor.change(task_id)
            await child.actor.reload(tables)
        return None

    async def _begin(self, task: Task) -> None:
        """Start a task that has no actor, or give it the state its user asked for."""
        epoch = 0 if self._leases is None else await self._leases.acquire(task.id)
        orders = self._ordered.pop(task.id, Orders())
        if epoch is None:
            return  # another daemon's, which looks at what is wanted every few seconds
        if task.desired is DesiredState.RUNNING:
            anew = orders.restart or (orders.tables and task.spec.mode.streams)
            if anew and task.spec.mode is not TaskMode.FULL_LOAD:
                # Now, before anybody is told that it starts: a crash must not forget the order.
                await self._forget_streams(task.id, orders.tables or task.spec.source_tables)
            self._spawn(task.id, replace(orders, epoch=epoch))
            return
        await self._record.settle(task.id)
        if self._leases is not None:
            await self._leases.release(task.id)

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

    async def skip(self, task_id: TaskId, table: TableRef) -> bool:
        """Leave a table out of an execution that runs here. Returns whether it was under way."""
        return any([await work.skip(table) for work in self._works(task_id)])

    async def retry(self, task_id: TaskId, table: TableRef) -> bool:
        """Let a table that failed or was left out of an execution here go on."""
        return any([await work.retry(table) for work in self._works(task_id)])

    def _works(self, task_id: TaskId) -> Sequence[TaskExecution | TaskStream]:
        child = self._children.get(task_id)
        return child.actor.works() if child is not None and child.actor is not None else ()

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
                    await self._insist(self._record.settle, task_id)
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
                return await self._insist(self._record.fail, task_id, error)
            await self._record.show_retrying(task_id, error)
            with move_on_after(delay_s):
                await child.leave.wait()
        return await self._insist(self._record.finish, task_id, ended)

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
        await self._record.show(task_id, TaskStatus.RUNNING)
        try:
            return await child.actor.run(task_id)
        finally:
            child.orders = Orders(
                tables=child.orders.tables, epoch=child.orders.epoch
            )  # a restart is asked for once
            child.actor = None
