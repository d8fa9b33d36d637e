"""Several connectors and tasks stored in one transaction: all of them, or none."""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection

from dtaas.model.connectors import Connector
from dtaas.model.ids import ConnectorId, TaskId
from dtaas.model.task import Task, TaskSpec, TaskStatus
from dtaas.store.connectors import ConnectorChange, ConnectorDraft, ConnectorRepository
from dtaas.store.database import Database
from dtaas.store.tasks import TaskRepository


class Bundle(Struct, frozen=True, kw_only=True):
    """What to store. New things go by ids below zero, by which the rest may refer to them.

    Attributes:
        new_tasks: those that are waited for come before those that wait.
    """

    new_connectors: Mapping[ConnectorId, ConnectorDraft]
    changed_connectors: Mapping[ConnectorId, ConnectorChange]
    new_tasks: Mapping[TaskId, tuple[TaskSpec, TaskStatus]]
    changed_tasks: Mapping[TaskId, TaskSpec]


class Bundled(Struct, frozen=True, kw_only=True):
    """What was stored, by the ids of the bundle."""

    connectors: Mapping[ConnectorId, Connector]
    tasks: Mapping[TaskId, Task]


class BundleStore:
    """Stores bundles."""

    def __init__(
        self, database: Database, connectors: ConnectorRepository, tasks: TaskRepository
    ) -> None:
        self._database = database
        self._connectors = connectors
        self._tasks = tasks

    async def store(self, bundle: Bundle) -> Bundled:
        """Store all of a bundle, durable on return.

        Raises:
            NotFoundError: something to be changed is gone; nothing was stored.
            NameTakenError, ValidationFailedError: as the repositories; nothing was stored.
        """

        def work(connection: Connection) -> Bundled:
            connectors: dict[ConnectorId, Connector] = {}
            for connector_id, draft in bundle.new_connectors.items():
                connectors[connector_id] = self._connectors.insert(connection, draft)
            for connector_id, change in bundle.changed_connectors.items():
                connectors[connector_id] = self._connectors.replace(
                    connection, connector_id, change
                )
            tasks: dict[TaskId, Task] = {}
            for task_id, (spec, status) in bundle.new_tasks.items():
                real = with_real_ids(spec, connectors, tasks)
                tasks[task_id] = self._tasks.insert(connection, real, status)
            for task_id, spec in bundle.changed_tasks.items():
                real = with_real_ids(spec, connectors, tasks)
                tasks[task_id] = self._tasks.replace(connection, task_id, real)
            return Bundled(connectors=connectors, tasks=tasks)

        return await self._database.write(work)


def with_real_ids(
    spec: TaskSpec, connectors: Mapping[ConnectorId, Connector], tasks: Mapping[TaskId, Task]
) -> TaskSpec:
    """Return a task that refers to stored things only."""

    def real(connector_id: ConnectorId) -> ConnectorId:
        return connectors[connector_id].id if connector_id in connectors else connector_id

    awaited = spec.schedule.after_task_id
    if awaited is not None and awaited in tasks:
        awaited = tasks[awaited].id
    return replace(
        spec,
        source_connector_id=real(spec.source_connector_id),
        destination_connector_id=real(spec.destination_connector_id),
        schedule=replace(spec.schedule, after_task_id=awaited),
    )
