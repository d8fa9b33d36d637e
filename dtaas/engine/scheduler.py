"""Starts tasks whose interval has passed."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog
from anyio import sleep

from dtaas.engine.progress import utc_now
from dtaas.model.errors import DtaasError
from dtaas.model.ids import TaskId
from dtaas.model.ports import ExecutionStore
from dtaas.model.task import DesiredState, ScheduleType, Task, TaskStatus

log = structlog.get_logger()
_LOOK_EVERY_S = 1.0
_STARTABLE = frozenset({TaskStatus.IDLE, TaskStatus.SCHEDULED, TaskStatus.FAILED})
"""Not `stopped`: what a person stopped, a person starts again."""


class Scheduler:
    """Looks every second which task is due. A task that still runs is left alone."""

    def __init__(self, store: ExecutionStore, start: Callable[[TaskId], Awaitable[object]]) -> None:
        self._store = store
        self._start = start

    async def serve(self) -> None:
        """Start due tasks until cancelled."""
        while True:
            try:
                for task in await self._store.scheduled():
                    if await self._due(task):
                        log.info("task_due", task_id=task.id)
                        await self._start(task.id)
            except DtaasError as error:  # the next look tries again
                log.warning("schedule_not_read", code=error.code, error=error.detail)
            await sleep(_LOOK_EVERY_S)

    async def _due(self, task: Task) -> bool:
        interval_s = task.spec.schedule_interval_seconds
        if (
            task.spec.schedule_type is not ScheduleType.INTERVAL
            or interval_s is None
            or task.desired is not DesiredState.STOPPED
            or task.status not in _STARTABLE
        ):
            return False
        began = await self._store.last_started(task.id)
        return is_due(began, interval_s, utc_now())


def is_due(last_started: datetime | None, interval_s: int, now: datetime) -> bool:
    """Return whether an interval has passed since the last start; a first start is due at once."""
    return last_started is None or last_started + timedelta(seconds=interval_s) <= now
