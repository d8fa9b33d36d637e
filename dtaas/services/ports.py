"""What the services need of the engine."""

from collections.abc import Sequence
from typing import Protocol

from dtaas.model.execution import ExecutionProgress
from dtaas.model.ids import TaskId
from dtaas.model.schema import TableRef


class TaskRunner(Protocol):
    """Runs tasks. What is wanted of a task stands in the store; these only make it look."""

    async def wake(
        self, task_id: TaskId, *, tables: Sequence[TableRef] = (), force: bool = False
    ) -> None:
        """Look at what the user wants of a task and make it so.

        Args:
            tables: load only these, all of the task's when empty.
            force: a start forgets what an earlier execution left unfinished.
        """
        ...

    async def stop_now(self, task_id: TaskId) -> None:
        """End a task's work without draining; returns when it has ended."""
        ...

    def repair(self, task_id: TaskId, table: TableRef, keys: Sequence[tuple[str, ...]]) -> bool:
        """Write some rows of a table that streams anew, soon. Returns whether it streams here.

        Args:
            keys: exact texts of the values of the table's key.
        """
        ...

    async def skip(self, task_id: TaskId, table: TableRef) -> bool:
        """Leave a table out of the running execution; what it has is kept.

        Returns whether it was under way here.
        """
        ...

    async def retry(self, task_id: TaskId, table: TableRef) -> bool:
        """Let a table that failed or was left out go on in the running execution.

        Returns whether it does.
        """
        ...

    def progress(self, task_id: TaskId) -> ExecutionProgress | None:
        """Return the live figures of a task, None when it does not run."""
        ...

    def running(self) -> Sequence[ExecutionProgress]:
        """Return the live figures of every running task."""
        ...
