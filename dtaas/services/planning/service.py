"""Plans: what a run of a task would do. Nothing is written, claimed or captured."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from math import ceil
from typing import Final

from anyio import CapacityLimiter, create_task_group, fail_after, move_on_after
from msgspec import Struct
from msgspec.structs import replace

from dtaas.concurrency.blocking import Blocking
from dtaas.engine.failures import explain
from dtaas.model.change_ports import StreamStore
from dtaas.model.connectors import Connector
from dtaas.model.errors import NotFoundError, TimedOutError
from dtaas.model.execution import ExecutionStatus
from dtaas.model.ids import ConnectorId, TaskId
from dtaas.model.load import Owner, TargetTable
from dtaas.model.plan import (
    DdlDestination,
    InspectableDestination,
    RunPlan,
    Standing,
    TablePlan,
    TargetDdl,
    named_owner,
)
from dtaas.model.ports import ConnectorRegistry, Destination, Source
from dtaas.model.schema import TableInfo, TableRef, TableSchema
from dtaas.model.store_ports import LoadLedger
from dtaas.model.table_rules import NewTables, with_columns
from dtaas.model.task import DesiredState, Task, TaskMode, TaskSpec, TaskStatus
from dtaas.services.planning.history import Experience, experience
from dtaas.services.planning.steps import steps_of
from dtaas.services.preview.service import compiled
from dtaas.store.connectors import ConnectorRepository
from dtaas.store.executions import NEWEST_FIRST, ExecutionFilter, ExecutionRepository
from dtaas.store.tasks import TaskRepository
from dtaas.transforms.compile import require_program

MOST_TABLES: Final = 500
_LIMIT_S: Final = 60.0
_CLOSE_LIMIT_S: Final = 10.0
_AT_ONCE: Final = 8
_LEARNT_FROM: Final = 5


class _Look(Struct, frozen=True, kw_only=True):
    task: Task
    source: Source
    destination: Destination
    infos: Mapping[TableRef, TableInfo]
    streaming: frozenset[TableRef]
    learnt: Experience


class PlanService:
    """Opens the connectors of a task, looks and closes them."""

    def __init__(
        self,
        *,
        tasks: TaskRepository,
        connectors: ConnectorRepository,
        executions: ExecutionRepository,
        ledger: LoadLedger,
        streams: StreamStore,
        registry: ConnectorRegistry,
        installation: str,
    ) -> None:
        self._tasks = tasks
        self._connectors = connectors
        self._executions = executions
        self._ledger = ledger
        self._streams = streams
        self._registry = registry
        self._installation = installation
        self._blocking = Blocking(1)

    async def plan(self, task_id: TaskId, only: Sequence[TableRef] = ()) -> RunPlan:
        """Return what a run would do.

        Args:
            only: plan a start of these tables; all of the task when empty.

        Raises:
            NotFoundError: no such task, or it has not that table.
            TimedOutError: the source does not answer in time.
            DtaasError: whatever the source says when it lists its tables.
        """
        return await self._of(await self._tasks.get(task_id), only)

    async def plan_unsaved(self, spec: TaskSpec, replaces: TaskId | None = None) -> RunPlan:
        """Return what a run would do of a task as it would be saved.

        Args:
            replaces: the stored task it would replace; what that one moved counts. Without one the
                plan's `task_id` is 0.

        Raises:
            NotFoundError: no such task or connector.
            TimedOutError: the source does not answer in time.
            DtaasError: whatever the source says when it lists its tables.
        """
        if replaces is not None:
            return await self._of(replace(await self._tasks.get(replaces), spec=spec))
        now = datetime.now(UTC)
        return await self._of(
            Task(
                id=TaskId(0),
                spec=spec,
                status=TaskStatus.DRAFT,
                desired=DesiredState.STOPPED,
                current_progress_percent=0,
                created_at=now,
                updated_at=now,
            )
        )

    async def _of(self, task: Task, only: Sequence[TableRef] = ()) -> RunPlan:
        async with self._opened(task) as (source, destination):
            try:
                with fail_after(_LIMIT_S):
                    return await self._plan(task, source, destination, only)
            except TimeoutError as exc:
                raise TimedOutError(
                    f"Planning task {task.spec.name!r} took over {_LIMIT_S:g} s.",
                    hint="Test its connectors; plan some of its tables only.",
                ) from exc

    async def _plan(
        self, task: Task, source: Source, destination: Destination, only: Sequence[TableRef]
    ) -> RunPlan:
        infos = {info.table: info for info in await source.discover()}
        tables = _tables(task, infos)
        missing = [table for table in only if table not in tables]
        if missing:
            raise NotFoundError(f"Task {task.spec.name!r} has no table {missing[0]}.")
        loads_only = task.spec.mode is TaskMode.FULL_LOAD
        streams = () if loads_only else await self._streams.streams(task.id)
        look = _Look(
            task=task,
            source=source,
            destination=destination,
            infos=infos,
            streaming=frozenset(state.stream.tracked.table for state in streams),
            learnt=await self._experience(task.id),
        )
        chosen = list(only or tables)[:MOST_TABLES]
        return _summed(look, tables, await self._each(look, chosen))

    async def _each(self, look: _Look, tables: Sequence[TableRef]) -> Sequence[TablePlan]:
        found: dict[TableRef, TablePlan] = {}
        places = CapacityLimiter(_AT_ONCE)

        async def one(table: TableRef) -> None:
            async with places:
                found[table] = await self._table(look, table)

        async with create_task_group() as group:
            for table in tables:
                group.start_soon(one, table)
        return [found[table] for table in tables]

    async def _table(self, look: _Look, table: TableRef) -> TablePlan:
        spec, mapping = look.task.spec, look.task.spec.mapping(table)
        target = look.destination.target_of(table, spec.mapped_target(table))
        try:
            taken = with_columns(
                await look.source.describe(table), mapping.include_columns, mapping.exclude_columns
            )
            schema = require_program(await self._blocking(compiled, spec, taken)).output
            standing, ddl = await _at_target(look, target, schema)
        except Exception as exc:  # noqa: BLE001 - told in the plan
            error = explain(exc)
            return TablePlan(
                table=table,
                target=str(target),
                error_code=error.code,
                error=error.detail,
                hint=error.hint,
            )
        info, streams = look.infos.get(table), table in look.streaming
        loads = not streams and spec.mode is not TaskMode.CDC
        rows = info.row_count if info is not None and loads else None
        size = info.data_bytes if info is not None and loads else None
        chunk_rows = mapping.chunk_rows or spec.options.chunk_rows
        chunks = max(1, ceil((rows or 0) / chunk_rows)) if loads else None
        file_bytes = spec.file_bytes(table)
        return TablePlan(
            table=table,
            target=standing.location if standing is not None else str(target),
            rows=rows,
            bytes=size,
            chunks=chunks,
            files=None if chunks is None else _files(chunks, size, file_bytes, look.learnt),
            columns=len(schema.columns),
            key=mapping.key or schema.key,
            steps=steps_of(
                spec,
                schema,
                target,
                info=info,
                standing=standing,
                ddl=ddl,
                unfinished=await self._ledger.open_load(look.task.id, table) if loads else None,
                streams=streams,
                owner=named_owner(self._owner(look.task)),
            ),
        )

    def _owner(self, task: Task) -> Owner:
        return Owner(installation=self._installation, task_id=task.id, task_name=task.spec.name)

    async def _experience(self, task_id: TaskId) -> Experience:
        completed = ExecutionFilter(
            task_id=task_id, statuses=frozenset({ExecutionStatus.COMPLETED})
        )
        page = await self._executions.list(completed, NEWEST_FIRST)
        ended = page.items[:_LEARNT_FROM]
        tables = await self._executions.tables(ended[0].id) if ended else ()
        return experience(ended, tables)

    async def _connector(self, connector_id: ConnectorId) -> Connector:
        return await self._registry.resolved(await self._connectors.get(connector_id))

    @asynccontextmanager
    async def _opened(self, task: Task) -> AsyncIterator[tuple[Source, Destination]]:
        connector = await self._connector(task.spec.source_connector_id)
        source = self._registry.source(connector)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(_close, source)
            destination = self._registry.destination(
                await self._connector(task.spec.destination_connector_id),
                task_name=task.spec.name,
                database=getattr(connector.config, "database", ""),
            )
            stack.push_async_callback(_close, destination)
            yield source, destination


async def _at_target(
    look: _Look, target: TargetTable, schema: TableSchema
) -> tuple[Standing | None, TargetDdl | None]:
    """Return what stands at the target, and what the destination would run there."""
    destination, standing, ddl = look.destination, None, None
    if isinstance(destination, InspectableDestination):
        standing = await destination.standing(target)
    if isinstance(destination, DdlDestination):
        ddl = await destination.ddl(target, schema, look.task.spec.write_options(schema.table))
    return standing, ddl


async def _close(opened: Source | Destination) -> None:
    with move_on_after(_CLOSE_LIMIT_S, shield=True):
        await opened.aclose()


def _tables(task: Task, infos: Mapping[TableRef, TableInfo]) -> Sequence[TableRef]:
    """Return the tables the next start would take."""
    rules, before = task.spec.table_rules, task.spec.source_tables
    if not rules.include or (before and rules.new_tables is NewTables.IGNORE):
        return before
    return [table for table in infos if rules.takes(table)]


def _files(chunks: int, size: int | None, file_bytes: int, learnt: Experience) -> int:
    written = (size or 0) * (learnt.shrinkage or 1.0)
    return max(chunks, ceil(written / file_bytes))


def _summed(look: _Look, tables: Sequence[TableRef], plans: Sequence[TablePlan]) -> RunPlan:
    rows = sum(plan.rows or 0 for plan in plans)
    seconds = look.learnt.seconds(rows) if rows else None
    before = look.task.spec.source_tables if look.task.spec.table_rules.include else tables
    return RunPlan(
        task_id=look.task.id,
        tables=tuple(plans),
        rows=rows,
        bytes=sum(plan.bytes or 0 for plan in plans),
        files=sum(plan.files or 0 for plan in plans),
        seconds_low=seconds[0] if seconds else None,
        seconds_high=seconds[1] if seconds else None,
        executions=len(look.learnt.rows_s),
        new_tables=tuple(table for table in tables if table not in set(before)),
        gone_tables=tuple(table for table in before if table not in set(tables)),
        destructive=tuple(
            f"{plan.table}: {step.text}"
            for plan in plans
            for step in plan.steps
            if step.destructive
        ),
    )
