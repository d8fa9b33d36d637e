"""The port of the history of schemas: what the engine remembers of tables and how they changed."""

from collections.abc import Sequence
from typing import Protocol

from dtaas.model.drift import SchemaChange, SchemaVersion
from dtaas.model.ids import TaskId
from dtaas.model.schema import TableRef, TableSchema


class SchemaHistory(Protocol):
    """Versions of the tables of tasks, and the changes between them."""

    async def latest(self, task_id: TaskId, table: TableRef) -> SchemaVersion | None:
        """Return the version recorded last, None before the first."""
        ...

    async def record(
        self,
        task_id: TaskId,
        schema: TableSchema,
        position: str | None,
        changes: Sequence[SchemaChange],
    ) -> Sequence[SchemaChange]:
        """Store what a table looks like now and how it came to that, at once. Durable on return.

        Executions named by the changes count them.

        Returns:
            The changes with their ids.
        """
        ...

    async def changes_of(self, task_id: TaskId, table: TableRef) -> Sequence[SchemaChange]:
        """Return all changes of a table, the oldest first."""
        ...

    async def held(self, task_id: TaskId) -> Sequence[SchemaChange]:
        """Return the changes because of which tables of a task stand still, the oldest first."""
        ...

    async def revise(self, change: SchemaChange) -> SchemaChange:
        """Store what became of a change; what was detected stays as it is.

        Raises:
            NotFoundError: no such change.
        """
        ...
