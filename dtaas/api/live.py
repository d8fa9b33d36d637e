"""Live topics: a picture of something, and the changes that keep a copy of it true.

Applying the deltas of a topic, in order, to its last snapshot gives the present picture. State
changes are due at once, figures when the client may have more of them.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final, Protocol

from msgspec import UNSET, Struct, UnsetType

from dtaas.api.views import TaskBrief, TaskView, task_brief, task_view
from dtaas.model.drift import SchemaChange
from dtaas.model.events import (
    ConnectorChanged,
    Event,
    ExecutionChanged,
    ProgressMade,
    SchemaChanged,
    TaskChanged,
    TaskRemoved,
)
from dtaas.model.execution import (
    Execution,
    ExecutionProgress,
    ExecutionStatus,
    TableProgress,
)
from dtaas.model.ids import ExecutionId, TaskId
from dtaas.model.schema import TableRef
from dtaas.model.task import ACTIVE_STATUSES, Task
from dtaas.services.dashboard import DashboardMetrics


class MessageType(StrEnum):
    """What a message of the server is."""

    SNAPSHOT = "snapshot"
    DELTA = "delta"
    EVENT = "event"
    ERROR = "error"
    PONG = "pong"


class Totals(Struct, frozen=True, kw_only=True):
    """Live figures of a task's execution over all its tables; see `ExecutionProgress`.

    Attributes:
        lag_s: seconds the table that is behind most is behind, null while none streams.
        retention_margin_h: hours until the source forgets the first change that is needed.
        warning: what will go wrong in one of the tables if nobody does anything.
    """

    task_id: TaskId
    execution_id: ExecutionId
    status: ExecutionStatus
    rows_done: int
    rows_total: int | None
    bytes: int
    written_bytes: int
    rows_s: float
    mb_s: float
    eta_s: float | None
    percent: float
    elapsed_s: float
    cdc_lsn_start: str | None
    cdc_lsn_end: str | None
    cdc_lsn_head: str | None
    lag_s: float | None
    retention_margin_h: float | None
    warning: str | None


_SAME: Final = tuple(
    f for f in Totals.__struct_fields__ if f in ExecutionProgress.__struct_fields__
)


class LiveTask(Struct, frozen=True, kw_only=True):
    """A task and its figures, null while it does not work."""

    task: TaskBrief
    progress: Totals | None


class TasksSnapshot(Struct, frozen=True, kw_only=True):
    """All tasks, by id."""

    tasks: tuple[LiveTask, ...]


class TasksDelta(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tasks that are new or changed, ids that are gone (known or not), new figures of others."""

    changed: tuple[LiveTask, ...] = ()
    removed: tuple[TaskId, ...] = ()
    progress: tuple[Totals, ...] = ()


class ExecutionEvent(Struct, frozen=True, kw_only=True):
    """An execution began or ended."""

    execution: Execution


class SchemaChangeEvent(Struct, frozen=True, kw_only=True):
    """The columns of a source table changed, or something became of such a change."""

    schema_change: SchemaChange


class TaskSnapshot(Struct, frozen=True, kw_only=True):
    """A task, its latest execution and that one's tables."""

    task: TaskView
    execution: Execution | None
    progress: Totals | None
    tables: tuple[TableProgress, ...]


class TaskDelta(Struct, frozen=True, kw_only=True):
    """What changed; tables by their name. `removed`: the task is gone."""

    task: TaskView | UnsetType = UNSET
    progress: Totals | UnsetType | None = UNSET
    tables: tuple[TableProgress, ...] | UnsetType = UNSET
    removed: bool | UnsetType = UNSET


Data = (
    TasksSnapshot
    | TasksDelta
    | ExecutionEvent
    | SchemaChangeEvent
    | TaskSnapshot
    | TaskDelta
    | DashboardMetrics
)


class Due(Struct, frozen=True):
    """Something to send."""

    type: MessageType
    data: Data


class Topic(Protocol):
    """One client's copy of a picture.

    Attributes:
        stale: deltas cannot keep the picture true any more: read it anew.
    """

    stale: bool

    def apply(self, event: Event) -> None:
        """Take an event into the picture."""
        ...

    def at_once(self) -> Sequence[Due]:
        """Return the state changes that were not sent yet, and forget them."""
        ...

    def has_figures(self) -> bool:
        """Return whether figures wait to be sent."""
        ...

    def figures(self) -> Sequence[Due]:
        """Return the figures that were not sent yet, and forget them."""
        ...


class TasksTopic:
    """All tasks with their totals."""

    def __init__(self, tasks: Iterable[Task], running: Iterable[ExecutionProgress]) -> None:
        progress = {p.task_id: totals(p) for p in running}
        self._tasks = {
            t.id: LiveTask(task=task_brief(t), progress=progress.get(t.id)) for t in tasks
        }
        self._changed: dict[TaskId, None] = {}
        self._removed: dict[TaskId, None] = {}
        self._moved: dict[TaskId, None] = {}
        self._executions: list[Execution] = []
        self._schema_changes: list[SchemaChange] = []
        self.stale = False

    def snapshot(self) -> TasksSnapshot:
        """Return the whole picture."""
        return TasksSnapshot(tasks=tuple(self._tasks[i] for i in sorted(self._tasks)))

    def apply(self, event: Event) -> None:
        """Take an event into the picture."""
        match event:
            case TaskChanged(task=task):
                known = self._tasks.get(task.id)
                working = task.status in ACTIVE_STATUSES
                self._set(task_brief(task), known.progress if known and working else None)
            case TaskRemoved(task_id=task_id):
                self._remove(task_id)
            case ExecutionChanged(execution=execution):
                self._executions.append(execution)
                known = self._tasks.get(execution.task_id)
                if known is not None and execution.status is not ExecutionStatus.RUNNING:
                    self._set(known.task, None)
            case ProgressMade(progress=progress):
                known = self._tasks.get(progress.task_id)
                if known is not None:
                    live = LiveTask(task=known.task, progress=totals(progress))
                    self._tasks[progress.task_id] = live
                    self._moved[progress.task_id] = None
            case SchemaChanged(change=change):
                self._schema_changes.append(change)
            case ConnectorChanged():
                return  # no part of the picture

    def at_once(self) -> Sequence[Due]:
        """Return the state changes that were not sent yet, and forget them."""
        due: list[Due] = []
        if self._changed or self._removed:
            changed = tuple(self._tasks[i] for i in self._changed)
            delta = TasksDelta(changed=changed, removed=tuple(self._removed))
            due.append(Due(MessageType.DELTA, delta))
            for task_id in self._changed:  # its figures went along
                self._moved.pop(task_id, None)
        due += [Due(MessageType.EVENT, ExecutionEvent(execution=e)) for e in self._executions]
        due += [
            Due(MessageType.EVENT, SchemaChangeEvent(schema_change=c)) for c in self._schema_changes
        ]
        self._schema_changes.clear()
        self._changed.clear()
        self._removed.clear()
        self._executions.clear()
        return due

    def has_figures(self) -> bool:
        """Return whether figures wait to be sent."""
        return bool(self._moved)

    def figures(self) -> Sequence[Due]:
        """Return the figures that were not sent yet, and forget them."""
        # Those of a changed task go along with it, for the client may not know it yet.
        moving = (task_id for task_id in self._moved if task_id not in self._changed)
        found = (self._tasks[task_id].progress for task_id in moving)
        moved = tuple(progress for progress in found if progress is not None)
        self._moved.clear()
        return [Due(MessageType.DELTA, TasksDelta(progress=moved))] if moved else []

    def _set(self, task: TaskBrief, progress: Totals | None) -> None:
        self._tasks[task.id] = LiveTask(task=task, progress=progress)
        self._changed[task.id] = None
        self._removed.pop(task.id, None)

    def _remove(self, task_id: TaskId) -> None:
        if self._tasks.pop(task_id, None) is not None:
            self._changed.pop(task_id, None)
            self._moved.pop(task_id, None)
            self._removed[task_id] = None


class TaskTopic:
    """One task, its latest execution and that one's tables."""

    def __init__(
        self,
        task: Task,
        execution: Execution | None,
        progress: ExecutionProgress | None,
        tables: Iterable[TableProgress],
    ) -> None:
        self._id = task.id
        self._task = task_view(task)
        self._execution = execution
        self._progress = totals(progress) if progress is not None else None
        self._tables = {t.table: t for t in tables}
        self._task_changed = False
        self._schema_changes: list[SchemaChange] = []
        self._removed = False
        self._progress_moved = False
        self._tables_moved: dict[TableRef, None] = {}
        self.stale = False

    def snapshot(self) -> TaskSnapshot:
        """Return the whole picture."""
        return TaskSnapshot(
            task=self._task,
            execution=self._execution,
            progress=self._progress,
            tables=tuple(self._tables.values()),
        )

    def apply(self, event: Event) -> None:
        """Take an event into the picture."""
        match event:
            case TaskChanged(task=task) if task.id == self._id:
                self._task = task_view(task)
                self._task_changed = True
                if task.status not in ACTIVE_STATUSES:
                    self._progress = None
            case TaskRemoved(task_id=task_id) if task_id == self._id:
                self._removed = True
                self.stale = False
            case ExecutionChanged(execution=execution) if execution.task_id == self._id:
                self.stale = True  # its tables' last word is in the store
            case ProgressMade(progress=progress) if progress.task_id == self._id:
                self._take(progress)
            case SchemaChanged(change=change) if change.task_id == self._id:
                self._schema_changes.append(change)
            case _:
                return

    def at_once(self) -> Sequence[Due]:
        """Return the state changes that were not sent yet, and forget them."""
        due = [
            Due(MessageType.EVENT, SchemaChangeEvent(schema_change=c)) for c in self._schema_changes
        ]
        self._schema_changes.clear()
        if not (self._task_changed or self._removed):
            return due
        delta = TaskDelta(
            task=self._task if self._task_changed else UNSET,
            progress=self._progress if self._task_changed else UNSET,
            removed=True if self._removed else UNSET,
        )
        if self._task_changed:
            self._progress_moved = False
        self._task_changed = self._removed = False
        return [Due(MessageType.DELTA, delta), *due]

    def has_figures(self) -> bool:
        """Return whether figures wait to be sent."""
        return self._progress_moved or bool(self._tables_moved)

    def figures(self) -> Sequence[Due]:
        """Return the figures that were not sent yet, and forget them."""
        if not self.has_figures():
            return []
        moved = tuple(self._tables[table] for table in self._tables_moved)
        delta = TaskDelta(progress=self._progress, tables=moved or UNSET)
        self._progress_moved = False
        self._tables_moved.clear()
        return [Due(MessageType.DELTA, delta)]

    def _take(self, progress: ExecutionProgress) -> None:
        if self._execution is None or self._execution.id != progress.execution_id:
            self.stale = True  # another execution: other tables
            return
        self._progress = totals(progress)
        self._progress_moved = True
        for table in progress.tables:
            if self._tables.get(table.table) != table:
                self._tables[table.table] = table
                self._tables_moved[table.table] = None


class DashboardTopic:
    """The figures of the first page, always sent whole."""

    def __init__(self, metrics: DashboardMetrics) -> None:
        self._metrics = metrics
        self.stale = False

    def snapshot(self) -> DashboardMetrics:
        """Return the whole picture."""
        return self._metrics

    def apply(self, event: Event) -> None:
        """Know that something happened."""
        del event
        self.stale = True

    def at_once(self) -> Sequence[Due]:
        """Return nothing: figures are read anew."""
        return []

    def has_figures(self) -> bool:
        """Return False: figures are read anew."""
        return False

    def figures(self) -> Sequence[Due]:
        """Return nothing: figures are read anew."""
        return []


def totals(progress: ExecutionProgress) -> Totals:
    """Return the figures of an execution without its tables."""
    tables = progress.tables
    lags = [t.lag_s for t in tables if t.lag_s is not None]
    margins = [t.retention_margin_h for t in tables if t.retention_margin_h is not None]
    return Totals(
        **{name: getattr(progress, name) for name in _SAME},
        lag_s=max(lags, default=None),
        retention_margin_h=min(margins, default=None),
        warning=next((f"{t.table}: {t.warning}" for t in tables if t.warning), None),
    )
