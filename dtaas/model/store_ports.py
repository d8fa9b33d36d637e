"""The ports of the metadata store: what the engine keeps there.

Suites in `tests/contract` prove each promise for every implementation. All raise `DtaasError` only.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from dtaas.model.connectors import Connector
from dtaas.model.execution import (
    Ended,
    Execution,
    ExecutionProgress,
    ExecutionStatus,
    ExecutionType,
    TableProgress,
)
from dtaas.model.ids import ConnectorId, ExecutionId, LoadId, TaskId
from dtaas.model.load import (
    ChunkReceipt,
    CommitResult,
    TableLoad,
)
from dtaas.model.schema import TableRef
from dtaas.model.task import DesiredState, Task, TaskStatus


class CheckpointStore(Protocol):
    """Positions per task and table. A position only moves forward."""

    async def load(self, task_id: TaskId, table: TableRef) -> bytes | None:
        """Return the last position, None before the first."""
        ...

    async def advance(self, task_id: TaskId, table: TableRef, position: bytes) -> None:
        """Store `position`, durable on return. The same position again is a no-op.

        Args:
            position: 10 bytes, big-endian: byte order is log order.

        Raises:
            CheckpointRegressionError: it lies before the stored one, which stays.
        """
        ...

    async def forget(self, task_id: TaskId, table: TableRef) -> None:
        """Remove the position. Idempotent."""
        ...


class LoadLedger(Protocol):
    """Loads and their chunks: what makes a full load resumable in the middle of a table."""

    async def open_load(self, task_id: TaskId, table: TableRef) -> TableLoad | None:
        """Return the table's load that is neither committed nor abandoned, if there is one."""
        ...

    async def save_load(self, load: TableLoad) -> None:
        """Store a new open load with its plan, durable on return.

        Raises:
            InUseError: the table already has an open load.
        """
        ...

    async def save_receipt(self, load_id: LoadId, receipt: ChunkReceipt) -> None:
        """Store that a chunk is durable at the destination. The same receipt again is a no-op."""
        ...

    async def receipts(self, load_id: LoadId) -> Sequence[ChunkReceipt]:
        """Return the receipts of a load in chunk order."""
        ...

    async def mark_committed(
        self, load_id: LoadId, result: CommitResult, *, execution_id: ExecutionId
    ) -> None:
        """Close a load as visible to readers, by the execution that published it. Idempotent."""
        ...

    async def committed_in(self, execution_id: ExecutionId, table: TableRef) -> CommitResult | None:
        """Return what the table's load of that execution committed, None when it did not.

        Resuming an execution must not load a table twice that had already arrived.
        """
        ...

    async def last_committed(self, task_id: TaskId, table: TableRef) -> TableLoad | None:
        """Return the task's latest committed load of a table, None before the first."""
        ...

    async def mark_abandoned(self, load_id: LoadId) -> None:
        """Close a load as given up. Idempotent; a committed load stays committed."""
        ...


class ExecutionStore(Protocol):
    """Tasks' states and executions, as the engine writes them."""

    async def installation(self) -> str:
        """Return the identity of this metadata store: 32 hex digits, made once."""
        ...

    async def task(self, task_id: TaskId) -> Task:
        """Return a task.

        Raises:
            NotFoundError: no such task.
        """
        ...

    async def connector(self, connector_id: ConnectorId) -> Connector:
        """Return a connector with its secrets.

        Raises:
            NotFoundError: no such connector.
        """
        ...

    async def tasks_desired(self, desired: DesiredState) -> Sequence[TaskId]:
        """Return the tasks whose user wants them in that state."""
        ...

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
        ...

    async def set_tables(self, task_id: TaskId, tables: Sequence[TableRef]) -> Task:
        """Replace the tables of a task whose patterns found others, and return the task."""
        ...

    async def clear_take_over(self, task_id: TaskId) -> None:
        """Set the task's `take_over` back: it is meant for one execution. Idempotent."""
        ...

    async def begin_execution(self, task_id: TaskId, kind: ExecutionType) -> Execution:
        """Return the task's running execution (after a crash or pause) or start a new one."""
        ...

    async def record_tables(
        self, execution_id: ExecutionId, tables: Sequence[TableProgress]
    ) -> None:
        """Store the tables' states. Later states replace earlier ones."""
        ...

    async def tables_of(self, execution_id: ExecutionId) -> Sequence[TableProgress]:
        """Return the tables of an execution as last recorded, in the order they were given."""
        ...

    async def scheduled(self) -> Sequence[Task]:
        """Return the active tasks with a schedule other than manual."""
        ...

    async def record_progress(self, progress: ExecutionProgress) -> None:
        """Store the totals of a running execution."""
        ...

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
        ...

    async def running_execution(self, task_id: TaskId) -> Execution | None:
        """Return the task's execution that has no final state yet, if there is one."""
        ...

    async def last_started(self, task_id: TaskId) -> datetime | None:
        """Return when the task's latest execution began, None before the first.

        The latest is the one made last, also where the clock was set back since.
        """
        ...

    async def last_ended(
        self, task_id: TaskId, statuses: frozenset[ExecutionStatus]
    ) -> Ended | None:
        """Return the end of the task's latest execution with one of these final states."""
        ...
