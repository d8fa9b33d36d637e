"""One action on many tasks, by their ids; one that refuses does not keep the others from it."""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from dtaas.model.errors import DtaasError
from dtaas.model.ids import TaskId
from dtaas.model.task import TaskAction
from dtaas.services.control import TaskControl
from dtaas.services.tasks import TaskService


class BulkAction(StrEnum):
    """What can be done to many tasks at once."""

    START = "start"
    STOP = "stop"
    PAUSE = "pause"
    RESUME = "resume"
    DELETE = "delete"


class BulkResult(Struct, frozen=True, kw_only=True):
    """What became of one task. `code`, `detail` and `hint` say why when it is not `ok`."""

    id: TaskId
    ok: bool
    code: str | None = None
    detail: str = ""
    hint: str = ""


class BulkService:
    """Does it to one after the other, in the order they were named."""

    def __init__(self, tasks: TaskService, control: TaskControl) -> None:
        self._tasks = tasks
        self._control = control

    async def act(self, action: BulkAction, ids: Sequence[TaskId]) -> Sequence[BulkResult]:
        """Return a result for each id; an id named twice is done once."""
        return [await self._one(action, task_id) for task_id in dict.fromkeys(ids)]

    async def _one(self, action: BulkAction, task_id: TaskId) -> BulkResult:
        try:
            if action is BulkAction.DELETE:
                await self._tasks.delete(task_id)
            else:
                await self._control.act(task_id, TaskAction(action))
        except DtaasError as error:
            return BulkResult(
                id=task_id, ok=False, code=error.code, detail=error.detail, hint=error.hint
            )
        return BulkResult(id=task_id, ok=True)
