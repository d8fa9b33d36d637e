"""Steering single tables of an execution that runs: left out of it, and let go on."""

from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Final

import structlog
from anyio import Lock
from msgspec import Struct

from dtaas.model.errors import ActionNotAllowedError, ValidationFailedError
from dtaas.model.execution import TablePhase
from dtaas.model.ids import TaskId
from dtaas.model.schema import TableRef
from dtaas.model.store_ports import ExecutionStore
from dtaas.model.task import Task
from dtaas.services.ports import TaskRunner

log = structlog.get_logger()


class TableAction(StrEnum):
    """What to do with a table of a running execution.

    Attributes:
        SKIP: leave it out of this execution; what it has is kept.
        RETRY: let one that failed or was left out go on where it stands: a load with the chunks
            that are missing, a stream with its position.
    """

    SKIP = "skip"
    RETRY = "retry"


class SteeredTable(Struct, frozen=True, kw_only=True):
    """A table and where it stands now; one that is being left out may take a moment."""

    table: TableRef
    phase: TablePhase


class SteeredTables(Struct, frozen=True, kw_only=True):
    """Where the tables stand now."""

    items: tuple[SteeredTable, ...]


_FITS: Final = {
    TableAction.SKIP: frozenset(
        {
            TablePhase.WAITING,
            TablePhase.PLANNING,
            TablePhase.LOADING,
            TablePhase.STREAMING,
            TablePhase.RETRYING,
            TablePhase.FAILED,
        }
    ),
    TableAction.RETRY: frozenset({TablePhase.FAILED, TablePhase.SKIPPED}),
}
_WORDS: Final = {TableAction.SKIP: "left out", TableAction.RETRY: "tried again"}
_DOING: Final = frozenset(TablePhase) - {
    TablePhase.FAILED,
    TablePhase.STOPPED,
    TablePhase.SKIPPED,
}


class TableSteering:
    """Tells the engine. Takes the lock of `TaskControl`: a task does not end meanwhile by order."""

    def __init__(
        self,
        *,
        states: ExecutionStore,
        runner: TaskRunner,
        changing: Lock,
        host_of: Callable[[TaskId], Awaitable[str | None]] | None = None,
    ) -> None:
        """Make it.

        Args:
            host_of: say which daemon among several has a task, as `host:process`; None alone.
        """
        self._states = states
        self._runner = runner
        self._changing = changing
        self._host_of = host_of

    async def act(
        self, task_id: TaskId, action: TableAction, tables: Sequence[TableRef]
    ) -> tuple[SteeredTable, ...]:
        """Steer tables; all of them are looked at before the first is touched.

        Raises:
            NotFoundError: no such task.
            ValidationFailedError: the task has no such table.
            ActionNotAllowedError: the task does not run here, or a table is not where the action
                makes sense, or would leave nothing to run.
        """
        async with self._changing:
            task = await self._states.task(task_id)
            if self._runner.progress(task_id) is None:
                raise await self._not_here(task)
            phases = self._phases(task)
            wanted = dict.fromkeys(tables)
            for index, table in enumerate(wanted):
                if table not in phases:
                    raise ValidationFailedError(
                        f"The execution of task {task.spec.name!r} has no table {table}.",
                        field=f"$.tables[{index}]",
                    )
                if phases[table] not in _FITS[action]:
                    raise _not_now(action, table, phases[table])
            doing = {table for table, phase in phases.items() if phase in _DOING}
            if action is TableAction.SKIP and not doing - set(wanted):
                raise ActionNotAllowedError(
                    "Nothing of the execution would be left.", hint="Pause or stop the task."
                )
            for table in wanted:
                await self._steer(task, action, table)
        now = self._phases(task)
        return tuple(SteeredTable(table=t, phase=now.get(t, phases[t])) for t in wanted)

    def _phases(self, task: Task) -> dict[TableRef, TablePhase]:
        progress = self._runner.progress(task.id)
        return {one.table: one.phase for one in progress.tables} if progress else {}

    async def _not_here(self, task: Task) -> ActionNotAllowedError:
        host = await self._host_of(task.id) if self._host_of else None
        if host is not None:
            return ActionNotAllowedError(
                f"Task {task.spec.name!r} is {task.status} on {host}, not here.",
                hint="Ask the daemon there: single tables are steered where their task runs.",
            )
        return ActionNotAllowedError(
            f"Task {task.spec.name!r} is {task.status}; no execution of it runs here.",
            hint="Start the task: its tables take part again, or only those that are named.",
        )

    async def _steer(self, task: Task, action: TableAction, table: TableRef) -> None:
        tell = self._runner.skip if action is TableAction.SKIP else self._runner.retry
        if not await tell(task.id, table):
            raise _not_now(action, table, self._phases(task).get(table, TablePhase.STOPPED))
        log.info("table_steered", task_id=task.id, table=str(table), action=action)


def _not_now(action: TableAction, table: TableRef, phase: TablePhase) -> ActionNotAllowedError:
    return ActionNotAllowedError(
        f"Table {table} is {phase} and cannot be {_WORDS[action]} now.",
        hint="Wait a moment."
        if phase in {TablePhase.COMMITTING, TablePhase.LOADING}
        else "Tables that fail or were left out can be tried again, those at work left out.",
    )
