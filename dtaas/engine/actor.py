"""The task actor: one life of one task, from its connectors to the end of its execution."""

import structlog
from anyio import move_on_after
from msgspec import Struct
from structlog.contextvars import bind_contextvars

from dtaas.engine.execution import TaskExecution, Workshop
from dtaas.engine.progress import utc_now
from dtaas.model.errors import DtaasError, TargetCollisionError
from dtaas.model.events import ExecutionChanged
from dtaas.model.execution import (
    Execution,
    ExecutionProgress,
    ExecutionStatus,
    ExecutionType,
    TablePhase,
    TableProgress,
)
from dtaas.model.ids import TaskId
from dtaas.model.load import Owner, TargetTable
from dtaas.model.ports import ConnectorRegistry, Destination, Source
from dtaas.model.schema import TableRef
from dtaas.model.task import Task

log = structlog.get_logger()
_CLOSE_LIMIT_S = 10.0


class Orders(Struct, frozen=True, kw_only=True):
    """What a start asked for besides running.

    Attributes:
        tables: only these, all when empty; asks for a new execution's tables, not a resumed one's.
        restart: forget what an earlier execution left unfinished.
    """

    tables: tuple[TableRef, ...] = ()
    restart: bool = False


class Ended(Struct, frozen=True, kw_only=True):
    """How a life ended. `status` is None when work is left for a later life."""

    status: ExecutionStatus | None
    progress: ExecutionProgress | None = None
    error: DtaasError | None = None


class TaskActor:
    """One incarnation; the supervisor keeps the orders and decides about the next one."""

    def __init__(self, workshop: Workshop, registry: ConnectorRegistry, orders: Orders) -> None:
        self._workshop = workshop
        self._registry = registry
        self._orders = orders
        self._execution: TaskExecution | None = None
        self._leaving = False

    def drain(self) -> None:
        """Ask for the end: nothing new is read, what was read is finished. Idempotent."""
        self._leaving = True
        if self._execution is not None:
            self._execution.drain.request()

    def snapshot(self) -> ExecutionProgress | None:
        """Return the live figures, None before the execution began."""
        return self._execution.snapshot() if self._execution is not None else None

    async def run(self, task_id: TaskId) -> Ended:
        """Run the task's execution to its end, or until drained."""
        store = self._workshop.store
        task = await store.task(task_id)
        connector = await store.connector(task.spec.source_connector_id)
        source = self._registry.source(connector)
        try:
            destination = self._registry.destination(
                await store.connector(task.spec.destination_connector_id),
                task_name=task.spec.name,
                database=getattr(connector.config, "database", ""),
            )
            try:
                return await self._execute(task, source, destination)
            finally:
                with move_on_after(_CLOSE_LIMIT_S, shield=True):
                    await destination.aclose()
        finally:
            with move_on_after(_CLOSE_LIMIT_S, shield=True):
                await source.aclose()

    async def _execute(self, task: Task, source: Source, destination: Destination) -> Ended:
        _refuse_collisions(task, destination)
        store = self._workshop.store
        execution = await store.begin_execution(task.id, ExecutionType.FULL_LOAD)
        bind_contextvars(execution_id=execution.id)  # of this task's context, which ends with it
        tables = await self._tables(task, execution)
        log.info("execution_begun", tables=len(tables), execution_type=execution.execution_type)
        self._workshop.bus.publish(ExecutionChanged(at=utc_now(), execution=execution))
        self._execution = TaskExecution(
            self._workshop,
            task=task,
            execution=execution,
            tables=tables,
            source=source,
            destination=destination,
            owner=Owner(
                installation=await store.installation(), task_id=task.id, task_name=task.spec.name
            ),
            restart=self._orders.restart,
        )
        if self._leaving:
            self._execution.drain.request()
        status = await self._execution.run()
        if task.spec.options.take_over and status is ExecutionStatus.COMPLETED:
            await store.clear_take_over(task.id)
        return Ended(
            status=status,
            progress=self._execution.snapshot(),
            error=self._execution.first_error(),
        )

    async def _tables(self, task: Task, execution: Execution) -> list[TableProgress]:
        """Return the execution's tables: those it began with, or the orders' for a new one."""
        recorded = await self._workshop.store.tables_of(execution.id)
        if recorded:
            return list(recorded)
        wanted = self._orders.tables or task.spec.source_tables
        tables = [TableProgress(table=t, phase=TablePhase.WAITING) for t in wanted]
        await self._workshop.store.record_tables(execution.id, tables)
        return tables


def _refuse_collisions(task: Task, destination: Destination) -> None:
    """Refuse two tables with one target: the second would overwrite the first."""
    mapped = {mapping.source: mapping.target for mapping in task.spec.table_mappings}
    taken: dict[TargetTable, TableRef] = {}
    for table in task.spec.source_tables:
        target = destination.target_of(table, mapped.get(table))
        other = taken.setdefault(target, table)
        if other != table:
            raise TargetCollisionError(
                f"Tables {other} and {table} both go to {target}.",
                hint="Give one of them another target in table_mappings, "
                "or use {schema} and {table} in the connector's prefix.",
                field="$.table_mappings",
            )
