"""The store's three ports in plain dictionaries: the reference implementation, and for tests."""

import secrets
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from dtaas.model.connectors import Connector
from dtaas.model.errors import CheckpointRegressionError, InUseError, NotFoundError
from dtaas.model.execution import (
    Ended,
    Execution,
    ExecutionProgress,
    ExecutionStatus,
    ExecutionType,
    TableProgress,
)
from dtaas.model.ids import ConnectorId, ExecutionId, LoadId, TaskId
from dtaas.model.load import ChunkReceipt, CommitResult, TableLoad
from dtaas.model.schedule import ScheduleType
from dtaas.model.schema import TableRef
from dtaas.model.store_ports import CheckpointStore, ExecutionStore, LoadLedger
from dtaas.model.task import DesiredState, Task, TaskStatus

_MB: Final = 1_000_000


class MemoryCheckpoints:
    """Positions in a dictionary."""

    def __init__(self) -> None:
        self._positions: dict[tuple[TaskId, TableRef], bytes] = {}

    async def load(self, task_id: TaskId, table: TableRef) -> bytes | None:
        """Return the last position, None before the first."""
        return self._positions.get((task_id, table))

    async def advance(self, task_id: TaskId, table: TableRef, position: bytes) -> None:
        """Store `position`, unless it lies before the stored one."""
        if position < self._positions.get((task_id, table), b""):
            raise CheckpointRegressionError(
                f"The position of {table} of task {task_id} would move back to {position.hex()}."
            )
        self._positions[task_id, table] = position

    async def forget(self, task_id: TaskId, table: TableRef) -> None:
        """Remove the position. Idempotent."""
        self._positions.pop((task_id, table), None)


class _Ledger(Struct):
    load: TableLoad
    receipts: dict[int, ChunkReceipt]
    result: CommitResult | None = None
    committed_in: ExecutionId | None = None
    abandoned: bool = False

    @property
    def is_open(self) -> bool:
        return self.result is None and not self.abandoned


class MemoryLoads:
    """Loads and receipts in a dictionary."""

    def __init__(self) -> None:
        self._loads: dict[LoadId, _Ledger] = {}

    async def open_load(self, task_id: TaskId, table: TableRef) -> TableLoad | None:
        """Return the table's load that is neither committed nor abandoned, if there is one."""
        for entry in self._loads.values():
            if entry.is_open and (entry.load.task_id, entry.load.schema.table) == (task_id, table):
                return entry.load
        return None

    async def save_load(self, load: TableLoad) -> None:
        """Store a new open load, or raise InUseError when the table already has one."""
        table = load.schema.table
        if await self.open_load(load.task_id, table) is not None:
            raise InUseError(f"{table} of task {load.task_id} already has an open load.")
        self._loads[load.load_id] = _Ledger(load=load, receipts={})

    async def save_receipt(self, load_id: LoadId, receipt: ChunkReceipt) -> None:
        """Store that a chunk is durable. The same receipt again is a no-op."""
        entry = self._entry(load_id)
        if entry.receipts.get(receipt.chunk_index) == receipt:
            return
        if not entry.is_open:
            raise NotFoundError(f"Load {load_id} is closed and takes no more chunks.")
        entry.receipts[receipt.chunk_index] = receipt

    async def receipts(self, load_id: LoadId) -> Sequence[ChunkReceipt]:
        """Return the receipts of a load in chunk order."""
        entry = self._loads.get(load_id)
        return [] if entry is None else [entry.receipts[i] for i in sorted(entry.receipts)]

    async def mark_committed(
        self, load_id: LoadId, result: CommitResult, *, execution_id: ExecutionId
    ) -> None:
        """Close a load as visible to readers, by the execution that published it. Idempotent."""
        entry = self._entry(load_id)
        if entry.result is None:
            entry.result, entry.committed_in = result, execution_id

    async def committed_in(self, execution_id: ExecutionId, table: TableRef) -> CommitResult | None:
        """Return what the table's load of that execution committed, None when it did not."""
        for entry in reversed(self._loads.values()):
            if entry.committed_in == execution_id and entry.load.schema.table == table:
                assert entry.result is not None  # noqa: S101 - set together with committed_in
                return replace(entry.result, already_committed=True)
        return None

    async def last_committed(self, task_id: TaskId, table: TableRef) -> TableLoad | None:
        """Return the task's latest committed load of a table, None before the first."""
        found = [
            entry.load
            for entry in self._loads.values()
            if entry.result is not None
            and (entry.load.task_id, entry.load.schema.table) == (task_id, table)
        ]
        return found[-1] if found else None

    async def mark_abandoned(self, load_id: LoadId) -> None:
        """Close a load as given up. Idempotent; a committed load stays committed."""
        self._entry(load_id).abandoned = True

    def _entry(self, load_id: LoadId) -> _Ledger:
        if load_id not in self._loads:
            raise NotFoundError(f"There is no load {load_id}.")
        return self._loads[load_id]


class MemoryEngineStore:
    """Tasks, connectors and executions in dictionaries."""

    def __init__(
        self,
        now: Callable[[], datetime],
        tasks: Iterable[Task] = (),
        connectors: Iterable[Connector] = (),
    ) -> None:
        self._now = now
        self._installation = secrets.token_hex(16)
        self._tasks = {task.id: task for task in tasks}
        self._connectors = {connector.id: connector for connector in connectors}
        self._executions: dict[ExecutionId, Execution] = {}
        self._tables: dict[ExecutionId, dict[TableRef, TableProgress]] = {}

    def put(self, task: Task) -> None:
        """Add a task, or replace it."""
        self._tasks[task.id] = task

    async def installation(self) -> str:
        """Return the identity of this store: 32 hex digits."""
        return self._installation

    async def task(self, task_id: TaskId) -> Task:
        """Return a task, or raise NotFoundError."""
        if task_id not in self._tasks:
            raise NotFoundError(f"There is no task {task_id}.")
        return self._tasks[task_id]

    async def connector(self, connector_id: ConnectorId) -> Connector:
        """Return a connector with its secrets, or raise NotFoundError."""
        if connector_id not in self._connectors:
            raise NotFoundError(f"There is no connector {connector_id}.")
        return self._connectors[connector_id]

    async def tasks_desired(self, desired: DesiredState) -> Sequence[TaskId]:
        """Return the tasks whose user wants them in that state, by id."""
        return sorted(t.id for t in self._tasks.values() if t.desired is desired)

    async def scheduled(self) -> Sequence[Task]:
        """Return the active tasks with a schedule other than manual, by id."""
        return [
            task
            for _, task in sorted(self._tasks.items())
            if task.spec.is_active and task.spec.schedule_type is not ScheduleType.MANUAL
        ]

    async def set_status(
        self,
        task_id: TaskId,
        status: TaskStatus,
        *,
        desired: DesiredState | None = None,
        error_code: str | None = None,
        error: str | None = None,
        progress_percent: float | None = None,
    ) -> Task:
        """Change a task's state and return it. An error of None clears the last error."""
        task = await self.task(task_id)
        percent = task.current_progress_percent if progress_percent is None else progress_percent
        self._tasks[task_id] = replace(
            task,
            status=status,
            desired=desired or task.desired,
            last_error_code=error_code,
            last_error=error,
            current_progress_percent=percent,
            updated_at=self._now(),
        )
        return self._tasks[task_id]

    async def set_tables(self, task_id: TaskId, tables: Sequence[TableRef]) -> Task:
        """Replace the tables of a task whose patterns found others, and return the task."""
        task = await self.task(task_id)
        self.put(replace(task, spec=replace(task.spec, source_tables=tuple(tables))))
        return await self.task(task_id)

    async def clear_take_over(self, task_id: TaskId) -> None:
        """Set the task's `take_over` back. Idempotent."""
        task = await self.task(task_id)
        options = replace(task.spec.options, take_over=False)
        self.put(replace(task, spec=replace(task.spec, options=options)))

    async def begin_execution(self, task_id: TaskId, kind: ExecutionType) -> Execution:
        """Return the task's running execution (after a crash or pause) or start a new one."""
        task = await self.task(task_id)
        running = await self.running_execution(task_id)
        if running is not None:
            return running
        now = self._now()
        execution = Execution(
            id=ExecutionId(len(self._executions) + 1),
            task_id=task_id,
            execution_type=kind,
            status=ExecutionStatus.RUNNING,
            total_rows=None,
            processed_rows=0,
            failed_rows=0,
            progress_percent=0.0,
            rows_per_second=0.0,
            data_size_mb=0.0,
            started_at=now,
            created_at=now,
        )
        self._executions[execution.id] = execution
        self._tables[execution.id] = {}
        self._tasks[task_id] = replace(task, last_run_at=now)
        return execution

    async def record_tables(
        self, execution_id: ExecutionId, tables: Sequence[TableProgress]
    ) -> None:
        """Store the tables' states. Later states replace earlier ones."""
        self._execution(execution_id)
        self._tables[execution_id] |= {t.table: t for t in tables}

    async def tables_of(self, execution_id: ExecutionId) -> Sequence[TableProgress]:
        """Return the tables of an execution as last recorded, in the order they were given."""
        return list(self._tables.get(execution_id, {}).values())

    async def record_progress(self, progress: ExecutionProgress) -> None:
        """Store the totals of a running execution. One that has ended keeps its figures."""
        execution = self._execution(progress.execution_id)
        if execution.status is ExecutionStatus.RUNNING:
            self._total(execution, progress)

    async def end_execution(
        self,
        execution_id: ExecutionId,
        status: ExecutionStatus,
        progress: ExecutionProgress,
        *,
        error_code: str | None = None,
        error: str | None = None,
        schema_changes: int = 0,
    ) -> Execution:
        """Close an execution with its final figures and return it. Idempotent."""
        execution = self._execution(execution_id)
        if execution.status is not ExecutionStatus.RUNNING:
            return execution
        now = self._now()
        duration_s = max(0.0, (now - execution.started_at).total_seconds())
        working_s = progress.elapsed_s or duration_s
        await self.record_tables(execution_id, progress.tables)
        self._executions[execution_id] = replace(
            self._total(execution, progress),
            status=status,
            rows_per_second=progress.rows_done / working_s if working_s else 0.0,
            completed_at=now,
            duration_seconds=duration_s,
            error_code=error_code,
            error_message=error,
            schema_changes_detected=schema_changes,
        )
        return self._executions[execution_id]

    async def running_execution(self, task_id: TaskId) -> Execution | None:
        """Return the task's execution that has no final state yet, if there is one."""
        for execution in self._executions.values():
            if execution.task_id == task_id and execution.status is ExecutionStatus.RUNNING:
                return execution
        return None

    async def last_started(self, task_id: TaskId) -> datetime | None:
        """Return when the task's latest execution began, None before the first."""
        began = (e for e in self._executions.values() if e.task_id == task_id)
        last = max(began, key=lambda e: e.id, default=None)
        return None if last is None else last.started_at

    async def last_ended(
        self, task_id: TaskId, statuses: frozenset[ExecutionStatus]
    ) -> Ended | None:
        """Return the end of the task's latest execution with one of these final states."""
        ended = (
            Ended(e.id, e.completed_at)
            for e in self._executions.values()
            if e.task_id == task_id and e.status in statuses and e.completed_at is not None
        )
        return max(ended, key=lambda end: end.execution_id, default=None)

    def _execution(self, execution_id: ExecutionId) -> Execution:
        if execution_id not in self._executions:
            raise NotFoundError(f"There is no execution {execution_id}.")
        return self._executions[execution_id]

    def _total(self, execution: Execution, progress: ExecutionProgress) -> Execution:
        """Store and return the execution with the totals so far."""
        self._executions[execution.id] = replace(
            execution,
            total_rows=progress.rows_total,
            processed_rows=progress.rows_done,
            failed_rows=sum(table.rejected for table in progress.tables),
            progress_percent=progress.percent,
            rows_per_second=progress.rows_s,
            data_size_mb=progress.bytes / _MB,
            cdc_lsn_start=execution.cdc_lsn_start or progress.cdc_lsn_start,
            cdc_lsn_end=progress.cdc_lsn_end or execution.cdc_lsn_end,
        )
        task = self._tasks[execution.task_id]
        self._tasks[task.id] = replace(task, current_progress_percent=progress.percent)
        return self._executions[execution.id]


_checkpoints: type[CheckpointStore] = MemoryCheckpoints
_loads: type[LoadLedger] = MemoryLoads
_engine: type[ExecutionStore] = MemoryEngineStore
