"""`POST /api/tasks/bulk`."""

from typing import Annotated

from litestar import Controller, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta, Struct

from dtaas.model.ids import TaskId
from dtaas.model.task import MOST_TAGS, Tag
from dtaas.services.bulk import BulkAction, BulkResult, BulkService


class BulkRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One action and the tasks it is for. `tags` are for `tag` and `untag`."""

    action: BulkAction
    ids: Annotated[tuple[TaskId, ...], Meta(min_length=1, max_length=1000)]
    tags: Annotated[tuple[Tag, ...], Meta(max_length=MOST_TAGS)] = ()


class BulkResults(Struct, frozen=True, kw_only=True):
    """What became of each task, in the order of the request."""

    results: tuple[BulkResult, ...]


class BulkController(Controller):
    """Many tasks at once."""

    path = "/api/tasks"
    tags = ("Tasks",)

    @post("/bulk", summary="Start, stop, pause, resume, tag or delete many tasks", status_code=200)
    async def act(
        self, bulk: NamedDependency[BulkService], data: JSONBody[BulkRequest]
    ) -> BulkResults:
        """By explicit ids; a task that refuses says why and does not keep the others from it."""
        return BulkResults(results=tuple(await bulk.act(data.action, data.ids, data.tags)))
