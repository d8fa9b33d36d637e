"""Schema drift as people see and decide it."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import structlog
from msgspec.structs import replace

from dtaas.concurrency.bus import EventBus
from dtaas.model.drift import (
    COLUMN_COMES,
    IGNORABLE,
    DriftDecision,
    SchemaChange,
    SchemaChangeId,
    SchemaChangeState,
    SchemaDiff,
    SchemaVersion,
    schema_diff,
    values_fit,
    waits,
)
from dtaas.model.errors import (
    ActionNotAllowedError,
    NotFoundError,
    SchemaChangePendingError,
    ValidationFailedError,
)
from dtaas.model.events import SchemaChanged
from dtaas.model.ids import TaskId
from dtaas.model.schema import TableRef
from dtaas.model.store_ports import ExecutionStore
from dtaas.model.task import TaskAction, TaskStatus
from dtaas.services.control import TaskControl
from dtaas.services.ports import TaskRunner
from dtaas.store.page import Page, Window
from dtaas.store.schema_history import SchemaHistories, UndecidedChanges

log = structlog.get_logger()
_NEWEST_FIRST: Final = Window(sort="-id")
_BECOMES: Final = {
    DriftDecision.APPROVE: SchemaChangeState.APPLIED,
    DriftDecision.REJECT: SchemaChangeState.REJECTED,
    DriftDecision.IGNORE: SchemaChangeState.IGNORED,
}


class DriftService:
    """Shows how tables changed, and takes decisions about it."""

    def __init__(
        self,
        *,
        history: SchemaHistories,
        states: ExecutionStore,
        control: TaskControl,
        runner: TaskRunner,
        bus: EventBus,
        now: Callable[[], datetime],
    ) -> None:
        self._history = history
        self._states = states
        self._control = control
        self._runner = runner
        self._bus = bus
        self._now = now

    async def changes(
        self,
        task_id: TaskId,
        *,
        table: str | None = None,
        states: Sequence[SchemaChangeState] = (),
        window: Window = _NEWEST_FIRST,
    ) -> Page[SchemaChange]:
        """Return a page of the changes of a task's tables.

        Args:
            table: of this one only, as `schema.name`.

        Raises:
            NotFoundError: no such task, or it never had such a table.
        """
        wanted = None if table is None else await self._table(task_id, table)
        return await self._history.page(task_id, table=wanted, states=states, window=window)

    async def undecided(self) -> Sequence[UndecidedChanges]:
        """Return the tasks in which changes wait for a decision, by id."""
        return await self._history.undecided()

    async def versions(self, task_id: TaskId, table: str | None) -> Sequence[SchemaVersion]:
        """Return what tables looked like, by table, the oldest first.

        Raises:
            NotFoundError: no such task, or it never had such a table.
        """
        wanted = None if table is None else await self._table(task_id, table)
        return await self._history.versions(task_id, wanted)

    async def diff(self, task_id: TaskId, table: str, older: int, newer: int | None) -> SchemaDiff:
        """Return how two versions of a table differ.

        Args:
            newer: None is the latest.

        Raises:
            NotFoundError: no such task, table or version.
        """
        found = {v.version: v for v in await self.versions(task_id, table)}
        newer = max(found, default=1) if newer is None else newer
        for version in (older, newer):
            if version not in found:
                raise NotFoundError(
                    f"{table} has no version {version}.",
                    hint=f"It has {len(found)}, counted from 1.",
                )
        return schema_diff(found[older].columns, found[newer].columns)

    async def decide(
        self,
        task_id: TaskId,
        change_id: SchemaChangeId,
        decision: DriftDecision,
        *,
        backfill: bool,
        who: str,
    ) -> SchemaChange:
        """Decide about a change because of which a table stands still; it then goes on.

        A column that was ignored can be approved as well: it is copied from then on.

        Args:
            backfill: rows that are there get the values of the new column.

        Raises:
            NotFoundError: the task has no such change.
            ActionNotAllowedError: nothing stands still because of it, or it cannot be approved.
            ValidationFailedError: the task cannot go on without it.
        """
        change = await self._history.change(task_id, change_id)
        if not (decision is DriftDecision.APPROVE and await self._left_out(change)):
            _check(change, decision)
        before = change.state
        change = await self._history.revise(
            replace(
                change,
                state=_BECOMES[decision],
                backfill=change.backfill or (backfill and decision is DriftDecision.APPROVE),
                decided_by=who,
                decided_at=self._now(),
                note="" if decision is DriftDecision.APPROVE else f"Decided: {decision}.",
            )
        )
        self._bus.publish(SchemaChanged(at=self._now(), change=change))
        log.info("schema_change_decided", task_id=task_id, change_id=change_id, decision=decision)
        had_stopped = before is SchemaChangeState.FAILED
        await self._go_on(task_id, freed=had_stopped and decision is not DriftDecision.REJECT)
        return change

    async def _left_out(self, change: SchemaChange) -> bool:
        """Return whether a column is not copied, and can be.

        Raises:
            ActionNotAllowedError: the table does not have it any more.
        """
        ignored = change.state is SchemaChangeState.IGNORED and not change.closed
        if not (ignored and change.kind in COLUMN_COMES):
            return False
        now = await self._history.latest(change.task_id, change.table)
        if now is None or change.column not in {c.name for c in now.columns}:
            raise ActionNotAllowedError(
                f"{change.table} has no column {change.column} any more.",
                hint="Nothing is to be decided about it.",
            )
        return True

    async def _go_on(self, task_id: TaskId, *, freed: bool) -> None:
        """Let a task look at what was decided.

        One that pauses for it goes on after the last decision, and a stream that ended because
        every table of it had stopped begins again.

        Args:
            freed: the table had stopped, and need not any more.
        """
        held = await self._history.held(task_id)
        task = await self._states.task(task_id)
        pauses = task.status in {TaskStatus.PAUSING, TaskStatus.PAUSED}
        if pauses and task.last_error_code == SchemaChangePendingError.code and not waits(held):
            await self._control.act(task_id, TaskAction.RESUME)
        elif freed and task.status is TaskStatus.FAILED and task.spec.mode.streams:
            await self._control.act(task_id, TaskAction.START)
        else:
            await self._runner.wake(task_id)

    async def _table(self, task_id: TaskId, name: str) -> TableRef:
        """Return a table that the task has, or had when something of it was recorded."""
        task = await self._states.task(task_id)
        known = {str(t): t for t in task.spec.source_tables}
        if name not in known:
            known |= {str(v.table): v.table for v in await self._history.versions(task_id, None)}
        if name not in known:
            raise NotFoundError(
                f"Task {task.spec.name!r} has no table {name}.", hint="Write it as schema.name."
            )
        return known[name]


def _check(change: SchemaChange, decision: DriftDecision) -> None:
    if not change.state.holds:
        raise ActionNotAllowedError(
            f"Schema change {change.id} of {change.table} is {change.state}: nothing waits for a"
            " decision about it.",
            hint="An ignored column can be approved, unless the table was loaded anew since.",
        )
    if decision is DriftDecision.APPROVE and not change.possible:
        raise ActionNotAllowedError(
            f"Schema change {change.id} cannot be followed: {change.note}",
            hint=f"Load {change.table} anew: start the task with force and this table.",
        )
    going = change.kind in IGNORABLE or values_fit(change)
    if decision is DriftDecision.IGNORE and not going:
        raise ValidationFailedError(
            f"A task cannot go on without a {change.kind} of {change.table}.",
            hint="Approve it, or load the table anew.",
            field="$.decision",
        )
