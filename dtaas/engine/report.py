"""The figures of a running execution: shown four times a second, stored every two seconds."""

from typing import Final

import structlog
from anyio import sleep

from dtaas.concurrency.bus import EventBus
from dtaas.engine.progress import ExecutionMeter, utc_now
from dtaas.model.errors import RetryableError
from dtaas.model.events import ProgressMade
from dtaas.model.execution import ExecutionProgress, ExecutionStatus
from dtaas.model.ids import ExecutionId
from dtaas.model.store_ports import ExecutionStore

log = structlog.get_logger()

_PUBLISH_EVERY_S: Final = 0.25
_RECORD_EVERY: Final = 8
"""Published figures per stored one."""


class Reporter:
    """Tells the world and the store what a meter counts."""

    def __init__(
        self,
        store: ExecutionStore,
        bus: EventBus,
        execution_id: ExecutionId,
        meter: ExecutionMeter,
    ) -> None:
        self._store = store
        self._bus = bus
        self._execution_id = execution_id
        self._meter = meter

    def snapshot(self) -> ExecutionProgress:
        """Return the figures as of now."""
        return self._meter.snapshot(ExecutionStatus.RUNNING)

    async def serve(self) -> None:
        """Report until cancelled."""
        beat = _RECORD_EVERY - 1  # stored with the second figures: much else is at the beginning
        while True:
            self._bus.publish(ProgressMade(at=utc_now(), progress=self.snapshot()))
            if beat % _RECORD_EVERY == 0:
                try:
                    await self.record()
                except RetryableError as error:  # figures only: the next beat tries again
                    log.warning("progress_not_recorded", code=error.code, error=error.detail)
            beat += 1
            await sleep(_PUBLISH_EVERY_S)

    async def record(self) -> None:
        """Store the figures."""
        progress = self.snapshot()
        await self._store.record_tables(self._execution_id, progress.tables)
        await self._store.record_progress(progress)
