"""One action on many tasks, by their ids; one that refuses does not keep the others from it."""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from dtaas.model.errors import DtaasError, ValidationFailedError
from dtaas.model.ids import TaskId
from dtaas.model.task import MOST_TAGS, TaskAction
from dtaas.services.control import TaskControl
from dtaas.services.revision import revision_of
from dtaas.services.tasks import TaskService


class BulkAction(StrEnum):
    """What can be done to many tasks at once."""

    START = "start"
    STOP = "stop"
    PAUSE = "pause"
    RESUME = "resume"
    DELETE = "delete"
    TAG = "tag"
    UNTAG = "untag"


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

    async def act(
        self, action: BulkAction, ids: Sequence[TaskId], tags: Sequence[str] = ()
    ) -> Sequence[BulkResult]:
        """Return a result for each id; an id named twice is done once.

        Args:
            tags: to add or to take away.
        """
        return [await self._one(action, task_id, tags) for task_id in dict.fromkeys(ids)]

    async def _one(self, action: BulkAction, task_id: TaskId, tags: Sequence[str]) -> BulkResult:
        try:
            match action:
                case BulkAction.DELETE:
                    await self._tasks.delete(task_id)
                case BulkAction.TAG | BulkAction.UNTAG:
                    await self._tag(task_id, tags, add=action is BulkAction.TAG)
                case _:
                    await self._control.act(task_id, TaskAction(action))
        except DtaasError as error:
            return BulkResult(
                id=task_id, ok=False, code=error.code, detail=error.detail, hint=error.hint
            )
        return BulkResult(id=task_id, ok=True)

    async def _tag(self, task_id: TaskId, tags: Sequence[str], *, add: bool) -> None:
        task = await self._tasks.get(task_id)
        kept = tuple(tag for tag in task.spec.tags if add or tag not in tags)
        changed = dict.fromkeys([*kept, *(tags if add else ())])
        if len(changed) > MOST_TAGS:
            raise ValidationFailedError(
                f"Task {task.spec.name!r} would have {len(changed)} tags.",
                hint=f"A task has {MOST_TAGS} at most.",
                field="$.tags",
            )
        spec = replace(task.spec, tags=tuple(changed))
        await self._tasks.update(task_id, spec, revision=revision_of(task.spec))
