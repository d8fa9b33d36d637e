"""Follows the event bus and keeps the instruments up to date."""

import structlog

from dtaas.concurrency.bus import EventBus
from dtaas.concurrency.figures import FIGURES
from dtaas.model.errors import DtaasError
from dtaas.model.events import Event, ExecutionChanged, ProgressMade, TaskRemoved
from dtaas.model.execution import Execution, ExecutionStatus
from dtaas.services.instruments import Instruments
from dtaas.store.executions import ExecutionRepository

log = structlog.get_logger()


class Meterman:
    """Counts what happens. What it misses when it is too slow, the next progress makes good."""

    def __init__(
        self, instruments: Instruments, bus: EventBus, executions: ExecutionRepository
    ) -> None:
        self._instruments = instruments
        self._bus = bus
        self._executions = executions

    async def serve(self) -> None:
        """Count until cancelled."""
        with self._bus.subscribe() as feed:
            while True:
                for event in (await feed.take()).events:
                    await self._note(event)

    async def _note(self, event: Event) -> None:
        match event:
            case ProgressMade():
                self._instruments.progress(event.progress)
            case ExecutionChanged() if event.execution.status is not ExecutionStatus.RUNNING:
                await self._ended(event.execution)
            case TaskRemoved():
                FIGURES.forget(event.task_id)
            case _:
                pass

    async def _ended(self, execution: Execution) -> None:
        try:
            tables = await self._executions.tables(execution.id)
        except DtaasError as error:  # the execution still counts
            log.warning("tables_not_counted", execution_id=execution.id, code=error.code)
            tables = ()
        self._instruments.ended(execution, tables)
