"""All connectors and tasks there are, by name: what a file is compared with and made of."""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct

from dtaas.model.connectors import Connector, redacted
from dtaas.model.task import Task
from dtaas.services.every_task import every_task
from dtaas.services.revision import revision_of
from dtaas.services.taskfiles.documents import (
    CONNECTOR,
    TASK,
    Names,
    connector_document,
    task_document,
)
from dtaas.store.connectors import ALL_CONNECTORS, ConnectorRepository
from dtaas.store.page import MAX_LIMIT, Window
from dtaas.store.tasks import ALL_TASKS, TaskRepository


class Stock(Struct, frozen=True):
    """What is stored, by name."""

    connectors: Mapping[str, Connector]
    tasks: Mapping[str, Task]

    def names(self) -> Names:
        """Return what everything is called, by id."""
        return Names(
            connectors={one.id: name for name, one in self.connectors.items()},
            tasks={one.id: name for name, one in self.tasks.items()},
        )

    def document(self, kind: str, name: str) -> dict[str, Any]:
        """Return one of them as a document.

        Raises:
            KeyError: there is none of that name.
        """
        if kind == CONNECTOR:
            return connector_document(self.connectors[name])
        return task_document(self.tasks[name].spec, self.names())

    def revision(self, named: Iterable[tuple[str, str]]) -> str:
        """Return a text that changes whenever one of the named does.

        That of a single task is the task's own, so that its ETag is good for a file, too.
        """
        wanted = sorted(set(named))
        if len(wanted) == 1 and wanted[0][0] == TASK and wanted[0][1] in self.tasks:
            return revision_of(self.tasks[wanted[0][1]].spec)
        states = [(kind, name, self._state(kind, name)) for kind, name in wanted]
        return blake2b(msgspec.json.encode(states), digest_size=8).hexdigest()

    def _state(self, kind: str, name: str) -> object:
        if kind == TASK:
            task = self.tasks.get(name)
            return None if task is None else revision_of(task.spec)
        one = self.connectors.get(name)
        if one is None:
            return None
        return (one.description, one.is_active, one.kind, redacted(one.config), one.updated_at)


async def read_stock(connectors: ConnectorRepository, tasks: TaskRepository) -> Stock:
    """Return all there is."""
    found: dict[str, Connector] = {}
    while True:
        window = Window(limit=MAX_LIMIT, offset=len(found), sort="id")
        page = await connectors.list(ALL_CONNECTORS, window)
        found |= {one.name: one for one in page.items}
        if len(page.items) < MAX_LIMIT:
            break
    every = await every_task(tasks, ALL_TASKS)
    return Stock(connectors=found, tasks={task.spec.name: task for task in every})
