"""Connectors and tasks as the text of a file."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from dtaas.concurrency.blocking import Blocking
from dtaas.model.errors import NotFoundError
from dtaas.model.ids import ConnectorId, TaskId
from dtaas.services.taskfiles.documents import CONNECTOR, TASK
from dtaas.services.taskfiles.stock import Stock, read_stock
from dtaas.services.taskfiles.yaml_text import write_yaml
from dtaas.store.connectors import ConnectorRepository
from dtaas.store.tasks import TaskRepository

_SHOWN: Final = 10


class Exported(Struct, frozen=True, kw_only=True):
    """A file. `revision` changes whenever something in it does."""

    text: str
    revision: str


class ExportService:
    """Writes files. Secrets are references in them."""

    def __init__(self, connectors: ConnectorRepository, tasks: TaskRepository) -> None:
        self._connectors = connectors
        self._tasks = tasks
        self._blocking = Blocking(1)

    async def tasks(self, ids: Sequence[TaskId], *, with_connectors: bool = False) -> Exported:
        """Return tasks, all when none is named, in the order they are named or of their names.

        Args:
            with_connectors: put the connectors they use before them.

        Raises:
            NotFoundError: names every task that does not exist.
        """
        stock = await read_stock(self._connectors, self._tasks)
        by_id = {task.id: task for task in stock.tasks.values()}
        _refuse_missing("task", [one for one in ids if one not in by_id])
        chosen = (
            [by_id[one] for one in dict.fromkeys(ids)]
            if ids
            else sorted(by_id.values(), key=lambda task: task.spec.name)
        )
        named = [(TASK, task.spec.name) for task in chosen]
        if with_connectors:
            names = stock.names().connectors
            used = {task.spec.source_connector_id for task in chosen} | {
                task.spec.destination_connector_id for task in chosen
            }
            named = [(CONNECTOR, name) for name in sorted(names[one] for one in used)] + named
        return await self._blocking(_export, stock, named)

    async def connectors(self, ids: Sequence[ConnectorId]) -> Exported:
        """Return connectors; see `tasks`."""
        stock = await read_stock(self._connectors, self._tasks)
        names = stock.names().connectors
        _refuse_missing("connector", [one for one in ids if one not in names])
        chosen = [names[one] for one in dict.fromkeys(ids)] if ids else sorted(names.values())
        return await self._blocking(_export, stock, [(CONNECTOR, name) for name in chosen])


def _export(stock: Stock, named: Sequence[tuple[str, str]]) -> Exported:
    text = write_yaml([stock.document(kind, name) for kind, name in named])
    return Exported(text=text, revision=stock.revision(named))


def _refuse_missing(what: str, missing: Sequence[int]) -> None:
    if missing:
        shown = ", ".join(map(str, missing[:_SHOWN]))
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise NotFoundError(f"There is no {what} {shown}{more}.", hint=f"List the {what}s.")
