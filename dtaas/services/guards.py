"""Pauses tasks before disk or memory of the machine are used up, and lets them go on after."""

from collections.abc import Callable, Mapping
from typing import Final

import structlog
from anyio import sleep

from dtaas.concurrency.blocking import Blocking
from dtaas.model.errors import ActionNotAllowedError, DtaasError, NotFoundError
from dtaas.model.ids import TaskId
from dtaas.model.task import DesiredState, TaskAction, TaskStatus
from dtaas.services.control import TaskControl
from dtaas.services.tasks import TaskService
from dtaas.settings import GuardSettings

log = structlog.get_logger()
_LOOK_EVERY_S: Final = 5.0
_RELIEF_PERCENT: Final = 5.0
"""So much must be free again below the limit before tasks go on: no to and fro."""


class Guards:
    """Looks every few seconds how full the machine is."""

    def __init__(
        self,
        *,
        control: TaskControl,
        tasks: TaskService,
        measure: Callable[[], Mapping[str, float]],
        settings: Callable[[], GuardSettings],
    ) -> None:
        self._control = control
        self._tasks = tasks
        self._measure = measure
        self._settings = settings
        self._blocking = Blocking(1)
        self._paused: set[TaskId] = set()

    async def serve(self) -> None:
        """Guard until cancelled."""
        while True:
            try:
                await self.look()
            except DtaasError as error:
                log.warning("guards_not_looked", code=error.code, error=error.detail)
            await sleep(_LOOK_EVERY_S)

    async def look(self) -> None:
        """Pause every running task when a limit is passed; resume those when there is room.

        Raises:
            StoreUnavailableError: the metadata database does not answer.
        """
        limits = {
            "disk": self._settings().disk_percent,
            "memory": self._settings().memory_percent,
        }
        measured = await self._blocking(self._measure)
        found = {name: measured[name] for name in limits if name in measured}
        over = [name for name, percent in found.items() if percent >= limits[name]]
        if over:
            await self._pause(over, found)
        elif self._paused and all(
            percent <= limits[name] - _RELIEF_PERCENT for name, percent in found.items()
        ):
            await self._resume(found)

    async def _pause(self, over: list[str], found: Mapping[str, float]) -> None:
        for task in await self._tasks.every():
            if task.desired is not DesiredState.RUNNING or task.status is TaskStatus.PAUSING:
                continue
            log.error("task_paused_by_guard", task_id=task.id, over=over, percent=dict(found))
            if await self._act(task.id, TaskAction.PAUSE):
                self._paused.add(task.id)

    async def _resume(self, found: Mapping[str, float]) -> None:
        for task_id in sorted(self._paused):
            self._paused.discard(task_id)
            log.info("task_resumed_by_guard", task_id=task_id, percent=dict(found))
            await self._act(task_id, TaskAction.RESUME)

    async def _act(self, task_id: TaskId, action: TaskAction) -> bool:
        try:
            await self._control.act(task_id, action)
        except (ActionNotAllowedError, NotFoundError) as error:  # a person was quicker
            log.info("guard_came_late", task_id=task_id, action=action, code=error.code)
            return False
        return True
