"""Executions that begin and end, with what exporters want to know of them."""

from collections.abc import AsyncIterator

import structlog
from msgspec import Struct

from dtaas.concurrency.bus import EventBus
from dtaas.model.connectors import Connector
from dtaas.model.errors import DtaasError
from dtaas.model.events import ExecutionChanged
from dtaas.model.execution import Execution, TableProgress
from dtaas.model.task import Task
from dtaas.store.store import Store

log = structlog.get_logger()


class Told(Struct, frozen=True, kw_only=True):
    """An execution that began or ended, and what belongs to it."""

    execution: Execution
    task: Task
    source: Connector
    destination: Connector
    tables: tuple[TableProgress, ...]


async def executions(bus: EventBus, store: Store) -> AsyncIterator[Told]:
    """Yield executions as they begin and end, until cancelled. What was deleted is passed over."""
    with bus.subscribe() as feed:
        while True:
            for event in (await feed.take()).events:
                if isinstance(event, ExecutionChanged):
                    try:
                        yield await _read(store, event.execution)
                    except DtaasError as error:
                        log.warning(
                            "execution_not_exported",
                            execution_id=event.execution.id,
                            code=error.code,
                        )


async def _read(store: Store, execution: Execution) -> Told:
    task = await store.tasks.get(execution.task_id)
    return Told(
        execution=execution,
        task=task,
        source=await store.connectors.get(task.spec.source_connector_id),
        destination=await store.connectors.get(task.spec.destination_connector_id),
        tables=await store.executions.tables(execution.id),
    )
