"""`/api/tasks/{id}/dead-letters/`: rows that transformations rejected."""

from typing import Annotated

from litestar import Controller, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from dtaas.api.paging import DEFAULT, Limit, Offset
from dtaas.api.path_ids import task_id_of
from dtaas.model.identity import Role
from dtaas.services.dead_letter_edits import DeadLetterEdits, EditedRows, EditRequest
from dtaas.services.dead_letter_replay import DeadLetterReplay, ReplayedFile
from dtaas.services.dead_letters import DeadLetterFile, DeadLetterRows, DeadLetterService
from dtaas.store.page import Window


class DeadLetterList(Struct, frozen=True, kw_only=True):
    """A page of files of rejected rows."""

    items: tuple[DeadLetterFile, ...]
    total: int
    limit: int
    offset: int


class ReplayRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which files, as the list names them."""

    files: Annotated[tuple[str, ...], Meta(min_length=1, max_length=1000)]


class ReplayList(Struct, frozen=True, kw_only=True):
    """What became of each file."""

    items: tuple[ReplayedFile, ...]


class DeadLetterController(Controller):
    """Rows that did not arrive, and why."""

    path = "/api/tasks"
    tags = ("Dead letters",)

    @get("/{task_id:int}/dead-letters", summary="List rejected rows")
    async def list_all(
        self,
        dead_letters: NamedDependency[DeadLetterService],
        task_id: FromPath[int],
        limit: Limit = DEFAULT,
        offset: Offset = 0,
    ) -> DeadLetterList:
        """Files of rejected rows, one for each chunk or window, the newest execution first."""
        page = await dead_letters.list(task_id_of(task_id), Window(limit=limit, offset=offset))
        return DeadLetterList(
            items=page.items, total=page.total, limit=page.limit, offset=page.offset
        )

    @get(
        "/{task_id:int}/dead-letters/{file:str}",
        summary="Read rejected rows",
        least_role=Role.OPERATOR,
    )
    async def rows(
        self,
        dead_letters: NamedDependency[DeadLetterService],
        task_id: FromPath[int],
        file: FromPath[str],
        limit: Limit = DEFAULT,
        offset: Offset = 0,
    ) -> DeadLetterRows:
        """The rows as the source has them, so also what the task hides; for operators."""
        window = Window(limit=limit, offset=offset)
        return await dead_letters.rows(task_id_of(task_id), file, window)

    @post(
        "/{task_id:int}/dead-letters/replay",
        summary="Send rejected rows again",
        status_code=200,
        audit_body=True,
    )
    async def replay(
        self,
        dead_letter_replay: NamedDependency[DeadLetterReplay],
        task_id: FromPath[int],
        data: JSONBody[ReplayRequest],
    ) -> ReplayList:
        """Run the rows through the steps the task has now.

        Rows of a full load that pass are appended at the target and leave their file; the task
        must be at rest. Rows of a stream that pass are read again at the source and written with
        its next changes; their file stays until it is thrown away.
        """
        items = await dead_letter_replay.replay(task_id_of(task_id), data.files)
        return ReplayList(items=items)

    @patch("/{task_id:int}/dead-letters/{file:str}", summary="Edit rejected rows", audit_body=True)
    async def edit(
        self,
        dead_letter_edits: NamedDependency[DeadLetterEdits],
        task_id: FromPath[int],
        file: FromPath[str],
        data: JSONBody[EditRequest],
    ) -> EditedRows:
        """Change values of rows that a full load rejected, to send them again afterwards.

        Each value must fit its column exactly, as those that are read do; `values` of the answer
        names every one that does not, and then nothing is changed. The task must be at rest.
        Returns what its steps say of the edited rows now.
        """
        return await dead_letter_edits.edit(task_id_of(task_id), file, data)

    @delete("/{task_id:int}/dead-letters/{file:str}", summary="Throw rejected rows away")
    async def discard(
        self,
        dead_letters: NamedDependency[DeadLetterService],
        task_id: FromPath[int],
        file: FromPath[str],
    ) -> None:
        """They are gone for good."""
        await dead_letters.discard(task_id_of(task_id), file)
