"""What one life of a task is told, what it works on, and how it ended."""

from msgspec import Struct

from dtaas.engine.shaping.task import TaskShaping
from dtaas.model.change_ports import ChangeSource
from dtaas.model.changes import Capture
from dtaas.model.errors import DtaasError
from dtaas.model.execution import Execution, ExecutionProgress, ExecutionStatus, TableProgress
from dtaas.model.load import Owner
from dtaas.model.ports import Destination, Source
from dtaas.model.schema import TableRef
from dtaas.model.task import Task


class Orders(Struct, frozen=True, kw_only=True):
    """What a start asked for besides running.

    Attributes:
        tables: only these, all when empty; asks for a new execution's tables, not a resumed one's.
        restart: forget what an earlier execution left unfinished.
        epoch: of the daemon as owner of the task; see `Owner`.
    """

    tables: tuple[TableRef, ...] = ()
    restart: bool = False
    epoch: int = 0


class Ended(Struct, frozen=True, kw_only=True):
    """How a life ended. `status` is None when work is left for a later life."""

    status: ExecutionStatus | None
    progress: ExecutionProgress | None = None
    error: DtaasError | None = None


class Job(Struct, frozen=True):
    """What one execution works on. `source` looks whether tables changed, `rows` does not."""

    task: Task
    execution: Execution
    tables: tuple[TableProgress, ...]
    owner: Owner
    source: Source
    destination: Destination
    shaping: TaskShaping
    rows: Source


class Following(Struct, frozen=True):
    """What reads the changes of an execution, plainly, and which way it does."""

    changes: ChangeSource
    capture: Capture
