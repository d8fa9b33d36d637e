"""What a task is checked against: the connectors and the other tasks, as they are or will be."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from dtaas.model.connectors import Connector
from dtaas.model.errors import NotFoundError
from dtaas.model.ids import ConnectorId, TaskId
from dtaas.model.task import Task
from dtaas.services.every_task import every_task
from dtaas.store.connectors import ConnectorRepository
from dtaas.store.tasks import ALL_TASKS, TaskRepository

_LARGEST_ID: Final = 2**63 - 1


class World(Protocol):
    """Connectors and tasks."""

    async def connector(self, connector_id: ConnectorId) -> Connector:
        """Return a connector.

        Raises:
            NotFoundError: no such connector.
        """
        ...

    async def tasks(self) -> Sequence[Task]:
        """Return all tasks."""
        ...


class StoredWorld:
    """The world as it is stored."""

    def __init__(self, connectors: ConnectorRepository, tasks: TaskRepository) -> None:
        self._connectors = connectors
        self._tasks = tasks

    async def connector(self, connector_id: ConnectorId) -> Connector:
        """Return a connector; see `World`."""
        if not 0 < connector_id <= _LARGEST_ID:
            raise NotFoundError(f"There is no connector {connector_id}.")
        return await self._connectors.get(connector_id)

    async def tasks(self) -> Sequence[Task]:
        """Return all tasks, by id."""
        return await every_task(self._tasks, ALL_TASKS)


class ImaginedWorld:
    """The world as it would be after some changes; what is new has an id below zero."""

    def __init__(
        self, connectors: Mapping[ConnectorId, Connector], tasks: Mapping[TaskId, Task]
    ) -> None:
        self._connectors = connectors
        self._tasks = tasks

    async def connector(self, connector_id: ConnectorId) -> Connector:
        """Return a connector; see `World`."""
        if connector_id not in self._connectors:
            raise NotFoundError(f"There is no connector {connector_id}.")
        return self._connectors[connector_id]

    async def tasks(self) -> Sequence[Task]:
        """Return all tasks."""
        return tuple(self._tasks.values())
