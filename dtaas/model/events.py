"""What the engine tells the world: published on the bus, sent to `/ws`, never blocking a task."""

from datetime import datetime

from msgspec import Struct

from dtaas.model.drift import SchemaChange
from dtaas.model.execution import Execution, ExecutionProgress
from dtaas.model.ids import ConnectorId, TaskId
from dtaas.model.task import Task


class _Event(Struct, frozen=True, kw_only=True, tag_field="kind"):
    """Base of the union; `kind` is the tag in JSON."""

    at: datetime


class TaskChanged(_Event, frozen=True, kw_only=True, tag="task_changed"):
    """A task was created, edited or changed its state. Sent at once."""

    task: Task


class TaskRemoved(_Event, frozen=True, kw_only=True, tag="task_removed"):
    """A task was deleted."""

    task_id: TaskId


class ExecutionChanged(_Event, frozen=True, kw_only=True, tag="execution_changed"):
    """An execution began or reached a final state. Sent at once."""

    execution: Execution


class ProgressMade(_Event, frozen=True, kw_only=True, tag="progress"):
    """Figures of a running execution. Coalesced to four a second for each client."""

    progress: ExecutionProgress


class ConnectorChanged(_Event, frozen=True, kw_only=True, tag="connector_changed"):
    """A connector was created, edited, tested or deleted."""

    connector_id: ConnectorId
    removed: bool = False


class SchemaChanged(_Event, frozen=True, kw_only=True, tag="schema_changed"):
    """A change of a table's columns was noticed, or something became of it. Sent at once."""

    change: SchemaChange


Event = (
    TaskChanged | TaskRemoved | ExecutionChanged | ProgressMade | ConnectorChanged | SchemaChanged
)
